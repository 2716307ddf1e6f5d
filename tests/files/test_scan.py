from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.files.gitoracle import patterns, trees, write_tree
from zerokie_action.errors import ConfigurationError
from zerokie_action.files.ignore import DEFAULT_IGNORE, parse_patterns
from zerokie_action.files.local import LocalFile, identity
from zerokie_action.files.scan import Scan, scan

RIGHT_DIRECTORY = "is it the right directory, and is it built before this step?"
NEVER = "can never match: no path has an empty segment, '.' or '..'; write it from the directory"
usable = patterns.map(lambda lines: [line for line in lines if not parse_patterns([line], "ignore")[1]])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An empty directory to fill."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def deployed(folder: Path, **options) -> list[str]:
    return [file.path for file in scan(folder, **options).files]


def problems(folder: Path, **options) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        scan(folder, **options)
    return caught.value.problems


class TestFiles:
    def test_everything_that_can_be_deployed(self, site):
        """Each file with what is known of it, sorted by path; empty directories are nothing."""
        write_tree(site, ["b.html", "a/c.css", "a.txt"])
        (site / "empty").mkdir()
        result = scan(site)
        assert [file.path for file in result.files] == ["a.txt", "a/c.css", "b.html"]
        status = (site / "a.txt").stat()
        assert result.files[0] == LocalFile("a.txt", str(site), 5, status.st_mtime_ns, identity(status))
        assert (result.ignored, result.warnings, result.total_bytes) == (0, (), 5 + 7 + 6)

    def test_any_legal_name(self, site):
        """A name goes to the platform exactly as it is on disk, and an empty file is a file."""
        names = [
            "%41",
            "a b",
            "a#b",
            "a?b",
            "a\\b",
            'a"b',
            "a'b",
            "a\nb",
            "é",
            "e\u0301",
            "🎈",
            "...",
            "-",
            "::x::",
        ]
        for name in names:
            (site / name).touch()
        assert deployed(site) == sorted(names)

    def test_dot_directorys_are_deployed(self, site):
        """`.well-known/` is what certificates and app links need."""
        write_tree(site, [".well-known/security.txt", ".nojekyll"])
        assert deployed(site) == [".nojekyll", ".well-known/security.txt"]

    def test_the_directory_may_be_named_through_a_link_or_relatively(self, site, tmp_path, monkeypatch):
        """However the directory is named, the sources are absolute."""
        write_tree(site, ["a"])
        (tmp_path / "link").symlink_to("site")
        monkeypatch.chdir(tmp_path)
        for name in ("link", "site", "site/../site"):
            assert scan(Path(name)).files[0].source == os.fsencode(f"{site}/a")

    def test_the_total_of_nothing(self):
        """No file, no bytes."""
        assert Scan((), 0).total_bytes == 0

    def test_names_do_not_depend_on_the_locale(self, site):
        """In the C locale a name is the same UTF-8, and its file can be opened."""
        write_tree(site, ["é/ü.txt"])
        program = (
            "import json, sys; from pathlib import Path; from zerokie_action.files.scan import scan\n"
            "file = scan(Path(sys.argv[1])).files[0]; open(file.source).close(); print(json.dumps(file.path))"
        )
        environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        answer = subprocess.run(
            (sys.executable, "-c", program, site), env=environment, check=True, stdout=subprocess.PIPE
        )
        assert json.loads(answer.stdout) == "é/ü.txt"


