"""Cases of the benchmark."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import contestants
from bench.contestants import Trial
from bench.lab import ACTION, AWS, BESIDE, CURL, HTTPX, RCLONE, RCLONE_CHECKSUM, Lab, Table
from bench.measure import Command, Usage, measure
from bench.served import Certificate, ServedPlatform
from bench.sites import PAGE, SMALL, Site

BOUND = "files x latency / connections"
IMPORTS = "Python importing httpx, pydantic-settings, anyio, pathspec"
UNCHANGED = "this action, unchanged files"
HTTP = "this action, to its first request, http"
HTTPS = "this action, to its first request, https"


def first_deploy(lab: Lab) -> list[Table]:
    """Deploy many new files over http and https, at short and long distances."""
    site = Site(lab.folder / "first").fill(lab.size.first, PAGE)
    title = f"First deploy of {lab.size.first:,} files ({_megabytes(site)})"
    with lab.trial(site) as trial:
        plain = lab.compare(
            _new_site(lab, trial, site)
            | {
                AWS: lambda run: trial.aws(f"aws-{run}", site.sizes),
                HTTPX: lambda run: trial.httpx_loop(f"httpx-{run}", site.sizes),
            }
        )
    bound = {BOUND: lab.latency_bound(lab.size.first)}
    tables = [Table(title, plain | bound, CURL)]
    with lab.trial(site, Certificate.make(lab.folder)) as trial:
        tables.append(Table(f"{title}, https", lab.compare(_new_site(lab, trial, site)) | bound, CURL))
    for latency in (lab.size.near, lab.size.far):
        with lab.trial(site, latency=latency) as trial:
            rows = lab.compare(_new_site(lab, trial, site))
        bound = {BOUND: lab.latency_bound(lab.size.first, latency)}
        tables.append(Table(f"{title}, latency {1000 * latency:.0f}ms", rows | bound, CURL))
    return tables


def _new_site(lab: Lab, trial: Trial, site: Site) -> dict[str, Callable[[int], Usage]]:
    """Return runs of this action, curl and rclone, each with a new app."""
    return _new_files(lab, trial, site) | {
        RCLONE_CHECKSUM: lambda run: trial.rclone_checksum(f"rclone-{run}", site.sizes)
    }


def later_deploys(lab: Lab) -> list[Table]:
    """Deploy an unchanged folder, and a folder with one changed file in a hundred."""
    count, few = lab.size.later, max(1, lab.size.later // 100)
    site = Site(lab.folder / "later").fill(count, PAGE)
    with lab.trial(site) as trial:
        lab.compare(_syncs(lab, trial, lambda: site.sizes), runs=1)
        rows = lab.compare(
            _syncs(lab, trial, dict)
            | {IMPORTS: lambda _run: measure(contestants.bare_imports(lab.python)).usage}
        )
        changed = lab.compare(
            _syncs(lab, trial, lambda: site.changed)
            | {
                ACTION: lambda _run: trial.action("action", site.change(few)),
                CURL: lambda run: trial.curl(f"curl-{run}", site.changed),
            }
        )
    return [
        Table(f"{count:,} unchanged files ({_megabytes(site)})", rows, IMPORTS),
        Table(f"{few:,} of {count:,} files changed", changed, CURL),
    ]


def _syncs(
    lab: Lab, trial: Trial, files: Callable[[], Mapping[str, int]]
) -> dict[str, Callable[[int], Usage]]:
    """Return runs of the tools that find changes. `files` returns the expected uploads."""
    return {
        ACTION: lambda _run: trial.action("action", files()),
        **_beside(lab, lambda root, _run: trial.action("beside", files(), root)),
        RCLONE_CHECKSUM: lambda _run: trial.rclone_checksum("rclone-checksum", files()),
        RCLONE: lambda _run: trial.rclone("rclone", files()),
        AWS: lambda _run: trial.aws("aws", files()),
    }


def _beside(lab: Lab, run: Callable[[Path, int], Usage]) -> dict[str, Callable[[int], Usage]]:
    """Return a row for the other commit, if there is one."""
    root = lab.beside
    return {} if root is None else {BESIDE: lambda number: run(root, number)}


def usual_site(lab: Lab) -> list[Table]:
    """Deploy a usual site over http and https at all distances, then without and with changes."""
    tables = []
    for scheme, certificate in (("http", None), ("https", Certificate.make(lab.folder))):
        for latency in (lab.size.near, lab.size.latency, lab.size.far):
            where = f"{scheme}, latency {1000 * latency:.0f}ms"
            site = Site(lab.folder / where).fill(lab.size.usual, PAGE)
            with lab.trial(site, certificate, latency=latency) as trial:
                tables += _new_and_later(lab, trial, site, where)
    return tables


def _new_and_later(lab: Lab, trial: Trial, site: Site, where: str) -> list[Table]:
    count, few = len(site.sizes), max(1, len(site.sizes) // 100)
    new = _new_files(lab, trial, site) | {RCLONE: lambda run: trial.rclone(f"rclone-{run}", site.sizes)}
    syncs = _syncs(lab, trial, lambda: site.changed)
    del syncs[AWS], syncs[RCLONE_CHECKSUM]
    first = lab.compare(new)
    site.changed = dict(site.sizes)
    lab.compare(syncs, runs=1)
    site.changed = {}
    unchanged = lab.compare(syncs)
    changed = lab.compare(
        syncs
        | {
            ACTION: lambda _run: trial.action("action", site.change(few)),
            CURL: lambda run: trial.curl(f"curl-{run}", site.changed),
        }
    )
    return [
        Table(f"First deploy of {count:,} files, {where}", first, ACTION),
        Table(f"{count:,} unchanged files, {where}", unchanged, ACTION),
        Table(f"{few:,} of {count:,} files changed, {where}", changed, ACTION),
    ]


def large_file(lab: Lab) -> list[Table]:
    """Deploy a file that is too large for the memory."""
    site = Site(lab.folder / "large").add_large("film.mp4", lab.size.large)
    with lab.trial(site) as trial:
        rows = lab.compare(_new_files(lab, trial, site))
    return [Table(f"One file of {lab.size.large / 1024**2:,.0f} MiB", rows, CURL)]


def huge_site(lab: Lab) -> list[Table]:
    """Deploy more files than most sites have."""
    site = Site(lab.folder / "huge").fill(lab.size.huge, PAGE)
    with lab.trial(site) as trial:
        rows = lab.compare({ACTION: lambda run: trial.action(f"action-{run}", site.sizes)}, runs=1)
    bound = {BOUND: lab.latency_bound(lab.size.huge)}
    return [Table(f"First deploy of {lab.size.huge:,} files ({_megabytes(site)})", rows | bound, BOUND)]


def waiting_files(lab: Lab) -> list[Table]:
    """Replace all files of a huge site under `delete-stale: 7d`, so that the old files are pending."""
    count = lab.size.many[-1]
    old, new = (Site(lab.folder / name).fill(count, SMALL, name) for name in ("old", "new"))
    inputs = {"delete_stale": "7d", "max_deletes": f"{count}"}
    rows: dict[str, Usage] = {}
    with lab.trial(old) as trial:
        after = replace(trial, folder=new.folder)
        for number, (name, root) in enumerate(_versions(lab).items()):
            app = f"site-{number}"
            rows |= {
                f"{name}, first": trial.action(app, old.sizes, root, inputs),
                f"{name}, unchanged": trial.action(app, {}, root, inputs),
                f"{name}, all replaced": after.action(app, new.sizes, root, inputs),
                f"{name}, unchanged with pending files": after.action(app, {}, root, inputs),
            }
    return [Table(f"{count:,} replaced files", rows, f"{ACTION}, first")]


def answers_without_end(lab: Lab) -> list[Table]:
    """Measure the memory for endless responses of a broken server, with retries."""
    seconds = lab.size.outage
    github = {"comment": "true", "pull_request": "1", "github_token": "token"}
    check = {"health_check": "/health", "wait": f"{seconds}"}
    site = Site(lab.folder / "endless").fill(10, SMALL)
    rows: dict[str, Usage] = {}
    for name, endless, inputs, exit_code in (
        ("list of files", "^/v1/apps/[^/]+/files$", {"retry_timeout": f"{seconds}"}, 5),
        ("manifest", "^/public/[^/]+/_zerokie/", {}, 0),
        ("list of comments", "^/repos/", github, 0),
        ("page of a health check", "/health$", check, 10),
    ):
        with lab.trial(site, endless=endless) as trial:
            commands = {
                f"{version}, {name}": trial.command(
                    f"{number}", root, inputs, exit_code=exit_code, is_github="comment" in inputs
                )
                for number, (version, root) in enumerate(_versions(lab).items())
            }
            if name == "manifest":
                lab.compare(_measured(commands), runs=1)  # This run stores a manifest.
            rows |= lab.compare(_measured(commands))
    title = f"Endless responses, with retries for {seconds}s"
    return [Table(title, rows, f"{ACTION}, list of files")]


def _measured(commands: Mapping[str, Command]) -> dict[str, Callable[[int], Usage]]:
    return {
        name: partial(lambda command, _run: measure(command).usage, each) for name, each in commands.items()
    }


def _versions(lab: Lab) -> dict[str, Path]:
    """Return the checkouts by the names of their rows."""
    return {ACTION: contestants.ROOT} | ({BESIDE: lab.beside} if lab.beside else {})


def many_files(lab: Lab) -> list[Table]:
    """Measure time and memory for growing numbers of files, with a table for each number."""
    growing: dict[str, Callable[[int], Usage]] = {}
    with ExitStack() as stack:
        for count in lab.size.many:
            site = Site(lab.folder / f"many-{count}").fill(count, SMALL)
            trial = stack.enter_context(lab.trial(site))
            trial.action("site", site.sizes)
            growing |= {f"{count:,} files, {name}": run for name, run in _deploys(lab, trial, site).items()}
        rows = lab.compare(growing)
    return [_table_for(lab, count, rows) for count in lab.size.many]


def _deploys(lab: Lab, trial: Trial, site: Site) -> dict[str, Callable[[int], Usage]]:
    return _new_files(lab, trial, site) | {UNCHANGED: lambda _run: trial.action("site", {})}


def _new_files(lab: Lab, trial: Trial, site: Site) -> dict[str, Callable[[int], Usage]]:
    """Return runs of this action and curl, each with a new app."""
    return {
        ACTION: lambda run: trial.action(f"action-{run}", site.sizes),
        **_beside(lab, lambda root, run: trial.action(f"beside-{run}", site.sizes, root)),
        CURL: lambda run: trial.curl(f"curl-{run}", site.sizes),
    }


def _table_for(lab: Lab, count: int, rows: Mapping[str, Usage]) -> Table:
    names = {name: f"{count:,} files, {name}" for name in (ACTION, BESIDE, CURL, UNCHANGED)}
    found = {name: rows[key] for name, key in names.items() if key in rows}
    return Table(f"{count:,} small files (0.2 to 2 kB)", found | {BOUND: lab.latency_bound(count)}, CURL)


def start_up(lab: Lab) -> list[Table]:
    """Measure the time from the start of the process to its first request."""
    site = Site(lab.folder / "start").fill(1, PAGE)
    with ServedPlatform(0) as plain, ServedPlatform(0, Certificate.make(lab.folder)) as secure:
        rows = lab.compare(
            {
                HTTP: lambda _run: _to_first_request(
                    plain, contestants.action(lab.python, plain, "site", site.folder, 1)
                ),
                HTTPS: lambda _run: _to_first_request(
                    secure, contestants.action(lab.python, secure, "site", site.folder, 1)
                ),
                IMPORTS: lambda _run: _to_the_printed_time(contestants.bare_imports(lab.python)),
            },
            runs=lab.size.start_ups,
        )
    return [Table("Start-up", rows, IMPORTS)]


def _to_first_request(platform: ServedPlatform, command: Command) -> Usage:
    platform.traffic()
    run = measure(command)
    first = platform.traffic().first_request
    if first is None:
        raise RuntimeError(f"no request reached the platform:\n{run.output}")
    return Usage(wall=first - run.began)


def _to_the_printed_time(command: Command) -> Usage:
    run = measure(command)
    return Usage(wall=float(run.output.split()[-1]) - run.began)


def _megabytes(site: Site) -> str:
    return f"{site.total / 1e6:,.0f} MB"


CASES = {
    "start-up": start_up,
    "first": first_deploy,
    "later": later_deploys,
    "large": large_file,
    "many": many_files,
    "huge": huge_site,
    "usual": usual_site,
    "waiting": waiting_files,
    "endless": answers_without_end,
}
"""The cases by their names on the command line."""
USUAL = ["start-up", "first", "later", "large", "many"]
"""The cases of a run without `--only`."""
