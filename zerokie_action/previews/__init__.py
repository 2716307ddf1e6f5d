"""Previews of pull requests: comment, deployments and preview cleanup."""
