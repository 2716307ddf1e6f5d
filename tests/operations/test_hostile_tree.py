"""A tree that means harm: a merged change, or a fork's artifact. The inputs are the user's."""

import time
import tracemalloc
from pathlib import Path

import pytest

from tests.support.world import Outcome, World

SECRET = "hunter2"  # noqa: S105
SECRETS = [
    *(".git/config", ".env", ".npmrc", ".docker/config.json", ".aws/credentials", "gha-creds-0a1b.json"),
    *("public/.env", "../home/.aws/credentials", "../home/site/index.html"),
]


@pytest.fixture(autouse=True)
def work(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, the working directory of the runs, with secrets in it and beside it."""
    work = world.folder.parent / "work"
    for path in SECRETS:
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"token={SECRET}\n")
    for path in ("public/index.html", "dist/index.html", "dist/a.css", "node_modules/htmx/htmx.js"):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(path)
    monkeypatch.chdir(work)
    return work


def link(name: str, target: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).symlink_to(target)


def check_nothing_leaked(world: World, outcome: Outcome) -> None:
    assert SECRET not in str(world.stored())
    assert SECRET not in outcome.log + outcome.summary + str(outcome.outputs)


class TestDirectory:
    """`directory` is a name in the tree; what it leads to is the tree's choice."""

    @pytest.mark.parametrize(
        ("written", "target", "leads_to"),
        [
            ("out", "../home/.aws", "home/.aws"),
            ("./out/", ".git", "work/.git"),
            ("dist/../out", ".docker", "work/.docker"),
            ("{parent}/work/out", ".aws", "work/.aws"),
            ("{parent}/w/out", "../home", "home"),
            ("out/site", "../home", "home/site"),
            ("out", ".", "work"),
            ("out", "decrypted", "work/decrypted"),
            ("out/site", "decrypted", "work/decrypted/site"),
            ("{parent}/w/out", "decrypted", "work/decrypted"),
            ("../artifact/out", "../home/.aws", "home/.aws"),
            ("../artifact/out/", "../home", "home"),
        ],
    )
    def test_a_link_to_another_folder(
        self, world: World, work: Path, written: str, target: str, leads_to: str
    ) -> None:
        """However the directory is written: refused before a request, with the path to write instead."""
        for folder in ("../artifact", "decrypted/site"):
            Path(folder).mkdir(parents=True)
        Path("decrypted/site/a.txt").write_text(SECRET)
        Path(".zerokieignore").write_text("out\n")
        link(f"{'../artifact/' if 'artifact' in written else ''}out", target)
        link("../w", "work")
        outcome = world.run(directory=written.format(parent=work.parent))
        assert outcome.exit_code == 2
        real = f"'{work.parent}/{leads_to}'"
        assert f"leads through a link to {real}; if that is meant, write {real}" in outcome.log
        assert outcome.requests == []
        check_nothing_leaked(world, outcome)

    @pytest.mark.parametrize("written", [".git/hooks", "dist/../.docker"])
    def test_no_link(self, world: World, written: str) -> None:
        """A variable in the input may be somebody else's, too."""
        Path(".git/hooks").mkdir()
        Path(".git/hooks/update").touch()
        outcome = world.run(directory=written)
        assert outcome.exit_code == 2
        assert "may hold secrets" in outcome.log

    def test_the_root_as_working_directory(
        self, world: World, work: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A container's job without a checkout: a link in it is the artifact's."""
        link("out", "../home")
        monkeypatch.chdir("/")
        outcome = world.run(directory=f"{work}/out"[1:])
        assert outcome.exit_code == 2
        assert f"leads through a link to '{work.parent}/home'; if that is meant" in outcome.log

    def test_right_ones(self, world: World, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A workspace that is a link, or lies below one, and a folder outside."""
        Path("site/public").mkdir(parents=True)
        for name in ("index.html", "a.css"):
            Path("site/public", name).touch()
        link("../w", "work")
        outside = work.parent / "link" / "site"
        link("../link", "store")
        Path("../store/site").mkdir(parents=True)
        (outside / "index.html").touch()
        link("result", str(outside))
        dist = {"index.html", "a.css"}
        assert world.run(directory="site/public").exit_code == 0
        assert world.stored().keys() == dist
        assert world.run(directory=outside, max_deletes=9).exit_code == 0, "the error about `result` says to"
        assert world.stored().keys() == {"index.html"}
        for place, written in [
            (work.parent / "w", "dist"),
            (Path("site"), "public"),
            (Path("site"), "../dist"),
        ]:
            monkeypatch.chdir(work)
            monkeypatch.chdir(place)
            assert world.run(directory=written, max_deletes=9).exit_code == 0
            assert world.stored().keys() == dist


class TestLinks:
    """Links in the folder stay in it, and publish nothing that is not published under its own name."""

    def test_other_names_for_secrets(self, world: World) -> None:
        """`directory: .`, where all of them are in the folder."""
        link("assets", ".git")
        link("config.txt", ".git/config")
        link("env.txt", ".env")
        link("x", ".docker")
        link("y.json", ".docker/config.json")
        link("z", "y.json")
        link("deep/aws", "../.aws")
        link("creds", "gha-creds-0a1b.json")
        link("up", "public")
        outcome = world.run(directory=".", ignore="node_modules\n")
        assert outcome.exit_code == 0
        assert world.stored().keys() == {
            "public/index.html",
            "dist/index.html",
            "dist/a.css",
            "up/index.html",
        }
        check_nothing_leaked(world, outcome)
        named = "Ignored as protected: '.aws/', '.docker/', '.env', '.git/', '.npmrc', 'assets/'"
        assert named in outcome.log
        assert "; `!pattern` in the input `ignore` deploys one\n" in outcome.log
        assert "secrets" not in str(outcome.outputs["warnings"])

    @pytest.mark.parametrize(
        ("target", "ignore"),
        [("../shared", ".*"), ("../shared", "shared/"), ("gone/a.css", "*.css"), (".", ".*")],
    )
    def test_one_that_cannot_be_deployed(self, world: World, target: str, ignore: str) -> None:
        """Only its own path can ignore it: else a site without its assets would be live, without a word."""
        Path("shared").mkdir()
        link("public/assets", target)
        outcome = world.run(directory="public", ignore=ignore)
        assert outcome.exit_code == 2
        assert "'assets' is a " in outcome.log
        assert world.run(directory="public", ignore=f"{ignore}\nassets/").exit_code == 0

    def test_another_name_for_a_key(self, world: World) -> None:
        """An ignored private key under a name that no key has."""
        Path("public/certs").mkdir()
        Path("public/certs/site.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n")
        Path("public/.zerokieignore").write_text("certs/")
        link("public/a.txt", "certs/site.key")
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "'a.txt' holds a private key" in outcome.log
        check_nothing_leaked(world, outcome)

    def test_another_case(self, world: World) -> None:
        """Where the file system ignores case, the name is another one of `.git`; here it is a directory."""
        link("public/.GIT/config", "../index.html")
        link("public/assets", ".GIT")
        for name in (".ENV", ".Env.local", "ID_RSA", "Prod.TFVARS"):
            Path("public", name).write_text(SECRET)
        outcome = world.run(directory="public")
        assert outcome.exit_code == 0
        assert world.stored().keys() == {"index.html"}
        check_nothing_leaked(world, outcome)
        assert "Ignored as protected: '.ENV', '.Env.local', '.GIT/', '.env', 'ID_RSA', " in outcome.log

    @pytest.mark.parametrize("ignore", ["private/", "/private", "/private/deep/", "/private/deep/a.txt"])
    @pytest.mark.parametrize("target", ["../private", "../private/deep", "../private/deep/a.txt"])
    def test_another_name_for_what_the_input_ignores(self, world: World, ignore: str, target: str) -> None:
        """The link, or what lies below it, is ignored by its path without links as well."""
        Path("private/deep").mkdir(parents=True)
        Path("private/deep/a.txt").write_text(SECRET)
        link("dist/d", target)
        outcome = world.run(directory=".", ignore=ignore)
        assert outcome.exit_code == 0
        check_nothing_leaked(world, outcome)

    def test_an_ignore_file_brings_no_secret_back(self, world: World) -> None:
        """The tree's ignore file is the tree's; only the input, which is ours, may publish a secret."""
        Path(".zerokieignore").write_text("!.env\n!.git\n!.git/\n!.aws/\n!gha-*\n!*\n!*/\n!**\n!**/.git/**")
        outcome = world.run(directory=".")
        assert outcome.exit_code == 0
        check_nothing_leaked(world, outcome)

    def test_the_input_does(self, world: World) -> None:
        """By the published path, also that of a link."""
        link("env.txt", ".env")
        link("npm.txt", ".npmrc")
        outcome = world.run(directory=".", ignore="!/public/.env\n!env.txt\n!.docker/\nnode_modules")
        assert outcome.exit_code == 0
        published = {"public/index.html", "dist/index.html", "dist/a.css"}
        assert world.stored().keys() == published | {"public/.env", "env.txt", ".docker/config.json"}

    def test_right_ones(self, world: World) -> None:
        """The ignore file may ignore what a link leads to; the input brings a link back by its path."""
        Path("public/releases/42").mkdir(parents=True)
        Path("public/releases/42/a.html").touch()
        languages = [f"{number:02}" for number in range(12)]
        link("public/current", "releases/42")
        for language in languages:
            link(f"public/{language}/assets", "../releases/42")
        Path("public/.zerokieignore").write_text("/releases\n")
        linked = {f"{language}/assets/a.html" for language in languages} | {"current/a.html"}
        assert world.run(directory="public").exit_code == 0
        assert world.stored().keys() == {"index.html"} | linked
        outcome = world.run(directory="public", ignore="releases/\n!/current", max_deletes=99)
        assert outcome.exit_code == 0
        assert world.stored().keys() == {"index.html", "current/a.html"}


class TestIgnoreFile:
    """The tree's own ignore file, or a link in its place."""

    @pytest.mark.parametrize(
        ("place", "target"),
        [
            ("public/.zerokieignore", "/proc/self/environ"),
            ("public/.zerokieignore", "../.npmrc"),
            (".zerokieignore", "../home/site/index.html"),
            ("../home/site/.zerokieignore", "../.aws/credentials"),
        ],
    )
    def test_a_link_to_a_secret(self, world: World, place: str, target: str) -> None:
        """It is not read: a pattern that was refused was quoted. A fork's artifact may be anywhere."""
        link(place, target)
        outcome = world.run(directory="../home/site" if "home" in place else "public")
        assert outcome.exit_code == 2
        assert "`ignore-file`: '" + place + "' leads through a link to " in outcome.log
        check_nothing_leaked(world, outcome)
        assert "sandbox-key" not in outcome.log

    def test_its_problems_quote_nothing(self, world: World) -> None:
        """They name the line."""
        Path("public/.zerokieignore").write_text(f"*.map\n{SECRET}//x\n")
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "'public/.zerokieignore' line 2: the pattern can never match" in outcome.log
        check_nothing_leaked(world, outcome)

    def test_a_large_one(self, world: World) -> None:
        """More than 64 kB is no ignore file, and is not read to its end."""
        Path("public/.zerokieignore").write_bytes(b"a\n" * 40_000)
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "'public/.zerokieignore' is not a readable text file (UTF-8) of at most 64 kB" in outcome.log

    def test_right_ones(self, world: World, work: Path) -> None:
        """The file that the error about a link names, and a file or a link outside of the checkout."""
        Path(".gitignore").write_bytes(b"# Windows\r\n*.css\r\n")
        link("dist/.cfignore", "../.gitignore")
        assert f"write '{work}/.gitignore'" in world.run(directory="dist", ignore_file=".cfignore").log
        (work.parent / "shared").write_text("*.html")
        link("../home/ignore", "../shared")
        left_by = {f"{work}/.gitignore": "index.html", "../shared": "a.css", "../home/ignore": "a.css"}
        for ignore_file, left in left_by.items():
            inputs = {"ignore": ".cfignore", "max_deletes": 9}
            outcome = world.run(directory="dist", ignore_file=ignore_file, **inputs)
            assert outcome.exit_code == 0
            assert world.stored().keys() == {left}


class TestManyFiles:
    """Links that multiply, patterns that are slow, and paths that are too long."""

    def test_links_multiply(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two links in each directory of a chain: thirty make 131,070 files of two.

        Here 500 are too many, as that many take seconds.
        """
        monkeypatch.setattr("zerokie_action.files.scan._MOST_LINKED", 500)
        for depth in range(15):
            for name in "ab":
                link(f"public/{depth}/{name}", f"../{depth + 1}")
        Path("public/15").mkdir()
        for name in "ab":
            Path("public/15", name).touch()
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "Links make more than 500 entries of `directory`; remove" in outcome.log

    def test_files_without_links(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """They may be as many as they like, also beside a few that links add."""
        monkeypatch.setattr("zerokie_action.files.scan._MOST_LINKED", 2)
        for number in range(9):
            Path(f"public/{number}/deep").mkdir(parents=True)
            Path(f"public/{number}/deep/a.html").touch()
        link("public/latest", "8")
        outcome = world.run(directory="public")
        assert outcome.exit_code == 0, outcome.log
        assert "latest/deep/a.html" in world.stored()

    def test_a_pattern_that_takes_for_ever(self, world: World) -> None:
        """With five stars and a long name ten seconds, with six minutes, in which nothing ends the run."""
        Path("public", "a" * 200).touch()
        Path("public/.zerokieignore").write_text("*a*a*a*a*b\n**/*a?*[a]*a*a*b/**\n")
        began = time.process_time()
        assert world.run(directory="public").exit_code == 0
        assert time.process_time() - began < 3
        assert "a" * 200 in world.stored()

    def test_a_long_path(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """One of 1,024 bytes is deployed; a longer one, or a directory that can only have such, is named."""
        monkeypatch.chdir("public")
        folder = "é" * 100 + "/"
        for _ in range(5):
            Path(folder).mkdir()
            monkeypatch.chdir(folder)
        Path("a" * 19).touch()
        assert world.run(directory="../../../../..").exit_code == 0
        assert folder * 5 + "a" * 19 in world.stored()
        Path("a" * 20).touch()
        Path("a" * 21, "deep").mkdir(parents=True)
        outcome = world.run(directory="../../../../..")
        assert outcome.exit_code == 2
        problem = (
            "…' has a path that is not UTF-8, or longer than 1,024 bytes; rename it or add it to `ignore`\n"
        )
        assert outcome.log.count(f"Error: '{folder}") == outcome.log.count(problem) == 2
        assert world.run(directory="../../../../..", ignore="a" * 20 + "*").exit_code == 0

    def test_a_deep_tree(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """300 files 500 levels deep: the check for one level too high takes no memory for each of them."""
        world.write({f"{number}.html": b"x" for number in range(9)})
        assert world.run().exit_code == 0
        world.write({"new.txt": b"x"})
        monkeypatch.chdir(world.folder)
        Path("a/" * 500).mkdir(parents=True)
        for number in range(300):
            Path("a/" * 500, f"{number}.html").touch()
        tracemalloc.start()
        outcome = world.run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "Most of the site would be deleted, 9 files" in outcome.log
        assert outcome.exit_code == 2
        assert peak < 20_000_000
