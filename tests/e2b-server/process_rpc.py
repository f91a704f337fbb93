"""process.Process: start, attach, signal, feed."""

import asyncio
import signal
import time

import users
from connect_rpc import RpcError, decode_bytes, timeout_of
from http1 import Gone
from jail import GuestError
from processes import Process

KEEPALIVE_SECONDS = 90
SIGNALS = {"SIGNAL_SIGKILL": signal.SIGKILL, 9: signal.SIGKILL,
           "SIGNAL_SIGTERM": signal.SIGTERM, 15: signal.SIGTERM}
EXPIRED = ("deadline_exceeded", "context deadline exceeded")


def register(services):
    at = "/process.Process/"
    services.add(at + "Start", start, "server")
    services.add(at + "Connect", connect, "server")
    services.add(at + "List", list_processes)
    services.add(at + "SendSignal", send_signal)
    services.add(at + "SendInput", send_input)
    services.add(at + "CloseStdin", close_stdin)
    services.add(at + "Update", update)
    services.add(at + "StreamInput", stream_input, "client")


def checked_config(message):
    given = message.get("process")
    if not isinstance(given, dict):
        given = {}
    config = {"cmd": given.get("cmd", "")}
    if given.get("args"):
        config["args"] = given["args"]
    if given.get("envs"):
        config["envs"] = given["envs"]
    if given.get("cwd") is not None:
        config["cwd"] = given["cwd"]
    texts = [config["cmd"], *config.get("args", []), *config.get("envs", {}).values(),
             config.get("cwd", "")]
    if not all(isinstance(text, str) for text in texts):
        raise RpcError("invalid_argument", "unmarshal message: invalid value for string field")
    return config


async def keepalive_of(request, sandbox):
    text = request.headers.get("keepalive-ping-interval", "")
    try:
        seconds = int(text)
    except ValueError:
        return KEEPALIVE_SECONDS
    if seconds <= 0:
        # envd's timer panics and takes the daemon down: make the mistake as loud here
        sandbox.note("envd.panic", reason="Keepalive-Ping-Interval is not positive")
        await sandbox.registry.end(sandbox, "panic")
        raise Gone("envd panicked")
    return seconds


async def start(sandbox, request, message, stream):
    began = time.monotonic()
    timeout = timeout_of(request)
    keepalive = await keepalive_of(request, sandbox)
    config = checked_config(message)
    try:
        user = users.of_header(request)
        cwd = users.resolve(config.get("cwd", ""), user)
    except users.UnknownUser as err:
        raise RpcError("unauthenticated", str(err)) from err
    except ValueError as err:
        raise RpcError("invalid_argument", str(err)) from err
    process = Process(sandbox.table, config, message.get("tag"), user)
    listener = process.attach()
    try:
        pid = await sandbox.table.start(
            process, users.environment(sandbox, user, config.get("envs", {})), cwd,
            message.get("stdin"), message.get("pty"))
        sandbox.note("process.start", process, cmd=config["cmd"], args=config.get("args", []),
                     cwd=cwd, env=sorted(config.get("envs", {})), user=user, timeout=timeout)
        if timeout:
            process.kill_after(timeout)
        if timeout == 0:
            raise RpcError(*EXPIRED)
        if await stream.open():
            await stream.send("start", {"event": {"start": {"pid": pid}}})
            await follow(stream, listener, keepalive, None if timeout is None else began + timeout)
    except GuestError as err:
        raise RpcError("invalid_argument" if err.kind == "invalid" else "internal",
                       err.message) from err
    finally:
        process.detach(listener)


async def follow(stream, listener, keepalive, deadline):
    """Everything that happens to the process from here on, to one client."""
    leaving = asyncio.ensure_future(close_when_gone(stream.exchange, listener))
    try:
        while True:
            wait = keepalive
            if deadline is not None:
                wait = min(wait, max(0, deadline - time.monotonic()))
            try:
                await asyncio.wait_for(listener.wait(), wait)
            except asyncio.TimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise RpcError(*EXPIRED) from None
                if stream.plan.keepalive:
                    await stream.send("keepalive", {"event": {"keepalive": {}}})
                continue
            if not listener.events:
                raise Gone("the client left, or the sandbox ended")
            kind, event = listener.take()
            await stream.send(kind, event)
            if kind == "end":
                await stream.finish()
                return
    finally:
        leaving.cancel()


