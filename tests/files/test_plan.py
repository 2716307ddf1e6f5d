from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from zerokie_action.files.ignore import Patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Manifest
from zerokie_action.files.plan import Plan, Zone, make_plan

if TYPE_CHECKING:
    from zerokie_action.files.manifest import Proof

NOON = "2026-03-07T12:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan(
    local: dict[str, bytes],
    remote: dict[str, tuple[int, str]],
    *,
    proofs: dict[str, Proof | None] | None = None,
    hashes: dict[str, str] | None = None,
    keep: tuple[str, ...] = (),
    delete_stale: bool = True,
) -> Plan:
    """Without `proofs`, the manifest can't be read; without `hashes`, all files are hashed."""
    return make_plan(
        [LocalFile(path, "/", len(local[path]), 0) for path in sorted(local)],
        Zone(
            files=remote,
            manifest=Manifest(files=proofs or {}),
            ours=None if proofs is None else proofs.keys(),
        ),
        {path: sha256(content) for path, content in local.items()} if hashes is None else hashes,
        keep=Patterns(keep),
        delete_stale=delete_stale,
    )


A = {"a": (1, NOON)}
PROOF = (sha256(b"1"), 1, NOON)


@pytest.mark.parametrize(
    ("content", "remote", "proofs", "hashes", "change"),
    [
        (b"1", {}, {"a": PROOF}, None, ("+", "not on the platform")),
        (b"2", A, {"a": PROOF}, None, ("~", "content differs")),
        (b"12", A, {"a": PROOF}, None, ("~", "content differs")),
        (b"1", A, {"a": None}, None, ("~", "not proved by the manifest")),
        (b"1", A, None, None, ("~", "not proved by the manifest")),
        (b"1", {"a": (1, "later")}, {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", {"a": (2, NOON)}, {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", A, {"a": PROOF}, {}, ("~", "not compared")),
    ],
)
def test_why_a_file_is_uploaded(content, remote, proofs, hashes, change):
    """A proof with a hole is none; the sign says whether the upload replaces something."""
    found = plan({"a": content}, remote, proofs=proofs, hashes=hashes)
    assert [(sign, reason) for sign, _, reason in found.changes()] == [change]


def test_deletions_come_first():
    """That is what nobody wants to overlook; each group is sorted by path."""
    found = plan(dict.fromkeys(("b", "a.html"), b"1"), dict.fromkeys(("x", "up.txt"), (1, NOON)))
    assert [sign + path for sign, path, _ in found.changes()] == ["-up.txt", "-x", "+a.html", "+b"]
