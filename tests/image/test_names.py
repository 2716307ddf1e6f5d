"""Names of images in full, and the table that compares them."""

import re

import pytest

from zerokie_action.image.names import ShownImage
from zerokie_action.inputs.formats import ImageName

DIGEST = f"sha256:{'1' * 64}"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest", "")),
        ("docker.io/nginx:2", ("docker.io", "library/nginx", "2", "")),
        ("team/web:2", ("docker.io", "team/web", "2", "")),
        ("ghcr.io/web", ("ghcr.io", "web", "latest", "")),
        ("localhost/web:2", ("localhost", "web", "2", "")),
        ("GHCR.io/web", ("ghcr.io", "web", "latest", "")),
        (f"host:5000/a/b/web@{DIGEST}", ("host:5000", "a/b/web", "", DIGEST)),
        (f"web:2@{DIGEST}", ("docker.io", "library/web", "2", DIGEST)),
        ("sha256:1", ("", "", "", "sha256:1")),
        ("No/Image", ("", "No/Image", "", "")),
        ("", ("", "", "", "")),
    ],
)
def test_a_name_has_dockers_defaults(image: str, parts: tuple[str, str, str, str]) -> None:
    assert ImageName.parse(image) == parts


# Previous image | requested image | image in the response to the POST | images in the responses to GET: the
# last one's identity. `@1` is short for a digest, and `-` for no image.
ROWS = """
no image: web:1 | web:2 | - | - | either
no image, ever: - | web:2 | - | - | either
the previous name is requested: web:1 | web:1 | - | web@2, web:1 | either
the previous digest is requested: web@1 | web@1 | - | web@1 | either
previous, after a name that it can't have: web@1 | web:2 | - | web@2, web@1 | previous
previous with its digest, after another tag: web:1 | web:2 | - | web:2, web:1@1 | previous
previous, after a mirror: m.io/hub/web:1 | web:2 | - | m.io/hub/web:2, m.io/hub/web:1 | previous
previous, which may be the requested tag: web@1 | web:2 | - | web@1 | either
previous, which may be the requested digest: web:1 | web@2 | - | web:1 | either
a bare digest, which may be the requested tag: sha256:1 | web:2 | - | sha256:1 | either
previous, which may be a mirror: m.io/hub/web:2 | web:2 | - | m.io/hub/web:2 | either
previous with a digest, which may be the tag: web:1 | web:1 | - | web:1@1 | either
previous: web:1 | web:2 | - | web:1 | previous
previous in full: docker.io/library/web:1 | web:2 | - | web:1 | previous
previous with a digest: web:1 | web:2 | - | web:1@1 | previous
another namespace: ghcr.io/a/web:1 | ghcr.io/b/web:1 | - | ghcr.io/a/web:1 | previous
requested: web:1 | web:2 | - | web:2 | new
requested, in full: web:1 | web:2 | - | docker.io/library/web:2 | new
requested, after another name: web:1 | web:2 | - | web@2, web:2 | new
the POST's name: web:1 | web:2 | apps/build:7 | apps/build:7 | new
previous, as in the POST's response: web:1 | web:2 | web:1 | web:1 | either
previous, as in the POST's response, after another tag: web:1 | web:2 | web:1 | web:2, web:1 | previous
another digest: web:1 | web@2 | - | web@3 | anothers
another bare digest: web:1 | web@2 | - | sha256:3 | anothers
another digest than the POST's: web:1 | web:2 | web:2@2 | web@3 | anothers
the pinned digest under its tag: web:1 | web:2 | - | web@2, web:2@2 | new
the pinned digest alone: web:1 | web:2 | - | web:2@2, sha256:2 | new
the pinned mirror with a digest: web:1 | web:2 | - | m.io/hub/web:2, m.io/hub/web:2@2 | new
a tag after the digest: web:1 | web@2 | - | web@2, web:9 | anothers
a second tag for a digest: web:1 | web@2 | - | web:8, web:9 | anothers
a second digest for a tag: web:1 | web:2 | - | web:2, web@2, web@3 | anothers
a second digest at a mirror: web:1 | web:2 | - | m.io/a/web:2, m.io/a/web@2, m.io/a/web@3 | anothers
a second mirror: web:1 | web:2 | - | m.io/hub/web:2, n.io/hub/web:2 | anothers
a digest for a tag: web:1 | web:2 | - | web@2 | new
a tag for a digest: web:1 | web@2 | - | web:9 | new
a bare digest: web:1 | web:2 | - | sha256:2 | new
a mirror: web:1 | web:2 | - | m.io/hub/web:2 | new
a mirror with a digest: web:1 | web@2 | - | m.io/hub/web@2 | new
a digest after a restart: web@1 | restart | - | web@2 | new
another tag: web:1 | web:2 | - | web:9 | anothers
another tag, when the previous image has a digest: web@1 | web:2 | - | web:9 | anothers
another namespace than the requested one: web:1 | ghcr.io/b/web:2 | - | ghcr.io/a/web:2 | anothers
another repository: web:1 | web:2 | - | app:2 | anothers
another tag at a mirror: web:1 | web:2 | - | m.io/hub/web:9 | anothers
no image reference: web:1 | web:2 | - | Web:2 | anothers
"""


@pytest.mark.parametrize("row", ROWS.strip().splitlines())
def test_the_first_row_of_the_table_that_fits_decides(row: str) -> None:
    """Each row of the table has at least one of these, for each way to write a name."""
    cells = re.sub(r"(@)(\d)\b|sha256:(\d)\b", lambda m: f"{m[1] or ''}sha256:{(m[2] or m[3]) * 64}", row)
    previous, requested, accepted, images, expected = cells.partition(": ")[2].replace("-", "").split(" | ")
    shown = ShownImage(None if requested == "restart" else requested, previous)
    shown.note_accepted(accepted)
    for image in images.split(", "):
        shown.note(image)
    assert shown.identity.name.lower() == expected
