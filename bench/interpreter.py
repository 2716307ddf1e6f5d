"""Python environment like the image's."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_VENV = "venv"


def like_the_image(folder: Path) -> str:
    """Make an environment with the image's packages, and return its interpreter.

    The environment has only the packages of requirements.txt. It has the image's minor version of Python, or
    the current one if that isn't installed.

    Raises:
        subprocess.CalledProcessError: the packages can't be installed.
    """
    image = re.search(r"^FROM python:(3\.\d+)", (_ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    wanted = shutil.which(f"python{image[1]}") if image else None
    venv = folder / _VENV
    subprocess.run([wanted or sys.executable, "-m", "venv", venv], check=True)  # noqa: S603 - Python
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    subprocess.run([*pip, "--require-hashes", "-r", _ROOT / "requirements.txt"], check=True)  # noqa: S603 - Python
    return python


def packages(python: str) -> str:
    """Describe the packages of this interpreter."""
    return (
        "the packages of requirements.txt" if Path(python).parts[-3] == _VENV else "all packages of `.venv`"
    )
