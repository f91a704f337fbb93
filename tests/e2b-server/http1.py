"""HTTP/1.1 over asyncio streams, plain enough that a test can spoil it.

A ready-made library would hide what this server is for: writing one byte at a
time, cutting a chunked body in its middle, never answering. So requests and
answers are read and written here, byte by byte.
"""

import asyncio
import json
import socket
import struct
import urllib.parse

HEAD_LIMIT = 64 * 1024
IDLE_SECONDS = 300
BODY_LIMIT = 16 * 1024 * 1024
HANG_SECONDS = 900
WRITE_BUFFER = 64 * 1024

REASONS = {100: "Continue", 200: "OK", 201: "Created", 204: "No Content", 206: "Partial Content",
           304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 409: "Conflict",
           413: "Payload Too Large", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
           429: "Too Many Requests", 499: "Client Closed Request", 500: "Internal Server Error",
           501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout", 507: "Insufficient Storage"}


class BadRequest(Exception):
    """The bytes are no HTTP request that we take."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Gone(ConnectionError):
    """The client left, or a fault ended the connection: stop answering."""


class Headers(dict):
    """Names in lower case; a repeated header is joined by commas."""

    @classmethod
    def parse(cls, lines):
        headers = cls()
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400, "malformed header")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers


class Wire:
    """One connection, with what was read ahead of its use."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.ahead = b""
        writer.transport.set_write_buffer_limits(high=WRITE_BUFFER)

    async def read(self, size):
        """Up to size bytes; nothing at the end."""
        if not self.ahead:
            return await self.reader.read(size)
        data, self.ahead = self.ahead[:size], self.ahead[size:]
        return data

    async def read_exactly(self, size):
        data = b""
        while len(data) < size:
            more = await self.read(size - len(data))
            if not more:
                raise Gone("the request ends in its middle")
            data += more
        return data

    async def read_until(self, mark, limit):
        """Through the mark; nothing if the connection ends before the first byte."""
        while mark not in self.ahead:
            if len(self.ahead) > limit:
                raise BadRequest(413, "the request's head is too long")
            more = await self.reader.read(4096)
            if not more and self.ahead:
                raise Gone("the request ends in its middle")
            if not more:
                return b""
            self.ahead += more
        end = self.ahead.index(mark) + len(mark)
        data, self.ahead = self.ahead[:end], self.ahead[end:]
        return data

    async def watch(self):
        """Returns when the client closes its side; keeps what it sends early."""
        while True:
            data = await self.reader.read(4096)
            if not data:
                return
            self.ahead += data
            if len(self.ahead) > HEAD_LIMIT:
                return

    def abort(self, reset=False):
        sock = self.writer.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Request:
    """What was asked. The body is read by chunks(), or whole by read()."""

    def __init__(self, wire, method, target, headers):
        self.wire = wire
        self.method = method
        self.target = target
        self.headers = headers
        path, _, self.query_string = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.whole = None
        self._done = False

    @classmethod
    async def receive(cls, wire):
        """The next request on the connection, or None at its end."""
        head = await asyncio.wait_for(wire.read_until(b"\r\n\r\n", HEAD_LIMIT), IDLE_SECONDS)
        if not head:
            return None
        lines = head.decode("latin-1").split("\r\n")[:-2]
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            raise BadRequest(400, "malformed request line")
        return cls(wire, words[0], words[1], Headers.parse(lines[1:]))

    def query(self):
        """The query's pairs, decoded once, the last of equal names."""
        return dict(urllib.parse.parse_qsl(self.query_string, keep_blank_values=True))

    async def chunks(self):
        if self._done:
            return
        self._done = True
        if self.headers.get("expect", "").lower() == "100-continue":
            self.wire.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            async for data in self._chunked():
                yield data
            return
        left = self._length()
        while left:
            data = await self.wire.read(min(left, 65536))
            if not data:
                raise Gone("the body ends in its middle")
            left -= len(data)
            yield data

    def _length(self):
        text = self.headers.get("content-length", "0")
        if not text.isdigit() or len(text) > 12:
            raise BadRequest(400, "malformed Content-Length")
        return int(text)

    async def _chunked(self):
        while True:
            line = await self.wire.read_until(b"\r\n", 1024)
            try:
                size = int(line.split(b";")[0].strip(), 16)
            except ValueError as err:
                raise BadRequest(400, "malformed chunk") from err
            while size:
                data = await self.wire.read(min(size, 65536))
                if not data:
                    raise Gone("the body ends in its middle")
                size -= len(data)
                yield data
                if not size:
                    await self.wire.read_exactly(2)
                    break
            else:
                break
        while await self.wire.read_until(b"\r\n", 8192) != b"\r\n":
            pass  # trailers

    async def read(self, limit=BODY_LIMIT):
        if self.whole is None:
            parts, have = [], 0
            async for data in self.chunks():
                have += len(data)
                if have > limit:
                    raise BadRequest(413, "the body is too large")
                parts.append(data)
            self.whole = b"".join(parts)
        return self.whole

    async def drain(self):
        """Reads what the handler left of the body, so that the next request is found."""
        async for _ in self.chunks():
            pass


class Exchange:
    """One answer, through the fault that was drawn for it (faults.Plan)."""

    def __init__(self, request, plan):
        self.request = request
        self.wire = request.wire
        self.plan = plan
        self.status = 0
        self.chunked = False
        self.sent = 0
        self.gone = asyncio.Event()
        self.close_after = request.headers.get("connection", "").lower() == "close"
        self._watcher = None
        self._finished = False

    def watch(self):
        """From now on a client that leaves sets self.gone."""
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self):
        try:
            await self.wire.watch()
        except (ConnectionError, OSError):
            pass
        self.gone.set()

    async def unwatch(self):
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    def abort(self, reset=False):
        self.wire.abort(reset)
        self.gone.set()

    async def cut_off(self, reset=False):
        """Ends the connection after what was written, without ending the body."""
        if reset:
            await asyncio.sleep(0.05)  # a reset throws away what is still on its way
            self.wire.abort(reset=True)
        else:
            self.wire.writer.close()
        self.gone.set()
        raise Gone("a fault cut the answer")

    async def hang(self):
        """Half-open: say nothing until the client has had enough."""
        if not self._watcher:
            self.watch()
        try:
            await asyncio.wait_for(self.gone.wait(), HANG_SECONDS)
        except asyncio.TimeoutError:
            self.abort()
        raise Gone("a fault kept silent")

    async def begin(self, status, headers, length=None):
        """Head of the answer; without a length the body is chunked."""
        if self.plan.close or self.plan.hang:
            await self.plan.before_answer(self)
            if self.plan.hang:
                await self.hang()
            self.abort(self.plan.close == "reset")
            raise Gone("a fault closed the connection")
        await self.plan.before_answer(self)
        self.status = status
        bodyless = status in (204, 304)
        self.chunked = length is None and not bodyless
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif not bodyless:
            lines.append(f"Content-Length: {length}")
        if self.close_after:
            lines.append("Connection: close")
        await self._raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def write(self, data):
        """A piece of the body."""
        if not data or self.request.method == "HEAD":
            return
        cut = self.plan.cut_bytes(self.sent, len(data))
        if cut is not None:
            await self._piece(data[:cut])
            await self.cut_off(self.plan.cut.get("reset", False))
        await self._piece(self.plan.corrupted(data, self.sent))
        self.sent += len(data)

    async def _piece(self, data):
        if not data:
            return
        if self.chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        await self._raw(data)

    async def _raw(self, data):
        size, pause = self.plan.split()
        if self.gone.is_set() and self.wire.writer.transport.is_closing():
            raise Gone("the client left")
        if not size:
            self.wire.writer.write(data)
            await self.wire.writer.drain()
            return
        for at in range(0, len(data), size):
            self.wire.writer.write(data[at:at + size])
            await self.wire.writer.drain()
            await asyncio.sleep(pause)

    async def end(self):
        if self.chunked and self.request.method != "HEAD":
            await self._raw(b"0\r\n\r\n")
        self._finished = True

    async def send(self, status, body=b"", content_type=None, headers=None):
        """A whole answer at once; the fault may put its own in its place."""
        status, body, content_type, headers = self.plan.replaced(status, body, content_type,
                                                                 headers or {})
        if content_type:
            headers = {"Content-Type": content_type, **headers}
        await self.begin(status, headers, len(body))
        if status not in (204, 304):
            await self.write(body)
        await self.end()

    async def send_json(self, status, value, headers=None):
        text = json.dumps(value, indent=2 if self.plan.spaces else None, ensure_ascii=False)
        await self.send(status, text.encode(), "application/json", headers)

    @property
    def started(self):
        return self.status != 0

    @property
    def finished(self):
        return self._finished
