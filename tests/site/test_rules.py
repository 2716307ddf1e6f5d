"""Paths that inputs may name. A folder's symlinks aren't followed, because its author may be hostile."""

from pathlib import Path

import pytest

from zerokie_action.docs import page
from zerokie_action.site.rules import read_ignore_file
from zerokie_action.site.scan import problem_with_directory


@pytest.fixture(autouse=True)
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the checkout `work`, a symlink `w` to it, and other folders that a run can read."""
    for folder in ("work/.git/hooks", "work/.docker", "work/dist", "work/site", "home/site", "artifact"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "w").symlink_to("work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize(
    ("place", "written", "link", "target"),
    [
        ("work", "out", "out", "home"),
        ("work", "./out/", "out", "work"),
        ("work", "dist/../out", "out", "work/dist"),
        ("work", "out/site", "out", "home"),
        ("work", "{top}/w/out", "out", "home"),
        ("work", "../artifact/out", "../artifact/out", "home"),
        ("/", "{top}/work/out", "out", "home"),
    ],
    ids=[
        "out",
        "in",
        "after ..",
        "a parent",
        "in a symlinked workspace",
        "in an artifact",
        "at the root",
    ],
)
def test_a_path_through_a_symlink_is_refused(
    top: Path, monkeypatch: pytest.MonkeyPatch, place: str, written: str, link: str, target: str
) -> None:
    """The message has the path to set. A container without a checkout behaves the same."""
    Path(link).symlink_to(top / target)
    monkeypatch.chdir(top / place)
    below = "/site" if written.endswith("/site") else ""
    real = f"'{top / target}{below}'"
    problem = problem_with_directory(written.format(top=top))
    assert problem == (
        f"leads through a symlink to {real}. If you mean this folder, set {real}: "
        f"{page('safety-checks.md#path-of-directory')}"
    )


@pytest.mark.parametrize("written", [".git/hooks", "dist/../.docker"])
def test_a_folder_for_secrets_is_refused(written: str) -> None:
    """An attacker may control a variable in the input."""
    assert problem_with_directory(written) == (
        "may contain secrets, so it is never deployed. Choose another folder: "
        f"{page('safety-checks.md#path-of-directory')}"
    )


@pytest.mark.parametrize(
    ("place", "written"),
    [("w", "dist"), ("work/site", "../dist"), ("work", "../link/site"), ("work", "{top}/link/site")],
    ids=["a symlinked workspace", "from a folder", "a symlink outside", "the same, absolute"],
)
def test_a_symlink_outside_the_checkout_is_followed(
    top: Path, monkeypatch: pytest.MonkeyPatch, place: str, written: str
) -> None:
    """The user controls it."""
    (top / "link").symlink_to("home")
    monkeypatch.chdir(top / place)
    assert not problem_with_directory(written.format(top=top))


@pytest.mark.parametrize(
    ("directory", "link", "target"),
    [
        ("dist", "dist/.zerokieignore", "/proc/self/environ"),
        ("dist", ".zerokieignore", "dist"),
        ("../home", "../home/.zerokieignore", "site"),
    ],
    ids=["in the folder", "in the working directory", "in an artifact"],
)
def test_a_symlinked_ignore_file_is_not_read(directory: str, link: str, target: str) -> None:
    """The folder's author must not choose the file to read."""
    Path(link).symlink_to(target)
    problem = f"The ignore file '{link}' is a symlink. Replace it with a regular file"
    assert read_ignore_file(Path(directory)) == (Path(link), [], [problem])


@pytest.mark.parametrize(
    ("paths", "written", "advice"),
    [
        ("public/ src/", "publik", ", perhaps to 'public'"),
        ("build/ out/", "dist", ", perhaps to 'build' or 'out'"),
        ("build/ public/ package.json", "dist", ", perhaps to 'build'"),
        (
            "public/ package.json",
            "dist",
            " (in a container, mount the folder and write its path there)",
        ),
    ],
)
def test_the_problem_with_a_missing_folder_suggests_existing_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, written: str, advice: str
) -> None:
    """The suggestions have the usual names of a build's output.

    Next to a `package.json`, `public` contains a project's own assets.
    """
    for path in paths.split():
        (tmp_path / "checkout" / path).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    problem = problem_with_directory(written)
    fix = "Between checkout and this step, build it or download its artifact, or correct the path"
    assert problem == f"doesn't exist. {fix}{advice}"
