"""A local Zerokie platform in one process.

People and tests can deploy to it without an account. It follows the platform's REST reference and shares no
code with the client, so both can't contain the same mistake. It requires the `sandbox` extra (FastAPI,
Jinja2, uvicorn).

For people::

    python -m sandbox --port 8080 --data .sandbox --api-key KEY

prints the address. The page at `/` shows the platform and has switches for faults. `/openapi.json` is the
reference. Deployed apps respond at `http://127.0.0.1:8080/_apps/NAME`. Tests in other processes use
`/_sandbox/state`, `/_sandbox/faults` and `/_sandbox/dialect` (see `admin`).

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

`server` records each request, delays it or makes it fail, and checks the key. Then an endpoint of `api`,
`admin` or `cdn` handles it. `platform` holds the state and the rules without HTTP. The rules are those of
`apps`, `static` (files, locks and domains) and `cdn`. Their rows are in `store`. `serve` runs on the current
event loop, without threads and timers.

Tests find their part of the interface in `platform.Platform`, `faults.Fault` and `records.Record`. `dialects`
lists the API variants.

If the reference leaves a question open and clients depend on the response, `dialects` has API variants for
it. Otherwise the sandbox decides, and is strict if strictness finds more mistakes:

* Acquiring a lock that the same session already holds is a 409.
* A client can write files without a lock. The records show the lock's holder.
* Static apps have the status `running`, and omit `image`, `port`, `instances`, `cpu` and `memory`.
* A file path with an empty segment, an encoded slash, a NUL byte or invalid UTF-8 is a 400.
* The sandbox removes dot segments from request paths, like a proxy. `DELETE …/files/..` deletes the app.
* Files, lock, finalize and domains of a container app are a 400, like `POST deploy` of a static app.
"""
