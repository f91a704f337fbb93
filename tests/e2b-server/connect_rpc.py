"""The Connect protocol with its JSON codec: envelopes, errors, unary and streams.

Services register coroutines by path; dispatch() takes a request to one of
them. Answers follow proto3 JSON: a field that has its default is left out.
"""

import base64
import binascii
import gzip
import json
import struct

COMPRESSED = 0x01
END_OF_STREAM = 0x02
MESSAGE_LIMIT = 16 * 1024 * 1024

HTTP_STATUS = {"canceled": 499, "unknown": 500, "invalid_argument": 400, "deadline_exceeded": 504,
               "not_found": 404, "already_exists": 409, "permission_denied": 403,
               "resource_exhausted": 429, "failed_precondition": 400, "aborted": 409,
               "out_of_range": 400, "unimplemented": 501, "internal": 500, "unavailable": 503,
               "data_loss": 500, "unauthenticated": 401}


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
        self.message = message

    def to_json(self):
        return {"code": self.code, "message": self.message}


def encode(message, spaces=False):
    """JSON without white space, or with much of it: readers must take both."""
    if spaces:
        return json.dumps(message, indent=1, separators=(" , ", " : ")).encode()
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def envelope(payload, flags=0):
    return struct.pack(">BI", flags, len(payload)) + payload


class Decoder:
    """Cuts envelopes out of bytes that come in pieces of any size."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data):
        """The (flags, payload) pairs that are complete now."""
        self._buffer += data
        found = []
        while len(self._buffer) >= 5:
            flags, size = struct.unpack_from(">BI", self._buffer)
            if size > MESSAGE_LIMIT:
                raise RpcError("resource_exhausted", f"message size {size} is too large")
            if len(self._buffer) < 5 + size:
                break
            found.append((flags, bytes(self._buffer[5:5 + size])))
            del self._buffer[:5 + size]
        return found

    @property
    def rest(self):
        return len(self._buffer)


def parse_message(payload):
    """One request message; the empty payload is the empty message on streams."""
    try:
        message = json.loads(payload) if payload else {}
    except (ValueError, RecursionError) as err:
        raise RpcError("invalid_argument", f"unmarshal message: {err}") from err
    if not isinstance(message, dict):
        raise RpcError("invalid_argument", "unmarshal message: not an object")
    return message


def decode_bytes(text):
    """A bytes field: standard or URL-safe base64, padded or not."""
    if not isinstance(text, str):
        raise RpcError("invalid_argument", "bytes field is no string")
    text = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as err:
        raise RpcError("invalid_argument", f"invalid base64: {err}") from err


def timeout_of(request):
    """Seconds of Connect-Timeout-Ms, or None without the header."""
    text = request.headers.get("connect-timeout-ms")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 10:
        raise RpcError("invalid_argument", f"protocol error: invalid timeout '{text}'")
    return int(text) / 1000


class Stream:
    """The answer to a streaming call."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.plan = exchange.plan
        self._sent = 0

    async def open(self):
        if self.plan.answer:
            await self.exchange.send(200)
            return False
        await self.exchange.begin(200, {"Content-Type": "application/connect+json",
                                        "Connect-Accept-Encoding": "gzip"})
        return True

    async def send(self, kind, message, flags=0):
        """One envelope; kind is what the faults call it: start data keepalive end eos."""
        silence = self.plan.silence
        if silence is not None and self._sent >= silence.get("after", 0):
            await self.exchange.hang()
        data = envelope(encode(message, self.plan.spaces), flags)
        where = self.plan.cut_event(kind)
        if where:
            await self._break(data, where)
        await self.exchange.write(data)
        self._sent += 1

    async def _break(self, data, where):
        if where != "before":
            await self.exchange.write(data if where == "after" else data[:len(data) // 2 + 1])
        if self.plan.cut.get("clean"):
            await self.exchange.end()
        await self.exchange.cut_off(self.plan.cut.get("reset", False))

    async def finish(self, error=None):
        error = error or (RpcError(**self.plan.stream_error) if self.plan.stream_error else None)
        await self.send("eos", {"error": error.to_json()} if error else {}, END_OF_STREAM)
        await self.exchange.end()


class Services:
    """All methods by path: unary, server-streaming or client-streaming."""

    def __init__(self):
        self._methods = {}

    def add(self, path, handler, kind="unary"):
        self._methods[path] = (handler, kind)

    def knows(self, path):
        return path in self._methods

    async def dispatch(self, exchange, sandbox):
        request = exchange.request
        handler, kind = self._methods[request.path]
        if request.method != "POST":
            await exchange.send(405, headers={"Allow": "POST"})
            return
        wanted = "application/json" if kind == "unary" else "application/connect+json"
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type != wanted:
            await exchange.send(415, headers={"Accept-Post": wanted})
            return
        if kind == "unary":
            await self._unary(handler, exchange, sandbox)
        elif kind == "server":
            await self._server_stream(handler, exchange, sandbox)
        else:
            await self._client_stream(handler, exchange, sandbox)

    @staticmethod
    def _check_version(request):
        version = request.headers.get("connect-protocol-version", "1")
        if version != "1":
            raise RpcError("invalid_argument",
                           f"connect-protocol-version must be \"1\": got \"{version}\"")

    async def _unary(self, handler, exchange, sandbox):
        request = exchange.request
        try:
            self._check_version(request)
            timeout_of(request)
            body = await request.read()
            if not body:
                raise RpcError("invalid_argument", "unmarshal message: unexpected end of JSON input")
            answer = await handler(sandbox, request, parse_message(body))
        except RpcError as err:
            await exchange.send_json(HTTP_STATUS[err.code], err.to_json())
            return
        data, headers = encode(answer, exchange.plan.spaces), {}
        if "gzip" in request.headers.get("accept-encoding", ""):
            data, headers = gzip.compress(data), {"Content-Encoding": "gzip"}
        await exchange.send(200, data, "application/json", headers)

    async def _server_stream(self, handler, exchange, sandbox):
        stream = Stream(exchange)
        try:
            self._check_version(exchange.request)
            message = self._only_message(await exchange.request.read())
            exchange.watch()
            await handler(sandbox, exchange.request, message, stream)
        except RpcError as err:
            if not exchange.started and not await stream.open():
                return
            await stream.finish(err)

    @staticmethod
    def _only_message(body):
        decoder = Decoder()
        found = decoder.feed(body)
        if not found or decoder.rest:
            raise RpcError("invalid_argument", "protocol error: incomplete envelope")
        if len(found) > 1:
            raise RpcError("unimplemented", "unary request has multiple messages")
        flags, payload = found[0]
        if flags & COMPRESSED:
            raise RpcError("internal", "protocol error: sent compressed message without "
                           "compression support")
        return parse_message(payload)

    async def _client_stream(self, handler, exchange, sandbox):
        stream = Stream(exchange)
        error = answer = None
        try:
            self._check_version(exchange.request)
            answer = await handler(sandbox, exchange.request, self._messages(exchange.request))
        except RpcError as err:
            error = err
        if not await stream.open():
            return
        if error is None:
            await stream.send("data", answer)
        await stream.finish(error)

    @staticmethod
    async def _messages(request):
        decoder = Decoder()
        async for data in request.chunks():
            for flags, payload in decoder.feed(data):
                if flags & END_OF_STREAM:
                    return
                yield parse_message(payload)
