"""Deploys a site and a container image to a local platform, and looks at what is live then.

Run by `make demo`; `make demo KEEP=1` leaves the platform running, with a page to look at, until Ctrl-C.
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
    """A local platform in a process of its own; `folder` holds its state and the deploys' reports."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    @classmethod
    def start(cls) -> Platform:
        """Start one on a free port; it is ready when this returns."""
        folder = Path(tempfile.mkdtemp(prefix="zerokie-demo-"))
        options = ["--port=0", f"--data={folder / 'platform'}", f"--api-key={API_KEY}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the platform
        )
        greeting = next(iter(process.stdout or ()), "")
        if not greeting:
            raise SystemExit("The local platform did not start.")
        return cls(process, greeting.split()[-1], folder)

    def stop(self) -> None:
        """End the process and forget everything."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def deploy(self, app: str, **inputs: str) -> dict[str, Any]:
        """Run the action in a process of its own, as a CI job would, and return its JSON result."""
        result = self.folder / f"{app}.json"
        given = {"api-url": self.url, "api-key": API_KEY, "app": app, "create": "true", **inputs}
        given |= {"output-file": str(result), "summary-file": str(self.folder / f"{app}.md")}
        env = {name: os.environ[name] for name in ("PATH", "TERM", "LANG") if name in os.environ}
        env |= {f"ZEROKIE_{name.upper().replace('-', '_')}": value for name, value in given.items()}
        subprocess.run([sys.executable, ROOT / "entrypoint.py"], check=True, env=env)
        outcome: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return outcome


def demonstrate(platform: Platform) -> None:
    """Three deploys; after each the platform must show what was deployed."""
    heading(f"A folder becomes a site: {SITE.relative_to(ROOT)}/")
    site = platform.deploy("demo-site", directory=str(SITE))
    pages = compare_with_folder(site["url"])
    summary = (platform.folder / "demo-site.md").read_text("utf-8")

    heading("The same folder again: nothing has to be uploaded")
    again = platform.deploy("demo-site", directory=str(SITE))
    compare_with_folder(again["url"])

    heading("A container image becomes an app")
    image = platform.deploy("demo-app", image="nginx:alpine", port="80")

    heading("The summary of the first deploy, as a CI shows it")
    print(summary)

    heading("What is live")
    print(f"site   {site['deploy_id']}   {site['url']}   {pages} files, served byte for byte")
    print(f"again  {again['deploy_id']}   {again['url']}   {again['files_unchanged']} unchanged")
    print(f"image  {image['deploy_id']}   {image['url']}   {image['image']}")


def invite(platform: Platform) -> None:
    """Tell where to look, and wait for Ctrl-C."""
    heading("Look at it")
    print(f"page       {platform.url}/")
    print(f"API key    {API_KEY} (for the page's switches, and for deploys of your own)")
    print(f"reports    {platform.folder}")
    print("\nCtrl-C ends it and removes everything.", flush=True)
    platform.process.wait()


def compare_with_folder(url: str) -> int:
    """Fetch every file of the site over HTTP; return how many there are."""
    files = [path for path in SITE.rglob("*") if path.is_file()]
    opener = build_opener(ProxyHandler({}))
    for path in files:
        address = f"{url.rstrip('/')}/{quote(path.relative_to(SITE).as_posix())}"
        with opener.open(address, timeout=10) as answer:
            if answer.read() != path.read_bytes():
                raise SystemExit(f"{address} is not what {path.relative_to(ROOT)} contains.")
    return len(files)


def heading(text: str) -> None:
    """Tell what comes next."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def main() -> int:
    """Return 0 when all went well, otherwise the exit code of the deploy that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the platform running until Ctrl-C")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C
    platform = Platform.start()
    try:
        demonstrate(platform)
        if keep:
            invite(platform)
        else:
            print("\nThe local platform stops now, and its links end with it. Keep it: make demo KEEP=1")
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
