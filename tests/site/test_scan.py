import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.platform.test_file_names import ODD_NAMES
from tests.site.gitoracle import ignored, patterns, trees, write_tree
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs.patterns import parse_patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.rules import PROTECTED, UNWANTED
from zerokie_action.site.scan import Scan
from zerokie_action.site.scan import scan as scan_directory

usable = patterns.map(lambda lines: [line for line in lines if not parse_patterns([line], "'file'")[1]])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An empty directory to fill."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def scan(folder: Path, ignore=(), exclude=()) -> Scan:
    """Scan with the inputs' defaults."""
    return scan_directory(folder, ignore, exclude)


def deployed(folder: Path, **options) -> list[str]:
    return [file.path for file in scan(folder, **options).files]


def problems(folder: Path, **options) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        scan(folder, **options)
    return caught.value.args


class TestFiles:
    def test_everything_that_can_be_deployed(self, site):
        """Each file with what is known of it, sorted by path; empty directories are nothing."""
        write_tree(site, ["b.html", "a/c.css", "a.txt", ".well-known/x"])
        (site / "empty").mkdir()
        result = scan(site)
        assert [file.path for file in result.files] == [".well-known/x", "a.txt", "a/c.css", "b.html"]
        status = (site / "a.txt").stat()
        assert result.files[1] == LocalFile("a.txt", str(site), 5, status.st_mtime_ns)
        assert (result.ignored, result.warnings) == (0, [])

    def test_a_legal_name_stays_as_it_is(self, site):
        """A name goes to the platform exactly as it is on disk (test_file_names); an empty file is a file."""
        for name in ODD_NAMES:
            (site / name).touch()
        assert deployed(site) == sorted(ODD_NAMES)


