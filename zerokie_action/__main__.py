"""`python -m zerokie_action`: the same as `zerokie-deploy`."""

from zerokie_action.cli import deploy

deploy()
