"""Deploys a container image or a static folder to the Zerokie platform.

The package itself imports nothing, because the signal handlers are installed before any heavy import (see
`zerokie_action.cli`).
"""

__version__ = "1.0.0.dev0"
_REF = "main" if __version__.endswith(".dev0") else f"v{__version__.replace('rc', '-rc.')}"
DOCS = f"https://github.com/YOUR_ORG/zerokie-action/blob/{_REF}/docs"
"""The URL of this version's documents for users: on `main`, or in the release's tag. See `docs`."""
