"""Which paths of an input are followed: no link of a tree, whose author may mean harm."""

from pathlib import Path

import pytest

from zerokie_action.site.rules import read_ignore_file
from zerokie_action.site.scan import problem_with_directory


@pytest.fixture(autouse=True)
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What has the checkout `work`, a workspace `w` that leads to it, and all else that a run can reach."""
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
        "of a parent",
        "behind a workspace's link",
        "of an artifact",
        "at the root",
    ],
)
def test_a_directory_that_leads_through_a_link_is_refused(
    top: Path, monkeypatch: pytest.MonkeyPatch, place: str, written: str, link: str, target: str
) -> None:
    """However it is written, also in a container without a checkout; the message says what to write."""
    Path(link).symlink_to(top / target)
    monkeypatch.chdir(top / place)
    below = "/site" if written.endswith("/site") else ""
    real = f"'{top / target}{below}'"
    problem = problem_with_directory(written.format(top=top))
    assert problem == f"leads through a link to {real}; if that is meant, write {real}"


@pytest.mark.parametrize("written", [".git/hooks", "dist/../.docker"])
def test_a_directory_for_secrets_is_refused(written: str) -> None:
    """A variable in the input may be somebody else's, too."""
    assert problem_with_directory(written) == "may hold secrets and is never used; choose another path"


@pytest.mark.parametrize(
    ("place", "written"),
    [("w", "dist"), ("work/site", "../dist"), ("work", "../link/site"), ("work", "{top}/link/site")],
    ids=["a workspace that is a link", "from a folder", "a link outside", "the same, absolute"],
)
def test_a_link_that_is_no_part_of_the_tree_is_followed(
    top: Path, monkeypatch: pytest.MonkeyPatch, place: str, written: str
) -> None:
    """It is the user's own."""
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
    ids=["of the directory", "of the working directory", "of an artifact"],
)
def test_an_ignore_file_that_is_a_link_is_not_read(directory: str, link: str, target: str) -> None:
    """The tree must not choose the file that is read."""
    Path(link).symlink_to(target)
    problem = f"The ignore file '{link}' is a symlink. Replace it with a regular file"
    assert read_ignore_file(Path(directory)) == (Path(link), [], [problem])


@pytest.mark.parametrize(
    ("paths", "written", "advice"),
    [
        ("public/ src/", "publik", ": did you mean 'public'?"),
        ("build/ out/", "dist", ": did you mean 'build' or 'out'?"),
        ("build/ public/ package.json", "dist", ": did you mean 'build'?"),
        (
            "public/ package.json",
            "dist",
            " (in a container: mount the folder, and write the path as the cont",
        ),
    ],
)
def test_a_missing_folder_names_what_is_there_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, written: str, advice: str
) -> None:
    """First of all it has to be built. Then the names that build tools use.

    Beside a `package.json`, `public` has a project's own assets.
    """
    for path in paths.split():
        (tmp_path / "checkout" / path).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    problem = problem_with_directory(written)
    fix = "before this step, after the checkout, build it or download its artifact, or correct the path"
    assert f"does not exist; {fix}{advice}" in problem
