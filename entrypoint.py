"""Deploys from a checkout: `python entrypoint.py`."""

from zerokie_action.cli import deploy

if __name__ == "__main__":
    raise SystemExit(deploy())
