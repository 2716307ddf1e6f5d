"""How long a request is retried."""

import math
from typing import NamedTuple


class RetryPolicy(NamedTuple):
    """How long a request is retried.

    Attributes:
        seconds: how long the request may keep failing. 0 disables retries.
        is_urgent: whether the run is about to end, so the pauses are short and ignore `Retry-After`.
    """

    seconds: float
    is_urgent: bool = False


ONCE = RetryPolicy(0.0)
"""The policy of a request that is sent once."""
UNTIL_DEADLINE = RetryPolicy(math.inf, is_urgent=True)
"""The policy of a request that is retried until the deadline of the enclosing scopes."""
