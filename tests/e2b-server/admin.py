"""The tests' own side of the server: /_test/. Loopback only, like all of it."""

import json
import re

import light
from faults import BadRule
from sandboxes import Trouble

CHANGEABLE = {"max_sandboxes": int, "max_hours": int, "page_size": int, "hide_versions": list,
              "idempotency": bool, "domain": (str, type(None)), "envd_version": (str, type(None))}


class BadCall(Exception):
    """A test asked for nonsense."""


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as text:
            words = text.read(4096).rstrip(b"\0").split(b"\0")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words]


class Admin:
    def __init__(self, registry, faults, journal, clock, options):
        self.registry = registry
        self.faults = faults
        self.journal = journal
        self.clock = clock
        self.options = options
        self.original = {name: getattr(options, name) for name in CHANGEABLE}
        self.calls = [("GET", "/status", self.status), ("GET", "/journal", self.read_journal),
                      ("GET", "/sandboxes", self.sandboxes), ("POST", "/clock", self.set_clock),
                      ("POST", "/sandboxes/([a-z0-9]+)/die", self.die),
                      ("GET", "/faults", self.list_faults), ("POST", "/faults", self.add_fault),
                      ("DELETE", "/faults", self.clear_faults),
                      ("DELETE", "/faults/([0-9]+)", self.clear_faults),
                      ("GET", "/agents", self.agents), ("POST", "/agents/finish", self.finish_agents),
                      ("POST", "/settings", self.settings), ("POST", "/reset", self.reset)]

    async def handle(self, exchange):
        request = exchange.request
        path = request.path[len("/_test"):]
        try:
            for method, pattern, call in self.calls:
                match = re.fullmatch(pattern, path)
                if match and method == request.method:
                    await exchange.send_json(200, await call(request, *match.groups()))
                    return
            await exchange.send_json(404, {"error": "no such test call"})
        except (BadCall, BadRule, Trouble, ValueError, TypeError, KeyError) as err:
            await exchange.send_json(400, {"error": f"{type(err).__name__}: {err}"})

    async def status(self, request):
        return {"isolation": "bwrap" if self.options.isolated else "none",
                "why_not_bwrap": self.options.why_not_bwrap, "offset": self.clock.offset,
                "sandboxes": len(self.registry.all), "faults": len(self.faults.list()),
                "journal": self.journal.path}

    async def read_journal(self, request):
        query = request.query()
        return self.journal.find(query.get("kind"), query.get("sandbox"),
                                 int(query.get("after", 0)), int(query.get("limit", 10_000)))

    async def sandboxes(self, request):
        """All that live, with what runs in them: as envd knows it, and truly."""
        return [self._shown(sandbox) for sandbox in self.registry.all.values()]

    def _shown(self, sandbox):
        table = sandbox.table.live.values() if sandbox.table else ()
        inside = sandbox.jail.members() if sandbox.jail and sandbox.jail.guest_pid else ()
        return {"id": sandbox.id, "team": sandbox.team, "state": sandbox.state,
                "metadata": sandbox.metadata, "started": sandbox.started, "ends": sandbox.ends,
                "left": sandbox.ends - self.clock.now(), "streams": len(sandbox.exchanges),
                "folder": sandbox.folder,
                "processes": [{"pid": p.pid, "tag": p.tag, "cmd": p.config["cmd"],
                               "args": p.config.get("args", []), "listeners": len(p.listeners)}
                              for p in table],
                "inside": [{"pid": pid, "state": state.decode(), "argv": command_line(pid)}
                           for pid, state in inside]}

    async def set_clock(self, request):
        body = json.loads(await request.read())
        seconds = body["advance"]
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= 10_000_000:
            raise BadCall("advance is a number of seconds")
        self.clock.advance(seconds)
        return {"now": self.clock.now()}

    async def die(self, request, sandbox_id):
        body = json.loads(await request.read() or b"{}")
        sandbox = self.registry.all.get(sandbox_id)
        if sandbox is None:
            raise BadCall("no such sandbox")
        how = body.get("how", "kill")
        if how == "kill":
            await self.registry.end(sandbox, "died")
        elif how == "pause":
            await self.registry.pause(sandbox, reason="test")
        elif how == "cut":
            sandbox.cut_streams()
        else:
            raise BadCall("how is kill, pause or cut")
        return {}

    async def list_faults(self, request):
        return self.faults.list()

    async def add_fault(self, request):
        given = json.loads(await request.read())
        return {"ids": [self.faults.add(rule) for rule in
                        (given if isinstance(given, list) else [given])]}

    async def clear_faults(self, request, number=None):
        if not self.faults.remove(None if number is None else int(number)):
            raise BadCall("no such fault")
        return {}

    async def settings(self, request):
        for name, value in json.loads(await request.read()).items():
            if name not in CHANGEABLE or not isinstance(value, CHANGEABLE[name]):
                raise BadCall(f"{name}: not a setting, or not a value for it")
            setattr(self.options, name, value)
        return {name: getattr(self.options, name) for name in CHANGEABLE}

    async def agents(self, request):
        return {"working": len(light.agents)}

    async def finish_agents(self, request):
        """So many scripted agents end, those that have worked longest."""
        count = json.loads(await request.read())["count"]
        if not isinstance(count, int) or count < 0:
            raise BadCall("count is a number of agents")
        ending = list(light.agents)[:count]
        for agent in ending:
            agent.finish()
        return {"finished": len(ending), "working": len(light.agents)}

    async def reset(self, request):
        """As at the start, but for the journal and the clock."""
        self.faults.remove()
        for name, value in self.original.items():
            setattr(self.options, name, value)
        for sandbox in list(self.registry.all.values()):
            await self.registry.end(sandbox, "reset")
        return {}
