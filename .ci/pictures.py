"""Generator for the pictures in `docs/pictures`.

The pictures show real runs against the local platform. `make pictures` requires Chromium (see `.ci/browser`)
and GitHub's style sheet from npm. Each picture exists for light and dark pages. A document shows it like
this:

    <picture>
      <source media="(prefers-color-scheme: dark)" srcset="docs/pictures/summary-dark.png">
      <img src="docs/pictures/summary-light.png" alt="…" width="820">
    </picture>

The `alt` text is from `PICTURES`. The pictures show the real platform's addresses instead of the local ones.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.previews.code_host import TOKEN, CodeHost  # noqa: E402 - found by the line above
from tests.support import chromium  # noqa: E402
from tests.support.platform import Platform  # noqa: E402
from tests.support.required import npm_file  # noqa: E402
from tests.support.rest import serve  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

FOLDER = ROOT / "docs" / "pictures"
SCHEMES = ("light", "dark")


@dataclass(frozen=True)
class Stage:
    """A platform, and a folder to work in."""

    platform: Platform
    folder: Path

    def deploy(self, code: int = 0, *, env: dict[str, str] | None = None, **inputs: str) -> str:
        """Run the action as a step on GitHub, and return the job summary."""
        summary = self.folder / "summary.md"
        summary.unlink(missing_ok=True)
        event = self.folder / "event.json"
        event.write_text('{"pull_request": {"number": 12}}', "utf-8")
        github = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/my-site",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_SHA": "8d5c1f2a90b7e6344c0de51b7a2f9d3e6c8b0a17",
            "GITHUB_RUN_ID": "19734502811",
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_OUTPUT": os.devnull,
            "GITHUB_STATE": os.devnull,
        }
        done = subprocess.run(
            [sys.executable, ROOT / "entrypoint.py"],
            env={**os.environ, **github, **self.platform.inputs(**inputs), **(env or {})},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != code:
            raise SystemExit(done.stdout + done.stderr)
        return public(summary.read_text("utf-8"))

    def write(self, files: dict[str, int]) -> None:
        """Replace the folder `dist` with files of these sizes."""
        shutil.rmtree(self.folder / "dist", ignore_errors=True)
        for path, size in files.items():
            file = self.folder / "dist" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(random.Random(f"{path}{size}").randbytes(size))  # noqa: S311 - no secret


def public(text: str) -> str:
    """Return the text with the real platform's addresses instead of the local ones."""
    local = r"(http://)?127\.0\.0\.1:\d+/(?:_|&#95;)apps/([a-z0-9-]+)/?"
    return re.sub(
        local, lambda found: f"{'https://' * bool(found[1])}{found[2]}.platform-dev.zerokie.com", text
    )


def site() -> dict[str, int]:
    """Return the sizes of about 200 files, which are pages, pictures and styles."""
    source = random.Random(1)  # noqa: S311 - no secret
    pages = {f"blog/post-{number}/index.html": source.randint(4_000, 30_000) for number in range(1, 121)}
    pictures = {f"images/photo-{number}.webp": source.randint(20_000, 90_000) for number in range(1, 81)}
    return {"index.html": 8_400, "about/index.html": 6_100, "assets/app.css": 31_000, **pages, **pictures}


def summary(stage: Stage) -> str:
    """Show an update from one commit to the next, with new, changed and deleted files."""
    stage.platform.create("my-site")
    files = site()
    stage.write(files)
    before = {"GITHUB_SHA": "41c7e09b5d2f8a6e3b90c4175ad8f2e6b7093d5c", "GITHUB_RUN_ID": "19731840276"}
    stage.deploy(env=before, app="my-site", directory="dist")
    del files["blog/post-7/index.html"]
    changes = {"index.html": 8_700, "assets/app.css": 31_900, "blog/post-121/index.html": 12_300}
    stage.write({**files, **changes, "images/photo-81.webp": 74_500})
    return framed("deploy summary", stage.deploy(app="my-site", directory="dist", health_check="/"))


def comment(stage: Stage) -> str:
    """Show the preview of a pull request."""
    stage.write(site())
    host = CodeHost()
    with serve(host) as url:
        stage.deploy(
            env={"GITHUB_API_URL": url},
            app="my-site-pr-12",
            directory="dist",
            create="true",
            health_check="/",
            comment="true",
            github_token=TOKEN,
        )
    (body,) = host.comments.values()
    return framed("<b>github-actions</b> commented on #12", public(body))


def sandbox(stage: Stage) -> str:
    """Show the local platform's own page after some deploys."""
    stage.platform.clear_faults()
    summary(stage)
    comment(stage)
    stage.deploy(app="my-api", image="ghcr.io/acme/my-api:1.4.0", create="true", port="80")
    return f"{stage.platform.url}/"


PICTURES: dict[str, tuple[Callable[[Stage], str], str]] = {
    "summary": (
        summary,
        "The job summary: my-site is live, with its link; what changed, and how long it took",
    ),
    "comment": (comment, "The comment on a pull request: its preview is live, with its link"),
    "sandbox": (
        sandbox,
        "The local platform's page: its apps, trouble to make, the last deploys and requests",
    ),
}
"""The pictures with their `alt` texts."""


def framed(title: str, markdown: str) -> str:
    """Return a page with a Markdown document in a box with a title, like a code host's page."""
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    return page(
        f'<div class="box"><div class="title">{title}</div><div class="markdown-body">{body}</div></div>'
    )


STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; font-family: "DejaVu Sans", sans-serif;
  background: light-dark(#fff, #0d1117); }
.box { border: 1px solid light-dark(#d1d9e0, #3d444d); border-radius: 6px; overflow: hidden; }
.title { padding: 10px 16px; font-size: 13px; color: light-dark(#59636e, #9198a1);
  background: light-dark(#f6f8fa, #151b23); border-bottom: 1px solid light-dark(#d1d9e0, #3d444d); }
.markdown-body { padding: 16px; font-family: inherit; font-size: 14px; }
"""


def page(body: str) -> str:
    """Return a whole document with GitHub's style sheet."""
    sheet = npm_file("github-markdown-css/github-markdown.css").read_text("utf-8")
    return f"<!doctype html><meta charset=utf-8><style>{sheet}{STYLE}</style>{body}"


def take(program: Browser, shown: str, file: Path, *, scheme: str, width: int = 852) -> None:
    """Save a picture of a whole document, or of the first screen at an address."""
    is_address = shown.startswith("http")
    with program.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 1280, "height": 860} if is_address else {"width": width, "height": 100},
        device_scale_factor=1 if is_address else 1.5,
    ) as context:
        tab = context.new_page()
        if is_address:
            tab.goto(shown)
        else:
            tab.set_content(shown)
        tab.screenshot(path=file, full_page=not is_address)


@contextmanager
def stage() -> Iterator[Stage]:
    """Start a platform for a picture. Requests are as slow as over a network."""
    with tempfile.TemporaryDirectory(prefix="zerokie-pictures-") as folder:
        platform = Platform.start(Path(folder) / "platform")
        platform.fault("delay", seconds=0.04, times=None)
        try:
            yield Stage(platform, Path(folder))
        finally:
            platform.stop()


def main(arguments: list[str] | None = None) -> None:
    """Make these pictures, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"{', '.join(PICTURES)} (all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to (%(default)s)")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with chromium.browser() as program:
        for name in options.names or PICTURES:
            with stage() as new:
                shown = PICTURES[name][0](new)
                for scheme in SCHEMES:
                    take(program, shown, options.folder / f"{name}-{scheme}.png", scheme=scheme)


if __name__ == "__main__":
    main()
