"""Attaches custom domains to a static app, and removes them.

The reference does not say how the platform refuses a domain, so the words of a refusal decide what it means.
The log and the result always quote them.
"""

import re
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import partial
from typing import TypeVar

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.operations.job import HINT_LOCK, Job
from zerokie_action.platform.answers import BAD_REQUEST, is_conflict

T = TypeVar("T")

_UNPROCESSABLE = 422
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
"""A word. `smart-lock` and `lock.example.com` are one word each, and not the word `lock`."""
_BUSY = {"in-progress", "running", "busy", "lock", "locked"}
_UNAVAILABLE = {"another", "other", "different", "else", "taken", "claimed", "owned", "belongs", "limit"}
_ATTACHED = {"already", "exists"}


class Refusal(Enum):
    """What the platform's refusal of a domain means."""

    BUSY = auto()
    """Another deploy is changing the app: ask again."""
    ATTACHED = auto()
    """The domain is attached already: every deploy attaches the app's domains again."""
    FINAL = auto()
    """The app can't have the domain."""


async def update_domains(job: Job) -> list[DeployError]:
    """Attach `domains` ("POST /v1/apps/:name/domains"), then remove `remove-domains`.

    A domain that can't be attached or removed stops neither the other domains nor the deploy. So this raises
    nothing: it returns the errors. The result lists each attached domain, or the error; removals are notes.
    """
    settings = job.settings
    errors: list[DeployError] = []
    ends_at = anyio.current_time() + settings.lock_timeout  # for all domains together
    for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
        for domain in domains:
            try:
                await change(job, domain, ends_at)
            except DeployError as error:
                errors.append(error)
    return errors


def preview_domains(job: Job) -> None:
    """Report the domains that a deploy would attach or remove."""
    for domain in job.settings.domains:
        job.preview(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.preview(f"would remove {domain!r}")


async def _attach(job: Job, domain: str, ends_at: float) -> None:
    write = job.change(unknown=f"it is not known whether {domain!r} was attached").write()
    ask = partial(job.shielded_client.add_domain, job.app, domain, write=write)
    try:
        attached = await _in_turn(job, domain, ask, ends_at)
    except DeployError as error:
        if not isinstance(error, RequestRejected) or _meaning(job, domain, error) is not Refusal.ATTACHED:
            job.result.domains.append({"domain": domain, "error": str(error)})
            raise
        job.log.info(
            f"{domain!r} is attached already, to this app or another: the platform said {error.answer}"
        )
        job.result.domains.append({"domain": domain, "status": "attached already", "answer": error.answer})
        return
    target, tls = attached.cname_target, attached.tls_status
    dns_record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": dns_record}
    job.result.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {dns_record}" if dns_record else ""
    job.log.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, domain: str, ends_at: float) -> None:
    write = job.change(unknown=f"it is not known whether {domain!r} was removed").write()
    ask = partial(job.shielded_client.remove_domain, job.app, domain, write=write)
    removed = await _in_turn(job, domain, ask, ends_at)
    job.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")


async def _in_turn(job: Job, domain: str, ask: Callable[[], Awaitable[T]], ends_at: float) -> T:
    def is_busy(error: RequestRejected) -> bool:
        return _meaning(job, domain, error) is Refusal.BUSY

    return await job.in_turn(ask, is_busy, seconds=ends_at - anyio.current_time(), hint=HINT_LOCK)


def _meaning(job: Job, domain: str, error: RequestRejected) -> Refusal:
    """What a refusal means, by its status and its words; the names of the app and the domain do not count."""
    said = error.answer.lower().replace("in progress", "in-progress")
    words = {*_WORD.findall(said)} - {job.app.lower(), domain}
    if is_conflict(error) and words & _BUSY:
        return Refusal.BUSY
    if words & _UNAVAILABLE:
        return Refusal.FINAL
    may_be_attached = error.status in {BAD_REQUEST, _UNPROCESSABLE} and words & _ATTACHED
    return Refusal.ATTACHED if is_conflict(error) or may_be_attached else Refusal.FINAL
