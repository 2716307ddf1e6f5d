"""What is said when the platform refuses a request: the error, its words and its hint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zerokie_action.errors import (
    AuthenticationError,
    DeployError,
    PlatformUnavailable,
    RequestRejected,
)
from zerokie_action.http.failure import PROXY_LOGIN, PROXY_LOGIN_HINT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zerokie_action.http.retry import Reply

UNAUTHORIZED = 401
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413

_HINT = "The platform's own words say why; correct that, then run the job again."
_REDIRECT = "Redirects are not followed with the API key; correct `api-url`."
_HINTS = dict.fromkeys((301, 302, 303, 307, 308), _REDIRECT) | {
    400: "Check the inputs that this request is made of.",
    403: "The key is known but may not do this; check its permissions.",
    PROXY_LOGIN: PROXY_LOGIN_HINT,
    409: "Something else is changing the app, or has taken its name; run the job again when that has ended.",
    TOO_LARGE: "Something on the way to the platform limits the size of a request: raise that limit "
    "(nginx: `client_max_body_size`), or leave the file out with `ignore`.",
    414: "Something on the way to the platform takes no path of that length: raise the limit or shorten it.",
    415: "Something on the way to the platform does not take this content type; its settings say which.",
    431: "Something on the way to the platform limits the size of headers; check that `api-key` holds a key.",
}


def refusal(reply: Reply[Any], quote: str) -> DeployError:
    """The error that a final answer other than 2xx stands for; `quote` has its words, if there are any."""
    answer = f"{reply.status}: {quote}" if quote else f"{reply.status}"
    if reply.status == UNAUTHORIZED:
        return AuthenticationError(
            f"The platform does not accept the API key ({answer})",
            hint="Check that the secret behind `api-key` holds a current key for this `api-url`.",
        )
    message = f"{reply.purpose} was refused ({answer})"
    if reply.status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return PlatformUnavailable(message, hint="Check `api-url`: something there can't do this at all.")
    return RequestRejected(message, status=reply.status, hint=_HINTS.get(reply.status, _HINT))


def unknown_app(name: str, quote: str, others: Iterable[str]) -> RequestRejected:
    """The error for a 404 about an app, with those of the other apps that may have been meant."""
    import difflib  # noqa: PLC0415 - only for this error

    close = difflib.get_close_matches(name, [other for other in others if other != name], n=3)
    meant = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
    return RequestRejected(
        f"App {name!r} was not found (404: {quote}).{meant}",
        status=NOT_FOUND,
        hint="Correct `app`, or set `create: true` to create it.",
    )
