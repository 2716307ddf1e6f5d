"""The directory to deploy: scan, ignore rules, content types, hashes, plan and manifest.

Nothing here uses the network, prints, or reads environment variables.
"""
