"""HTTP requests: transport, proxies, certificates and retries.

Nothing here is specific to the platform. Only this package imports httpx and httptools, and other packages
import httpx's names from here. The last release of httpx is 0.28 (2024). A move to httpx2, the successor that
Pydantic maintains, would change only this package.
"""

from httpx import URL, Request, Response

__all__ = ["URL", "Request", "Response"]
