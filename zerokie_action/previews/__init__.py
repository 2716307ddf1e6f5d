"""Previews of pull requests: comment, deployments, and the deletion of closed ones."""
