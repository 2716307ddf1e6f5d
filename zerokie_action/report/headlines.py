"""The headline of the summary and the last line of the log, for each outcome of a run."""

from enum import StrEnum


class Headline(StrEnum):
    """A state of the app that says more than the status of a success. A key of `HEADLINES`."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    UNCHANGED = "unchanged"
    LIVE = "live"


HEADLINES = {
    "deployed": ("✅ {app} is deployed", "Deployed in {time}: {url}"),
    "restarted": ("✅ {app} is restarted", "Restarted in {time}: {url}"),
    "accepted": (
        "⏳ {app}: the platform accepted the {activity}, but the new version wasn't checked",
        "The platform accepted the {activity} after {time}, but the new version wasn't checked: {url}",
    ),
    "running": ("✅ {app} is {status} and runs", "{app} is {status} and runs after {time}: {url}"),
    "unchanged": ("✅ {app} is up to date", "{app} is up to date: {url}"),
    "live": ("✅ {app} is live", "{url} is live after {time}"),
    "destroyed": ("✅ {app} is deleted", "Deleted {app} in {time}"),
    "gone": ("✅ {app}: nothing to delete", "Nothing to delete"),
    "swept": ("✅ {app}: deleted {apps}", "Deleted {apps} in {time}"),
    "nothing to sweep": ("✅ {app}: no previews to delete", "No previews to delete"),
    "shown": ("🔎 {app}", "{app}: {url}"),
    "planned": ("🔍 Dry run for {app}: nothing was changed", "Dry run: nothing was changed"),
    "skipped": ("⏭️ {app}: skipped", "Skipped"),
    "rolled-back": ("⚠️ {app} runs its previous image again", ""),
    "superseded": ("⚠️ {app} runs another deploy's image", ""),
    "failed": ("❌ {app}: {activity} failed", ""),
    "cancelled": ("🚫 {app}: {activity} cancelled", ""),
}
"""The headline of the summary and the last line of the log, by `Report.outcome`.

After a failure, the last line is the error instead.
"""
