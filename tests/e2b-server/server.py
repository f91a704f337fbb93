"""The whole server: options, listening, and the way of one request."""

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import ssl
import sys
import traceback

import background
from admin import Admin
from clock import Clock
from control import Control
from envd import Envd, Misrouted, route
from faults import Faults, Plan
from http1 import HEAD_LIMIT, BadRequest, Exchange, Gone, Request, Wire
from jail import bubblewrap_works
from journal import Journal
from sandboxes import Registry, Trouble

MAX_CONNECTIONS = 1000
MAX_CONNECTIONS_LIGHT = 20_000
DEFAULT_KEYS = ["e2b_" + digit * 40 for digit in "01"]
STREAMED = ("/files", "/process.Process/StreamInput")  # bodies that are not read beforehand


def parse(argv):
    parser = argparse.ArgumentParser(prog="run", description="An E2B-compatible server for tests.")
    parser.add_argument("--dir", required=True, help="folder for sandboxes and the journal")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, which is printed")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--ready-file", help="written once the server listens")
    parser.add_argument("--api-key", dest="api_keys", action="append",
                        help="a key that is accepted; each is a team (default: 40 zeros, 40 ones)")
    parser.add_argument("--isolation", choices=("auto", "bwrap", "none"), default="auto")
    parser.add_argument("--max-sandboxes", type=int, default=20, help="quota of a team")
    parser.add_argument("--max-hours", type=int, default=24)
    parser.add_argument("--page-size", type=int, default=100,
                        help="most sandboxes in a page of a list, whatever is asked for")
    parser.add_argument("--domain", help='"domain" in answers')
    parser.add_argument("--envd-version")
    parser.add_argument("--hide-versions", action="append", choices=("v1", "v2"), default=[],
                        help="answer 404 on this generation's create and connect")
    parser.add_argument("--idempotency", action="store_true",
                        help="honour Idempotency-Key on create (newer SDKs can send it)")
    parser.add_argument("--template", action="append", default=[], help="a template besides base")
    parser.add_argument("--share", action="append", default=[], metavar="PATH",
                        help="seen inside sandboxes at the same place, read-only")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE",
                        help="environment of the template")
    parser.add_argument("--keep", action="store_true", help="keep the folders of dead sandboxes")
    parser.add_argument("--light", action="store_true",
                        help="for benchmarks: no guest, and scripted agents (see light.py)")
    options = parser.parse_args(argv)
    options.dir = os.path.abspath(options.dir)
    options.api_keys = options.api_keys or DEFAULT_KEYS
    options.env = dict(pair.split("=", 1) for pair in options.env)
    options.why_not_bwrap = "asked not to" if options.isolation == "none" else bubblewrap_works()
    options.isolated = options.why_not_bwrap is None
    if options.isolation == "bwrap" and not options.isolated:
        parser.error(f"bubblewrap does not work here: {options.why_not_bwrap}")
    if options.light and not options.isolated:
        parser.error(f"--light needs bubblewrap: {options.why_not_bwrap}")
    options.max_connections = MAX_CONNECTIONS_LIGHT if options.light else MAX_CONNECTIONS
    return options


