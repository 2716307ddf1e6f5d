"""HAProxy as a gateway before a platform."""

from urllib.parse import urlsplit

from tests.servers.processes import Server

_CONFIGURATION = """
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive {idle}
frontend gateway
  bind 127.0.0.1:{port}
  {directives}
  default_backend platform
backend platform
  server platform {upstream}
"""


class Haproxy(Server):
    """HAProxy as a gateway.

    Args:
        upstream: the platform's URL.
        directives: additional configuration, one per line.
        idle: the time for which it keeps an idle connection.
    """

    program = "haproxy"
    arguments = ("-db", "-f", "haproxy.cfg")

    def __init__(self, upstream: str, *directives: str, idle: str = "60s") -> None:
        super().__init__()
        self._upstream = urlsplit(upstream).netloc
        self._directives = "\n  ".join(directives)
        self._idle = idle

    def configure(self) -> None:
        text = _CONFIGURATION.format(
            port=self.port, directives=self._directives, idle=self._idle, upstream=self._upstream
        )
        self.write("haproxy.cfg", text)
