"""A Zerokie platform on your own machine, in one process.

The sandbox is written from the platform's REST reference alone, and shares no code with the client. It needs
the `sandbox` extra (FastAPI, Jinja2, uvicorn).

For people::

    python -m sandbox --port 8080 --data .sandbox --api-key KEY

prints the address. The page at `/` shows the platform and has switches for faults;
`/openapi.json` is the reference. Deployed apps answer at `http://127.0.0.1:8080/_apps/NAME`. Tests in other
processes use `/_sandbox/state`, `/_sandbox/faults` and `/_sandbox/dialect` (see `admin`).

For tests in the same process::

    from sandbox.faults import Fault, Kind
    from sandbox.platform import Platform
    from sandbox.server import serve

    platform = Platform(tmp_path, clock=lambda: now)
    platform.apps.create_static("site")
    platform.dialect.speak("image=full", "updated-at=never")
    platform.faults.add(Fault(Kind.RESET, method="PUT", path="/files/", after=True))
    async with serve(platform) as server:
        ...  # talk to server.url with the bearer token "sandbox-key"
    assert platform.files("site") == {"index.html": b"..."}
    assert platform.lock("site") is None
    assert [record.status for record in platform.requests] == [...]

A request passes `server`, which records it, makes it wait or fail, and checks the key. An endpoint of `api`,
`admin` or `cdn` answers it. `platform` has the state and the rules, without HTTP: those of `apps`, `static`
(files, locks and domains) and `cdn`, whose rows are in `store`. `serve` runs on the current event loop,
without threads and timers. `platform.Platform` documents what tests can read and change, `faults.Fault` the
faults, `dialects` the dialects and whole platforms, and `records.Record` the record of each request.

Where the reference is silent and the answer matters to clients, there is a dialect. Otherwise the sandbox
decides, and is strict where strictness finds more mistakes:

* acquiring a lock that the same session already holds is a 409;
* files may be written without a lock (the records show who held it);
* static apps have no `image`, `port`, `instances`, `cpu` and `memory`, and their status is `running`;
* a file path with an empty segment, an encoded slash, a NUL byte or no UTF-8 is a 400; dot segments are
  removed from request paths, as proxies do, so that `DELETE …/files/..` deletes the app;
* files, lock, finalize and domains of a container app, and `POST deploy` of a static one, are a 400.
"""
