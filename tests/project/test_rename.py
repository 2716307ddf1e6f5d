"""Script that gives the repository another owner."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project.test_docs import DOCUMENTS, headings

ROOT = Path(__file__).resolve().parent.parent.parent
NEW = {
    "examples/github/deploy.yml": "uses: Another-Owner/zerokie-action@v1\n",
    "examples/gitlab/component.yml": "component: $CI_SERVER_FQDN/Another/Group/zerokie-action/deploy@1\n",
    "docs/versions.md": "action-image: $CI_REGISTRY/another/group/zerokie-action:0",
    "examples/shell/deploy.sh": "ghcr.io/another-owner/zerokie-action:1",
    "zerokie_action/__init__.py": "https://github.com/Another-Owner/zerokie-action/blob/",
}
PICTURE = "docs/pictures/summary-dark.png"


def rename(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, folder / ".ci" / "rename.py", *arguments], check=True)


def checkout(folder: Path, *names: str) -> None:
    """Create a checkout with copies of these files."""
    for name in (*names, ".ci/rename.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", folder, *command], check=True)


def test_each_name_gets_the_new_owner(tmp_path: Path) -> None:
    """Images are in lower case, components get the group, and repeated runs work."""
    checkout(tmp_path, *NEW, PICTURE, "zerokie_action/docs.py")

    rename(tmp_path, "Another-Owner-of-old")
    rename(tmp_path, "Another-Owner", "Another/Group")

    for name, text in NEW.items():
        assert text in (tmp_path / name).read_text("utf-8")
        assert "YOUR_ORG/" not in (tmp_path / name).read_text("utf-8")
    docs = "from zerokie_action.docs import page; print(page('a.md'))"
    shown = subprocess.check_output([sys.executable, "-c", docs], cwd=tmp_path, text=True)
    assert shown.startswith(NEW["zerokie_action/__init__.py"])
    assert (tmp_path / PICTURE).read_bytes() == (ROOT / PICTURE).read_bytes()


def test_markers_choose_the_texts_for_a_release(tmp_path: Path) -> None:
    """Each document has the second text, and its links still lead to headings."""
    before = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in DOCUMENTS}
    checkout(tmp_path, *before)

    rename(tmp_path, "--released")

    after = {name: (tmp_path / name).read_text("utf-8") for name in before}
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["docs/versions.md", "README.md", "SECURITY.md"]
    for name in changed:
        assert "\n<!-- before the release -->\n" in before[name]
        assert not re.search(r"no release yet|the release( -->|$)", after[name], re.IGNORECASE | re.MULTILINE)
        assert after[name].count("<!--") == after[name].count("-->")
    for name, text in after.items():
        for page, fragment in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
            assert fragment in headings(tmp_path / Path(name).parent / page if page else tmp_path / name)
