"""Deploys an image to a container app, watches it start, and rolls back."""
