"""Deploys from a checkout: `python entrypoint.py`; `python entrypoint.py cleanup` is `zerokie-cleanup`."""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - a checkout has no installer that says so
        sys.stderr.write("Error: Python 3.11 or newer is needed; this is %s\n" % sys.version.split()[0])  # noqa: UP031
        sys.exit(2)
    from zerokie_action.cli import cleanup, deploy

    command = deploy
    if sys.argv[1:2] == ["cleanup"]:
        del sys.argv[1]
        command = cleanup
    try:
        command()
    except ModuleNotFoundError as error:  # nor one that has installed the dependencies
        sys.stderr.write(
            f"Error: {error.name} is not installed: run `make setup` in the checkout, then "
            "`.venv/bin/python entrypoint.py`, or `pip install .` into an environment of your own\n"
        )
        sys.exit(2)
