"""A tree that means harm: a merged change, or a fork's artifact. The inputs are the user's."""

import time
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
    def test_a_directory_that_leads_out_through_a_link_is_refused(
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
    def test_a_directory_without_a_link_is_deployed(self, world: World, written: str) -> None:
        """A variable in the input may be somebody else's, too."""
        Path(".git/hooks").mkdir()
        Path(".git/hooks/update").touch()
        outcome = world.run(directory=written)
        assert outcome.exit_code == 2
        assert "may hold secrets" in outcome.log

    def test_a_link_below_the_root_is_the_trees(
        self, world: World, work: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A container's job without a checkout: a link in it is the artifact's."""
        link("out", "../home")
        monkeypatch.chdir("/")
        outcome = world.run(directory=f"{work}/out"[1:])
        assert outcome.exit_code == 2
        assert f"leads through a link to '{work.parent}/home'; if that is meant" in outcome.log

    def test_a_workspace_behind_a_link_is_deployed(
        self, world: World, work: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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


OUTSIDE = "is a symbolic link that leaves the directory (to "
"""Then the target; the advice is to remove the link."""
INSIDE = "is a symbolic link (to "
"""Then the target; the advice is to let the build put a copy there."""


class TestLinks:
    """A link in the folder is refused, wherever it leads; the advice never is to follow it."""

    @pytest.mark.parametrize(
        ("name", "target", "said"),
        [
            ("assets", "../.git", OUTSIDE),
            ("config.txt", "../.git/config", OUTSIDE),
            ("deep/aws", "../../../home/.aws", OUTSIDE),
            ("environ.txt", "/proc/self/environ", OUTSIDE),
            ("up", "..", OUTSIDE),
            ("env.txt", ".env", INSIDE),
            ("latest", "deep", INSIDE),
            ("deep/index.html", "../index.html", INSIDE),
            ("loop", ".", INSIDE),
            ("gone", "missing/a.css", INSIDE),
        ],
    )
    def test_a_link_is_refused(self, world: World, name: str, target: str, said: str) -> None:
        """By its own path alone it can be left out, by the input or the ignore file."""
        Path("public/deep").mkdir()
        link(f"public/{name}", target)
        outcome = world.run(directory="public", ignore="!/**/*\nnode_modules")
        assert outcome.exit_code == 2
        assert f"'{name}' {said}" in outcome.log
        fix = "let the build put a copy there" if said == INSIDE else "remove it"
        assert f"; {fix} or add it to `ignore`\n" in outcome.log
        assert outcome.writes == []
        check_nothing_leaked(world, outcome)
        for ignore in (name, f"{name}/"):
            outcome = world.run(directory="public", ignore=ignore)
            assert outcome.exit_code == 0, outcome.log
            assert world.stored().keys() == {"index.html"}
        Path("public/.zerokieignore").write_text(f"/{name}")
        assert world.run(directory="public").exit_code == 0
        check_nothing_leaked(world, outcome)

    @pytest.mark.parametrize(
        ("target", "ignore"),
        [("../shared", "/shared"), ("gone/a.css", "*.css"), ("certs", "certs/"), ("certs/a.key", "*.key")],
    )
    def test_a_pattern_for_its_target_leaves_no_link_out(
        self, world: World, target: str, ignore: str
    ) -> None:
        """Else a site without its assets would be live, without a word."""
        Path("shared").mkdir()
        Path("public/certs").mkdir()
        Path("public/certs/a.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n")
        link("public/assets", target)
        outcome = world.run(directory="public", ignore=f"{ignore}\n/certs")
        assert outcome.exit_code == 2
        assert "'assets' is a " in outcome.log
        check_nothing_leaked(world, outcome)

    def test_links_to_links_take_no_time(self, world: World) -> None:
        """Two in each directory of a chain of thirty lead to two thousand million files."""
        for depth in range(30):
            for name in "ab":
                link(f"public/{depth}/{name}", f"../{depth + 1}")
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "and 40 more" in outcome.log

    def test_a_secrets_name_in_another_case_stays_out(self, world: World) -> None:
        """Where the file system ignores case, the name is another one of `.git`; here it is a directory."""
        Path("public/.GIT").mkdir()
        for name in (".GIT/config", ".ENV", ".Env.local", "ID_RSA", "Prod.TFVARS"):
            Path("public", name).write_text(SECRET)
        outcome = world.run(directory="public")
        assert outcome.exit_code == 0
        assert world.stored().keys() == {"index.html"}
        check_nothing_leaked(world, outcome)


class TestSecrets:
    """What only the input `ignore` can publish."""

    def test_the_ignore_file_brings_no_secret_back(self, world: World) -> None:
        """The tree's ignore file is the tree's; only the input, which is ours, may publish a secret."""
        Path(".zerokieignore").write_text("!.env\n!.git\n!.git/\n!.aws/\n!gha-*\n!*\n!*/\n!**\n!**/.git/**")
        outcome = world.run(directory=".")
        assert outcome.exit_code == 0
        check_nothing_leaked(world, outcome)

    def test_the_input_ignore_brings_a_secret_back(self, world: World) -> None:
        """By `!` and the path."""
        outcome = world.run(directory=".", ignore="!/public/.env\n!.docker/\nnode_modules")
        assert outcome.exit_code == 0
        published = {"public/index.html", "dist/index.html", "dist/a.css"}
        assert world.stored().keys() == published | {"public/.env", ".docker/config.json"}
        assert "secrets" not in str(outcome.outputs["warnings"])


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
    def test_an_ignore_file_that_is_a_link_is_not_read(self, world: World, place: str, target: str) -> None:
        """It is not read: a pattern that was refused was quoted. A fork's artifact may be anywhere."""
        link(place, target)
        outcome = world.run(directory="../home/site" if "home" in place else "public")
        assert outcome.exit_code == 2
        assert "`ignore-file`: '" + place + "' leads through a link to " in outcome.log
        check_nothing_leaked(world, outcome)
        assert "sandbox-key" not in outcome.log

    def test_problems_of_the_ignore_file_quote_nothing(self, world: World) -> None:
        """They name the line."""
        Path("public/.zerokieignore").write_text(f"*.map\n{SECRET}//x\n")
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "'public/.zerokieignore' line 2: the pattern can never match" in outcome.log
        check_nothing_leaked(world, outcome)

    def test_an_ignore_file_of_more_than_64_kb_is_refused(self, world: World) -> None:
        """More than 64 kB is no ignore file, and is not read to its end."""
        Path("public/.zerokieignore").write_bytes(b"a\n" * 40_000)
        outcome = world.run(directory="public")
        assert outcome.exit_code == 2
        assert "'public/.zerokieignore' is not a readable text file (UTF-8) of at most 64 kB" in outcome.log

    def test_an_ignore_file_outside_of_the_checkout_is_read(self, world: World, work: Path) -> None:
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
    """Patterns and pages that are slow to read, and paths that are too long."""

    def test_no_pattern_hangs_the_run(self, world: World) -> None:
        """With five stars and a long name ten seconds, with six minutes, in which nothing ends the run."""
        Path("public", "a" * 200).touch()
        Path("public/.zerokieignore").write_text("*a*a*a*a*b\n**/*a?*[a]*a*a*b/**\n")
        began = time.process_time()
        assert world.run(directory="public").exit_code == 0
        assert time.process_time() - began < 3
        assert "a" * 200 in world.stored()

    def test_a_path_of_more_than_1024_bytes_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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
            "' has a path that is not UTF-8, or longer than 1,024 bytes; rename it or add it to `ignore`\n"
        )
        assert outcome.log.count(f"Error: '{folder}") == outcome.log.count(problem) == 2
        assert world.run(directory="../../../../..", ignore="a" * 20 + "*").exit_code == 0

    def test_no_page_hangs_the_run(self, world: World) -> None:
        """The front page beside a project's file is read to 64 kB, and judged in no time."""
        Path("public/package.json").touch()
        for text in ("<script " * 9_000, "<script " + " src" * 20_000, "<link href=" + " " * 70_000):
            Path("public/index.html").write_text(text + "<script src=/src/main.js>")
            began = time.process_time()
            assert world.run(directory="public").exit_code == 0
            assert time.process_time() - began < 3
