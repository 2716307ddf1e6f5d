"""Deploys a container image or a static folder to the Zerokie platform.

Importing the package imports nothing else: the signal handlers have to be in place before
anything heavy is loaded (see `zerokie_action.cli`).
"""

__version__ = "1.0.0"
