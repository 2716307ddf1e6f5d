"""Sites with many files, and edits that keep a file's length."""

from tests.support.world import SITE, World


def many(count: int) -> dict[str, bytes]:
    """Return a site with this number of files, of which 10% are pages."""
    return {f"{number % 7}/{number}.{'css' if number % 10 else 'html'}": b"x" for number in range(count)}


def upper(*paths: str) -> dict[str, bytes]:
    """Return the site with other bytes of the same length in these files."""
    return SITE | {path: SITE[path].upper() for path in paths}


def require_equal(world: World) -> None:
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
