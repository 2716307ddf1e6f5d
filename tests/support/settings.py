"""Settings as a run makes them of its environment."""

from collections.abc import Mapping
from itertools import chain

from zerokie_action import settings
from zerokie_action.validation import check


def load(env: Mapping[str, str]) -> settings.Settings:
    """What the run that has this environment has to do; a `ConfigurationError` where that is not clear."""
    environment = settings.Environment(env)
    found, problems = settings.load(environment)
    check(found, environment, [*chain.from_iterable(problems.values())])
    return found
