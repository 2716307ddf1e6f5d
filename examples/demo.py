"""Deploy a site and a container image to a local platform, and check the result.

`make demo` runs this module. `make demo KEEP=1` keeps the platform and its page running until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "examples" / "site"
API_KEY = "demo-key"


@dataclass(frozen=True)
class Platform:
    """A local platform in its own process. `folder` contains its state and the deploys' reports."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    @classmethod
    def start(cls) -> Platform:
        """Start the platform on a free port and wait until it is ready."""
        folder = Path(tempfile.mkdtemp(prefix="zerokie-demo-"))
        options = ["--port=0", f"--data={folder / 'platform'}", f"--api-key={API_KEY}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C must reach only the demo, which then stops the platform.
            start_new_session=True,
        )
        greeting = next(iter(process.stdout or ()), "")
        if not greeting:
            raise SystemExit("The local platform didn't start.")
        return cls(process, greeting.split()[-1], folder)

    def stop(self) -> None:
        """Stop the process and remove the folder."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def deploy(self, app: str, **inputs: str) -> dict[str, Any]:
        """Deploy to an app, and return the JSON result."""
        return self.run(app, create="true", **inputs)

    def run(self, app: str, **inputs: str) -> dict[str, Any]:
        """Run the action in its own process, as a CI job does, and return its JSON result."""
        reports = self.folder / app
        given = {"api-url": self.url, "api-key": API_KEY, "app": app, **inputs}
        given["report-dir"] = str(reports)
        env = {name: os.environ[name] for name in ("PATH", "TERM", "LANG") if name in os.environ}
        env |= {f"ZEROKIE_{name.upper().replace('-', '_')}": value for name, value in given.items()}
        subprocess.run([sys.executable, ROOT / "entrypoint.py"], check=True, env=env)
        outcome: dict[str, Any] = json.loads((reports / "result.json").read_text("utf-8"))
        return outcome


def demonstrate(platform: Platform) -> None:
    """Run three deploys and a status, and check the site after each deploy of it."""
    heading(f"Deploying the folder {SITE.relative_to(ROOT)}/")
    site = platform.deploy("demo-site", directory=str(SITE))
    pages = compare_with_folder(site["url"])
    summary = (platform.folder / "demo-site" / "summary.md").read_text("utf-8")

    heading("Deploying the same folder again (changes nothing, and takes no lock)")
    again = platform.deploy("demo-site", directory=str(SITE))
    compare_with_folder(again["url"])

    heading("Showing what is live")
    platform.run("demo-site", operation="status")

    heading("Deploying a container image")
    image = platform.deploy("demo-app", image="nginx:alpine", port="80")

    heading("The job summary of the first deploy")
    print(summary)

    heading("Result")
    print(f"site   {site['deploy_id']}   {site['url']}   {pages} files, served byte for byte")
    print(f"again  no deploy ID        {again['url']}   {again['files_unchanged']} unchanged")
    print(f"image  {image['deploy_id']}   {image['url']}   {image['image']}")


def invite(platform: Platform) -> None:
    """Print the addresses and wait for Ctrl-C."""
    heading("Try it")
    print(f"page       {platform.url}/")
    print(f"API key    {API_KEY} (for the page and for your own deploys)")
    print(f"reports    {platform.folder}")
    print("\nPress Ctrl-C to stop the platform and remove its files.", flush=True)
    platform.process.wait()


def compare_with_folder(url: str) -> int:
    """Compare every file of the site with the folder and return the number of files."""
    files = [path for path in SITE.rglob("*") if path.is_file()]
    opener = build_opener(ProxyHandler({}))
    for path in files:
        address = f"{url.rstrip('/')}/{quote(path.relative_to(SITE).as_posix())}"
        with opener.open(address, timeout=10) as response:
            if response.read() != path.read_bytes():
                raise SystemExit(f"{address} differs from {path.relative_to(ROOT)}.")
    return len(files)


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def main() -> int:
    """Return 0, or the exit code of a failed deploy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the platform running until Ctrl-C")
    keep = parser.parse_args().keep
    # Handle SIGTERM like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    platform = Platform.start()
    try:
        demonstrate(platform)
        if keep:
            invite(platform)
        else:
            print("\nStopping the local platform and its links. To keep it, run: make demo KEEP=1")
    except subprocess.CalledProcessError as error:
        print(f"\nThe deploy failed with exit code {error.returncode}.")
        return error.returncode
    except KeyboardInterrupt:
        print()
    finally:
        platform.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
