"""`python -m zerokie_action.sandbox`."""

try:
    from zerokie_action.sandbox.cli import main
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package not in {"fastapi", "uvicorn"}:
        raise
    raise SystemExit(
        f"The sandbox needs {package}. Install its extra: pip install 'zerokie-action[sandbox]'"
    ) from None

if __name__ == "__main__":
    raise SystemExit(main())
