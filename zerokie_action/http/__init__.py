"""Sends HTTP requests: transport, proxies, certificates and retries. Nothing here is specific to the API.

Only this package imports httpx and httptools; other packages import httpx's names from here. httpx has had
no release since 0.28 (2024). Pydantic maintains a successor, httpx2; a move to httpx2 would change only this
package.
"""

from httpx import URL, Request, Response

__all__ = ["URL", "Request", "Response"]
