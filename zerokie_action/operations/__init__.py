"""What users ask for, one module each: deploy a directory or an image, restart, destroy, domains, health.

And what the cleanup does about a lock that a killed run left: `release_lock`.
"""
