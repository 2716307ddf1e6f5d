import signal
import subprocess
import sys

from sandbox.__main__ import main
from tests.sandbox.process import sandbox


def test_it_serves_and_ends_on_a_signal(tmp_path, capsys):
    """The first line is the address; state survives a restart with its folder, which only one may use."""
    with sandbox("--data", str(tmp_path), end=signal.SIGTERM) as client:
        assert client.get("/v1/apps", headers={"authorization": "Bearer other"}).status_code == 401
        client.post("/v1/apps", json={"name": "site", "type": "static"})
        assert client.get("/openapi.json").status_code == 200
        assert main(["--port", "0", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"The sandbox cannot start: another sandbox is running on the folder {tmp_path}. Stop it, or name"
        " another folder with --data\n"
    )
    # Deploy time, faults, dialect and the apps' address are what the command line says.
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


def test_a_missing_extra():
    """One line that names the fix."""
    code = "import sys, runpy; sys.modules['uvicorn'] = None; runpy.run_module('sandbox', alter_sys=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    message = (
        "The sandbox needs uvicorn: run `make setup` in the checkout, then `.venv/bin/python -m "
        "sandbox`, or `pip install '.[sandbox]'` into an environment of your own\n"
    )
    assert (done.returncode, done.stderr) == (1, message)
