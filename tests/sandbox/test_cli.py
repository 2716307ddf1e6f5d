import signal
import subprocess
import sys

from sandbox.__main__ import main
from tests.sandbox.process import sandbox


def test_the_command_serves_until_a_signal(tmp_path, capsys):
    """The first line is the address. A restart keeps the state, and two sandboxes can't use one folder."""
    with sandbox("--data", str(tmp_path), end=signal.SIGTERM) as client:
        assert client.get("/v1/apps", headers={"authorization": "Bearer other"}).status_code == 401
        client.post("/v1/apps", json={"name": "site", "type": "static"})
        assert client.get("/openapi.json").status_code == 200
        assert main(["--port", "0", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"Can't start the sandbox: another sandbox uses the folder {tmp_path}. Stop that sandbox, or set"
        " another folder with --data\n"
    )
    # The command line sets the deploy time, the faults, the API variants and the apps' address.
    options = ["--deploy-seconds", "0", "--fault", "GET /v1 503", "--fault", "GET /v1 418", "--latency", "1"]
    options += ["--public-url", "http://host.docker.internal:8080"]
    options += ["--dialect", "image=full", "--dialect", "updated-at=absent"]
    with sandbox("--data", str(tmp_path), *options) as client:
        assert list(client.get("/_sandbox/state").json()["apps"]) == ["site"]
        client.post("/v1/apps", json={"name": "api", "image": "nginx"})
        assert [client.get("/v1/apps/api").status_code for _ in range(3)] == [503, 418, 200]
        app = client.get("/v1/apps/api").json()
        assert (app["status"], app["url"]) == ("running", "http://host.docker.internal:8080/_apps/api")
        assert (app["image"], "updated_at" in app) == ("docker.io/library/nginx:latest", False)


def test_a_missing_dependency_is_explained():
    """The error names the package and the commands that install it."""
    code = "import sys, runpy; sys.modules['uvicorn'] = None; runpy.run_module('sandbox', alter_sys=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    message = (
        "The sandbox needs uvicorn. Run `make setup` in the checkout and start the sandbox with"
        " `.venv/bin/python -m sandbox`, or run `pip install '.[sandbox]'` in your environment\n"
    )
    assert (done.returncode, done.stderr) == (1, message)
