"""envd, the daemon of a sandbox, and the proxy before it."""

import hmac
import os
import re
import time

import files
import filesystem_rpc
import process_rpc
import users
from connect_rpc import Services
from http1 import Gone
from sandboxes import Trouble

PORT = 49983
INTERNAL = ("/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade")
BARE_HOST = re.compile(r"localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]|sandbox\..+", re.I)
PORT_HOST = re.compile(r"(\d+)-([a-z0-9]+)(-[^.]*)?\..+", re.I)


class Misrouted(Exception):
    """The proxy cannot tell which sandbox is meant; answered as text."""


def route(request):
    """(sandbox id, port) that a request is for, or None: it is for the control plane."""
    host = re.sub(r":\d+$", "", request.headers.get("host", ""))
    if not BARE_HOST.fullmatch(host):
        match = PORT_HOST.fullmatch(host)
        return (match.group(2).lower(), int(match.group(1))) if match else None
    sandbox, port = (request.headers.get(name) for name in ("e2b-sandbox-id", "e2b-sandbox-port"))
    if sandbox is None and port is None and not host.lower().startswith("sandbox."):
        return None
    if sandbox is None or port is None:
        raise Misrouted("missing E2b-Sandbox-Id or E2b-Sandbox-Port header")
    if not re.fullmatch(r"[a-z0-9]+", sandbox) or not port.isdigit():
        raise Misrouted("invalid sandbox ID or port")
    return sandbox, int(port)


class Envd:
    def __init__(self, registry):
        self.registry = registry
        self.services = Services()
        process_rpc.register(self.services)
        filesystem_rpc.register(self.services)

    async def handle(self, exchange, sandbox_id, port):
        """What proxy and daemon answer together."""
        sandbox = self.registry.all.get(sandbox_id)
        if sandbox is not None and sandbox.state == "paused" and sandbox.auto_resume:
            if not await self._resume(exchange, sandbox):
                return
        if sandbox is None or sandbox.state != "running":
            await self._proxy_error(exchange, 502, sandbox_id, "The sandbox was not found")
            return
        if port != PORT:
            await self._proxy_error(exchange, 502, sandbox_id,
                                    "The sandbox is running but port is not open", port=port)
            return
        if exchange.request.path in INTERNAL:
            await exchange.send_json(404, {"message": "not found", "path": exchange.request.path,
                                           "code": 404})
            return
        sandbox.exchanges.add(exchange)
        try:
            await self._daemon(exchange, sandbox)
        except Exception as err:
            if sandbox.state != "running":  # it ended under the call: nobody is answered
                raise Gone("the sandbox ended") from err
            raise
        finally:
            sandbox.exchanges.discard(exchange)

    async def _resume(self, exchange, sandbox):
        if not self._has_token(exchange.request, sandbox):
            await self._proxy_error(exchange, 403, sandbox.id, "resume denied")
            return False
        try:
            await self.registry.auto_resume(sandbox)
        except Trouble as err:
            await self._proxy_error(exchange, err.status, sandbox.id, err.message)
            return False
        return True

    @staticmethod
    async def _proxy_error(exchange, status, sandbox_id, message, **more):
        await exchange.send_json(status, {"sandboxId": sandbox_id, "message": message, **more,
                                          "code": status})

    @staticmethod
    def _has_token(request, sandbox):
        given = request.headers.get("x-access-token", "")
        return sandbox.token is None or hmac.compare_digest(given.encode(), sandbox.token.encode())

    async def _daemon(self, exchange, sandbox):
        request = exchange.request
        if request.path == "/health":
            await exchange.send(204)
        elif request.path == "/files" and request.method in ("GET", "HEAD", "POST"):
            await files.handle(exchange, sandbox)
        elif not self._has_token(request, sandbox):
            sandbox.note("envd.unauthorized", path=request.path)
            await exchange.send_json(401, {"code": 401, "message": files.UNAUTHORIZED})
        elif self.services.knows(request.path):
            await self.services.dispatch(exchange, sandbox)
        elif request.path == "/metrics":
            await exchange.send_json(200, self._metrics(sandbox))
        elif request.path == "/envs":
            await exchange.send_json(200, users.defaults(sandbox))
        else:
            await exchange.send(404, b"404 page not found\n", "text/plain; charset=utf-8")

    @staticmethod
    def _metrics(sandbox):
        disk = os.statvfs(sandbox.folder)
        total = disk.f_blocks * disk.f_frsize
        return {"ts": int(time.time()), "cpu_count": 2, "cpu_used_pct": round(os.getloadavg()[0], 2),
                "mem_total": 512 << 20, "mem_used": 64 << 20, "mem_cache": 0, "disk_total": total,
                "disk_used": total - disk.f_bfree * disk.f_frsize, "mem_total_mib": 512,
                "mem_used_mib": 64}
