"""Versions and commands in the package, the action, the image and the changelog."""

import re
import runpy
from pathlib import Path

import pytest

import zerokie_action

ROOT = Path(__file__).resolve().parent.parent.parent
MAJOR = zerokie_action.__version__.split(".")[0]


SHOWN = [
    path
    for folder in ("examples", "templates", "docs", ".")
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*")
    if path.suffix in {".md", ".yml", ".sh"} or path.name == "Jenkinsfile"
]


def test_copied_text_names_the_major_version() -> None:
    """Examples pin the action, the component and the image to this major version, or to a commit."""
    pins = {
        (path.relative_to(ROOT).as_posix(), version)
        for path in SHOWN
        for version in re.findall(
            r"/zerokie-action(?:/deploy)?(?:@v?|:)(?!sha256)([\w.]+)", path.read_text("utf-8")
        )
    }
    assert len(pins) > 10
    assert {version for _, version in pins if not re.fullmatch("[0-9a-f]{40}", version)} == {MAJOR}, pins


def test_an_unreleased_version_is_a_development_version() -> None:
    """`--version` must not show a release that doesn't exist."""
    release, dev, _ = zerokie_action.__version__.replace("rc", "-rc.").partition(".dev0")
    is_released = f"\n## [{release}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert is_released is not bool(dev)


@pytest.mark.parametrize(
    ("version", "ref"),
    [("1.2.0.dev0", "main"), ("1.2.0", "v1.2.0"), ("1.2.0rc1", "v1.2.0-rc.1")],
    ids=["between releases", "a release", "a candidate"],
)
def test_links_in_messages_lead_to_the_documents_of_the_same_version(
    tmp_path: Path, version: str, ref: str
) -> None:
    """A message of an old release must not link to a page that main has renamed."""
    text = (ROOT / "zerokie_action" / "__init__.py").read_text("utf-8")
    package = tmp_path / "package.py"
    package.write_text(text.replace(f'"{zerokie_action.__version__}"', f'"{version}"'), "utf-8")
    docs = runpy.run_path(str(package))["DOCS"]
    assert docs == f"https://github.com/YOUR_ORG/zerokie-action/blob/{ref}/docs"


@pytest.mark.parametrize(
    ("owner", "link"),
    [("YOUR_ORG", "docs/a.md"), ("acme", "https://github.com/acme/zerokie-action/blob/main/docs/a.md")],
)
def test_messages_name_a_page_until_the_repository_has_an_owner(
    monkeypatch: pytest.MonkeyPatch, owner: str, link: str
) -> None:
    """A link to the placeholder would lead nowhere."""
    monkeypatch.setattr(zerokie_action, "DOCS", f"https://github.com/{owner}/zerokie-action/blob/main/docs")
    assert runpy.run_path(str(ROOT / "zerokie_action" / "docs.py"))["page"]("a.md") == link