class TestIgnoring:
    @settings(max_examples=100, deadline=None)
    @given(file_lines=usable, input_lines=usable, files=trees)
    def test_git_agrees(self, git, file_lines, input_lines, files):
        """Defaults, ignore file and `ignore`, in this order, decide as git would."""
        lines = [*DEFAULT_IGNORE, *file_lines, *input_lines]
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder)
            write_tree(site, files)
            (site / ".zerokieignore").write_bytes("\n".join(file_lines).encode())
            expected = set(files) - git.ignored(site, lines, sorted(files)) - {".zerokieignore"}
            try:
                found = set(deployed(site, ignore=input_lines))
            except ConfigurationError as error:
                assert "has nothing to deploy" in str(error)  # noqa: PT017 - it may be raised, and only so
                found = set()
        assert found == expected

    def test_defaults(self, site):
        """What no site wants to publish, and what holds secrets, stays here, at any depth."""
        unwanted = [
            ".git/config",
            ".hg/a",
            ".svn/a",
            "node_modules/a/b",
            ".DS_Store",
            "Thumbs.db",
            ".env",
            ".env.local",
            ".ssh/config",
            ".aws/credentials",
            ".kube/config",
            ".docker/config.json",
            ".netrc",
            ".npmrc",
            ".pypirc",
            ".git-credentials",
            ".htpasswd",
            "id_rsa",
            "id_dsa",
            "id_ecdsa",
            "id_ed25519",
            "terraform.tfstate",
            "terraform.tfstate.backup",
            "prod.tfvars",
        ]
        write_tree(
            site,
            [*unwanted, *(f"x/{path}" for path in unwanted), "module/.git", "index.html", ".environment"],
        )
        result = scan(site)
        assert [file.path for file in result.files] == [".environment", "index.html"]
        assert result.ignored == 2 * len(unwanted) + 1
        secrets = [".ssh/", ".aws/", ".kube/", *unwanted[6:8], *unwanted[11:]]
        assert result.secrets == tuple(sorted([*secrets, *(f"x/{path}" for path in secrets)]))

    def test_secrets_that_the_user_ignores(self, site):
        """They are left out because of that; only what the defaults add is named."""
        write_tree(site, ["a", ".npmrc", ".env", ".aws/x", "x/.env", "node_modules/x", "id_rsa"])
        (site / ".zerokieignore").write_text("/.env\n")
        result = scan(site, ignore=["id_*", "!.npmrc"])
        assert [file.path for file in result.files] == [".npmrc", "a"]
        assert result.secrets == (".aws/", "x/.env")

    def test_an_ignored_directory_counts_as_one(self, site):
        """What is in it is not counted: nobody looks."""
        write_tree(site, ["a", "cache/1", "cache/2", "cache/deep/3"])
        assert scan(site, ignore=["cache/"]).ignored == 1

    def test_later_patterns_override_earlier_ones(self, site):
        """The ignore file overrides the defaults, and `ignore` overrides the ignore file."""
        write_tree(site, [".env", ".env.local", "a.map", "b.map"])
        (site / ".zerokieignore").write_text("!.env\n*.map\n")
        assert deployed(site, ignore=["!b.map"]) == [".env", "b.map"]

    def test_the_ignore_file_is_not_deployed(self, site):
        """It says what is private; only the one that is in use is left out."""
        write_tree(site, ["a", "x/.zerokieignore"])
        (site / ".zerokieignore").touch()
        assert deployed(site) == ["a", "x/.zerokieignore"]

    def test_the_ignore_file_of_somebodys_choice(self, site):
        """`ignore-file` is a path; its name may hold what patterns are made of."""
        write_tree(site, ["a", "b", "conf/x"])
        (site / "conf" / "[i]*").write_text("b\n")
        for name in ("conf/[i]*", "./conf/../conf/[i]*", str(site / "conf" / "[i]*")):
            assert deployed(site, ignore_file=Path(name)) == ["a", "conf/x"]

    def test_the_default_ignore_file_need_not_exist(self, site):
        """No file, no patterns."""
        write_tree(site, ["a"])
        assert scan(site).ignore_file is None
        assert deployed(site) == ["a"]

    def test_an_ignore_file_that_was_named_has_to_exist(self, site):
        """It should say what is private."""
        write_tree(site, ["a"])
        assert problems(site, ignore_file=Path("no/such")) == (
            (
                "`ignore-file`: 'no/such' is neither in `directory` nor in the working directory; "
                "correct the path, or leave it out"
            ),
        )

    def test_where_the_ignore_file_is_looked_for(self, site, tmp_path, monkeypatch):
        """In the directory, then in the working directory; its patterns are about the directory."""
        monkeypatch.chdir(tmp_path)
        write_tree(tmp_path, ["site/a", "site/b", "site/x/a", "site/x/b"])
        for name in (".zerokieignore", "conf.txt"):
            Path(name).write_text("/a\n")
            result = scan(Path("site"), ignore_file=Path(name))
            assert [file.path for file in result.files] == ["b", "x/a", "x/b"]
            assert result.ignore_file == Path(name)
            (site / name).write_text("/b\n")
            result = scan(Path("site"), ignore_file=Path(name))
            assert [file.path for file in result.files] == ["a", "x/a", "x/b"]
            assert result.ignore_file == Path("site", name)
            (site / name).unlink()

    @pytest.mark.parametrize("name", [".zerokieignore", "conf/ignored"])
    def test_no_ignore_file_is_deployed(self, site, tmp_path, monkeypatch, name):
        """Neither the one that was read nor the other one, if it lies in there; links change nothing."""
        write_tree(site, ["a", "ci/a", f"ci/{name}", f"ci/x/{name}", name])
        for place in (site, site / "ci"):
            (place / name).write_text("# nothing")
        (tmp_path / "link").symlink_to("site/ci")
        monkeypatch.chdir(tmp_path / "link")
        left = ["a", "ci/a", f"ci/x/{name}"]
        assert deployed(site, ignore_file=Path(name)) == left
        (site / name).unlink()
        assert deployed(site, ignore_file=Path(name)) == left

    def test_windows_line_ends_and_a_byte_order_mark(self, site):
        """An ignore file that was edited on Windows means the same."""
        write_tree(site, ["a", "b", "c"])
        (site / ".zerokieignore").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
        assert deployed(site) == ["c"]

    def test_ignored_entries_are_not_judged(self, site):
        """A FIFO, a broken link or a name that is not text harms nobody where it is ignored."""
        write_tree(site, ["a", "tmp/x"])
        os.mkfifo(site / "pipe")
        os.mkfifo(site / "tmp" / "pipe")
        (site / "loop").symlink_to("loop")
        (site / "out").symlink_to("/etc/passwd")
        Path(os.fsdecode(os.fsencode(site) + b"/\xff.bin")).touch()
        result = scan(site, ignore=["pipe", "tmp/", "loop", "out", "*.bin"])
        assert ([file.path for file in result.files], result.ignored) == (["a"], 5)

    @pytest.mark.parametrize("target", ["missing", "../outside", "node_modules"])
    def test_a_link_that_was_meant_as_a_directory(self, site, target):
        """`node_modules/` ignores a link of that name, also one that leads nowhere, or outside."""
        write_tree(site, ["a"])
        (site.parent / "outside").mkdir()
        (site / "node_modules").symlink_to(target)
        assert deployed(site) == ["a"]

    def test_a_link_that_was_meant_as_a_file(self, site):
        """A broken link is ignored when it is ignored as a file, or as a directory."""
        write_tree(site, ["a"])
        (site / "gone").symlink_to("missing")
        assert deployed(site, ignore=["/gone", "!/gone/"]) == ["a"]


