"""Deploys from a checkout: `python entrypoint.py`."""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - a checkout has no installer that says so
        sys.stderr.write("Error: Python 3.11 or newer is needed; this is %s\n" % sys.version.split()[0])  # noqa: UP031
        sys.exit(2)
    from zerokie_action.cli import deploy

    sys.exit(deploy())
