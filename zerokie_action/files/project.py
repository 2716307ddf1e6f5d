"""Recognises a project in place of a site: its sources would be published beside the site.

The check reads paths alone, so the root of a project is refused on the first deploy too.
"""

import re
from collections.abc import Collection

PACKAGE = "package.json"
_BUILT_SITE = re.compile(
    r"(?=(?:[^/]+/){1,4}index\.html\Z)"  # at most four levels deep
    r"((?:.+/)?(?:build|out|_site|storybook-static|public|dist(?:/[^/]+(?:/browser)?)?))/index\.html"
)


def find_built_site(paths: Collection[str]) -> str:
    """The directory of a project that probably is its built site; empty if the paths are of no project.

    A directory `public` often has a project's own assets, so it is the last choice, except Nuxt's
    `.output/public`.
    """
    if PACKAGE not in paths:
        return ""
    sites = [match[1] for match in map(_BUILT_SITE.match, paths) if match]

    def rank(site: str) -> tuple[bool, int, str]:
        is_public = f"/{site}".endswith("/public") and not site.endswith(".output/public")
        return is_public, site.count("/"), site

    return min(sites, key=rank, default="")
