"""What the package, the action, the image and the changelog say about version and commands is the same."""

import re
from pathlib import Path

import zerokie_action

ROOT = Path(__file__).resolve().parent.parent.parent
MAJOR = zerokie_action.__version__.split(".")[0]


SHOWN = [
    path
    for folder in ("examples", "templates", "docs", ".")
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*")
    if path.suffix in {".md", ".yml", ".sh"} or path.name == "Jenkinsfile"
]


def test_what_people_copy_names_the_major_version() -> None:
    """Action, component and image are pinned to the version that this is, or to a commit."""
    pins = {
        (path.relative_to(ROOT).as_posix(), version)
        for path in SHOWN
        for version in re.findall(
            r"/zerokie-action(?:/deploy)?(?:@v?|:)(?!sha256)([\w.]+)", path.read_text("utf-8")
        )
    }
    assert len(pins) > 10
    assert {version for _, version in pins if not re.fullmatch("[0-9a-f]{40}", version)} == {MAJOR}, pins


def test_a_version_that_is_not_released_is_a_development_version() -> None:
    """`--version` must not name a release that nobody can get."""
    release, dev, _ = zerokie_action.__version__.partition(".dev0")
    is_released = f"\n## [{release}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert is_released is not bool(dev)
