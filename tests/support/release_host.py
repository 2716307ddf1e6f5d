"""Stand-ins for `gh` and `docker` in a release.

GitHub is a bare repository, `RELEASE_ORIGIN`. Its commits and tags are real ones in git. Releases and the
names of images are in its file `host.json`. To use them, put `tests/support/release` first on the PATH.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Host = dict[str, Any]
EMPTY: Host = {"releases": {}, "latest": "", "images": {}, "private": False}
"""A host without releases. `private` images need credentials."""


def git(*arguments: str, given: str = "", **env: str) -> str:
    """Run git in the origin, and return its output."""
    who = {
        f"GIT_{role}_{field}": "a@b.example"
        for role in ("AUTHOR", "COMMITTER")
        for field in ("NAME", "EMAIL")
    }
    command = ("git", "--git-dir", os.environ["RELEASE_ORIGIN"], *arguments)
    env = {**os.environ, **who, **env}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env, input=given, text=True)
    return done.stdout.strip()


def api(method: str, path: str, body: Any) -> Any:
    """Return the response of GitHub's API for git data."""
    match method, path.split("/"):
        case "GET", ["matching-refs", *ref]:
            names = git("for-each-ref", "--format=%(objectname) %(refname)", f"refs/{'/'.join(ref)}*")
            pairs = [line.split() for line in names.splitlines()]
            return [{"ref": name, "object": {"sha": sha}} for sha, name in pairs]
        case "GET", ["commits", sha]:
            parents = git("show", "--no-patch", "--format=%P", sha).split()
            message = git("show", "--no-patch", "--format=%B", sha)
            return {"message": message, "parents": [{"sha": parent} for parent in parents]}
        case "POST", ["trees"]:
            return {"sha": tree(body["base_tree"], body["tree"])}
        case "POST", ["commits"]:
            parents = [part for parent in body["parents"] for part in ("-p", parent)]
            return {"sha": git("commit-tree", body["tree"], *parents, given=body["message"])}
        case "POST", ["refs"]:
            return git("update-ref", body["ref"], body["sha"], "0" * 40)
        case "PATCH", ["refs", *ref]:
            git("show-ref", "--verify", f"refs/{'/'.join(ref)}")
            return git("update-ref", f"refs/{'/'.join(ref)}", body["sha"])
    raise ValueError(f"unexpected: {method} {path}")


def tree(base: str, entries: list[dict[str, str]]) -> str:
    """Write a tree with some other files than `base`, and return its name."""
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git("read-tree", base, **index)
        for entry in entries:
            blob = git("hash-object", "-w", "--stdin", given=entry["content"])
            git("update-index", "--cacheinfo", f"{entry['mode']},{blob},{entry['path']}", **index)
        return git("write-tree", **index)


def gh(arguments: list[str], host: Host) -> str:
    """Run a command of GitHub's client, and return its output. A wrong command raises an error."""
    match arguments:
        case ["api", "--method", method, path, *_]:
            body = json.loads(sys.stdin.read() or "null")
            return json.dumps(api(method, path.removeprefix("repos/{owner}/{repo}/git/"), body))
        case ["release", command, *options]:
            return release(command, options, host)
    raise ValueError(f"unexpected: gh {' '.join(arguments)}")


def release(command: str, options: list[str], host: Host) -> str:
    """Run a command of GitHub's client about releases, and return its output."""
    releases = host["releases"]
    match command, options:
        case "view", [tag]:
            return json.dumps(releases[tag])
        case "list", ["--limit", "1000", "--json", "tagName,isDraft,isPrerelease"]:
            return json.dumps([{"tagName": tag, **shown} for tag, shown in releases.items()])
        case "create", [tag, "--draft", "--verify-tag", "--title", title, *kind, "--notes-file", "-"]:
            git("show-ref", "--verify", f"refs/tags/{tag}")
            is_prerelease = {(): False, ("--prerelease",): True}[tuple(kind)]
            texts = {"title": title, "notes": sys.stdin.read()}
            releases[tag] = {"isDraft": True, "isPrerelease": is_prerelease, **texts}
        case "edit", [tag, "--draft=false"] if releases[tag]["isDraft"]:
            releases[tag]["isDraft"] = False
        case "edit", [tag, "--latest"] if not releases[tag]["isPrerelease"]:
            host["latest"] = tag
        case "edit", [tag, "--prerelease", "--notes", text]:
            releases[tag] |= {"isPrerelease": True, "notes": text}
        case _:
            raise ValueError(f"unexpected: gh release {command} {' '.join(options)}")
    return ""


def docker(arguments: list[str], host: Host) -> str:
    """Run a command of Docker's client, and return its output. Each image is main's."""
    digests = {architecture: f"sha256:{architecture:0<64}" for architecture in ("amd64", "arm64")}
    match arguments:
        case ["--config", folder, "buildx", "imagetools", "inspect", _]:
            if host["private"] or list(Path(folder).iterdir()):
                sys.exit("unauthorized")
            return ""
        case ["buildx", "imagetools", "create", "--tag", name, image]:
            host["images"][name] = image
            return ""
        case ["buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name]:
            return json.dumps({"digest": host["images"][name].partition("@")[2]})
        case ["buildx", "imagetools", "inspect", "--raw", _]:
            platforms = {name: {"os": "linux", "architecture": name} for name in digests}
            parts = [{"platform": platforms[name], "digest": digests[name]} for name in digests]
            return json.dumps({"manifests": parts})
        case ["run", "--rm", "--platform", platform, image, "--version"]:
            if image.endswith(digests[platform.removeprefix("linux/")]):
                package = git("show", "main:zerokie_action/__init__.py")
                return " ".join(("zerokie-action", *re.findall('__version__ = "(.*)"', package)))
    raise ValueError(f"unexpected: docker {' '.join(arguments)}")


def main(program: str, *arguments: str) -> None:
    """Run a command, print its output, and save the host's state."""
    state = Path(os.environ["RELEASE_ORIGIN"]) / "host.json"
    host = json.loads(state.read_text("utf-8")) if state.exists() else EMPTY
    try:
        output = (gh if program == "gh" else docker)(list(arguments), host)
    except (KeyError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(repr(error))
    state.write_text(json.dumps(host), "utf-8")
    sys.stdout.write(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
