"""Commands that release a version, except for the image's build.

    python .ci/release.py set VERSION                 set 1.2.3 or 1.2.3-rc.1, and 1.2.4.dev0 after it
    python .ci/release.py check VERSION               check that the checkout is ready for this release
    python .ci/release.py try VERSION IMAGE           start the image on each architecture
    python .ci/release.py draft VERSION IMAGE         draft the release of `ghcr.io/OWNER/NAME@sha256:…`
    python .ci/release.py follow VERSION              move `vX`, the image's tag `X` and *Latest*

`check` rejects a version whose tag `vX.Y.Z` exists, so the checkout needs the tags. `draft` and `follow` use
`gh` for GitHub (GH_TOKEN, GH_REPO) and `docker` for the registry. After a failure, you can repeat both with
the same image. In between, an owner publishes the draft in the browser, because only the browser can list a
release in the Marketplace, and only while it is a draft. A release candidate such as 1.2.3-rc.1 is a
pre-release, so `follow` doesn't apply to it. The process is in docs/contributing/releasing.md.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "zerokie_action" / "__init__.py"

PINNED = {
    "action.yml": (r"^  image: Dockerfile$", "  image: docker://{image}"),
    "templates/deploy.yml": (r"^      # no default: .*$", "      default: {image}"),
}
"""The image's line in each file. On main, it is the Dockerfile or no image, and in a release the digest."""

ARCHITECTURES = ("amd64", "arm64")

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_CANDIDATE = re.compile(rf"{_VERSION.pattern}-rc\.[1-9]\d*")
_IMAGE = re.compile(r"ghcr\.io/[a-z0-9_-]+/[a-z0-9._-]+@sha256:[0-9a-f]{64}")


class NotReadyError(Exception):
    """The reason why a release isn't possible."""


def pin(path: str, text: str, image: str) -> str:
    """Return the release's version of a file of `PINNED`.

    Raises:
        NotReadyError: the image isn't a digest, or the file doesn't have exactly one image.
    """
    if not _IMAGE.fullmatch(image):
        raise NotReadyError(f"{image!r} does not name an image on ghcr.io by its digest")
    pattern, line = PINNED[path]
    pinned, count = re.subn(pattern, line.format(image=image), text, flags=re.MULTILINE)
    if count != 1:
        raise NotReadyError(f"{path} names the image {count} times, not once")
    return pinned


def notes(changelog: str, version: str) -> str:
    """Return the changelog's section about a version.

    Raises:
        NotReadyError: the section or its date is missing, or the section is empty.
    """
    section = re.compile(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|^\[|\Z)", re.MULTILINE | re.DOTALL
    )
    found = section.search(changelog)
    text = found[1].strip() if found else ""
    if not text:
        raise NotReadyError(f"CHANGELOG.md lacks a section `## [{version}] - YYYY-MM-DD` with text")
    return text


def set_version(version: str) -> None:
    """Write a version into the package.

    Raises:
        NotReadyError: it isn't the version of a release, a candidate or a development version.
    """
    if not (_VERSION.fullmatch(version.removesuffix(".dev0")) or _CANDIDATE.fullmatch(version)):
        raise NotReadyError(f"{version!r} is not a version like 1.2.3, 1.2.3-rc.1 or 1.2.4.dev0")
    text = re.sub(
        '(?m)^__version__ = ".*"$', f'__version__ = "{_python(version)}"', PACKAGE.read_text("utf-8")
    )
    PACKAGE.write_text(text, "utf-8")


def check(version: str) -> None:
    """Check that the checkout is ready for the release, and that the version is new.

    Raises:
        NotReadyError: it isn't ready, or the version exists.
    """
    _check_texts(version)
    tag = f"v{version}"
    if _run("git", "-C", str(ROOT), "tag", "--list", tag):
        raise NotReadyError(
            f"the tag {tag} already exists, and each version is built only once. If its release isn't"
            " finished, run only the failed job again (`Re-run failed jobs`). Otherwise release the next one"
        )