async def close_when_gone(exchange, listener):
    await exchange.gone.wait()
    listener.close()


def selector_of(message):
    selector = message.get("process")
    if not isinstance(selector, dict) or ("pid" in selector) == ("tag" in selector):
        raise RpcError("invalid_argument", "process selector is not set")
    if "pid" in selector:
        try:
            selector = {"pid": int(selector["pid"])}
        except (TypeError, ValueError) as err:
            raise RpcError("invalid_argument", "pid is no number") from err
    return selector


def not_found(selector):
    what = f"pid {selector['pid']}" if "pid" in selector else f"tag {selector['tag']}"
    return RpcError("not_found", f"process with {what} not found")


def live(sandbox, message):
    selector = selector_of(message)
    process = sandbox.table.find(selector)
    if process is None:
        raise not_found(selector)
    return process


async def connect(sandbox, request, message, stream):
    began = time.monotonic()
    timeout = timeout_of(request)
    keepalive = await keepalive_of(request, sandbox)
    selector = selector_of(message)
    process = sandbox.table.find(selector)
    kept = None if process else sandbox.table.result(selector)
    if process is None and kept is None:
        raise not_found(selector)
    pid = process.pid if process else kept[0]
    sandbox.note("process.connect", pid=pid)
    listener = process.attach() if process else None
    try:
        if not await stream.open():
            return
        await stream.send("start", {"event": {"start": {"pid": pid}}})
        if process:
            await follow(stream, listener, keepalive, None if timeout is None else began + timeout)
            return
        await stream.send("end", {"event": {"end": kept[1]}})
        await stream.finish()
    finally:
        if process:
            process.detach(listener)


async def list_processes(sandbox, request, message):
    found = [{"config": p.config, "pid": p.pid, **({} if p.tag is None else {"tag": p.tag})}
             for p in sandbox.table.live.values()]
    return {"processes": found} if found else {}


async def send_signal(sandbox, request, message):
    process = live(sandbox, message)
    name = message.get("signal", 0)
    number = SIGNALS.get(name)
    if number is None:
        raise RpcError("unimplemented", f"invalid signal: {name}")
    sandbox.note("process.signal", process, signal=number.name)
    await guarded(process.send_signal(number))
    return {}


async def send_input(sandbox, request, message):
    process = live(sandbox, message)
    await feed(process, message.get("input") or {})
    return {}


async def feed(process, given):
    if "stdin" in given:
        await guarded(process.write(decode_bytes(given["stdin"]), terminal=False))
    elif "pty" in given:
        await guarded(process.write(decode_bytes(given["pty"]), terminal=True))
    else:
        raise RpcError("unimplemented", "invalid input type <nil>")


async def guarded(call):
    try:
        await call
    except GuestError as err:
        raise RpcError("internal", err.message) from err


async def close_stdin(sandbox, request, message):
    process = live(sandbox, message)
    if process.terminal >= 0:
        raise RpcError("unknown", "cannot close stdin of a PTY, send Ctrl+D (0x04) instead")
    process.close_stdin()
    return {}


async def update(sandbox, request, message):
    process = live(sandbox, message)
    size = (message.get("pty") or {}).get("size") or {}
    await guarded(sandbox.table.jail.call("resize", pid=process.pid, **size))
    return {}


async def stream_input(sandbox, request, messages):
    process = None
    async for message in messages:
        if "start" in message:
            process = live(sandbox, message["start"])
        elif process is None:
            raise RpcError("invalid_argument", "first message must be start")
        elif "data" in message:
            await feed(process, message["data"].get("input") or {})
    return {}