class TestOwnFiles:
    def test_what_this_run_writes_is_not_deployed(self, site, tmp_path, monkeypatch):
        """Output files are left out by their real path, however it is written; namesakes are deployed."""
        write_tree(site, ["a", "result.json", "x/result.json", "state"])
        monkeypatch.chdir(tmp_path)
        own = [Path("site/../site/result.json"), site / "state", tmp_path / "elsewhere"]
        result = scan(site, exclude=own)
        assert ([file.path for file in result.files], result.ignored) == (["a", "x/result.json"], 2)

    def test_links_to_them_are_left_out_too(self, site):
        """A link deploys what it leads to, and that is ours."""
        write_tree(site, ["a", "out/result.json"])
        (site / "latest").symlink_to("out/result.json")
        (site / "linked").symlink_to("out")
        assert deployed(site, exclude=[site / "out" / "result.json"]) == ["a"]

    def test_a_directory_for_manifests_is_not_deployed(self, site):
        """`.zerokie/` is ours on the platform: a warning says that the user's own is left out."""
        write_tree(site, [".zerokie/x", "a", "x/.zerokie/y"])
        result = scan(site)
        assert [file.path for file in result.files] == ["a", "x/.zerokie/y"]
        assert result.warnings == (
            "'.zerokie' is not deployed: the platform has this action's manifest in a folder of that name",
        )

    def test_no_warning_about_what_is_ignored_anyway(self, site):
        """Whoever ignores `.zerokie/` knows; a file of that name is a file."""
        write_tree(site, [".zerokie/x", "a"])
        assert scan(site, ignore=[".zerokie"]).warnings == ()
        write_tree(site / "b", [".zerokie"])
        assert deployed(site / "b") == [".zerokie"]


