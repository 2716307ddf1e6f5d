"""S3 bucket for tools that use S3's protocol."""

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

_PAGE = 1000
"""The maximum length of a page in S3's lists."""
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(slots=True)
class Bucket:
    """Keys and their metadata.

    Unlike S3's times, these have milliseconds. rclone and `aws s3 sync` compare them with the files' times,
    and a quick run may store and change a file in the same second.
    """

    _entries: dict[str, str] = field(default_factory=dict)
    _sorted: list[str] = field(default_factory=list)

    def put(self, key: str, length: int, md5: str) -> None:
        """Store an object with this length and MD5 sum."""
        now = time.time()
        modified = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03}Z"
        self._entries[key] = (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified>"
            f"<ETag>&quot;{md5}&quot;</ETag><Size>{length}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )

    def page(self, query: str) -> bytes:
        """Return the response to ListObjectsV2. The continuation token is the last key of a page."""
        token = parse_qs(query).get("continuation-token", [""])[0]
        if not token:
            self._sorted = sorted(self._entries)
        begin = bisect_right(self._sorted, token)
        keys = self._sorted[begin : begin + _PAGE]
        is_last = begin + _PAGE >= len(self._sorted)
        more = "" if is_last else f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>"
        truncated = f"<IsTruncated>{str(not is_last).lower()}</IsTruncated>{more}"
        count = f"<KeyCount>{len(keys)}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
        entries = "".join(map(self._entries.__getitem__, keys))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="{_NAMESPACE}">'
            f"{truncated}{count}{entries}</ListBucketResult>"
        ).encode()
