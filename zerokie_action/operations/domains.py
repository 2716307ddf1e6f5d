"""Attaches custom domains to a static app, and removes them."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio

from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.operations.job import Job
from zerokie_action.operations.polling import is_conflict
from zerokie_action.platform.answers import BAD_REQUEST

T = TypeVar("T")

_UNPROCESSABLE = 422
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
"""A word of the platform's; `smart-lock` and `www.example.com` are words, `lock` is none in them."""
_BUSY = {"in-progress", "running", "busy", "lock", "locked"}
"""Words which mean that another deploy is changing the app."""
_SOMEBODY_ELSES = {"another", "other", "different", "else", "taken", "claimed", "owned", "belongs", "limit"}
"""Words which mean that the domain is not to be had."""
_ATTACHED = {"already", "exists"}
"""Words which mean that the app has the domain already."""


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
        if not (isinstance(error, RequestRejected) and _says_attached(job, domain, error)):
            job.result.domains.append({"domain": domain, "error": str(error)})
            raise
        # The platform may mean another app. Usually it means this app: every deploy repeats its domains.
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
        return is_conflict(error) and bool(_words(job, domain, error) & _BUSY)

    return await job.in_turn(ask, is_busy, seconds=ends_at - anyio.current_time())


def _says_attached(job: Job, domain: str, error: RequestRejected) -> bool:
    """Whether the platform refuses the domain because an app has it, perhaps this app."""
    words = _words(job, domain, error)
    is_attached = error.status in {BAD_REQUEST, _UNPROCESSABLE} and bool(words & _ATTACHED)
    return (is_conflict(error) or is_attached) and not words & _SOMEBODY_ELSES


def _words(job: Job, domain: str, error: RequestRejected) -> set[str]:
    """The words of the platform's answer, in lower case, without the names of the app and the domain."""
    said = re.sub(r"\bin progress\b", "in-progress", error.answer.lower())
    return {*_WORD.findall(said)} - {job.app.lower(), domain}
