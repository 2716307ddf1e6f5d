"""Makes `import httpx` skip its command line, as it does in the image, where click is not installed."""  # noqa: INP001

raise ImportError("not in the image")
