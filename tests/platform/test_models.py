"""The platform's records and the words of its errors."""

from __future__ import annotations

import pytest

from zerokie_action.platform.models import App, Registry


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (App(type="static"), "static"),
        (App(type="container"), "container"),
        (App(image="nginx"), "container"),
        (App(type="something new", image="nginx"), "container"),
        (App(type="something new"), None),
        (App(), None),
    ],
)
def test_the_kind_of_an_app(app: App, kind: str | None) -> None:
    """Told by the type, else by the image; otherwise not known."""
    assert app.kind == kind


def test_no_password_in_a_repr() -> None:
    """What ends up in a traceback shows neither the password nor the user."""
    registry = Registry("registry.gitlab.com", "deploy-token", "glpat-secret")
    assert repr(registry) == str(registry) == f"{registry}" == "Registry('registry.gitlab.com')"
