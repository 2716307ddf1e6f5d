"""The pictures in the documents can be made at any time."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scripts import SCRIPTS, pictures


@pytest.mark.browser
@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_can_be_made(name: str, tmp_path: Path) -> None:
    """By a real run, for light and for dark pages."""
    subprocess.run([sys.executable, SCRIPTS / "pictures.py", "--folder", tmp_path, name], check=True)
    light, dark = (tmp_path / f"{name}-{scheme}.png" for scheme in ("light", "dark"))
    assert sorted(tmp_path.iterdir()) == [dark, light]
    assert light.read_bytes() != dark.read_bytes()
    for picture in (light, dark):  # a PNG of a size that a page can have
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert 800 <= width <= 2_000
        assert 250 <= height <= 2_000
        assert len(content) < 150_000