class TestLinks:
    def test_links_inside_the_directory_are_followed(self, site):
        """A link to a file is that file, a link to a directory is all that is in it, also through links."""
        write_tree(site, ["real/a", "real/deep/b"])
        (site / "file").symlink_to("real/a")
        (site / "chain").symlink_to("file")
        (site / "folder").symlink_to("real")
        (site / "absolute").symlink_to(site / "real" / "deep")
        files = {file.path: file for file in scan(site).files}
        linked = {"file", "chain", "folder/a", "folder/deep/b", "absolute/b"}
        assert set(files) == {"real/a", "real/deep/b"} | linked
        for path in linked:
            content = Path(os.fsdecode(files[path].source)).read_text()
            assert (content, files[path].size) == (Path(site / path).read_text(), len(content))

    def test_linked_directorys_obey_patterns_under_their_own_name(self, site):
        """Patterns see the path that would be deployed, not where the content comes from."""
        write_tree(site, ["real/a", "real/b"])
        (site / "folder").symlink_to("real")
        assert deployed(site, ignore=["/folder/b", "/real/a"]) == ["folder/a", "real/b"]
        assert deployed(site, ignore=["/real/"]) == ["folder/a", "folder/b"]

    def test_the_same_directory_linked_twice_is_no_loop(self, site):
        """Two links side by side lead to an end."""
        write_tree(site, ["a/x"])
        (site / "b").symlink_to("a")
        (site / "c").symlink_to("b")
        assert deployed(site) == ["a/x", "b/x", "c/x"]

    @pytest.mark.parametrize(
        ("link", "target", "problem"),
        [
            ("x/up", "..", "symbolic link to a directory that contains it"),
            ("here", ".", "symbolic link to a directory that contains it"),
            ("x/out", "../..", "symbolic link that leaves the directory (to '{parent}')"),
            ("sibling", "../site-2", "symbolic link that leaves the directory (to '{parent}/site-2')"),
            ("passwd", "/etc/passwd", "symbolic link that leaves the directory (to '/etc/passwd')"),
            ("null", "/dev/null", "symbolic link that leaves the directory (to '/dev/null')"),
            ("gone", "nowhere", "broken symbolic link (to 'nowhere': No such file or directory)"),
            ("odd", "a/b", "broken symbolic link (to 'a/b': Not a directory)"),
            ("me", "me", "broken symbolic link (to 'me': Too many levels of symbolic links)"),
        ],
    )
    def test_links_that_are_refused(self, site, link, target, problem):
        """Each with where it leads, and what to do."""
        write_tree(site, ["a", "x/b"])
        (site.parent / "site-2").mkdir()
        (site / link).symlink_to(target)
        text = problem.format(parent=site.parent)
        assert problems(site) == (f"{link!r} is a {text}; remove it or add it to `ignore`",)

    def test_links_that_lead_to_each_other(self, site):
        """A loop through two links is found where it closes."""
        write_tree(site, ["a/x", "b/x"])
        (site / "a" / "to-b").symlink_to("../b")
        (site / "b" / "to-a").symlink_to("../a")
        assert [problem.split(";")[0] for problem in problems(site)] == [
            "'a/to-b/to-a' is a symbolic link to a directory that contains it",
            "'b/to-a/to-b' is a symbolic link to a directory that contains it",
        ]


