"""Custom domains of a static app, attached and removed after the deploy.

The reference doesn't define how the platform refuses a domain, so this module interprets the words of the
refusal. The log and the result quote them.
"""

import re

from zerokie_action.app import RunApp
from zerokie_action.docs import page
from zerokie_action.errors import Conflict, DeployError, RequestRejected
from zerokie_action.job import Job
from zerokie_action.platform.responses import BAD_REQUEST
from zerokie_action.report.changes import Change

_UNPROCESSABLE = 422
_START, _END = r"(?<![^\W_])(?<![^\W_][-.])", r"(?![^\W_]|[-.][^\W_])"
"""The start and the end of a word. `smart-lock` and `lock.example.com` don't contain the word `lock`."""
_ALREADY = re.compile(rf"{_START}(?:already|exists){_END}", re.IGNORECASE)


async def update_domains(job: Job, app: RunApp) -> list[DeployError]:
    """Attach `domains` ("POST /v1/apps/:name/domains"), then remove `remove-domains`.

    Return the errors instead of raising them, because a domain that fails must not stop the other domains or
    the deploy. The result lists each attached domain or its error. Removals are notes.
    """
    settings = job.settings
    errors: list[DeployError] = []
    for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
        for domain in domains:
            try:
                await change(job, app, domain)
            except DeployError as error:
                errors.append(error)
    return errors


def preview_domains(job: Job) -> None:
    """Report the domains that a deploy would attach or remove."""
    for domain in job.settings.domains:
        job.report.plan(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.report.plan(f"would remove {domain!r}")


async def _attach(job: Job, app: RunApp, domain: str) -> None:
    delivery = job.report.add(
        Change(unknown=f"it is not known whether {domain!r} was attached")
    ).new_delivery()
    try:
        attached = await job.shielded_client.tracked(delivery).add_domain(app.name, domain)
    except DeployError as error:
        # Nothing is attached to a new app, unless an earlier attempt attached this domain.
        is_possible = not app.is_new or delivery.lost
        if not (is_possible and isinstance(error, RequestRejected) and _is_attached(app.name, domain, error)):
            job.report.domain(domain, error=str(error))
            if isinstance(error, RequestRejected):
                error.advise(f"Check the domain: {page('static-sites.md#attach-a-custom-domain')}")
            raise
        job.report.note(f"Domain {domain!r} is already attached. The platform said {error.response}")
        job.report.domain(domain, status="attached already", answer=error.response)
        return
    target, tls = attached.cname_target, attached.tls_status
    dns_record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": dns_record}
    job.report.domain(domain, **{name: text for name, text in details.items() if text})
    to_do = f". Set the DNS record: {dns_record}" if dns_record else ""
    job.log.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, app: RunApp, domain: str) -> None:
    delivery = job.report.add(
        Change(unknown=f"it is not known whether {domain!r} was removed")
    ).new_delivery()
    removed = await job.shielded_client.tracked(delivery).remove_domain(app.name, domain)
    job.report.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")


def _is_attached(app: str, domain: str, refusal: RequestRejected) -> bool:
    """Return whether a refusal means that the domain is already attached to this app."""
    own_names = "|".join(map(re.escape, (app, domain)))
    another_app = rf"""
        {_START} (?! (?:{own_names}) {_END} )
        (?: another | other | different | else | taken | claimed | owned | belongs | limit
          | in[ _-]progress | busy | lock | locked ) {_END}
      | {_START} (?: app | site ) (?: \s+ named? )?
        (?: ["']? \s* [:=] \s* ["']?        # app: shop
          | \s+ ["'`(]+                     # app 'shop'
          | \s+ (?= [a-z]* [-0-9]           # app blue-shop has it, but not: this app has it
                  | (?! already | exists | name ) [a-z]+ (?: [^\w\s-] | $ ) )    # on app shop.
        )
        (?! (?:{own_names}) (?! [\w-] ) ) [^\W_]
    """
    if re.search(another_app, refusal.response, re.IGNORECASE | re.VERBOSE):
        return False
    may_be_attached = refusal.status in {BAD_REQUEST, _UNPROCESSABLE} and _ALREADY.search(refusal.response)
    return isinstance(refusal, Conflict) or bool(may_be_attached)
