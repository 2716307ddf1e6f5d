"""What the 2xx answers of the API say: one parser for each kind of them, for `RetryingClient.send`.

All raise `Malformed` for what the reference does not describe: it may come from something in between.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from zerokie_action.http.failure import is_web_page
from zerokie_action.http.retry import Malformed
from zerokie_action.platform.models import Finalized, Heartbeat, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter

    from zerokie_action.http import Response

T = TypeVar("T")
R = TypeVar("R", bound=Record)

NO_CONTENT = 204

_SHORT = 100
_NOT_AS_DESCRIBED = "not with what the API reference describes"


def nothing(response: Response) -> bool:
    """Nothing is needed; a web page is refused all the same."""
    # The reference shows no body here; a web page comes from something in between.
    if is_web_page(response.content):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def no_content(response: Response) -> bool:
    """204, or an object about what was done; anything else may come from something in between."""
    if response.status_code != NO_CONTENT:
        _validated(Record.model_validate_json, response)
    return True


def confirming(session: str) -> Callable[[Response], bool]:
    """Whether a heartbeat's answer confirms the lock. The reference shows no body for it, so most do."""

    def parse(response: Response) -> bool:
        nothing(response)
        try:
            lock = Heartbeat.model_validate_json(response.content)
        except ValidationError:
            return True
        return lock.locked is not False and is_session(lock.deploy_session_id, session)

    return parse


def is_session(named: str, session: str) -> bool:
    """Whether an answer is about this session; one that names none is."""
    return named.casefold() in {"", session.casefold()}


def one(model: type[R]) -> Callable[[Response], R]:
    """A parser for one record."""

    def parse(response: Response) -> R:
        return _validated(model.model_validate_json, response)

    return parse


def finalized(response: Response) -> Finalized:
    """The record of a deploy; one without a name where the platform has no more to say."""
    return Finalized() if response.status_code == NO_CONTENT else one(Finalized)(response)


def many(adapter: TypeAdapter[list[T]]) -> Callable[[Response], list[T]]:
    """A parser for a list of records."""

    def parse(response: Response) -> list[T]:
        # Some platforms write an empty list in these ways.
        if response.status_code == NO_CONTENT or response.content[:_SHORT].strip() == b"null":
            return []
        return _validated(adapter.validate_json, response)

    return parse


def _validated(validate: Callable[[bytes], T], response: Response) -> T:
    try:
        return validate(response.content.removeprefix(BOM_UTF8))
    except (ValidationError, ValueError):
        raise Malformed(_NOT_AS_DESCRIBED) from None