class TestWholeRepositories:
    def test_all_of_it_is_published(self, site):
        """`directory: .` is nearly always a mistake; who lists what is left out has thought about it."""
        write_tree(site, ["index.html", "package.json", ".git/config", ".github/workflows/deploy.yml"])
        (warning,) = scan(site).warnings
        assert warning.startswith(
            "`directory` is the root of a repository, and everything in it that is not ignored is published. "
        )
        assert scan(site, ignore=["*.css"]).warnings == (warning,)
        (site / ".zerokieignore").write_text("package.json")
        assert scan(site).warnings == ()


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("missing", "does not exist; build it before this step, in the same job, or correct the path"),
            ("file", "is not a directory; name the one that holds the files"),
            ("loop", "is not a directory; name the one that holds the files"),
            ("empty", f"has nothing to deploy: it has no files; {RIGHT_DIRECTORY}"),
            (
                "ignored",
                f"has nothing to deploy: everything in it is ignored (2 entries); {RIGHT_DIRECTORY}",
            ),
        ],
    )
    def test_the_directory_itself(self, tmp_path, name, problem):
        """What is wrong with it, by the name that the user gave."""
        write_tree(tmp_path, ["file", "ignored/node_modules/a", "ignored/.env"])
        (tmp_path / "empty" / "folder").mkdir(parents=True)
        (tmp_path / "loop").symlink_to("loop")
        folder = tmp_path / name
        assert problems(folder) == (f"`directory`: {str(folder)!r} {problem}",)

    def test_special_files(self, site, monkeypatch):
        """They have no content that could be deployed."""
        write_tree(site, ["a"])
        os.mkfifo(site / "pipe")
        (site / "link").symlink_to("pipe")
        monkeypatch.chdir(site)  # a socket's path has a length limit
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            assert problems(site) == (
                "'link' is a FIFO, not a file; remove it or add it to `ignore`",
                "'pipe' is a FIFO, not a file; remove it or add it to `ignore`",
                "'socket' is a socket, not a file; remove it or add it to `ignore`",
            )

    def test_a_device(self):
        """A whole directory of them exists on every machine."""
        assert "'null' is a device, not a file; remove it or add it to `ignore`" in problems(
            Path("/dev"), ignore=["/*", "!/null"]
        )

    def test_names_that_are_not_utf8(self, site):
        """Neither a URL nor the platform's JSON can carry them; their bytes are shown."""
        write_tree(site, ["a"])
        folder = Path(os.fsdecode(os.fsencode(site) + b"/caf\xe9"))
        write_tree(folder, ["not-looked-at"])
        Path(os.fsdecode(os.fsencode(site) + b"/\xff\n.txt")).touch()
        assert problems(site) == (
            "b'\\xff\\n.txt' has a name that is not UTF-8; rename it or add it to `ignore`",
            "b'caf\\xe9' has a name that is not UTF-8; rename it or add it to `ignore`",
        )

    def test_patterns_that_are_refused(self, site):
        """Named by input or file, and line, together with whatever else is wrong."""
        write_tree(site, ["a"])
        os.mkfifo(site / "pipe")
        (site / ".zerokieignore").write_text("# fine, really\n/\n*,v\n")
        assert problems(site, ignore=["b", "!"]) == (
            f"'{site}/.zerokieignore' line 2: the pattern '/' {NEVER}",
            f"`ignore` line 2: the pattern '!' {NEVER}",
            "'pipe' is a FIFO, not a file; remove it or add it to `ignore`",
        )

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("folder", "is not a file; name a text file with one pattern per line"),
            (".", "is not a file; name a text file with one pattern per line"),
            ("pipe", "is not a file; name a text file with one pattern per line"),
            ("dangling", "is not a file; name a text file with one pattern per line"),
            ("loop", "is not a file; name a text file with one pattern per line"),
            ("latin-1", "is not UTF-8 text; save it as UTF-8"),
        ],
    )
    def test_an_ignore_file_that_cannot_be_used(self, site, name, problem):
        """A file that should say what is private is never passed over in silence."""
        write_tree(site, ["a", "folder/a"])
        (site / "latin-1").write_bytes(b"caf\xe9\n")
        os.mkfifo(site / "pipe")
        for link, target in (("dangling", "nowhere"), ("loop", "loop")):
            (site / link).symlink_to(target)
        found = problems(site, ignore_file=Path(name), ignore=["pipe", "dangling", "loop"])
        assert found == (f"`ignore-file`: {str(site / name)!r} {problem}",)

    @pytest.mark.parametrize("name", ["id_x", "x/a.pem", "x/A.KEY", "AuthKey.p8"])
    @pytest.mark.parametrize("kind", ["", "RSA ", "OPENSSH ", "ENCRYPTED ", "PGP "])
    def test_private_keys(self, site, name, kind):
        """A file that is named like one and holds one is not published by mistake, unless it is ignored."""
        write_tree(site, ["a", name])
        (site / name).write_text(f"Bag Attributes\n-----BEGIN {kind}PRIVATE KEY-----\nMIIE\n")
        os.mkfifo(site / "z")
        assert problems(site) == (
            f"'{name}' holds a private key; remove it or add it to `ignore`",
            "'z' is a FIFO, not a file; remove it or add it to `ignore`",
        )
        assert deployed(site, ignore=[name, "z"]) == ["a"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.pem", "-----BEGIN CERTIFICATE-----\n"),
            ("id_card.html", "<p>us</p>"),
            ("keys.html", "-----BEGIN PRIVATE KEY-----\n"),
        ],
    )
    def test_what_is_no_private_key(self, site, name, content):
        """Another kind of PEM, or a page about keys."""
        (site / name).write_text(content)
        assert deployed(site) == [name]

    @pytest.mark.parametrize("more", [1, 3])
    def test_all_problems_are_listed_at_once(self, site, more):
        """Sorted; the first twenty, and how many more there are."""
        for number in range(20 + more):
            (site / f"link-{number:02}").symlink_to("nowhere")
        *listed, last = problems(site)
        assert [problem.split()[0] for problem in listed] == [f"'link-{number:02}'" for number in range(20)]
        assert last == f"and {more} more"

    def test_twenty_problems_are_all_listed(self, site):
        """Nothing is said about more where there are none."""
        for number in range(20):
            (site / f"link-{number:02}").symlink_to("nowhere")
        assert "more" not in problems(site)[-1]
        assert len(problems(site)) == 20