class TestIgnoring:
    @settings(max_examples=15)
    @given(file_lines=usable, input_lines=usable, files=trees)
    def test_the_rules_together_decide_as_git(self, git, file_lines, input_lines, files):
        """Defaults, ignore file, protected names and `ignore`, in this order, decide as git would."""
        lines = [*UNWANTED, *file_lines, *PROTECTED, *input_lines]
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder, "site")
            write_tree(site, [*files, ".zerokieignore"])
            (site / ".zerokieignore").write_bytes("\n".join(file_lines).encode())
            (left_out,) = ignored(git, Path(folder, "git"), (lines, files))
            expected = set(files) - left_out - {".zerokieignore"}
            try:
                found = set(deployed(site, ignore=parse_patterns(input_lines, "'file'")[0]))
            except ConfigurationError as error:
                assert "has nothing to deploy" in str(error)  # noqa: PT017 - it may be raised, and only so
                found = set()
        assert found == expected

    def test_the_defaults_ignore_secrets_at_any_depth(self, site):
        """What no site wants to publish, and what holds secrets, at any depth and in any case."""
        useless = ["node_modules/a/b", ".DS_Store", "Thumbs.db"]
        useless += [".zerokie-state.json", ".zerokie-state-42.json"]
        secret = [
            ".env", ".env.local", ".netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd",
            "gha-creds-1a.json", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
            "terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", ".ENV", "ID_RSA", "Prod.TFVARS",
        ]  # fmt: skip
        folders = [".git/", ".GIT/", ".hg/", ".svn/", ".ssh/", ".aws/", ".kube/", ".docker/"]
        unwanted = [*useless, *secret, *(f"{folder}x" for folder in folders)]
        deep = [f"x/{path}" for path in unwanted]
        write_tree(site, [*unwanted, *deep, "module/.git", "index.html", ".environment"])
        result = scan(site)
        assert [file.path for file in result.files] == [".environment", "index.html"]
        assert result.ignored == 2 * len(unwanted) + 1

    def test_later_patterns_override_earlier_ones(self, site):
        """Defaults, the ignore file, also one from Windows, names of secrets, then `ignore`."""
        write_tree(site, ["Thumbs.db", ".env", ".env.local", "a.map", "b.map"])
        (site / ".zerokieignore").write_bytes(b"\xef\xbb\xbf!Thumbs.db\r\n!.env*\r\n*.map\r\n")
        assert deployed(site, ignore=["!b.map", "!.env"]) == [".env", "Thumbs.db", "b.map"]

    def test_where_the_ignore_file_is_looked_for(self, site, tmp_path, monkeypatch):
        """In the directory, then in the working directory; its patterns are about the directory."""
        monkeypatch.chdir(tmp_path)
        write_tree(tmp_path, ["site/a", "site/b", "site/x/a", "site/x/b"])
        Path(".zerokieignore").write_text("/a\n")
        result = scan(Path("site"))
        assert [file.path for file in result.files] == ["b", "x/a", "x/b"]
        assert result.ignore_file == Path(".zerokieignore")
        (site / ".zerokieignore").write_text("/b\n")
        result = scan(Path("site"))
        assert [file.path for file in result.files] == ["a", "x/a", "x/b"]
        assert result.ignore_file == Path("site/.zerokieignore")

    def test_the_ignore_file_is_not_deployed(self, site, tmp_path, monkeypatch):
        """Also where it is the working directory's, and that lies in the directory; links change nothing."""
        name = ".zerokieignore"
        write_tree(site, ["a", "ci/a", f"ci/{name}", f"ci/x/{name}", name])
        for place in (site, site / "ci"):
            (place / name).write_text("# nothing")
        (tmp_path / "link").symlink_to("site/ci")
        monkeypatch.chdir(tmp_path / "link")
        left = ["a", "ci/a", f"ci/x/{name}"]
        assert deployed(site) == sorted([*left, f"ci/{name}"])
        (site / name).unlink()
        assert deployed(site) == left

    def test_ignored_entries_are_not_judged(self, site):
        """A FIFO, a link or a name that is not text harms nobody; a directory counts as one entry.

        Nobody knows what a link should be: a pattern for directories ignores it as well.
        """
        write_tree(site, ["a", "tmp/x"])
        os.mkfifo(site / "pipe")
        os.mkfifo(site / "tmp" / "pipe")
        (site / "loop").symlink_to("loop")
        (site / "out").symlink_to("/etc/passwd")
        Path(os.fsdecode(os.fsencode(site) + b"/\xff.bin")).touch()
        result = scan(site, ignore=["pipe", "tmp/", "loop/", "/out", "*.bin"])
        assert ([file.path for file in result.files], result.ignored) == (["a"], 5)


class TestOwnFiles:
    def test_what_this_run_writes_is_not_deployed(self, site, tmp_path, monkeypatch):
        """Output files are left out by their real path, however it is written; namesakes are deployed."""
        write_tree(site, ["a", "result.json", "x/result.json", "out/state"])
        monkeypatch.chdir(tmp_path)
        own = [Path("site/../site/result.json"), site / "out" / "state", tmp_path / "elsewhere"]
        result = scan(site, exclude=own)
        assert ([file.path for file in result.files], result.ignored) == (["a", "x/result.json"], 2)

    def test_a_directory_for_manifests_is_not_deployed(self, site):
        """`_zerokie/` is ours on the platform: a warning says that the user's own is left out."""
        write_tree(site, ["_zerokie/x", "a", "x/_zerokie/y"])
        result = scan(site)
        assert [file.path for file in result.files] == ["a", "x/_zerokie/y"]
        assert result.warnings == [
            "'_zerokie' is not deployed: the platform has this action's manifest in a folder of that name"
        ]
        assert scan(site, ignore=["_zerokie"]).warnings == []


def test_files_that_configure_other_hosts_are_named_in_one_warning(site):
    """One warning names them: they have no effect, and may hold passwords."""
    names = ["_headers", "_redirects", "CNAME", "netlify.toml", "vercel.json", "staticwebapp.config.json"]
    write_tree(site, ["index.html", "admin/.htaccess", "CNAMES", "headers"])
    (warning,) = scan(site).warnings
    assert warning == (
        "'admin/.htaccess': files with such names configure other hosts; they have no effect here, and are "
        "published as they are, with the passwords that one may hold"
    )
    write_tree(site, names)
    (warning,) = scan(site).warnings
    assert warning.startswith("'CNAME', '_headers', '_redirects' and 4 more: ")
    assert scan(site, ignore=["/_*", "CNAME", "*.json", "*.toml", ".htaccess"]).warnings == []


