"""Random histories of killed deploys of one app.

Two to five deploys run in parallel or one after another. Each has a folder and a state file, and runs until
it succeeds. Some share a state file. Between two rounds, the cleanup runs for some of the killed deploys.
Promises:

lock     every write happens under the lock of its own run
cleanup  a cleanup releases the lock of its run, and no other lock
green    the site equals the folder when a successful deploy finalizes it
end      after a cleanup and a rerun of all, every deploy succeeded, and all state files are gone

The platform responds to a heartbeat without a lock with 409, because the cleanup keeps a record after a 404.
"""

import asyncio
import random
import signal
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from sandbox.platform import EXPIRY
from sandbox.records import Record
from tests.support import timewarp
from tests.support.cleanup import clean_up
from tests.support.world import World, close_signals, open_world, stored

ROUNDS = 6
MAY_BE_HELD = "An earlier run may still hold the deploy lock on 'site', according to `state-file`."


class Deploy:
    """A deploy with its folder and its state file, which may be killed."""

    def __init__(self, world: World, state: Path, ended: Counter[int | str]) -> None:
        self.world = world
        self.ended = ended
        self.kill_at = -1
        """Index of the request at which the next run is killed, or negative for no kill."""
        self.is_done = False
        self.is_killed = False
        self.state = state
        world.env["ZEROKIE_STATE_FILE"] = str(state)

    @property
    def host(self) -> str:
        """The platform's address for this run only."""
        assert self.world.server is not None
        return self.world.server.url.partition("//")[2]

    async def run(self, after: float) -> None:
        """Run the deploy for up to this many seconds."""
        await asyncio.sleep(after)
        self.world.reset_signals()
        self.is_killed = False
        outcome = await self.world.arun(lock_timeout="10m", max_deletes=99)
        self.is_done = outcome.exit_code == 0
        self.ended["killed" if self.is_killed else outcome.exit_code] += 1
        if MAY_BE_HELD in outcome.log:
            self.ended["told of a killed run"] += 1
        assert self.is_done or self.is_killed or outcome.exit_code in {2, 6}, outcome.log

    def kill(self) -> None:
        """Drop all further requests of this run."""
        self.is_killed = True
        self.world.go_away(1e6)
        self.world.signals._record(signal.SIGTERM, None)
        self.world.signals._wake.send(b"\0")


class History:
    """The deploys of one app, and the broken promises."""

    def __init__(self, dice: random.Random, world: World) -> None:
        self.dice = dice
        self.platform, self.loop = world.platform, world.loop
        self.problems: list[str] = []
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.sessions: defaultdict[str, set[str]] = defaultdict(set)
        self.ended: Counter[int | str] = Counter()
        self.deploys: list[Deploy] = []
        for number in range(dice.randint(2, 5)):
            folder = world.folder.parent / f"{number}" / "folder"
            folder.mkdir(parents=True)
            new = World(folder, self.platform, self.loop)
            names = [f"{name}.txt" for name in dice.sample(range(12), 6)]
            new.write({"index.html": b"."} | dict.fromkeys(names, bytes([number])))
            shared = number if dice.random() < 0.8 else 0
            state = world.folder.parent / f"state-{shared}.json"
            self.deploys.append(Deploy(new, state, self.ended))
        self.platform.on_request, self.platform.on_response = self.look, self.check

    def of(self, record: Record) -> Deploy | None:
        """Return the deploy whose run sent this request, or None for a cleanup."""
        hosts = {one.host: one for one in self.deploys if one.world.server}
        return hosts.get(record.headers["host"])

    def look(self, record: Record) -> None:
        """Kill the run that sent this request, if it is time."""
        host = record.headers["host"]
        if record.session:
            self.sessions[host].add(record.session)
        self.counts[host] += 1
        deploy = self.of(record)
        if deploy and self.counts[host] == deploy.kill_at:
            deploy.kill()

    def check(self, record: Record) -> None:
        """Record writes without the run's own lock, and a wrong site at finalize."""
        if record.status not in {200, 201, 204} or record.method == "GET":
            return
        sessions = self.sessions[record.headers["host"]]
        is_finalize = record.path.endswith("/finalize")
        if "/files/" in record.path and record.lock_holder not in sessions:
            self.problems.append(f"lock: {record} under {record.lock_holder}")
        if is_finalize and record.lock_holder not in {*sessions, None}:
            self.problems.append(f"lock: {record} of {record.lock_holder}")
        deploy = self.of(record)
        if is_finalize and deploy and not deploy.is_killed and stored(self.platform) != deploy.world.read():
            self.problems.append(f"green: {record}")

    async def round(self) -> None:
        """Run most of the unfinished deploys in parallel."""
        chosen = [one for one in self.deploys if not one.is_done and self.dice.random() < 0.8]
        await asyncio.gather(*(one.run(self.dice.choice([0, 1, 60])) for one in chosen))

    def clean_up(self, deploy: Deploy) -> None:
        """Run the cleanup for a deploy, and check that it releases only the lock of the recorded run."""
        before, state = self.platform.lock("site"), deploy.state
        is_recorded = before is not None and state.exists() and before in state.read_text()
        deploy.world.reset_signals()
        said = clean_up(deploy.world)
        assert self.platform.lock("site") == (None if is_recorded else before), said
        self.ended["cleanups"] += "released the deploy lock" in said

    def play(self) -> None:
        """Run six rounds, then a cleanup and a rerun of all deploys."""
        for _ in range(ROUNDS):
            for deploy in self.deploys:
                deploy.kill_at = self.dice.randint(1, 25) if self.dice.random() < 0.6 else -1
            timewarp.run(self.loop, self.round())
            for deploy in self.deploys:
                if deploy.is_killed and self.dice.random() < 0.6:
                    self.clean_up(deploy)
            if self.dice.random() < 0.2:
                self.loop.jump(EXPIRY)
        for deploy in self.deploys:
            deploy.kill_at = -1
            self.clean_up(deploy)
        assert self.platform.lock("site") is None, "end"
        for deploy in self.deploys:
            timewarp.run(self.loop, deploy.run(0))
            assert deploy.is_done, "end"
            assert stored(self.platform) == deploy.world.read(), "end"
            assert not deploy.state.exists(), "end"


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(9, 13), id="a sample"),
        pytest.param(range(200), id="many", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_deploys_never_break_a_promise(
    seeds: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promises hold, and the histories contain kills, cleanups and reruns."""
    monkeypatch.chdir(tmp_path)
    ended: Counter[int | str] = Counter()
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        with (
            timewarp.warped(monkeypatch) as loop,
            open_world(tmp_path / str(seed), loop, dialect=["lock-lost=409"]) as world,
        ):
            world.platform.apps.create_static("site")
            history = History(random.Random(seed), world)  # noqa: S311
            history.play()
            for deploy in history.deploys:
                close_signals(deploy.world.signals)
        assert history.problems == []
        ended += history.ended
    assert all(ended[what] for what in ("killed", "cleanups", "told of a killed run", 0, 2)), ended
