"""What the 2xx answers of the API say: one parser for each kind of them, for `Sender.send`.

All raise `Malformed` for what the reference does not describe: it may come from something in between.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from zerokie_action.http.responses import is_web_page
from zerokie_action.http.retry import Malformed
from zerokie_action.platform.models import Finalized, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter

    from zerokie_action.http.transport import Answer

T = TypeVar("T")
R = TypeVar("R", bound=Record)

NO_CONTENT = 204

_NOT_AS_DESCRIBED = "not with what the API reference describes"


def nothing(answer: Answer) -> bool:
    """Nothing is needed; a web page is refused all the same."""
    # The reference shows no body here; a web page comes from something in between.
    if is_web_page(answer.body):
        raise Malformed(_NOT_AS_DESCRIBED)
    return True


def no_content(answer: Answer) -> bool:
    """204, or an object about what was done; anything else may come from something in between."""
    if answer.status != NO_CONTENT:
        _validated(Record.model_validate_json, answer)
    return True


def one(model: type[R]) -> Callable[[Answer], R]:
    """A parser for one record."""

    def parse(answer: Answer) -> R:
        return _validated(model.model_validate_json, answer)

    return parse


def finalized(answer: Answer) -> Finalized:
    """The record of a deploy; one without a name where the platform has no more to say."""
    return Finalized() if answer.status == NO_CONTENT else one(Finalized)(answer)


def many(adapter: TypeAdapter[list[T]]) -> Callable[[Answer], list[T]]:
    """A parser for a list of records."""

    def parse(answer: Answer) -> list[T]:
        # Some platforms write an empty list in these ways.
        if answer.status == NO_CONTENT or answer.body.strip() == b"null":
            return []
        return _validated(adapter.validate_json, answer)

    return parse


def _validated(validate: Callable[[bytes], T], answer: Answer) -> T:
    try:
        return validate(answer.body.removeprefix(BOM_UTF8))
    except (ValidationError, ValueError):
        raise Malformed(_NOT_AS_DESCRIBED) from None
