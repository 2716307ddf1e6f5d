"""A project in place of a site: exit 2 on the first deploy too, because its sources would be public."""

import pytest

from tests.support.world import World

PROJECTS = {  # the files of the project, and the directory that the message names
    "Vite": ("index.html src/main.ts public/vite.svg dist/index.html dist/assets/index-3f2a91bc.js", "dist"),
    "Next": ("next.config.js app/page.tsx public/next.svg out/index.html out/404.html", "out"),
    "Nuxt": ("nuxt.config.ts app.vue public/favicon.ico .output/public/index.html", ".output/public"),
    "Nuxt with a site of its own in public": (
        "public/index.html .output/public/index.html",
        ".output/public",
    ),
    "Angular": ("angular.json src/index.html dist/shop/browser/index.html", "dist/shop/browser"),
    "Angular 16": ("angular.json src/index.html dist/shop/index.html dist/shop/main.js", "dist/shop"),
    "Create React App": ("src/App.js public/index.html build/index.html", "build"),
    "Create React App, not built": ("src/App.js public/index.html", "public"),
    "Eleventy": (".eleventy.js src/index.md _site/index.html _site/blog/index.html", "_site"),
    "VitePress": ("docs/index.md docs/.vitepress/dist/index.html", "docs/.vitepress/dist"),
    "Hugo": ("hugo.toml content/a.md public/index.html public/de/index.html", "public"),
    "Jekyll": ("_config.yml index.md _site/index.html", "_site"),
    "Gatsby": ("gatsby-config.js src/pages/index.js public/index.html", "public"),
    "Storybook": ("src/a.ts .storybook/main.ts storybook-static/index.html", "storybook-static"),
    "a monorepo": ("apps/web/src/a.ts apps/web/dist/index.html apps/web/package.json", "apps/web/dist"),
    "the deepest": ("packages/sites/shop/dist/index.html", "packages/sites/shop/dist"),
    "several languages": ("dist/de/index.html dist/index.html dist/en/index.html", "dist"),
}
SITES = {
    "Jekyll, which copies the package.json": "index.html package.json blog/index.html assets/a.css",
    "a folder of HTML with a package.json for linting": "index.html about/index.html package.json .eslintrc",
    "a project that is not built": "index.html package.json src/main.ts vite.config.ts",
    "a page in a folder with a similar name": "index.html package.json layout/index.html",
    "a site without a package.json": "index.html dist/index.html build/index.html public/index.html",
    "a package.json below": "index.html app/package.json app/dist/index.html",
    "deeper than four levels": "index.html package.json a/b/c/d/dist/index.html",
    "a built site's other files": "index.html package.json dist/app.js public/logo.svg",
}


def write(world: World, paths: str) -> None:
    world.write(dict.fromkeys(paths.split(), b"x"))


@pytest.mark.parametrize("name", PROJECTS)
def test_stopped(world: World, name: str) -> None:
    """The message names the directory of the site, for which no deploy stops. Nothing is created."""
    paths, site = PROJECTS[name]
    write(world, f"package.json {paths}")
    for dry_run in (True, False):
        outcome = world.run(app="new", create=True, dry_run=dry_run)
        assert outcome.exit_code == 2, outcome.log
        said = f"'{world.folder}' is a project, not a site: it has a package.json, and '{site}' has an index"
        assert said in outcome.outputs["error"]
        assert f"`directory: {world.folder / site}`" in outcome.outputs["error"]
        assert {record.method for record in outcome.requests} <= {"GET"}
    assert world.run(app="new", create=True, directory=world.folder / site).exit_code == 0


@pytest.mark.parametrize("name", SITES)
def test_not_stopped(world: World, name: str) -> None:
    """A site is deployed as it is."""
    write(world, SITES[name])
    outcome = world.run()
    assert outcome.exit_code == 0, outcome.log
    assert world.stored() == world.read()


def test_a_link_to_the_site(world: World) -> None:
    """`nuxt generate` makes one: `dist`."""
    write(world, "package.json .output/public/index.html")
    (world.folder / "dist").symlink_to(".output/public")
    assert "and 'dist' has an index.html" in world.run().outputs["error"]


def test_meant_to_be_published(world: World) -> None:
    """Only the input says so. What the ignore file leaves out is no part of the folder."""
    write(world, "package.json dist/index.html .zerokieignore")
    assert world.run(ignore="!package.json").exit_code == 0
    for patterns, exit_code in (b"!package.json", 2), (b"package.json", 0), (b"/dist/", 0):
        (world.folder / ".zerokieignore").write_bytes(patterns)
        assert world.run(ignore_file=".zerokieignore", delete_stale=False).exit_code == exit_code


def test_the_root_of_a_live_site(world: World) -> None:
    """The site stays as it is, and the right folder goes on."""
    write(world, "package.json src/a.ts dist/index.html dist/about.html")
    site = world.folder / "dist"
    assert world.run(directory=site).exit_code == 0
    before = world.stored()
    assert world.run().exit_code == 2
    assert world.stored() == before
    assert world.run(directory=site).exit_code == 0
