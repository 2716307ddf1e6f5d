"""Deploys a folder to a static app."""
