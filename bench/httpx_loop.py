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


async def upload(url: str, folder: Path, connections: int) -> None:
    """Store every file of the folder below the URL."""
    slots = asyncio.Semaphore(connections)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {os.environ['API_KEY']}"}
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as client:

        async def put(file: Path) -> None:
            kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
            async with slots:
                response = await client.put(
                    f"{url}/{quote(file.relative_to(folder).as_posix())}",
                    content=file.read_bytes(),
                    headers={"Content-Type": kind},
                )
                response.raise_for_status()

        await asyncio.gather(*(put(file) for file in folder.rglob("*") if file.is_file()))


if __name__ == "__main__":
    asyncio.run(upload(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