def der(*start: int, length: int = 600) -> bytes:
    """A DER sequence that begins with these bytes."""
    return bytes((0x30, 0x82, length >> 8, length & 255, *start)) + bytes(length)


PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + "A" * 64 + "\n"


INSIDE = " (to '{}'); let the build put a copy there or add it to `ignore`"
OUTSIDE = " that leaves the directory (to '{}'); remove it or add it to `ignore`"


class TestRefusals:
    def test_refused_patterns_are_named_by_file_and_line(self, site):
        """But not quoted, and together with whatever else is wrong."""
        write_tree(site, ["a"])
        os.mkfifo(site / "pipe")
        (site / ".zerokieignore").write_text("# fine, really\nhunter2//\n*,v\n")
        of_line, of_pipe = problems(site)
        assert of_line.startswith(f"'{site}/.zerokieignore' line 2: the pattern can never match: ")
        assert "hunter2" not in of_line
        assert of_pipe == "'pipe' is not a regular file; remove it or add it to `ignore`"

    @pytest.mark.parametrize(
        ("target", "ignore", "said"),
        [
            ("..", "node_modules", OUTSIDE),
            ("../.git/config", "/.git", OUTSIDE),
            ("/proc/self/environ", "!**", OUTSIDE),
            (".", "!link", INSIDE),
            ("certs/a.pem", "certs/", INSIDE),
            ("missing/a.css", "*.css", INSIDE),
        ],
    )
    def test_a_link_is_refused_wherever_it_leads(self, site, target, ignore, said):
        """A pattern for its target leaves no link out. The advice never is to follow it."""
        write_tree(site, ["a", "certs/a.pem"])
        (site / "link").symlink_to(target)
        (problem,) = problems(site, ignore=[ignore])
        assert problem == f"'link' is a symbolic link{said.format(os.path.realpath(site / 'link'))}"

    def test_a_path_of_more_than_1024_bytes_is_refused(self, site):
        """One of 1,024 bytes is deployed; a longer one, or a directory that can only have such, is named."""
        folder = ("é" * 100 + "/") * 5
        write_tree(site, [folder + "a" * 19, folder + "b" * 20, folder + "c" * 21 + "/deep"])
        what = "has a path that is not UTF-8, or longer than 1,024 bytes; rename it or add it to `ignore`"
        assert problems(site) == tuple(f"'{folder}{name}' {what}" for name in ("b" * 20, "c" * 21))
        assert deployed(site, ignore=["b*", "c*"]) == [folder + "a" * 19]

    @pytest.mark.parametrize("name", ["pipe", "latin-1", "large"])
    def test_an_unusable_ignore_file_is_refused(self, site, name):
        """A file that should say what is private is never passed over in silence."""
        write_tree(site, ["a"])
        file = site / ".zerokieignore"
        match name:
            case "pipe":
                os.mkfifo(file)
            case "latin-1":
                file.write_bytes(b"caf\xe9\n")
            case "large":
                file.write_bytes(b"a\n" * 32_769)
        what = "is not a readable text file (UTF-8) of at most 64 kB"
        assert problems(site, ignore=[".*"]) == (f"The ignore file {str(file)!r} {what}",)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("id_x", PEM.encode()),
            ("x/a.pem", PEM.replace("PRIVATE", "RSA PRIVATE").encode()),
            ("x/A.KEY", PEM.replace("PRIVATE", "ENCRYPTED PRIVATE").encode()),
            ("behind.pem", (CERTIFICATE * 1_000 + PEM).encode()),  # 93 kB of certificates
            ("powershell.pem", PEM.encode("utf-16")),
            ("pkcs8.key", der(2, 1, 0)),
            ("sec1.key", b"\x30\x77" + bytes((2, 1, 1)) + bytes(116)),
            ("short.key", b"\x30\x81\xff" + bytes((2, 1, 0)) + bytes(252)),
            *((name, b"") for name in ("AuthKey.P8", "a.p12", "a.pfx", "x/a.jks", "a.keystore")),
        ],
    )
    def test_a_private_key_is_refused(self, site, name, content):
        """A file that is named like one and holds one is not published by mistake, unless it is ignored."""
        write_tree(site, ["a", name])
        (site / name).write_bytes(content)
        (problem,) = problems(site)
        fix = f"remove it, or write `/{name}` into `ignore` (`!/{name}` publishes it)"
        assert problem == f"'{name}' holds a private key, by its content or its name; {fix}"
        assert deployed(site, ignore=[f"/{name}"]) == ["a"]
        assert deployed(site, ignore=[f"!/{name}"]) == sorted(["a", name])

    def test_a_certificate_or_a_page_about_keys_is_no_key(self, site):
        """A certificate, a presentation of Keynote (a zip), a page about keys, text behind the first MB."""
        files = {
            "a.pem": CERTIFICATE.encode(),
            "certificate.key": der(0x30, 0x82, 2, 1, 0),
            "id_card.html": b"<p>us</p>",
            "keys.html": PEM.encode(),
            "keynote.key": b"PK\x03\x04" + der(2, 1, 0),
            "large.pem": b" " * 1_048_576 + PEM.encode(),
            "version-3.key": der(2, 1, 3),
        }
        for name, content in files.items():
            (site / name).write_bytes(content)
        assert deployed(site) == sorted(files)

    @pytest.mark.parametrize("more", [0, 1, 3])
    def test_all_problems_are_listed_at_once(self, site, more):
        """Sorted; the first twenty, and how many more there are, if any."""
        for number in range(20 + more):
            (site / f"link-{number:02}").symlink_to("nowhere")
        found = problems(site)
        assert [problem.split()[0] for problem in found[:20]] == [f"'link-{n:02}'" for n in range(20)]
        assert found[20:] == ((f"and {more} more",) if more else ())


