"""`python -m zerokie_action.sandbox`."""

try:
    from zerokie_action.sandbox.cli import main
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package not in {"fastapi", "jinja2", "uvicorn"}:
        raise
    raise SystemExit(
        f"The sandbox needs {package}: run `make setup` in the checkout, then `.venv/bin/python -m "
        "zerokie_action.sandbox`, or `pip install '.[sandbox]'` into an environment of your own"
    ) from None

if __name__ == "__main__":
    raise SystemExit(main())