def _check_texts(version: str) -> None:
    if not (_VERSION.fullmatch(version) or _CANDIDATE.fullmatch(version)):
        raise NotReadyError(f"{version!r} is not a version like 1.2.3 or 1.2.3-rc.1")
    if f'__version__ = "{_python(version)}"' not in PACKAGE.read_text("utf-8"):
        raise NotReadyError(
            f"the package's version isn't {version}. Run `python .ci/release.py set {version}`"
        )
    notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version)


def try_out(version: str, image: str) -> None:
    """Start the pushed image on each architecture.

    Each architecture is pulled by its own digest. Docker's classic store keeps one architecture per digest,
    and refuses to pull the common digest twice.

    Raises:
        NotReadyError: an architecture is missing, or reports another version.
    """
    index = json.loads(_run("docker", "buildx", "imagetools", "inspect", "--raw", image))
    digests = {
        platform["architecture"]: part["digest"]
        for part in index["manifests"]
        if (platform := part["platform"])["os"] == "linux"
    }
    if missing := [architecture for architecture in ARCHITECTURES if architecture not in digests]:
        raise NotReadyError(f"{image} is not built for {', '.join(missing)}")
    for architecture in ARCHITECTURES:
        part = f"{image.partition('@')[0]}@{digests[architecture]}"
        said = _run("docker", "run", "--rm", "--platform", f"linux/{architecture}", part, "--version").strip()
        if said != f"zerokie-action {_python(version)}":
            raise NotReadyError(f"the image for {architecture} is {said!r}, not {version}")


def draft(version: str, image: str, commit: str) -> None:
    """Tag the release commit and its image, and draft the release.

    Args:
        image: the pushed image, by digest.
        commit: the commit on main to release.

    Raises:
        NotReadyError: the version's release has another commit or image, the checkout isn't ready, or users
            can't pull the image.
    """
    _check_texts(version)
    _check_public(image)
    tag = f"v{version}"
    tags = _tags()
    released = tags[tag] if tag in tags else _tag_release_commit(tag, image, commit)
    made = _api("GET", f"git/commits/{released}")
    if [parent["sha"] for parent in made["parents"]] != [commit]:
        raise NotReadyError(f"the tag {tag} already exists and isn't a release of {commit}")
    if made["message"].strip() != _message(tag, image):
        raise NotReadyError(
            f"the tag {tag} already exists and doesn't pin {image}. Run the job `Draft` of the run that built"
            " its image again, or release the next version"
        )
    _name_image(f"{image.partition('@')[0]}:{version}", image)
    if not _runs("gh", "release", "view", tag):
        text = notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
        create = ("gh", "release", "create", tag, "--draft", "--verify-tag", "--title", version)
        kind = ("--prerelease",) if _CANDIDATE.fullmatch(version) else ()
        _run(*create, *kind, "--notes-file", "-", given=text)


def follow(version: str) -> None:
    """Move `vX`, the image's tag `X` and the mark *Latest* to the newest release that isn't withdrawn.

    Raises:
        NotReadyError: the version isn't published, is withdrawn, or is a candidate.
    """
    tag = f"v{version}"
    listed = ("gh", "release", "list", "--limit", "1000", "--json", "tagName,isDraft,isPrerelease")
    releases = [release["tagName"] for release in json.loads(_run(*listed)) if _is_live(release)]
    if tag not in releases:
        raise NotReadyError(
            f"{tag} isn't a release, is still a draft, or is a pre-release (a candidate or withdrawn)"
        )
    versions = sorted(_numbers(name.removeprefix("v")) for name in releases)
    _run("gh", "release", "edit", f"v{_text(versions[-1])}", "--latest")
    major = _numbers(version)[0]
    if _numbers(version) != max(other for other in versions if other[0] == major):
        return
    tags = _tags()
    made = _api("GET", f"git/commits/{tags[tag]}")
    image = made["message"].strip().rpartition("The image is ")[2].removesuffix(".")
    if made["message"].strip() != _message(tag, image):
        raise NotReadyError(f"the commit of the tag {tag} doesn't pin an image")
    _name_image(f"{image.partition('@')[0]}:{major}", image)
    _tag(f"v{major}", tags[tag], exists=f"v{major}" in tags)


def _is_live(release: dict[str, Any]) -> bool:
    is_version = _VERSION.fullmatch(release["tagName"].removeprefix("v"))
    return bool(is_version) and not release["isDraft"] and not release["isPrerelease"]


