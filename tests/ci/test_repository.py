"""Which repository a run belongs to: a shell in a checkout knows the same one as the CI's variables say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from zerokie_action.ci import detect
from zerokie_action.ci.repository import Owner

if TYPE_CHECKING:
    from pathlib import Path

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "Acme/Site",
    "GITHUB_REPOSITORY_ID": "7",
}
ENTERPRISE = GITHUB | {"GITHUB_SERVER_URL": "https://git.example.com:8443"}
GITEA = GITHUB | {"GITHUB_SERVER_URL": "https://example.com/gitea/"}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_SERVER_URL": "https://gitlab.com",
    "CI_PROJECT_PATH": "acme/web/Site",
    "CI_PROJECT_ID": "7",
}
ROOTED = GITLAB | {"CI_SERVER_URL": "https://example.com:8443/gitlab"}
NONE: dict[str, str] = {}

ORIGINS = [
    # the spelling, what is made of it, and the variables that must say the same
    ("https://github.com/acme/site", "github.com/acme/site", GITHUB),
    ("https://github.com/Acme/Site.git", "github.com/acme/site", GITHUB),
    ("https://github.com/acme/site.git/", "github.com/acme/site", GITHUB),
    ("https://user:s3cr3t-token@github.com/acme/site.git", "github.com/acme/site", GITHUB),
    ("https://x-access-token:s3cr3t@token@GitHub.com:443/acme/site", "github.com/acme/site", GITHUB),
    ("git@github.com:acme/site.git", "github.com/acme/site", GITHUB),
    ("github.com:/acme/site/", "github.com/acme/site", GITHUB),
    ("ssh://git@github.com/acme/site.git", "github.com/acme/site", GITHUB),
    ("ssh://git@github.com:22/acme/site/", "github.com/acme/site", GITHUB),
    ("ssh://git@ssh.github.com:443/acme/site.git", "github.com/acme/site", GITHUB),
    ("git+ssh://git@github.com/acme/site.git", "github.com/acme/site", GITHUB),
    ("git://github.com//acme/site", "github.com/acme/site", GITHUB),
    ("https://git.example.com:8443/acme/site.git", "git.example.com/acme/site", ENTERPRISE),
    ("ssh://git@git.example.com:7999/acme/site.git", "git.example.com/acme/site", ENTERPRISE),
    ("https://example.com/gitea/acme/site.git", "example.com/gitea/acme/site", GITEA),
    ("https://gitlab-ci-token:s3cr3t-token@gitlab.com/acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("git@gitlab.com:acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("ssh://git@altssh.gitlab.com:443/acme/web/site.git", "gitlab.com/acme/web/site", GITLAB),
    ("https://example.com:8443/gitlab/acme/web/site.git", "example.com/gitlab/acme/web/site", ROOTED),
    ("https://bitbucket.org/acme/site.git", "bitbucket.org/acme/site", NONE),
    ("git@altssh.bitbucket.org:acme/site.git", "bitbucket.org/acme/site", NONE),
    ("https://bitbucket.example.com/scm/WEB/site.git", "bitbucket.example.com/web/site", NONE),
    ("ssh://git@bitbucket.example.com:7999/web/site.git", "bitbucket.example.com/web/site", NONE),
    ("https://acme@dev.azure.com/acme/My%20Web/_git/site", "dev.azure.com/acme/my web/site", NONE),
    ("git@ssh.dev.azure.com:v3/acme/My%20Web/site", "dev.azure.com/acme/my web/site", NONE),
    ("https://dev.azure.com/acme/_git/site", "dev.azure.com/acme/site/site", NONE),
    ("git@ssh.dev.azure.com:v3/acme/site/site", "dev.azure.com/acme/site/site", NONE),
    ("https://github.com/scm/site.git", "github.com/scm/site", NONE),
]
UNKNOWN = [
    "work:acme/site.git",  # an alias in `ssh_config`
    "git@github.com-work:acme/site.git",
    "ssh://git@gitea:2222/acme/site.git",
    "http://10.0.0.5:3000/acme/site.git",
    "http://[fd00::5]:3000/acme/site.git",
    "https://github.com/",
    "https://github.com//",
    "https://some.one:s3cr3t/tok@github.com/acme/site.git",  # a password with `/` that was not encoded
    "https://github.com/acme/site.git?private_token=s3cr3t",
    "/srv/git/site.git",
    "../site.git",
    "file:///srv/git/site.git",
    "C:\\Users\\me\\site",
    "s3://some.bucket/site",
    "codecommit::eu-west-1://site",
    "",
]


def owner(env: dict[str, str]) -> Owner:
    return detect(env, io.StringIO()).owner


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory is a folder in this checkout, which has no configuration yet."""
    here = tmp_path / "checkout"
    (here / ".git").mkdir(parents=True)
    (here / "src" / "site").mkdir(parents=True)
    monkeypatch.chdir(here / "src" / "site")
    return here


def configure(git: Path, text: str | bytes) -> None:
    (git / "config").write_bytes(text.encode() if isinstance(text, str) else text)


