"""multipart/form-data, read as it comes: a file never stands whole in memory."""

import re

HEAD_LIMIT = 16 * 1024
BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))', re.I)
PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Malformed(Exception):
    """It is no multipart body."""


def boundary_of(content_type):
    match = BOUNDARY.search(content_type)
    if not match:
        raise Malformed("no multipart boundary param in Content-Type")
    return (match.group(1) or match.group(2)).encode("latin-1")


class Reader:
    """for each part: head = await next_part(); async for data in body()."""

    def __init__(self, chunks, boundary):
        self._chunks = chunks
        self._mark = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # so that the first boundary looks like the others

    async def _more(self):
        async for data in self._chunks:
            self._buffer += data
            return
        raise Malformed("unexpected EOF")

    async def _take_until(self, mark):
        while mark not in self._buffer:
            if len(self._buffer) > HEAD_LIMIT:
                raise Malformed("a part's head is too long")
            await self._more()
        data, _, self._buffer = self._buffer.partition(mark)
        return data

    async def next_part(self):
        """The parameters of the next part's Content-Disposition; None after the last."""
        async for _ in self.body():
            pass  # what precedes the boundary, or was left of the last part
        while len(self._buffer) < len(self._mark) + 2:
            await self._more()
        after = self._buffer[len(self._mark):len(self._mark) + 2]
        self._buffer = self._buffer[len(self._mark) + 2:]
        if after == b"--":
            return None
        if after != b"\r\n":
            raise Malformed("malformed boundary")
        lines = (b"\r\n" + await self._take_until(b"\r\n\r\n")).decode("utf-8", "replace")
        for line in lines.split("\r\n"):
            if line.lower().startswith("content-disposition:"):
                return {name.lower(): re.sub(r"\\(.)", r"\1", value)
                        for name, value in PARAMETER.findall(line)}
        return {}

    async def body(self):
        """The part's bytes, up to the boundary, which stays in the buffer."""
        while True:
            at = self._buffer.find(self._mark)
            if at >= 0:
                data, self._buffer = self._buffer[:at], self._buffer[at:]
                if data:
                    yield data
                return
            keep = len(self._mark) - 1
            if len(self._buffer) > keep:
                data, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield data
            await self._more()
