"""Simple uploader with one httpx transport and connection per worker.

Usage: httpx_loop.py URL FOLDER CONNECTIONS
"""

import asyncio
import mimetypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx


async def upload(url: str, folder: Path, files: Iterator[Path]) -> None:
    """Store one file after another below the URL."""
    context = httpx.create_ssl_context() if url.startswith("https") else False
    async with httpx.AsyncHTTPTransport(verify=context, limits=httpx.Limits(max_connections=1)) as transport:
        for file in files:
            request = httpx.Request(
                "PUT",
                f"{url}/{quote(file.relative_to(folder).as_posix())}",
                content=file.read_bytes(),
                headers={
                    "Authorization": f"Bearer {os.environ['API_KEY']}",
                    "Content-Type": mimetypes.guess_type(file)[0] or "application/octet-stream",
                },
                extensions={"timeout": httpx.Timeout(60).as_dict()},
            )
            response = await transport.handle_async_request(request)
            await response.aread()
            if not response.is_success:
                raise SystemExit(f"{file}: {response.status_code}")


async def upload_all(url: str, folder: Path, connections: int) -> None:
    """Store every file of the folder."""
    files = iter([file for file in folder.rglob("*") if file.is_file()])  # noqa: ASYNC240 - as people do
    async with asyncio.TaskGroup() as workers:
        for _ in range(connections):
            workers.create_task(upload(url, folder, files))


if __name__ == "__main__":
    asyncio.run(upload_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