class TestPermissions:
    """As an ordinary user: root may read everything."""

    @pytest.fixture
    def shared(self):
        """A directory that another user can reach."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield Path(folder) / "site"
            for path in Path(folder).rglob("*"):
                path.chmod(0o755)

    def problems(self, folder: Path, **options) -> tuple[str, ...]:
        """What the scan finds for a user who owns nothing, where root runs the tests."""
        user, group = os.geteuid(), os.getegid()
        if user == 0:
            os.setegid(65534)
            os.seteuid(65534)
        try:
            return problems(folder, **options)
        finally:
            os.seteuid(user)
            os.setegid(group)

    def test_unreadable_files_are_named(self, shared):
        """Each that this user cannot read is named, unless it is ignored."""
        write_tree(shared, ["a", "secret", "ignored", "open", "closed/a", "blind/b", "mine"])
        modes = {"secret": 0, "ignored": 0, "open": 0o604, "closed": 0, "blind": 0o444, "mine": 0o044}
        for name, mode in modes.items():
            (shared / name).chmod(mode)
        if os.geteuid() == 0:
            os.chown(shared / "mine", 65534, 65534)
        (shared / "link").symlink_to("closed/a")
        why = "cannot be read (Permission denied); make it readable or add it to `ignore`"
        link = f"'link' is a symbolic link{INSIDE.format(shared / 'closed/a')}"
        found = self.problems(shared, ignore=["/ignored"])
        assert found == ("'blind' " + why, "'closed' " + why, link, "'mine' " + why, "'secret' " + why)

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("", "or something in it cannot be read (Permission denied); make it readable"),
            ("/.zerokieignore", "is not a readable text file (UTF-8) of at most 64 kB"),
        ],
    )
    def test_an_unreadable_directory_or_ignore_file_is_refused(self, shared, name, problem):
        """Patterns that cannot be read could hide anything."""
        write_tree(shared, ["a", ".zerokieignore"])
        Path(f"{shared}{name}").chmod(0)
        (found,) = self.problems(shared)
        assert f"'{shared}{name}' {problem}" in found
