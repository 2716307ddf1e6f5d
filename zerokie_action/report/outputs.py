"""The outputs, in the contract's order, with what they mean: for `action.yml` and the README."""

from __future__ import annotations

OUTPUTS = {
    "deploy-id": "The platform's deploy ID (static apps). The platform returns none for an image: then it is "
    "this run's own deploy session ID. Kept when something fails after the deploy; empty for `destroy`.",
    "url": "Where the app answers.",
    "app": "The app's name.",
    "kind": "`container` or `static`.",
    "status": "`deployed`, `restarted`, `destroyed`, `planned`, `skipped`, `rolled-back`, `failed` or "
    "`cancelled`.",
    "image": "Container apps: the image that was deployed.",
    "previous-image": "Container apps: the image that ran before.",
    "created": "`true` when this run created the app.",
    "files-uploaded": "Static apps: how many files were uploaded; in a dry run, how many would be.",
    "files-deleted": "Static apps: how many stale files were deleted.",
    "files-unchanged": "Static apps: how many files were proven to be unchanged.",
    "bytes-uploaded": "Static apps: the size of the uploaded files.",
    "cache-purged": "Static apps: `true` when the CDN's cache was purged.",
    "domains": "JSON list of what attaching each custom domain returned.",
    "duration-seconds": "How long the run took.",
    "lock-wait-seconds": "How long the run waited for another deploy's lock.",
    "retries-used": "How many requests were sent again.",
    "error": "What went wrong, in one line; empty on success.",
}