class TestPermissions:
    """As an ordinary user: root may read everything, so a child process gives up that right."""

    @pytest.fixture
    def shared(self):
        """A directory that another user can reach."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield Path(folder) / "site"
            for path in Path(folder).rglob("*"):
                path.chmod(0o755)

    def problems(self, folder: Path, *options: str) -> list[str]:
        program = (
            "import json, os, sys; from pathlib import Path\n"
            "from zerokie_action.errors import ConfigurationError\n"
            "from zerokie_action.files.scan import scan\n"
            "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
            "try: scan(Path(sys.argv[1]), ignore=sys.argv[2:]); print('[]')\n"
            "except ConfigurationError as error: print(json.dumps(error.problems))\n"
        )
        command = (sys.executable, "-c", program, str(folder), *options)
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        assert isinstance(found, list)
        return found

    def test_files_and_directorys(self, shared):
        """Each that cannot be read is named, unless it is ignored; what can be read in some way is fine."""
        write_tree(shared, ["a", "secret", "ignored", "open", "closed/a", "blind/b"])
        for name, mode in (("secret", 0), ("ignored", 0), ("open", 0o604), ("closed", 0), ("blind", 0o444)):
            (shared / name).chmod(mode)
        assert self.problems(shared, "/ignored") == [
            "'blind/b' cannot be read (Permission denied); make it readable or add it to `ignore`",
            "'closed' cannot be read (Permission denied); make it readable or add it to `ignore`",
            "'secret' cannot be read (Permission denied); make it readable or add it to `ignore`",
        ]
        assert self.problems(shared, "/ignored", "/closed", "/blind", "secret") == []

    def test_a_file_that_all_but_its_owner_may_read(self, shared):
        """What counts is whether this user may."""
        write_tree(shared, ["a", "mine"])
        (shared / "mine").chmod(0o044)
        if os.geteuid() == 0:
            os.chown(shared / "mine", 65534, 65534)
        why = "cannot be read (Permission denied); make it readable or add it to `ignore`"
        assert self.problems(shared) == [f"'mine' {why}"]

    def test_a_link_through_a_closed_directory(self, shared):
        """Where it leads cannot be said."""
        write_tree(shared, ["a", "closed/b"])
        (shared / "link").symlink_to("closed/b")
        (shared / "closed").chmod(0)
        why = "is a broken symbolic link (to 'closed/b': Permission denied)"
        assert self.problems(shared, "closed") == [f"'link' {why}; remove it or add it to `ignore`"]

    def test_the_directory_itself(self, shared):
        """The directory to deploy cannot be read."""
        write_tree(shared, ["a"])
        shared.chmod(0o311)
        why = "cannot be read (Permission denied); make it readable for the user who runs this"
        assert self.problems(shared) == [f"`directory`: {str(shared)!r} {why}"]

    def test_the_ignore_file(self, shared):
        """Patterns that cannot be read could hide anything."""
        write_tree(shared, ["a", ".zerokieignore"])
        (shared / ".zerokieignore").chmod(0)
        why = "cannot be read (Permission denied); make it readable or remove it"
        assert self.problems(shared) == [f"`ignore-file`: '{shared}/.zerokieignore' {why}"]


class CancelledError(Exception):
    pass


class TestCancellation:
    def test_the_scan_ends_where_it_is_cancelled(self, site):
        """What `check_cancelled` raises comes out, also in the middle of one big directory."""
        for number in range(1100):
            (site / str(number)).touch()
        calls: list[None] = []

        def check_cancelled() -> None:
            calls.append(None)
            if len(calls) == 3:
                raise CancelledError

        with pytest.raises(CancelledError):
            scan(site, check_cancelled=check_cancelled)

    def test_a_scan_that_is_not_cancelled(self, site):
        """It asks at least once for each directory."""
        write_tree(site, ["a/1", "b/1", "c/d/1"])
        calls: list[None] = []
        scan(site, check_cancelled=lambda: calls.append(None))
        assert len(calls) == 5