def _tags() -> dict[str, str]:
    """Return all tags that start with `v`, with their commits."""
    refs = _api("GET", "git/matching-refs/tags/v")
    return {ref["ref"].removeprefix("refs/tags/"): ref["object"]["sha"] for ref in refs}


def _check_public(image: str) -> None:
    """Check that users can pull the image without credentials, because a tag `vX.Y.Z` is permanent.

    Raises:
        NotReadyError: the registry doesn't show the image.
    """
    with TemporaryDirectory() as empty:
        command = ("docker", "--config", empty, "buildx", "imagetools", "inspect", image)
        inspected = subprocess.run(command, capture_output=True, check=False, text=True)
    if inspected.returncode != 0:
        raise NotReadyError(
            f"users can't pull {image} without credentials ({inspected.stderr.strip()}). Make the package"
            " public (docs/contributing/releasing.md), and run this job again"
        )


def _message(tag: str, image: str) -> str:
    """Return a release commit's message, from which later runs read the version's image."""
    return f"Release {tag}\n\nThe image is {image}."


def _name_image(name: str, image: str) -> None:
    """Tag the image, and check that the tag leads to its digest."""
    _run("docker", "buildx", "imagetools", "create", "--tag", name, image)
    # For a format that starts with `{{.Manifest`, such as `{{.Manifest.Digest}}`, buildx prints a table.
    inspect = ("docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name)
    if (found := json.loads(_run(*inspect))["digest"]) != image.partition("@")[2]:
        raise NotReadyError(f"{name} leads to {found}, not to {image}")


def _tag_release_commit(tag: str, image: str, commit: str) -> str:
    """Make the commit that pins the image, and return its SHA. GitHub signs commits from its API."""
    files = [
        {"path": path, "mode": "100644", "type": "blob", "content": pin(path, _at(commit, path), image)}
        for path in PINNED
    ]
    base = _run("git", "-C", str(ROOT), "rev-parse", f"{commit}^{{tree}}").strip()
    tree = _api("POST", "git/trees", {"base_tree": base, "tree": files})
    content = {"message": _message(tag, image), "tree": tree["sha"], "parents": [commit]}
    made = _api("POST", "git/commits", content)
    _tag(tag, made["sha"], exists=False)
    return str(made["sha"])


def _tag(tag: str, sha: str, *, exists: bool) -> None:
    """Create or move a tag.

    Raises:
        NotReadyError: GitHub rejects the change.
    """
    try:
        if exists:
            _api("PATCH", f"git/refs/tags/{tag}", {"sha": sha, "force": True})
        else:
            _api("POST", "git/refs", {"ref": f"refs/tags/{tag}", "sha": sha})
    except subprocess.CalledProcessError as error:
        raise NotReadyError(
            f"GitHub rejected the tag {tag}. For 403 or 422, give the environment `release` the app of"
            " docs/contributing/releasing.md, and run the job again. A workflow's own token can't override a"
            " rule for tags, and can't tag a commit whose workflow files differ from main's"
        ) from error


def _at(commit: str, path: str) -> str:
    return _run("git", "-C", str(ROOT), "show", f"{commit}:{path}")


def _api(method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    given = [] if body is None else ["--input", "-"]
    command = ["gh", "api", "--method", method, f"repos/{{owner}}/{{repo}}/{path}", *given]
    return json.loads(_run(*command, given="" if body is None else json.dumps(body)))


def _run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _python(version: str) -> str:
    """Return the version as Python spells it, such as 1.2.3rc1 for 1.2.3-rc.1."""
    return version.replace("-rc.", "rc")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def main(arguments: list[str]) -> int:
    """Run a command, and return its exit code."""
    try:
        match arguments:
            case ["set", version]:
                set_version(version)
            case ["check", version]:
                check(version)
            case ["try", version, image]:
                try_out(version, image)
            case ["draft", version, image]:
                draft(version, image, _run("git", "-C", str(ROOT), "rev-parse", "HEAD").strip())
            case ["follow", version]:
                follow(version)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except NotReadyError as error:
        print(f"Not released: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"Not released: `{' '.join(error.cmd[:3])}` failed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
