"""Sites of many files, and edits that keep the length of a file."""

from tests.support.world import SITE, World


def many(count: int) -> dict[str, bytes]:
    """So many files, a tenth of them pages."""
    return {f"{number % 7}/{number}.{'css' if number % 10 else 'html'}": b"x" for number in range(count)}


def upper(*paths: str) -> dict[str, bytes]:
    """The site, with other bytes of the same length in these files."""
    return SITE | {path: SITE[path].upper() for path in paths}


def require_equal(world: World) -> None:
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
