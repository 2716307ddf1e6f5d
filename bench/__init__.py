"""Deploys measured side by side with other tools: `python -m bench --help`.

The clients are measured as whole processes against a local platform (`bench.platform`) that costs
next to nothing and answers after a given latency. Nothing here is part of the action.
"""
