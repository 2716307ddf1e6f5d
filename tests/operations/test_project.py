"""A project in place of a site: exit 2 on the first deploy too, because its sources would be public."""

from tests.support.world import World

CHECKOUT = {
    "index.html": b'<script type="module" src="/src/main.ts"></script>',
    "package.json": b"{}",
    "src/main.ts": b"x",
    "public/vite.svg": b"x",
}
BUILD = {f"dist/{path}": b"x" for path in ("index.html", "a.js", "b.js", "c.js", "d.js", "about.html")}


def test_a_project_stops_the_first_deploy_too(world: World) -> None:
    """Nothing is created, in a dry run as well, and the directory that the message names is deployed."""
    world.write(CHECKOUT | BUILD)
    for dry_run in (True, False):
        outcome = world.run(app="new", create=True, dry_run=dry_run)
        assert outcome.exit_code == 2, outcome.log
        said = outcome.outputs["error"]
        assert (
            f"'{world.folder}' is a project, not a site: it has package.json and an index.html that" in said
        )
        assert f"`directory: {world.folder / 'dist'}`" in said
        assert {record.method for record in outcome.requests} <= {"GET"}
    assert world.run(app="new", create=True, directory=world.folder / "dist").exit_code == 0


def test_a_checkout_that_was_not_built_leaves_a_live_site_as_it_is(world: World) -> None:
    """Whatever is kept. The input that the message names goes on, and `max-deletes` is asked for then."""
    world.write(CHECKOUT | BUILD)
    assert world.run(directory=world.folder / "dist").exit_code == 0
    before = world.stored()
    world.write(CHECKOUT)
    for inputs in ({}, {"keep": "*"}, {"max_deletes": 99}, {"take_over": True}):
        outcome = world.run(**inputs)
        assert outcome.exit_code == 2
        assert "name the directory that the build writes" in outcome.outputs["error"]
    assert world.stored() == before
    outcome = world.run(ignore="!/package.json", max_deletes=5)
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()
