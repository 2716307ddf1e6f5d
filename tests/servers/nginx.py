"""nginx as a gateway before a platform."""

from urllib.parse import urlsplit

import trustme

from tests.servers.processes import Server

_CONFIGURATION = """
daemon off;
pid nginx.pid;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  log_format seen '$status $request_method $request_uri $http_authorization';
  access_log access.log seen;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream platform {{ server {upstream}; keepalive 64; }}
  server {{
    listen {listen};
    {directives}
    location / {{
      proxy_pass http://platform;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class Nginx(Server):
    """nginx as a gateway. Its log has lines such as `200 PUT /path authorization`.

    Args:
        upstream: the platform's URL.
        directives: additional configuration.
        authority: signs a certificate for `host`, so that nginx serves https.
        host: the name for clients. nginx listens on 127.0.0.1, or on this IPv6 address.
    """

    program = "nginx"
    arguments = ("-p", ".", "-c", "nginx.conf", "-e", "error.log")

    def __init__(
        self,
        upstream: str,
        directives: str = "",
        *,
        authority: trustme.CA | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__()
        self._upstream = urlsplit(upstream).netloc
        self._directives = directives
        self._authority = authority
        self._host = host

    @property
    def url(self) -> str:
        """The gateway's URL for clients."""
        return f"{'https' if self._authority else 'http'}://{self._host}:{self.port}"

    def configure(self) -> None:
        address = self._host if self._host.startswith("[") else "127.0.0.1"
        listen, directives = f"{address}:{self.port}", self._directives
        if self._authority:
            certificate = self._authority.issue_cert(self._host)
            certificate.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "server.pem"))
            listen += " ssl"
            directives += " ssl_certificate server.pem; ssl_certificate_key server.pem;"
        text = _CONFIGURATION.format(upstream=self._upstream, listen=listen, directives=directives)
        self.write("nginx.conf", text)
