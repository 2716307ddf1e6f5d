"""Platform in its own process, for benchmarks."""

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
    """The platform's traffic since the last call.

    Attributes:
        first_request: time of the first request, by the machine's monotonic clock; None without requests.
        stored: number of requests that stored a file other than a manifest.
    """

    first_request: float | None
    stored: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files that https requires.

    Attributes:
        chain: PEM file with the platform's certificate for loopback and its key.
        bundle: PEM file with this authority and the usual number of others.
    """

    chain: Path
    bundle: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """Make a new certificate with its own authority."""
        authority = trustme.CA()
        made = cls(folder / "chain.pem", folder / "bundle.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(made.chain))
        usual = ssl.get_default_verify_paths().cafile or certifi.where()
        made.bundle.write_bytes(Path(usual).read_bytes() + authority.cert_pem.bytes())
        return made


class ServedPlatform:
    """A platform that runs until the end of the `with` block.

    Attributes:
        url: the API's base.
        bundle: file with the trusted authorities, for https.
        pid: the process's ID.
    """

    def __init__(self, latency: float, certificate: Certificate | None = None, *, endless: str = "") -> None:
        """Respond after `latency` seconds, over https if there is a certificate.

        If a path contains the expression `endless`, the response never ends.
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
        """Return the traffic since the last call."""
        return Traffic(**self._get("/traffic"))

    def sizes(self, app: str) -> dict[str, int]:
        """Return the length of each file in the app by its path, without the action's manifests."""
        files = self._get(f"/v1/apps/{app}/files")
        return {row["path"]: row["length"] for row in files if not row["path"].startswith(_MANIFESTS)}

    def _get(self, target: str) -> Any:  # noqa: ANN401 - it is JSON
        with self._opener.open(self.url + target) as answer:
            return json.load(answer)
