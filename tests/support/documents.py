"""The script that writes the generated parts of documents, as a module."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "documents.py"
_spec = spec_from_file_location("documents", _SCRIPT)
assert _spec
assert _spec.loader
documents = module_from_spec(_spec)
_spec.loader.exec_module(documents)
