"""The scan of the folder: the files to deploy, ignored entries and refused entries."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.platform.test_file_names import ODD_NAMES
from tests.site.gitoracle import ignored, patterns, trees, write_tree
from zerokie_action.docs import page
from zerokie_action.errors import ConfigurationError
from zerokie_action.inputs.patterns import parse_patterns
from zerokie_action.site.local import LocalFile
from zerokie_action.site.rules import PROTECTED, UNWANTED
from zerokie_action.site.scan import Scan
from zerokie_action.site.scan import scan as scan_directory

usable = patterns.map(lambda lines: [line for line in lines if not parse_patterns([line], "'file'")[1]])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An empty folder to fill."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def scan(folder: Path, ignore=(), exclude=()) -> Scan:
    """Scan with the defaults of the inputs."""
    return scan_directory(folder, ignore, exclude)


def deployed(folder: Path, **options) -> list[str]:
    return [file.path for file in scan(folder, **options).files]


def refusal(folder: Path, **options) -> ConfigurationError:
    """Return the error of the scan."""
    with pytest.raises(ConfigurationError) as caught:
        scan(folder, **options)
    return caught.value


def problems(folder: Path, **options) -> tuple[str, ...]:
    return refusal(folder, **options).args


class TestFiles:
    def test_the_scan_lists_all_files(self, site):
        """The files are sorted by path and have their metadata. Empty folders are ignored."""
        write_tree(site, ["b.html", "a/c.css", "a.txt", ".well-known/x"])
        (site / "empty").mkdir()
        result = scan(site)
        assert [file.path for file in result.files] == [".well-known/x", "a.txt", "a/c.css", "b.html"]
        status = (site / "a.txt").stat()
        assert result.files[1] == LocalFile("a.txt", str(site), 5, status.st_mtime_ns)
        assert (result.ignored, result.warnings) == (0, [])

    def test_odd_names_dont_change(self, site):
        """A file on the platform has its name on disk (test_file_names), even if it is empty."""
        for name in ODD_NAMES:
            (site / name).touch()
        assert deployed(site) == sorted(ODD_NAMES)


class TestIgnoring:
    @settings(max_examples=15)
    @given(file_lines=usable, input_lines=usable, files=trees)
    def test_all_patterns_together_match_as_in_git(self, git, file_lines, input_lines, files):
        """Defaults, ignore file, protected names and `ignore` match in this order, as in Git."""
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
                assert "contains nothing to deploy" in str(error)  # noqa: PT017 - the only error that may happen
                found = set()
        assert found == expected

    def test_the_defaults_ignore_secrets_at_any_depth(self, site):
        """Unwanted and secret files are ignored at any depth, in upper and lower case."""
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

    def test_only_names_of_secrets_are_reported_as_secrets(self, site):
        """Folders of version control are never published, but they aren't secrets."""
        write_tree(site, ["a", ".env", "x/id_rsa", ".git/x", ".GIT", "module/.git", ".hg/x", ".svn/x"])
        result = scan(site)
        assert [file.path for file in result.files] == ["a"]
        assert result.secrets == [".env", "x/id_rsa"]

    def test_later_patterns_override_earlier_ones(self, site):
        """The order is defaults, ignore file (with Windows line ends), protected names, `ignore`."""
        write_tree(site, ["Thumbs.db", ".env", ".env.local", "a.map", "b.map"])
        (site / ".zerokieignore").write_bytes(b"\xef\xbb\xbf!Thumbs.db\r\n!.env*\r\n*.map\r\n")
        assert deployed(site, ignore=["!b.map", "!.env"]) == [".env", "Thumbs.db", "b.map"]

    def test_the_ignore_file_of_the_folder_comes_first(self, site, tmp_path, monkeypatch):
        """Without one, the working directory's ignore file applies to the folder."""
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
        """This includes a working directory inside the folder, reached through a symlink."""
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

    def test_ignored_entries_are_not_examined(self, site):
        """Ignored FIFOs, symlinks and broken names don't stop the deploy. A folder is one entry.

        A symlink may point to a folder, so a pattern for folders ignores it.
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
    def test_files_that_the_run_writes_are_not_deployed(self, site, tmp_path, monkeypatch):
        """They are compared by real path, so other files with the same name are deployed."""
        write_tree(site, ["a", "result.json", "x/result.json", "out/state"])
        monkeypatch.chdir(tmp_path)
        own = [Path("site/../site/result.json"), site / "out" / "state", tmp_path / "elsewhere"]
        result = scan(site, exclude=own)
        assert ([file.path for file in result.files], result.ignored) == (["a", "x/result.json"], 2)

    def test_a_folder_named_like_the_manifest_folder_is_not_deployed(self, site):
        """A warning says that the local `_zerokie/` is skipped."""
        write_tree(site, ["_zerokie/x", "a", "x/_zerokie/y"])
        result = scan(site)
        assert [file.path for file in result.files] == ["a", "x/_zerokie/y"]
        assert result.warnings == [
            "Skipping '_zerokie', because this action keeps its manifest in the remote folder of that name"
        ]
        assert scan(site, ignore=["_zerokie"]).warnings == []


def test_one_warning_lists_files_that_configure_other_hosts(site):
    """They have no effect and may contain passwords."""
    names = ["_headers", "_redirects", "CNAME", "netlify.toml", "vercel.json", "staticwebapp.config.json"]
    write_tree(site, ["index.html", "admin/.htaccess", "CNAMES", "headers"])
    (warning,) = scan(site).warnings
    assert warning == (
        "Publishing files that configure other hosts: 'admin/.htaccess'. They have no effect here and may "
        "contain passwords"
    )
    write_tree(site, names)
    (warning,) = scan(site).warnings
    assert ": 'CNAME', '_headers', '_redirects' and 4 more. They have" in warning
    assert scan(site, ignore=["/_*", "CNAME", "*.json", "*.toml", ".htaccess"]).warnings == []


def der(*start: int, length: int = 600) -> bytes:
    """Return a DER sequence that starts with these bytes."""
    return bytes((0x30, 0x82, length >> 8, length & 255, *start)) + bytes(length)


PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + "A" * 64 + "\n"


INSIDE = (
    "is a symlink (to '{}')",
    "Let the build copy files instead of symlinks, or add the symlinks to `ignore`: {}#symlink",
)
OUTSIDE = (
    "is a symlink that leaves the folder (to '{}')",
    "Remove the symlinks that leave the folder, or add them to `ignore`: {}#symlink",
)
CHECKS = page("safety-checks.md")


class TestRefusals:
    def test_refused_patterns_are_named_by_file_and_line(self, site):
        """The error doesn't quote them, and also lists the other problems."""
        write_tree(site, ["a"])
        os.mkfifo(site / "pipe")
        (site / ".zerokieignore").write_text("# fine, really\nhunter2//\n*,v\n")
        error = refusal(site)
        of_line, of_pipe = error.args
        assert of_line.startswith(f"'{site}/.zerokieignore' line 2: the pattern can never match, ")
        assert "hunter2" not in of_line
        assert of_pipe == "'pipe' isn't a regular file"
        assert error.hint == (
            "Correct the ignore file. Remove the special files, or add them to `ignore`: "
            f"{page('inputs.md#how-to-write-values')} and {CHECKS}#checks-of-the-folder"
        )

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
    def test_a_symlink_is_refused_whatever_its_target(self, site, target, ignore, said):
        """A pattern for the target doesn't ignore the symlink, and the hint never says to follow it."""
        write_tree(site, ["a", "certs/a.pem"])
        (site / "link").symlink_to(target)
        error = refusal(site, ignore=[ignore])
        problem, hint = said
        assert error.args == (f"'link' {problem.format(os.path.realpath(site / 'link'))}",)
        assert error.hint == hint.format(CHECKS)

    def test_a_path_longer_than_1024_bytes_is_refused(self, site):
        """1,024 bytes are allowed. The error lists longer paths, and folders that can't have shorter ones."""
        folder = ("é" * 100 + "/") * 5
        write_tree(site, [folder + "a" * 19, folder + "b" * 20, folder + "c" * 21 + "/deep"])
        what = "has a path that isn't UTF-8 or is longer than 1,024 bytes"
        error = refusal(site)
        assert error.hint == f"Rename the files, or add them to `ignore`: {CHECKS}#checks-of-the-folder"
        assert error.args == tuple(f"'{folder}{name}' {what}" for name in ("b" * 20, "c" * 21))
        assert deployed(site, ignore=["b*", "c*"]) == [folder + "a" * 19]

    @pytest.mark.parametrize("name", ["pipe", "latin-1", "large"])
    def test_an_unusable_ignore_file_is_refused(self, site, name):
        """Otherwise, the deploy would publish private files."""
        write_tree(site, ["a"])
        file = site / ".zerokieignore"
        match name:
            case "pipe":
                os.mkfifo(file)
            case "latin-1":
                file.write_bytes(b"caf\xe9\n")
            case "large":
                file.write_bytes(b"a\n" * 32_769)
        problem = f"Can't read the ignore file {str(file)!r} as UTF-8 text of at most 64 kB"
        assert problems(site, ignore=[".*"]) == (problem,)

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
        """A file with the name and content of a key stops the deploy, unless a pattern decides otherwise."""
        write_tree(site, ["a", name])
        (site / name).write_bytes(content)
        error = refusal(site)
        assert error.args == (f"'{name}' contains a private key, by its content or name",)
        assert error.hint == (
            "Remove the private keys, or add them to `ignore` as `/path/to/file` "
            f"(`!/path/to/file` publishes one): {CHECKS}#private-key"
        )
        assert deployed(site, ignore=[f"/{name}"]) == ["a"]
        assert deployed(site, ignore=[f"!/{name}"]) == sorted(["a", name])

    def test_other_files_with_similar_names_are_deployed(self, site):
        """Certificates, Keynote presentations (a zip) and pages about keys aren't private keys."""
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
    def test_one_error_lists_all_problems(self, site, more):
        """It lists the first twenty, sorted, and the number of the others. The hint appears once."""
        for number in range(20 + more):
            (site / f"link-{number:02}").symlink_to("nowhere")
        error = refusal(site)
        found = error.args
        assert error.hint.count("Let the build copy") == 1
        assert [problem.split()[0] for problem in found[:20]] == [f"'link-{n:02}'" for n in range(20)]
        assert found[20:] == ((f"and {more} more",) if more else ())


