"""How requests travel: httpx, its transport, proxies and certificates, retries. Knows nothing of the API.

Only this package imports httpx and httpcore; everybody else takes their names from here. httpx 0.28 has been
quiet since 2024, and Pydantic keeps a successor, httpx2: moving there is one commit in this package.
"""

from httpx import URL, InvalidURL, Request, Response

__all__ = ["URL", "InvalidURL", "Request", "Response"]
