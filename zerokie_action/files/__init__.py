"""The directory that is deployed: scan, ignore rules, content types, hashes, plan and manifest.

Pure: nothing here talks to the network, prints, or reads the environment.
"""
