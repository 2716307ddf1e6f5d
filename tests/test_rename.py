"""The script that gives the repository another owner changes the repository's names, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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
