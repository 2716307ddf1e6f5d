"""squid as the only route to the platform."""

from urllib.parse import quote

from tests.servers.processes import Server

_CONFIGURATION = """
http_port 127.0.0.1:{port}
visible_hostname proxy.test
pid_filename none
coredump_dir none
shutdown_lifetime 0 seconds
hosts_file {folder}/hosts
cache_log {folder}/cache.log
logformat seen %>Hs %rm %ru
access_log stdio:{folder}/access.log seen
cache deny all
netdb_filename none
pinger_enable off
auth_param basic program {folder}/login-check
auth_param basic children 1 startup=1
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""

_LOGIN_CHECK = """#!/bin/sh
while read -r login; do
  if [ "$login" = {login} ]; then echo OK; else echo ERR; fi
done
"""

NAMES = ("platform.test", "pages.test")
"""Hosts on loopback that nobody but this proxy can resolve."""


class Squid(Server):
    """squid as a proxy to any port. It logs lines such as `200 CONNECT platform.test:443`.

    Args:
        user, password: the credentials, without white space or a shell's special characters.
    """

    program = "squid"

    def __init__(self, user: str, password: str) -> None:
        super().__init__()
        # The service name is also the name of its shared memory, so it must be unique.
        self.arguments = ("-N", "-n", f"zerokie{self.port}", "-f", "squid.conf", "-d", "1")
        # squid passes on the percent-encoded credentials of `Proxy-Authorization` in one line.
        self._login = f"'{quote(user)} {quote(password)}'"

    def configure(self) -> None:
        self.write("login-check", _LOGIN_CHECK.format(login=self._login)).chmod(0o755)
        self.write("hosts", "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *NAMES)))
        self.write("squid.conf", _CONFIGURATION.format(port=self.port, folder=self.folder))
