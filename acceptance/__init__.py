"""`make acceptance`: does this action work on the platform that `ZEROKIE_API_URL` names?

docs/acceptance.md says how to use it. `__main__` has the command, `story` the steps in their order,
`questions` what the API's reference leaves open, `report` what came out. `platform` sends plain requests,
`commands` runs the installed commands, and `names` decides which apps either may touch.
"""
