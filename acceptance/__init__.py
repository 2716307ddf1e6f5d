"""`make acceptance`: does this action work on the platform that `ZEROKIE_API_URL` names?

docs/contributing/acceptance.md is the manual. `__main__` is the command. `story` has the steps of a run in
order, `questions` finds out how the platform behaves where the API's reference is silent, `facts` looks at
what the action does not depend on, and `report` writes the report. `platform` sends plain HTTP requests,
and `commands` runs the installed commands. Both touch only acceptance apps: apps with a name that `names`
has made.
"""
