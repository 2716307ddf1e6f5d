"""The script that gives the repository another owner changes the repository's names, and nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project.test_docs import headings

ROOT = Path(__file__).resolve().parent.parent.parent
NEW = {
    "examples/github/deploy.yml": "uses: Another-Owner/zerokie-action@v1 ",
    "examples/gitlab/component.yml": "component: $CI_SERVER_FQDN/another/group/zerokie-action/deploy@1\n",
    "examples/shell/deploy.sh": "ghcr.io/another-owner/zerokie-action:1",
}
OTHERS = ("docs/pictures/summary-dark.png", ".ci/rename.py")


def test_each_name_gets_its_owner(tmp_path: Path) -> None:
    """As each place wants it, and as often as one likes: images in lower case, components with the group."""
    for name in (*NEW, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)

    for owner in (("Another-Owner-of-old",), ("Another-Owner", "another/group")):
        subprocess.run([sys.executable, tmp_path / ".ci" / "rename.py", *owner], check=True)

    for name, text in NEW.items():
        assert text in (tmp_path / name).read_text("utf-8")
        assert "YOUR_ORG" not in (tmp_path / name).read_text("utf-8")
    assert [(tmp_path / name).read_bytes() == (ROOT / name).read_bytes() for name in OTHERS] == [True, True]


def test_released_documents_are_chosen_by_markers(tmp_path: Path) -> None:
    """Of two texts each document has the second; what leads to its headings still does."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    before = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.md")}
    both = [path for path, text in before.items() if "\n<!-- before the release -->\n" in text]

    subprocess.run([sys.executable, tmp_path / ".ci" / "rename.py", "--released"], check=True)

    after = {path: path.read_text("utf-8") for path in before}
    assert {path.name for path in both} == {"README.md", "SECURITY.md", "pinning.md"}
    assert [path for path in before if before[path] != after[path]] == both
    for path in both:
        assert not re.search(r"no release yet|the release( -->|$)", after[path], re.IGNORECASE | re.MULTILINE)
        assert after[path].count("<!--") == after[path].count("-->")
    pages = [path for path in before if path.is_relative_to(tmp_path / "docs") or path.parent == tmp_path]
    for path in pages:
        for page, fragment in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", after[path]):
            assert fragment in headings((path.parent / page if page else path).resolve()), (
                path,
                page,
                fragment,
            )
