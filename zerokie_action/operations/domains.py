"""Custom domains of a static app: attached after the deploy, or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.api.client import CONFLICT
from zerokie_action.errors import DeployError, RequestRejected

if TYPE_CHECKING:
    from zerokie_action.operations.job import Job


async def update_domains(job: Job) -> None:
    """Attach `domains`, remove `remove-domains`; every one is tried, the first error is raised at the end."""
    errors: list[DeployError] = []
    with job.phase("Domains"):
        for domain in dict.fromkeys(job.settings.domains):
            try:
                await _attach(job, domain)
            except RequestRejected as error:
                errors.append(_explained(error, domain))
        for domain in dict.fromkeys(job.settings.remove_domains):
            await _remove(job, domain)
    if errors:
        for another in errors[1:]:
            job.warn(f"{another}. {another.hint}")
        raise errors[0]


def preview_domains(job: Job) -> None:
    """Say what would be done."""
    for domain in job.settings.domains:
        job.ci.info(f"Plan: would attach {domain!r}")
        job.result.notes.append(f"Dry run: would attach {domain!r}.")
    for domain in job.settings.remove_domains:
        job.ci.info(f"Plan: would remove {domain!r}")
        job.result.notes.append(f"Dry run: would remove {domain!r}.")


async def _attach(job: Job, domain: str) -> None:
    try:
        attached = await job.client.add_domain(job.app, domain)
    except RequestRejected as error:
        if error.status != CONFLICT:
            raise
        # The reference doesn't say whose it is, and nothing lists domains: ours, most likely.
        job.warn(f"{domain!r} is attached already ({error})")
        job.result.domains.append({"domain": domain, "status": "attached already"})
        return
    target = attached.cname_target if attached else ""
    tls = attached.tls_status if attached else ""
    job.result.domains.append({"domain": domain, "cname_target": target, "tls_status": tls})
    record = f"; set the DNS record: {domain} CNAME {target}" if target else ""
    job.ci.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){record}")


async def _remove(job: Job, domain: str) -> None:
    if await job.client.remove_domain(job.app, domain):
        job.ci.info(f"Removed {domain!r}")
    else:
        job.ci.info(f"{domain!r} was not attached")


def _explained(error: RequestRejected, domain: str) -> RequestRejected:
    if domain.count(".") == 1:
        error.hint = f"The platform does not support apex domains; attach for example 'www.{domain}'."
    return error
