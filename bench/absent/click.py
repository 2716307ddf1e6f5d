"""Makes `import httpx` skip its command line, as it does in the action's image, where click is not installed."""

raise ImportError("not in the image")
