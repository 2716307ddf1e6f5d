"""What people write by hand: one shared client, one task for each file.

Usage: httpx_loop.py URL FOLDER CONNECTIONS
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import sys
from pathlib import Path
from urllib.parse import quote

import httpx


async def upload(url: str, folder: Path, files: list[Path], connections: int) -> None:
    """Store these files of the folder below the URL."""
    slots = asyncio.Semaphore(connections)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {os.environ['API_KEY']}"}
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as client:

        async def put(file: Path) -> None:
            kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
            async with slots:
                response = await client.put(
                    f"{url}/{quote(file.relative_to(folder).as_posix())}",
                    content=file.read_bytes(),  # noqa: ASYNC240 - as people do
                    headers={"Content-Type": kind},
                )
                response.raise_for_status()

        await asyncio.gather(*map(put, files))


def main(url: str, folder: str, connections: str) -> None:
    """Store every file of the folder."""
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    asyncio.run(upload(url, Path(folder), files, int(connections)))


if __name__ == "__main__":
    main(*sys.argv[1:])
