"""GET and POST /files: contents of files, with signatures, Range and gzip."""

import base64
import email.utils
import gzip
import hashlib
import hmac
import json
import mimetypes
import os
import posixpath
import re
import time
import urllib.parse
import zlib

import multipart
import users
from jail import GuestError

UPLOAD_LIMIT = 512 * 1024 * 1024
PIECE = 64 * 1024
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
UNAUTHORIZED = "unauthorized access, please provide a valid access token or method signing if supported"
STATUS = {"missing": 404, "not_file": 400, "invalid": 400, "exists": 400, "full": 507}


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def sign(path, operation, user, token, expiration=None):
    text = f"{path}:{operation}:{user}:{token}"
    if expiration is not None:
        text += f":{expiration}"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return "v1_" + digest.rstrip("=")


def authorize(sandbox, request, query, operation):
    """By token, or by signature; a wrong token is not made good by a signature."""
    given = request.headers.get("x-access-token")
    if sandbox.token is None or (given and hmac.compare_digest(given, sandbox.token)):
        return
    signature = query.get("signature")
    if given or not signature:
        raise Refusal(401, UNAUTHORIZED)
    expiration = query.get("signature_expiration")
    wanted = sign(query.get("path", ""), operation, query.get("username", ""), sandbox.token,
                  expiration)
    if not hmac.compare_digest(signature, wanted):
        raise Refusal(401, "invalid signature")
    if expiration is not None and (not expiration.isdigit() or int(expiration) < time.time()):
        raise Refusal(401, "signature is already expired")


async def handle(exchange, sandbox):
    request = exchange.request
    query = request.query()
    try:
        authorize(sandbox, request, query, "write" if request.method == "POST" else "read")
        try:
            user = users.checked(query.get("username"))
        except users.UnknownUser as err:
            raise Refusal(401, str(err)) from err
        if request.method == "POST":
            await upload(exchange, sandbox, query.get("path"), user)
        else:
            await download(exchange, sandbox, query.get("path", ""), user)
    except Refusal as err:
        await exchange.send_json(err.status, {"code": err.status, "message": str(err)})


def resolved(path, user):
    try:
        return users.resolve(path, user)
    except ValueError as err:
        raise Refusal(400, str(err)) from err


async def opened(sandbox, path, write):
    try:
        answer = await sandbox.jail.call("open", path=path, write=write)
    except GuestError as err:
        text = f"path '{path}' does not exist" if err.kind == "missing" else err.message
        raise Refusal(STATUS.get(err.kind, 500), text) from err
    return answer["descriptors"][0]


async def download(exchange, sandbox, path, user):
    path = resolved(path, user)
    fd = await opened(sandbox, path, write=False)
    try:
        info = os.fstat(fd)
        sandbox.note("file.read", path=path, range=exchange.request.headers.get("range"))
        await send_file(exchange, fd, info, posixpath.basename(path))
    finally:
        os.close(fd)


def content_type(fd, name):
    guessed = mimetypes.guess_type(name)[0]
    if guessed:
        return guessed + ("; charset=utf-8" if guessed.startswith("text/") else "")
    start = os.pread(fd, 512, 0)
    return "application/octet-stream" if b"\0" in start else "text/plain; charset=utf-8"


async def send_file(exchange, fd, info, name):
    request = exchange.request
    headers = {"Content-Type": content_type(fd, name), "Accept-Ranges": "bytes",
               "Content-Disposition": f"inline; filename={urllib.parse.quote(name)}",
               "Last-Modified": email.utils.formatdate(info.st_mtime, usegmt=True),
               "Vary": "Accept-Encoding"}
    if request.headers.get("if-modified-since") == headers["Last-Modified"]:
        await exchange.send(304, headers=headers)
        return
    if "range" in request.headers and info.st_size > 0:  # Go's server: no parts of nothing
        await send_range(exchange, fd, info.st_size, headers)
    elif exchange.plan.answer:
        await exchange.send(200)
    elif "gzip" in request.headers.get("accept-encoding", ""):
        await exchange.begin(200, {**headers, "Content-Encoding": "gzip"})
        await exchange.write(gzip.compress(pread_all(fd, info.st_size)))
        await exchange.end()
    else:
        await exchange.begin(200, headers, info.st_size)
        await send_span(exchange, fd, 0, info.st_size)


def pread_all(fd, size):
    parts = []
    for at in range(0, size, PIECE):
        parts.append(os.pread(fd, min(PIECE, size - at), at))
    return b"".join(parts)


async def send_span(exchange, fd, start, end):
    """Bytes of the file as it was when asked; one that shrinks ends the connection."""
    while start < end:
        data = os.pread(fd, min(PIECE, end - start), start)
        if not data:
            exchange.abort()
            return
        await exchange.write(data)
        start += len(data)
    await exchange.end()


async def send_range(exchange, fd, size, headers):
    """One range; Go's server would also send several as multipart, no client of ours asks."""
    match = RANGE.fullmatch(exchange.request.headers["range"])
    first, last = match.groups() if match else ("", "")
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        start, end = size, size
    if start >= end:
        await exchange.send(416, b"invalid range: failed to overlap\n", "text/plain; charset=utf-8",
                            {"Content-Range": f"bytes */{size}"})
        return
    if exchange.plan.answer:
        await exchange.send(206)
        return
    await exchange.begin(206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"},
                         end - start)
    await send_span(exchange, fd, start, end)


async def upload(exchange, sandbox, path, user):
    request = exchange.request
    kind = request.headers.get("content-type", "")
    chunks = unpacked(request)
    if kind.lower().startswith("multipart/form-data"):
        written = await upload_parts(sandbox, chunks, kind, path, user)
    elif kind.split(";")[0].strip().lower() == "application/octet-stream":
        if not path:
            raise Refusal(400, "path is required")
        written = [await store(sandbox, resolved(path, user), chunks)]
    else:
        raise Refusal(400, f"unsupported content type: {kind}")
    # Go's sniffing makes this JSON text/plain: clients must parse it all the same.
    text = json.dumps(written, indent=1 if exchange.plan.spaces else None)
    await exchange.send(200, text.encode(), "text/plain; charset=utf-8")


async def upload_parts(sandbox, chunks, kind, path, user):
    written, seen = [], set()
    try:
        reader = multipart.Reader(chunks, multipart.boundary_of(kind))
        while (part := await reader.next_part()) is not None:
            if part.get("name") != "file":
                continue
            target = resolved(path or part.get("filename", ""), user)
            if target in seen:
                raise Refusal(400, "you cannot upload multiple files to the same path")
            seen.add(target)
            written.append(await store(sandbox, target, reader.body()))
    except multipart.Malformed as err:
        raise Refusal(400, f"error parsing multipart form: {err}") from err
    return written


async def unpacked(request):
    """The request's body, unzipped if it says that it is zipped; bounded."""
    packed = request.headers.get("content-encoding", "").lower() == "gzip"
    unzip = zlib.decompressobj(31)
    size = 0
    async for data in request.chunks():
        if packed:
            data = unzip.decompress(data)
        size += len(data)
        if size > UPLOAD_LIMIT:
            raise Refusal(507, "not enough disk space available")
        yield data


async def store(sandbox, path, chunks):
    fd = await opened(sandbox, path, write=True)
    size = 0
    try:
        async for data in chunks:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
            size += len(data)
    except OSError as err:
        if isinstance(err, ConnectionError):
            raise
        raise Refusal(507, "not enough disk space available") from err
    finally:
        os.close(fd)
    sandbox.note("file.write", path=path, size=size)
    return {"path": path, "name": posixpath.basename(path), "type": "file"}