def remote(url: str) -> str:
    return f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/x/*\n'


@pytest.mark.parametrize(("url", "made_of_it", "variables"), ORIGINS)
def test_spellings(checkout: Path, url: str, made_of_it: str, variables: dict[str, str]) -> None:
    """Each is the repository that the variables of GitHub or GitLab name in a job."""
    configure(checkout / ".git", remote(url))
    found = owner({})
    assert (str(found), found.id) == (made_of_it, "")
    if variables:
        assert owner(variables) == Owner(found.forge, "7", found.name)


@pytest.mark.parametrize("url", UNKNOWN)
def test_what_is_no_repository(checkout: Path, url: str) -> None:
    """It is not known then which one it is: nobody is asked."""
    configure(checkout / ".git", remote(url))
    assert owner({}) == Owner()


@pytest.mark.parametrize("env", [{"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}])
def test_variables_that_do_not_say(checkout: Path, env: dict[str, str]) -> None:
    """The checkout does."""
    configure(checkout / ".git", remote("git@github.com:acme/site.git"))
    assert owner(env) == Owner("github.com", "", "acme/site")


def test_a_server_without_a_domain() -> None:
    """Variables are no alias: they name the server as its own jobs reach it."""
    assert str(owner(GITHUB | {"GITHUB_SERVER_URL": "http://gitea:3000"})) == "gitea/acme/site"
    assert str(owner(GITHUB | {"GITHUB_SERVER_URL": "http://[fd00::5]:3000"})) == "[fd00::5]/acme/site"


@pytest.mark.parametrize(
    "text",
    [
        '[remote "origin"]\nurl=https://github.com/acme/site',
        '[REMOTE "origin"]\r\n\tURL = https://github.com/acme/site\r\n',
        '[remote   "origin"] url = "https://github.com/acme/site" ; ours\n',
        '[ remote "origin" ] # ours\n  url =https://github.com/ac"me"/site   # ours',
        '[remote "origin"]\n\turl = https://github.com/\\\nacme/site\n',
        '[remote "origin"]\n\tpushurl = https://a.com/b\n\turl = https://github.com/acme/site\n\turl = https://a.com/b',
        '[remote "origin"]\n\turl =\n\turl = # "\n\turl = https://github.com/acme/site\n',
        "[remote.origin]\n\turl = https://github.com/acme/site\n",
        '\ufeff[remote "a"]\n\turl = https://a.com/b\n[remote "origin"]\n\turl = https://github.com/acme/site\n',
        '; [remote "origin"]\n#\turl = https://a.com/b\\\n[remote "origin"]\n\turl = https://github.com/acme/site',
        (
            '[url "https://a.com/"]\n\tinsteadOf = https://github.com/\n[remote "origin"]\n'
            '\turl = https://github.com/acme/site\n[include]\n\tpath = a\n[branch "b"]\n\tremote = origin'
        ),
        '[a "\\"]"]\n\turl = https://a.com/b\n[remote "origin"]\n\turl = https://github.com/acme/site\n',
    ],
)
def test_the_syntax_of_git(checkout: Path, text: str) -> None:
    """Sections and names in any case, quotes, comments, continued lines, several URLs: the first counts."""
    configure(checkout / ".git", text)
    assert str(owner({})) == "github.com/acme/site"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[core]\n\tbare = false\n",
        '[remote "upstream"]\n\turl = https://github.com/acme/site\n',
        '[remote "ORIGIN"]\n\turl = https://github.com/acme/site\n',
        '[remote "origin"]\n\tpushurl = https://github.com/acme/site\n[submodule "a"]\n\turl = https://a.com/b',
        '[remote "origin"]\n\turl\n',
        '[remote "origin\n\turl = "https://github.com/acme/site\n',
        b'[remote "origin"]\n\turl = \xff\xfe\x00://github.com/acme/site\n',
        b"\x00" * 4096,
        bytes(range(256)) * 16,
    ],
)
def test_a_configuration_without_origin(checkout: Path, text: str | bytes) -> None:
    """Nor is anything else in it a reason to fail."""
    configure(checkout / ".git", text)
    assert owner({}) == Owner()


def test_the_nearest_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that counts, even if it has no remote; outside of all of them nothing is known."""
    configure(checkout / ".git", remote("https://github.com/acme/site"))
    (checkout / "src" / ".git").mkdir()
    configure(checkout / "src" / ".git", remote("https://github.com/acme/other"))
    assert owner({}).name == "acme/other"
    configure(checkout / "src" / ".git", "")
    assert owner({}) == Owner()
    monkeypatch.chdir(checkout.parent)
    assert owner({}) == Owner()


def test_a_worktree(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its `.git` is a file, and the configuration is the one of all worktrees."""
    configure(checkout / ".git", remote("https://github.com/acme/site"))
    private = checkout / ".git" / "worktrees" / "other"
    private.mkdir(parents=True)
    (private / "commondir").write_text("../..\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".git").write_text(f"gitdir: {private}\n")
    monkeypatch.chdir(tmp_path / "other")
    assert owner({}).name == "acme/site"


def test_a_submodule(checkout: Path) -> None:
    """It is a repository of its own."""
    configure(checkout / ".git", remote("https://github.com/acme/site"))
    module = checkout / ".git" / "modules" / "src"
    module.mkdir(parents=True)
    configure(module, remote("https://github.com/acme/theme"))
    (checkout / "src" / ".git").write_text("gitdir: ../.git/modules/src\n")
    assert owner({}).name == "acme/theme"


@pytest.mark.parametrize("text", ["gitdir: /nowhere/at/all\n", "gitdir: \x00\n", "gitdir:", "", "\xff"])
def test_a_checkout_that_can_t_be_read(checkout: Path, text: str) -> None:
    """As in a container that has the worktree, and not the repository: nobody is asked."""
    configure(checkout / ".git", remote("https://github.com/acme/site"))
    (checkout / "src" / ".git").write_text(text, encoding="latin-1")
    assert owner({}) == Owner()


def test_a_configuration_that_is_a_directory(checkout: Path) -> None:
    (checkout / ".git" / "config").mkdir()
    assert owner({}) == Owner()


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to read."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert owner({}) == Owner()
