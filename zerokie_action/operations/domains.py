"""Custom domains of a static app: attached after the deploy, or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerokie_action.errors import RequestRejected
from zerokie_action.formats import host_name
from zerokie_action.platform.client import CONFLICT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zerokie_action.operations.job import Job


async def update_domains(job: Job) -> None:
    """Attach `domains` ("POST /v1/apps/:name/domains"), remove `remove-domains`.

    Every one is tried; the result has the outcomes.

    Raises:
        RequestRejected: afterwards, when the platform refused any.
    """
    settings = job.settings
    if not settings.domains and not settings.remove_domains:
        return
    refused: list[RequestRejected] = []
    with job.phase("Domains"):
        for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
            for domain in _distinct(domains):
                try:
                    await change(job, domain)
                except RequestRejected as error:
                    refused.append(error)
    if refused:
        job.result.flaw = (
            "a domain was refused" if len(refused) == 1 else f"{len(refused)} domains were refused"
        )
        reasons = "; ".join(map(str, refused))
        raise RequestRejected(
            f"Deployed, but {job.result.flaw}: {reasons}", status=refused[0].status, hint=refused[0].hint
        )


def preview_domains(job: Job) -> None:
    """Say what would be done."""
    for domain in _distinct(job.settings.domains):
        job.preview(f"would attach {domain!r}")
    for domain in _distinct(job.settings.remove_domains):
        job.preview(f"would remove {domain!r}")


def _distinct(domains: Iterable[str]) -> Iterable[str]:
    """Host names without duplicates."""
    return dict.fromkeys(map(host_name, domains))


async def _attach(job: Job, domain: str) -> None:
    try:
        attached = await job.client.add_domain(job.app, domain)
    except RequestRejected as error:
        if error.status != CONFLICT:
            job.result.domains.append({"domain": domain, "error": str(error)})
            raise
        # Nothing in the API tells whose it is; but every deploy brings its domains again.
        job.ci.info(f"{domain!r} is attached already, here or to another app: the platform does not say")
        job.result.domains.append({"domain": domain, "status": "attached already"})
        return
    target, tls = (attached.cname_target, attached.tls_status) if attached else ("", "")
    record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": record}
    job.result.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {record}" if record else ""
    job.ci.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, domain: str) -> None:
    removed = await job.client.remove_domain(job.app, domain)
    job.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")
