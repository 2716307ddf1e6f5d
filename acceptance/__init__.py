"""Acceptance test of the action on a real platform.

`make acceptance` tests the action on the platform at `ZEROKIE_API_URL`, because the sandbox may differ from
the real platform. The manual is docs/contributing/acceptance.md.

`__main__` is the command. `story` has the steps of a run in order. `questions` finds the platform's API
variants, and `facts` measures behavior that doesn't affect the action. `report` writes the report. `platform`
sends plain HTTP requests, and `commands` runs the installed commands. Both touch only acceptance apps, whose
names come from `names`.
"""
