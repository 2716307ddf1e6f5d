"""Benchmark of deploys with this action and other tools.

`python -m bench` measures whole processes against a fast local platform (`bench.platform`) with a given
latency. The action doesn't use this package.
"""
