"""Programs of the benchmark, started like users start them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Command, Usage, measure
from bench.served import API_KEY, ServedPlatform

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parent
_BLOCK = 1024 * 1024
_LIKE_THE_IMAGE = {"PYTHONPATH": str(_HERE / "absent")}
"""Variables that hide further packages, because the environment of `--quick` has more than the image."""
IMPORTS = "import anyio, httpx, pathspec, pydantic_settings, time; print(time.monotonic())"


@dataclass(frozen=True, slots=True)
class Trial:
    """A folder, a platform, and the tools that upload the folder to the platform.

    Each tool's method uploads the folder to `app` once, and checks that the platform stored exactly the files
    in `sizes`. Otherwise it raises a `RuntimeError`.

    Attributes:
        connections: maximum number of connections of each tool.
        list_file: path for the tools' lists of files.
        python: the interpreter for this action.
    """

    platform: ServedPlatform
    folder: Path
    connections: int
    list_file: Path
    python: str

    def action(
        self, app: str, sizes: Mapping[str, int], root: Path = ROOT, more: Mapping[str, str] | None = None
    ) -> Usage:
        """Run this action like a CI job. `root` is the checkout, and `more` are other inputs."""
        return self._run(self.command(app, root, more or {}), app, sizes)

    def command(
        self, app: str, root: Path, more: Mapping[str, str], *, exit_code: int = 0, is_github: bool = False
    ) -> Command:
        """Return this action's command and expected exit code. On GitHub, the platform is its API."""
        made = action(self.python, self.platform, app, self.folder, self.connections, root=root)
        env = made.env | {f"ZEROKIE_{name.upper()}": value for name, value in more.items()}
        if is_github:
            env |= {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": self.platform.url, "GITHUB_REPOSITORY": "a/b"}
        return Command(made.argv, env, exit_code)

    def curl(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """Upload these files with `curl -Z` in one process.

        Without `--parallel-immediate`, curl would first wait to learn whether the server supports HTTP/2.
        """
        base = f"{self.platform.url}/v1/apps/{app}/files"
        with self.list_file.open("w", encoding="utf-8") as file:
            file.write(f'header = "Authorization: Bearer {API_KEY}"\nheader = "Expect:"\n')
            file.writelines(
                f'upload-file = "{self.folder / path}"\nurl = "{base}/{path}"\n' for path in sizes
            )
        options = ["--disable", "--silent", "--show-error", "--fail", "--config", str(self.list_file)]
        width = ["--parallel", "--parallel-immediate", "--parallel-max", str(self.connections)]
        trusted = ["--cacert", str(self.platform.bundle)] if self.platform.bundle else []
        return self._run(Command(["curl", *options, *width, *trusted]), app, sizes)

    def httpx_loop(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """Upload these files with httpx, with a transport and a connection for each worker."""
        target = f"{self.platform.url}/v1/apps/{app}/files"
        script = [self.python, "-P", str(_HERE / "httpx_loop.py")]
        command = [*script, target, str(self.folder), str(self.connections)]
        return self._run(Command(command, {**_LIKE_THE_IMAGE, "API_KEY": API_KEY}), app, sizes)

    def rclone(self, app: str, sizes: Mapping[str, int], *compare: str) -> Usage:
        """Run `rclone sync` over S3's protocol, which compares sizes and times with the file list."""
        login = ["--s3-provider=Other", "--s3-access-key-id=id", f"--s3-secret-access-key={API_KEY}"]
        where = [f"--s3-endpoint={self.platform.url}/s3", "--s3-force-path-style", "--s3-no-check-bucket"]
        tuned = [
            "--s3-no-head",
            "--s3-list-version=2",
            "--fast-list",
            *(compare or ("--use-server-modtime", "--update")),
            f"--transfers={self.connections}",
            f"--checkers={self.connections}",
        ]
        trusted = [f"--ca-cert={self.platform.bundle}"] if self.platform.bundle else []
        options = ["--config=", "--retries=1", *login, *where, *trusted, *tuned]
        return self._run(Command(["rclone", "sync", *options, str(self.folder), f":s3:{app}"]), app, sizes)

    def rclone_checksum(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """Run `rclone sync` with a comparison of MD5 sums instead of times."""
        return self.rclone(app, sizes, "--checksum")

    def aws(self, app: str, sizes: Mapping[str, int]) -> Usage:
        """Run `aws s3 sync`, which compares sizes and times."""
        settings = self.list_file.with_name("aws")
        wide = f"max_concurrent_requests = {self.connections}"
        settings.write_text(f"[default]\ns3 =\n  {wide}\n  addressing_style = path\n", "utf-8")
        env = {
            "AWS_CONFIG_FILE": str(settings),
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": API_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }
        options = [f"--endpoint-url={self.platform.url}/s3", "--delete", "--only-show-errors"]
        command = ["aws", "s3", "sync", *options, str(self.folder), f"s3://{app}"]
        return self._run(Command(command, env), app, sizes)

    def _run(self, command: Command, app: str, sizes: Mapping[str, int]) -> Usage:
        self.platform.traffic()
        usage = self._measure(command)
        stored = self.platform.traffic().stored
        if stored != len(sizes) or not sizes.items() <= self.platform.sizes(app).items():
            wrong = f"stored {stored:,} files, not these {len(sizes):,}"
            raise RuntimeError(f"{Path(command.argv[0]).name} for {app!r} {wrong}")
        return usage

    def _measure(self, command: Command) -> Usage:
        """Run the command with the files in the page cache, because rclone drops them from it."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    while file.read(_BLOCK):
                        pass
        return measure(command).usage


def action(
    python: str, platform: ServedPlatform, app: str, folder: Path, connections: int, *, root: Path = ROOT
) -> Command:
    """Return the command of this action, from the checkout at `root`."""
    given = inputs(platform, app, str(folder), connections)
    trusted = {"SSL_CERT_FILE": str(platform.bundle)} if platform.bundle else {}
    return Command([python, str(root / "entrypoint.py")], {**_LIKE_THE_IMAGE, **given, **trusted})


def inputs(platform: ServedPlatform, app: str, folder: str, connections: int) -> dict[str, str]:
    """Return an environment with only the variables that this action needs."""
    return {
        "ZEROKIE_API_URL": platform.url,
        "ZEROKIE_API_KEY": API_KEY,
        "ZEROKIE_APP": app,
        "ZEROKIE_DIRECTORY": folder,
        "ZEROKIE_CONCURRENCY": str(connections),
    }


def bare_imports(python: str) -> Command:
    """Return a command that imports the libraries that any such client needs, and prints the time."""
    return Command([python, "-c", IMPORTS], _LIKE_THE_IMAGE)