class TestPermissions:
    """Scans as an ordinary user, because root can read everything."""

    @pytest.fixture
    def shared(self):
        """A folder that another user can read."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield Path(folder) / "site"
            for path in Path(folder).rglob("*"):
                path.chmod(0o755)

    def problems(self, folder: Path, **options) -> tuple[str, ...]:
        """Return the problems for an ordinary user, even if root runs the tests."""
        user, group = os.geteuid(), os.getegid()
        if user == 0:
            os.setegid(65534)
            os.seteuid(65534)
        try:
            return problems(folder, **options)
        finally:
            os.seteuid(user)
            os.setegid(group)

    def test_unreadable_files_are_refused(self, shared):
        """The error lists each unreadable entry that isn't ignored."""
        write_tree(shared, ["a", "secret", "ignored", "open", "closed/a", "blind/b", "mine"])
        modes = {"secret": 0, "ignored": 0, "open": 0o604, "closed": 0, "blind": 0o444, "mine": 0o044}
        for name, mode in modes.items():
            (shared / name).chmod(mode)
        if os.geteuid() == 0:
            os.chown(shared / "mine", 65534, 65534)
        (shared / "link").symlink_to("closed/a")
        why = "can't be read (Permission denied)"
        link = f"'link' {INSIDE[0].format(shared / 'closed/a')}"
        found = self.problems(shared, ignore=["/ignored"])
        assert found == ("'blind' " + why, "'closed' " + why, link, "'mine' " + why, "'secret' " + why)

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("", "'{}' or something in it can't be read (Permission denied)"),
            ("/.zerokieignore", "Can't read the ignore file '{}' as UTF-8 text of at most 64 kB"),
        ],
    )
    def test_an_unreadable_folder_or_ignore_file_is_refused(self, shared, name, problem):
        """Unread patterns could ignore any file."""
        write_tree(shared, ["a", ".zerokieignore"])
        Path(f"{shared}{name}").chmod(0)
        (found,) = self.problems(shared)
        assert found == problem.format(f"{shared}{name}")
