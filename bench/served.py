"""A platform in a process of its own, as the measurements use it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import certifi
import trustme

API_KEY = "bench-key"

_ROOT = Path(__file__).resolve().parent.parent
_MANIFESTS = "_zerokie/"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the platform saw since it was asked the last time.

    Attributes:
        first_request: when the first request had arrived, by the machine's monotonic clock; None without any.
        stored: how many requests stored a file, the manifest aside.
    """

    first_request: float | None
    stored: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What https takes.

    Attributes:
        chain: PEM file of the platform's certificate for loopback and its key.
        bundle: PEM file of the authorities to trust: this one, and as many others as a machine usually has.
    """

    chain: Path
    bundle: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """A new one, by an authority of its own."""
        authority = trustme.CA()
        made = cls(folder / "chain.pem", folder / "bundle.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(made.chain))
        usual = ssl.get_default_verify_paths().cafile or certifi.where()
        made.bundle.write_bytes(Path(usual).read_bytes() + authority.cert_pem.bytes())
        return made


class ServedPlatform:
    """Runs as long as the `with` block.

    Attributes:
        url: the API's base.
        bundle: the authorities to trust, for https.
        pid: the process.
    """

    def __init__(self, latency: float, certificate: Certificate | None = None, *, endless: str = "") -> None:
        """Answer after `latency` seconds, over https with a certificate.

        Where the expression `endless` is found in a path, the answer has no end.
        """
        self.bundle = certificate.bundle if certificate else None
        options = [f"--latency={latency}", f"--endless={endless}"]
        if certificate:
            options.append(f"--certificate={certificate.chain}")
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.platform", *options], cwd=_ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        self.pid = self._process.pid
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the local platform did not start")
        context = ssl.create_default_context(cafile=self.bundle) if self.bundle else None
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def traffic(self) -> Traffic:
        """What happened since the last call."""
        return Traffic(**self._get("/traffic"))

    def sizes(self, app: str) -> dict[str, int]:
        """Bytes of each file in the app's storage by path, without what is not a user's."""
        files = self._get(f"/v1/apps/{app}/files")
        return {row["path"]: row["length"] for row in files if not row["path"].startswith(_MANIFESTS)}

    def _get(self, target: str) -> Any:  # noqa: ANN401 - it is JSON
        with self._opener.open(self.url + target) as answer:
            return json.load(answer)