class Server:
    def __init__(self, options):
        os.makedirs(options.dir, mode=0o700, exist_ok=True)
        self.options = options
        self.clock = Clock()
        self.faults = Faults()
        self.journal = Journal(os.path.join(options.dir, "journal.ndjson"))
        self.registry = Registry(options, self.clock, self.journal)
        self.control = Control(self.registry, options)
        self.envd = Envd(self.registry)
        self.admin = Admin(self.registry, self.faults, self.journal, self.clock, options)
        self.connections = set()

    async def connection(self, reader, writer):
        if len(self.connections) >= self.options.max_connections:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        self.connections.add(task)
        try:
            await self._requests(Wire(reader, writer))
        except (ConnectionError, asyncio.TimeoutError, ssl.SSLError):
            pass  # the client's business, or a fault's
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.connections.discard(task)
            writer.close()

    async def _requests(self, wire):
        while True:
            try:
                request = await Request.receive(wire)
            except BadRequest as err:
                wire.writer.write(f"HTTP/1.1 {err.status} Bad\r\nContent-Length: 0\r\n"
                                  "Connection: close\r\n\r\n".encode())
                await wire.writer.drain()
                return
            if request is None or not await self._one(request):
                return

    async def _one(self, request):
        """True if the connection may go on with another request."""
        exchange = Exchange(request, Plan())
        try:
            await self._answer(exchange)
            await request.drain()
        except Gone:
            return False
        except BadRequest as err:
            if exchange.started:
                return False
            exchange.close_after = True
            await exchange.send_json(err.status, {"code": err.status, "message": str(err)})
        except ConnectionError:
            return False
        except Exception as err:  # a fault of this server: tests must see it
            traceback.print_exc()
            self.journal.add("server.error", path=request.path, error=repr(err))
            if exchange.started:
                return False
            await exchange.send_json(500, {"code": 500, "message": repr(err)})
        finally:
            await exchange.unwatch()
        return exchange.finished and not exchange.close_after

    async def _answer(self, exchange):
        request = exchange.request
        if request.path.startswith("/_test/"):
            await request.read()
            await self.admin.handle(exchange)
            return
        try:
            target = route(request)
        except Misrouted as err:
            await exchange.send(400, str(err).encode(), "text/plain; charset=utf-8")
            return
        await self._with_faults(exchange, target)

    async def _with_faults(self, exchange, target):
        request = exchange.request
        body = b"" if request.path in STREAMED else await request.read()
        named = re.search(r"/sandboxes/([a-z0-9]+)", request.path)
        sandbox_id = target[0] if target else named.group(1) if named else None
        exchange.plan = plan = self.faults.draw(request.method, request.path, body, sandbox_id)
        try:
            await plan.before()
            await self._die(plan, sandbox_id)
            if not plan.effect:
                await exchange.send(200)
            elif target:
                await self.envd.handle(exchange, *target)
            else:
                await self.control.handle(exchange)
        finally:
            self.journal.add("http", method=request.method, path=request.path, sandbox=sandbox_id,
                             status=exchange.status, whole=exchange.finished,
                             fault=plan.rule or None)

    async def _die(self, plan, sandbox_id):
        sandbox = self.registry.all.get(sandbox_id)
        if plan.die is None or sandbox is None:
            return
        seconds = plan.die.get("seconds", 0)
        if not seconds:
            await self._end(plan, sandbox)
            return
        asyncio.get_running_loop().call_later(
            seconds, lambda: background.start(self._end(plan, sandbox)))

    async def _end(self, plan, sandbox):
        if plan.die.get("how") == "pause":
            try:
                await self.registry.pause(sandbox, reason="fault")
            except Trouble:
                pass  # it ended or paused meanwhile
        else:
            await self.registry.end(sandbox, "fault")

    async def close(self):
        await self.registry.close()
        for task in list(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        self.journal.close()


def announce(options, port):
    print(port, flush=True)
    if not options.ready_file:
        return
    value = {"port": port, "pid": os.getpid(), "isolation": "bwrap" if options.isolated else "none"}
    with open(options.ready_file + ".new", "w", encoding="utf-8") as out:
        json.dump(value, out)
    os.rename(options.ready_file + ".new", options.ready_file)


async def serve(options):
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    server = Server(options)
    listening = await asyncio.start_server(server.connection, "127.0.0.1", options.port,
                                           ssl=context, limit=HEAD_LIMIT, backlog=256)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    announce(options, listening.sockets[0].getsockname()[1])
    await stop.wait()
    listening.close()
    await server.close()


def main(argv=None):
    options = parse(sys.argv[1:] if argv is None else argv)
    if options.light:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(options))
