import hashlib

import pytest

from zerokie_action.files.content_type import VERSION
from zerokie_action.files.ignore import Patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Manifest
from zerokie_action.files.plan import make_plan
from zerokie_action.files.zone import Zone

NOON = "2026-03-07T12:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


A = {"a": (1, NOON)}
PROOF = (sha256(b"1"), 1, NOON)


@pytest.mark.parametrize(
    ("content", "remote", "proofs", "hashes", "change"),
    [
        (b"1", {}, {"a": PROOF}, None, ("+", "not on the platform")),
        (b"2", A, {"a": PROOF}, None, ("~", "content differs")),
        (b"12", A, {"a": PROOF}, None, ("~", "content differs")),
        (b"1", A, {"a": None}, None, ("~", "not proved by the manifest")),
        (b"1", A, {}, None, ("~", "not proved by the manifest")),
        (b"1", {"a": (1, "later")}, {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", {"a": (2, NOON)}, {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", A, {"a": PROOF}, {}, ("~", "not compared")),
    ],
)
def test_why_a_file_is_uploaded(content, remote, proofs, hashes, change):
    """A proof with a hole is none; the sign says whether the upload replaces something."""
    plan = make_plan(
        [LocalFile("a", "/", len(content), 0)],
        Zone(files=remote, manifest=Manifest(files=proofs, types=VERSION)),
        {"a": sha256(content)} if hashes is None else hashes,
        keep=Patterns(()),
        delete_stale=True,
        now=0,
    )
    assert [(sign, reason) for sign, _, reason in plan.changes()] == [change]
