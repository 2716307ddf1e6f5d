"""Attaches custom domains to a static app, and removes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio

from zerokie_action.errors import DeployError, LockHeld, RequestRejected
from zerokie_action.operations.polling import Polling
from zerokie_action.platform.answers import BAD_REQUEST, CONFLICT
from zerokie_action.text import human_seconds

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job
    from zerokie_action.platform.models import Domain

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
    if not settings.domains and not settings.remove_domains:
        return errors
    polling = Polling(job.ci, f"another deploy of {job.app!r} to end", settings.lock_timeout)
    with job.phase("Domains"):
        for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
            for domain in domains:
                try:
                    await change(job, domain, polling)
                except DeployError as error:
                    errors.append(error)
    return errors


def preview_domains(job: Job) -> None:
    """Report the domains that a deploy would attach or remove."""
    for domain in job.settings.domains:
        job.preview(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.preview(f"would remove {domain!r}")


async def _attach(job: Job, domain: str, polling: Polling) -> None:
    try:
        attached = await _attached(job, domain, polling)
    except DeployError as error:
        job.result.domains.append({"domain": domain, "error": str(error)})
        raise
    if isinstance(attached, str):
        # The platform may mean another app. Usually it means this app: every deploy repeats its domains.
        job.ci.info(f"{domain!r} is attached already, to this app or another: the platform said {attached}")
        job.result.domains.append({"domain": domain, "status": "attached already", "answer": attached})
        return
    target, tls = attached.cname_target, attached.tls_status
    dns_record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": dns_record}
    job.result.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {dns_record}" if dns_record else ""
    job.ci.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _attached(job: Job, domain: str, polling: Polling) -> Domain | str:
    """Attach the domain. If it is attached already, return the platform's words."""
    write = job.change(unknown=f"it is not known whether {domain!r} was attached").write()
    while True:
        try:
            return await job.shielded_client.add_domain(job.app, domain, write=write)
        except RequestRejected as error:
            words = _words(job, domain, error)
            if error.status == CONFLICT and words & _BUSY:
                await _wait(job, polling, error)
            elif not words & _SOMEBODY_ELSES and (
                error.status == CONFLICT
                or (error.status in {BAD_REQUEST, _UNPROCESSABLE} and words & _ATTACHED)
            ):
                return error.answer
            else:
                raise


async def _remove(job: Job, domain: str, polling: Polling) -> None:
    write = job.change(unknown=f"it is not known whether {domain!r} was removed").write()
    while True:
        try:
            removed = await job.shielded_client.remove_domain(job.app, domain, write=write)
        except RequestRejected as error:
            if error.status != CONFLICT or _words(job, domain, error) & _SOMEBODY_ELSES:
                raise
            await _wait(job, polling, error)
        else:
            job.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")
            return


async def _wait(job: Job, polling: Polling, busy: RequestRejected) -> None:
    """Wait before the next attempt; raise `LockHeld` when `lock-timeout`, for all domains, is over."""
    began = anyio.current_time()
    goes_on = await polling.again(f"the platform answered {busy.answer}", busy.retry_after)
    job.result.lock_wait_seconds += anyio.current_time() - began
    if not goes_on:
        after = human_seconds(polling.waited)
        raise LockHeld(
            f"Another deploy of {job.app!r} is still in progress after {after}: {busy}",
            hint="Wait for that deploy to end, or raise `lock-timeout`.",
        )


def _words(job: Job, domain: str, error: RequestRejected) -> set[str]:
    """The words of the platform's answer, in lower case, without the names of the app and the domain."""
    said = re.sub(r"\bin progress\b", "in-progress", error.answer.lower())
    return {*_WORD.findall(said)} - {job.app.lower(), domain}
