"""Deploys a container image or a static folder to the Zerokie platform.

The package itself imports nothing, because the signal handlers are installed before any heavy import (see
`zerokie_action.cli`).
"""

__version__ = "1.0.0.dev0"
DOCS = "https://github.com/YOUR_ORG/zerokie-action/blob/main/docs"
"""The URL of the documents for users."""
