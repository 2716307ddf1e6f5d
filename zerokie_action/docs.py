"""The address of the documents for users, for links in messages.

A fork has its own documents, so the address is known only when a run starts.
"""

from contextvars import ContextVar

from zerokie_action import DOCS

# The placeholder's pages don't exist.
_RELEASED = "docs" if "/YOUR_ORG/" in DOCS else DOCS
_address = ContextVar("address", default=_RELEASED)


def use_address(address: str) -> None:
    """Link to the documents at this address. If it is empty, link to those of the release."""
    _address.set(address or _RELEASED)


def page(name: str) -> str:
    """Return the URL of a page such as `keys.md#rotate-a-key`, or its path if the address is unknown."""
    return f"{_address.get()}/{name}"
