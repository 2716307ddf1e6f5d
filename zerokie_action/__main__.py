"""`python -m zerokie_action`: the same as `zerokie-deploy`."""

from zerokie_action.main import deploy

raise SystemExit(deploy())
