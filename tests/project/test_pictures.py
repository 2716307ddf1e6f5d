"""Pictures in the documents."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scripts import SCRIPTS, pictures


@pytest.mark.browser
def test_the_pictures_can_be_made(tmp_path: Path) -> None:
    """Real runs make them for light and dark pages."""
    subprocess.run([sys.executable, SCRIPTS / "pictures.py", "--folder", tmp_path], check=True)
    made = {picture.name: picture.read_bytes() for picture in tmp_path.iterdir()}
    schemes = ("light", "dark")
    assert set(made) == {f"{name}-{scheme}.png" for name in pictures.PICTURES for scheme in schemes}
    assert len(set(made.values())) == len(made)
    for content in made.values():  # a PNG of a size that a page can have
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert 800 <= width <= 2_000
        assert 250 <= height <= 2_000
        assert len(content) < 150_000
