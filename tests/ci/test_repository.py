"""The run's repository, which is the same from the CI system's variables and from a checkout."""

import io
import os
from pathlib import Path

import pytest

from zerokie_action.ci import detect

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "Acme/Site",
}
ENTERPRISE = GITHUB | {"GITHUB_SERVER_URL": "https://git.example.com:8443"}
GITEA = GITHUB | {"GITHUB_SERVER_URL": "https://example.com/gitea/"}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/web/Site",
}
ROOTED = GITLAB | {"CI_PROJECT_URL": "https://example.com:8443/gitlab/acme/web/Site"}
NONE: dict[str, str] = {}

ORIGINS = [
    # the spelling, the repository, and variables with the same repository
    ("https://github.com/Acme/Site.git", "github.com/acme/site", GITHUB),
    ("https://x-access-token:s3cr3t@token@GitHub.com:443/acme/site", "github.com/acme/site", GITHUB),
    ("git@github.com:acme/site.git", "github.com/acme/site", GITHUB),
    ("ssh://git@github.com/acme/site.git", "github.com/acme/site", GITHUB),
    ("git://github.com//acme/site", "github.com/acme/site", GITHUB),
    ("ssh://git@ssh.github.com:443/acme/site.git", "github.com/acme/site", GITHUB),
    ("ssh://git@SSH.GitHub.com/acme/site", "github.com/acme/site", GITHUB),
    ("ssh://ssh.github.com:22/Acme/Site", "github.com/acme/site", GITHUB),
    ("git@ssh.github.com:acme/site.git", "github.com/acme/site", GITHUB),
    ("https://x-access-token:s3cr3t@ssh.github.com:443/acme/site", "github.com/acme/site", GITHUB),
    ("https://git.example.com:8443/acme/site.git", "git.example.com/acme/site", ENTERPRISE),
    ("ssh://git@git.example.com:7999/acme/site.git", "git.example.com/acme/site", ENTERPRISE),
    ("https://example.com/gitea/acme/site.git", "example.com/gitea/acme/site", GITEA),
    ("https://gitlab-ci-token:s3cr3t-token@gitlab.com/acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("git@gitlab.com:acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("ssh://git@altssh.gitlab.com:443/acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("git@altssh.gitlab.com:acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("https://oauth2:s3cr3t@altssh.gitlab.com/acme/web/site", "gitlab.com/acme/web/site", GITLAB),
    ("ssh://git@ssh.example.com:443/acme/site.git", "ssh.example.com/acme/site", NONE),
    ("https://example.com:8443/gitlab/acme/web/site.git", "example.com/gitlab/acme/web/site", ROOTED),
    ("https://acme@dev.azure.com/acme/My%20Web/_git/site", "dev.azure.com/acme/my web/_git/site", NONE),
]
UNKNOWN = [
    "work:acme/site.git",  # an alias in `ssh_config`
    "git@github.com-work:acme/site.git",
    "http://10.0.0.5:3000/acme/site.git",
    "https://github.com/",
    "https://some.one:s3cr3t/tok@github.com/acme/site.git",  # a password with a bare `/`
    "https://github.com/acme/site.git?private_token=s3cr3t",
    "/srv/git/site.git",
    "s3://some.bucket/site",
    "",
]


WRITTEN_BY_GIT = """\
[core]
\trepositoryformatversion = 0
[remote "upstream"]
\turl = https://a.com/b
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
\tfetch = +refs/tags/*:refs/tags/*
\tpush
[branch "100%"]
"""


def known(env: dict[str, str] | None = None) -> str:
    """Return host and name of the run's repository. Empty if it is unknown."""
    return detect(env or {}, io.StringIO()).repository


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a Git configuration. The working directory is a folder in it."""
    here = tmp_path / "checkout"
    (here / ".git").mkdir(parents=True)
    (here / "src" / "site").mkdir(parents=True)
    monkeypatch.chdir(here / "src" / "site")
    return here


def configure(checkout: Path, url: str) -> None:
    (checkout / ".git" / "config").write_text(WRITTEN_BY_GIT.format(url=url))


@pytest.mark.parametrize(("url", "repository", "variables"), ORIGINS)
def test_each_spelling_of_origin_is_the_same_repository(
    checkout: Path, url: str, repository: str, variables: dict[str, str]
) -> None:
    """A job's variables on GitHub or GitLab have the same repository."""
    configure(checkout, url)
    assert known() == known({"GITHUB_ACTIONS": "true"}) == repository
    if variables:
        assert known(variables) == repository


@pytest.mark.parametrize("url", UNKNOWN)
def test_an_ambiguous_or_invalid_origin_is_unknown(checkout: Path, url: str) -> None:
    """The action doesn't resolve aliases and doesn't send a request to find out."""
    configure(checkout, url)
    assert not known()


def test_a_server_without_a_domain_is_known_only_from_variables() -> None:
    """Variables have the server's own name, but a host in `origin` may be a local alias."""
    assert known(GITHUB | {"GITHUB_SERVER_URL": "http://gitea:3000"}) == "gitea/acme/site"
    assert known(GITHUB | {"GITHUB_SERVER_URL": "http://[fd00::5]:3000"}) == "[fd00::5]/acme/site"


@pytest.mark.parametrize("text", [b"", b"url = x\n", b'[remote "origin"]\n\turl\n', bytes(range(256))])
def test_a_checkout_without_origin_is_unknown(checkout: Path, text: bytes) -> None:
    """No content of the configuration fails the run."""
    (checkout / ".git" / "config").write_bytes(text)
    assert not known()


def test_the_nearest_checkout_decides(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ignores outer checkouts, even if the nearest one lacks a configuration."""
    configure(checkout, "https://github.com/acme/site")
    (checkout / "src" / ".git").mkdir()
    assert not known()
    configure(checkout / "src", "https://github.com/acme/other")
    assert known() == "github.com/acme/other"
    monkeypatch.chdir(checkout.parent)
    assert not known()


def test_a_worktree_or_a_submodule_is_unknown(checkout: Path) -> None:
    configure(checkout, "https://github.com/acme/site")
    (checkout / "src" / ".git").write_text("gitdir: ../.git/modules/src\n")
    assert not known()


def test_a_configuration_that_is_a_pipe_does_not_block_the_run(checkout: Path) -> None:
    os.mkfifo(checkout / ".git" / "config")
    assert not known()
