from __future__ import annotations

import hashlib
from contextlib import nullcontext

import pytest

from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import Patterns
from zerokie_action.files.local import LocalFile
from zerokie_action.files.manifest import Manifest, Proof, RemoteFile
from zerokie_action.files.plan import Plan, make_plan, require_few_deletions

NOON = "2026-03-07T12:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan(
    local: dict[str, bytes],
    remote: list[RemoteFile],
    *,
    proofs: dict[str, Proof | None] | None = None,
    hashes: dict[str, str] | None = None,
    keep: tuple[str, ...] = (),
    delete_stale: bool = True,
) -> Plan:
    """Without `proofs`, the manifest can't be read; without `hashes`, all files are hashed."""
    return make_plan(
        [LocalFile(path, "/", len(local[path]), 0, 0) for path in sorted(local)],
        {file.path: file for file in remote},
        hashes={path: sha256(content) for path, content in local.items()} if hashes is None else hashes,
        manifest=None if proofs is None else Manifest(files=proofs),
        keep=Patterns(keep),
        delete_stale=delete_stale,
    )


A = RemoteFile("a", 1, NOON)
PROOF = (sha256(b"1"), 1, NOON)


@pytest.mark.parametrize(
    ("content", "remote", "proofs", "hashes", "change"),
    [
        (b"1", [], {"a": PROOF}, None, ("+", "not on the platform")),
        (b"2", [A], {"a": PROOF}, None, ("~", "hash differs")),
        (b"12", [A], {"a": PROOF}, None, ("~", "size differs")),
        (b"1", [A], {"a": None}, None, ("~", "not proved by the manifest")),
        (b"1", [A], None, None, ("~", "not proved by the manifest")),
        (b"1", [RemoteFile("a", 1, "later")], {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", [RemoteFile("a", 2, NOON)], {"a": PROOF}, None, ("~", "changed on the platform since")),
        (b"1", [A], {"a": PROOF}, {}, ("~", "not compared")),
    ],
)
def test_why_a_file_is_uploaded(content, remote, proofs, hashes, change):
    """A proof with a hole is none; the sign says whether the upload replaces something."""
    found = plan({"a": content}, remote, proofs=proofs, hashes=hashes)
    assert [(sign, reason) for sign, _, reason in found.changes()] == [change]


def test_deletions_come_first():
    """That is what nobody wants to overlook; each group is sorted by path."""
    found = plan(
        dict.fromkeys(("b", "a.html"), b"1"), [RemoteFile(path, 1, NOON) for path in ("x", "up.txt")]
    )
    assert [sign + path for sign, path, _ in found.changes()] == ["-up.txt", "-x", "+a.html", "+b"]


def site(count: int) -> list[RemoteFile]:
    return [RemoteFile(f"{number:03}", 1, NOON) for number in range(count)]


@pytest.mark.parametrize(
    ("local", "remote", "count", "is_refused"),
    [
        (9, 30, 30, True),  # 21 are deleted, 9 of 30 stay
        (10, 30, 30, False),  # 20 are deleted
        (25, 50, 50, False),  # half stays
        (24, 50, 50, True),
        (24, 50, 48, False),  # the others are from deploys that did not finish
        (1, 30, 0, False),  # no deploy has finished yet
    ],
)
def test_less_than_half(local, remote, count, is_refused):
    """More than 20 deletions have to leave half of what the last deploy that finished has left."""
    found = plan(dict.fromkeys((file.path for file in site(local)), b"1"), site(remote))
    with pytest.raises(ConfigurationError) if is_refused else nullcontext():
        require_few_deletions(found, count=count, max_deletes=None)


def test_what_is_kept_counts_for_the_half():
    """Each path once: one that the directory has as well is not counted twice."""
    keep = tuple(f"{number:03}" for number in range(15))
    local = dict.fromkeys((file.path for file in site(10)), b"1")
    found = plan(local, site(50), keep=keep)
    assert found.files_after == 15
    require_few_deletions(found, count=30, max_deletes=None)
    with pytest.raises(ConfigurationError):
        require_few_deletions(found, count=31, max_deletes=None)
