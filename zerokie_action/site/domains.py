"""Attaches custom domains to a static app, and removes them.

The reference does not say how the platform refuses a domain, so the words of a refusal decide what it means.
The log and the result always quote them.
"""

import re

from zerokie_action.apps.job import Job
from zerokie_action.errors import DeployError, RequestRejected
from zerokie_action.platform.answers import BAD_REQUEST, is_conflict

_UNPROCESSABLE = 422
_START, _END = r"(?<![^\W_])(?<![^\W_][-.])", r"(?![^\W_]|[-.][^\W_])"
"""Where a word starts and ends. `smart-lock` and `lock.example.com` do not contain the word `lock`."""
_ALREADY = re.compile(rf"{_START}(?:already|exists){_END}", re.IGNORECASE)


async def update_domains(job: Job) -> list[DeployError]:
    """Attach `domains` ("POST /v1/apps/:name/domains"), then remove `remove-domains`.

    A domain that can't be attached or removed stops neither the other domains nor the deploy. So this raises
    nothing: it returns the errors. The result lists each attached domain, or the error; removals are notes.
    """
    settings = job.settings
    errors: list[DeployError] = []
    for change, domains in ((_attach, settings.domains), (_remove, settings.remove_domains)):
        for domain in domains:
            try:
                await change(job, domain)
            except DeployError as error:
                errors.append(error)
    return errors


def preview_domains(job: Job) -> None:
    """Report the domains that a deploy would attach or remove."""
    for domain in job.settings.domains:
        job.record.plan(f"would attach {domain!r}")
    for domain in job.settings.remove_domains:
        job.record.plan(f"would remove {domain!r}")


async def _attach(job: Job, domain: str) -> None:
    sent = job.record.change(unknown=f"it is not known whether {domain!r} was attached").request()
    try:
        attached = await job.shielded_client.add_domain(job.app, domain, sent=sent)
    except DeployError as error:
        if not (isinstance(error, RequestRejected) and _is_attached(job.app, domain, error)):
            job.record.domains.append({"domain": domain, "error": str(error)})
            raise
        job.record.note(f"Domain {domain!r} is already attached. The platform said {error.answer}")
        job.record.domains.append({"domain": domain, "status": "attached already", "answer": error.answer})
        return
    target, tls = attached.cname_target, attached.tls_status
    dns_record = f"{domain} CNAME {target}" if target else ""
    details = {"cname_target": target, "tls_status": tls, "dns_record": dns_record}
    job.record.domains.append({"domain": domain, **{name: text for name, text in details.items() if text}})
    to_do = f"; set the DNS record: {dns_record}" if dns_record else ""
    job.log.info(f"Attached {domain!r} (TLS {tls or 'unknown'}){to_do}")


async def _remove(job: Job, domain: str) -> None:
    sent = job.record.change(unknown=f"it is not known whether {domain!r} was removed").request()
    removed = await job.shielded_client.remove_domain(job.app, domain, sent=sent)
    job.record.note(f"Removed {domain!r}" if removed else f"{domain!r} was not attached")


def _is_attached(app: str, domain: str, refusal: RequestRejected) -> bool:
    """Return whether a refusal means that this app already has the domain."""
    ours = "|".join(map(re.escape, (app, domain)))
    somebody_elses = rf"""
        {_START} (?! (?:{ours}) {_END} )
        (?: another | other | different | else | taken | claimed | owned | belongs | limit
          | in[ _-]progress | busy | lock | locked ) {_END}
      | {_START} (?: app | site ) (?: \s+ named? )?
        (?: ["']? \s* [:=] \s* ["']?        # app: shop
          | \s+ ["'`(]+                     # app 'shop'
          | \s+ (?= [a-z]* [-0-9]           # app blue-shop has it, but not: this app has it
                  | (?! already | exists | name ) [a-z]+ (?: [^\w\s-] | $ ) )    # on app shop.
        )
        (?! (?:{ours}) (?! [\w-] ) ) [^\W_]
    """
    if re.search(somebody_elses, refusal.answer, re.IGNORECASE | re.VERBOSE):
        return False
    may_be_attached = refusal.status in {BAD_REQUEST, _UNPROCESSABLE} and _ALREADY.search(refusal.answer)
    return is_conflict(refusal) or bool(may_be_attached)
