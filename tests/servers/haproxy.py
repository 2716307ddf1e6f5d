"""haproxy in front of a platform."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.servers.processes import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIGURATION = """
defaults
  mode http
  log stdout format raw local0
  log-format "%ST %HM %HU"
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {timeouts}
frontend gateway
  bind 127.0.0.1:{port}
  {rules}
  default_backend platform
backend platform
  server platform {upstream}
"""


class HAProxy(Server):
    """haproxy as a gateway.

    Args:
        upstream: the platform's URL.
        rules: what is special about the frontend.
        timeouts: seconds by the names that they have there, for example `http-request`.
    """

    program = "haproxy"
    arguments = ("-db", "-f", "haproxy.cfg")

    def __init__(
        self, upstream: str, rules: str = "", *, timeouts: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        super().__init__()
        self._rules = rules
        self._upstream = urlsplit(upstream).netloc
        self._timeouts = timeouts

    def configure(self) -> None:
        timeouts = "\n  ".join(
            f"timeout {name} {seconds * 1000:.0f}ms" for name, seconds in self._timeouts.items()
        )
        text = _CONFIGURATION.format(
            upstream=self._upstream, port=self.port, rules=self._rules, timeouts=timeouts
        )
        self.write("haproxy.cfg", text)

    def seen(self, part: str = "") -> list[str]:
        """What was answered, a line each: `200 PUT /path`, or `408 <BADREQ>` where no request came."""
        return [line for line in self.output().splitlines() if part in line]
