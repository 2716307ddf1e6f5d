"""Names of images in full."""

import pytest

from zerokie_action.image.names import ImageName


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest", "")),
        ("docker.io/nginx:2", ("docker.io", "library/nginx", "2", "")),
        ("team/web:2", ("docker.io", "team/web", "2", "")),
        ("ghcr.io/web", ("ghcr.io", "web", "latest", "")),
        ("localhost/web:2", ("localhost", "web", "2", "")),
        ("host:5000/a/b/web@sha256:1", ("host:5000", "a/b/web", "", "sha256:1")),
        ("web:2@sha256:1", ("docker.io", "library/web", "2", "sha256:1")),
        ("sha256:1", ("", "", "", "sha256:1")),
        ("", ("", "", "", "")),
    ],
)
def test_a_name_has_dockers_defaults(image: str, parts: tuple[str, str, str, str]) -> None:
    assert ImageName.parse(image) == parts
