"""filesystem.Filesystem: entries, not contents. Watching is not offered."""

import datetime

import users
from connect_rpc import RpcError
from jail import GuestError

CODES = {"missing": "not_found", "exists": "already_exists", "invalid": "invalid_argument",
         "not_file": "invalid_argument", "full": "resource_exhausted"}
UNOFFERED = ("CreateWatcher", "GetWatcherEvents", "RemoveWatcher")


def register(services):
    at = "/filesystem.Filesystem/"
    services.add(at + "Stat", stat)
    services.add(at + "MakeDir", make_dir)
    services.add(at + "Move", move)
    services.add(at + "ListDir", list_dir)
    services.add(at + "Remove", remove)
    services.add(at + "WatchDir", watch_dir, "server")
    for name in UNOFFERED:
        services.add(at + name, unoffered)


def path_of(request, message, name="path"):
    path = message.get(name, "")
    if not isinstance(path, str):
        raise RpcError("invalid_argument", f"unmarshal message: {name} is no string")
    try:
        return users.resolve(path, users.of_header(request))
    except users.UnknownUser as err:
        raise RpcError("unauthenticated", str(err)) from err
    except ValueError as err:
        raise RpcError("invalid_argument", str(err)) from err


def entry_json(entry):
    """proto3 JSON of an entry: 64-bit numbers as strings, defaults left out."""
    seconds, nanos = divmod(entry["mtime_ns"], 1_000_000_000)
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    shown = {name: entry[name] for name in ("name", "type", "path", "permissions", "owner", "group")}
    shown["modifiedTime"] = when.strftime("%Y-%m-%dT%H:%M:%S") + (f".{nanos:09d}Z" if nanos else "Z")
    if entry["size"]:
        shown["size"] = str(entry["size"])
    if entry["mode"]:
        shown["mode"] = entry["mode"]
    if "symlinkTarget" in entry:
        shown["symlinkTarget"] = entry["symlinkTarget"]
    return shown


async def ask(sandbox, operation, **fields):
    try:
        return await sandbox.jail.call(operation, **fields)
    except GuestError as err:
        text = f"file not found: {err.message}" if err.kind == "missing" else err.message
        raise RpcError(CODES.get(err.kind, "internal"), text) from err


async def stat(sandbox, request, message):
    answer = await ask(sandbox, "stat", path=path_of(request, message))
    return {"entry": entry_json(answer["entry"])}


async def make_dir(sandbox, request, message):
    path = path_of(request, message)
    answer = await ask(sandbox, "mkdir", path=path)
    sandbox.note("file.mkdir", path=path)
    return {"entry": entry_json(answer["entry"])}


async def move(sandbox, request, message):
    source, target = (path_of(request, message, name) for name in ("source", "destination"))
    answer = await ask(sandbox, "move", source=source, destination=target, path=source)
    sandbox.note("file.move", path=source, to=target)
    return {"entry": entry_json(answer["entry"])}


async def list_dir(sandbox, request, message):
    answer = await ask(sandbox, "list", path=path_of(request, message),
                       depth=int(message.get("depth") or 1))
    entries = [entry_json(entry) for entry in answer["entries"]]
    return {"entries": entries} if entries else {}


async def remove(sandbox, request, message):
    path = path_of(request, message)
    await ask(sandbox, "remove", path=path)
    sandbox.note("file.remove", path=path)
    return {}


async def unoffered(sandbox, request, message):
    raise RpcError("unimplemented", "this server watches nothing")


async def watch_dir(sandbox, request, message, stream):
    raise RpcError("unimplemented", "this server watches nothing")
