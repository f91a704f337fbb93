"""Sandboxes: states, lifetimes, quota. No HTTP here."""

import asyncio
import datetime
import hashlib
import os
import random
import shutil
import string

import background
from jail import Jail
from light import LightJail
from processes import ProcessTable

ENVD_VERSION = "0.6.13"
CLIENT_ID = "6532622b"
TEMPLATES = {"base": "t0a1b2c3d4e5f6g7h8i9", "mcp-gateway": "tmcp1b2c3d4e5f6g7h8i"}
RESUME_MINIMUM = 300
REACHABLE = ("running", "paused", "pausing", "resuming")


class Trouble(Exception):
    """A refusal of the control plane: HTTP status, message, error_code."""

    def __init__(self, status, message, error_code=None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_code = error_code


def stamp(seconds):
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Sandbox:
    def __init__(self, registry, team, options):
        self.registry = registry
        self.team = team
        self.id = "i" + "".join(random.choices(string.ascii_lowercase + string.digits, k=20))
        self.template = options["template"]
        self.alias = options["alias"]
        self.metadata = options["metadata"]
        self.env_vars = options["env_vars"]
        self.auto_pause = options["auto_pause"]
        self.pause_memory = options["pause_memory"]
        self.auto_resume = options["auto_resume"]
        self.network = options["network"]
        self.internet = options["internet"]
        self.timeout = options["timeout"]
        # Derived from the id by the server: stable over pause and resume.
        self.token = (hashlib.sha256(registry.seed + self.id.encode()).hexdigest()
                      if options["secure"] else None)
        self.traffic_token = (hashlib.sha256(b"traffic" + registry.seed + self.id.encode()).hexdigest()
                              if (self.network or {}).get("allowPublicTraffic") is False else None)
        self.state = "starting"
        self.started = self.ends = 0.0
        self.exchanges = set()
        self.jail = None
        self.table = None
        self.lock = asyncio.Lock()
        self._alarm = None

    @property
    def folder(self):
        return os.path.join(self.registry.folder, self.id)

    def note(self, kind, process=None, **fields):
        if process is not None:
            fields = {"pid": process.pid, "tag": process.tag, **fields}
        self.registry.journal.add(kind, sandbox=self.id, **fields)

    async def boot(self):
        options = self.registry.options
        kind = LightJail if options.light else Jail
        self.jail = kind(self.folder, options.isolated, self.internet is not False, options.share)
        self.table = ProcessTable(self.jail, self.registry.clock, self.note)
        self.jail.on_death = lambda: background.start(self.registry.end(self, "died"))
        try:
            await self.jail.start()
        except BaseException:
            await self.jail.destroy()
            raise

    def run_from_now(self, timeout):
        self.state = "running"
        self.timeout = timeout
        self.started = self.registry.clock.now()
        self.set_end(self.started + timeout)

    def set_end(self, when):
        self.ends = min(when, self.started + self.registry.options.max_hours * 3600)
        if self._alarm:
            self._alarm.cancel()
        self._alarm = self.registry.clock.at(
            self.ends, lambda: background.start(self.registry.expire(self)))

    def no_alarm(self):
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None

    def cut_streams(self):
        """Clients of a sandbox that ends or pauses hear nothing more."""
        for exchange in list(self.exchanges):
            exchange.abort()

    async def shut_down(self):
        self.cut_streams()
        if self.table:
            self.table.close()
        if self.jail:
            await self.jail.destroy()
        self.jail = self.table = None


class Registry:
    """All sandboxes of all teams."""

    def __init__(self, options, clock, journal):
        self.options = options
        self.clock = clock
        self.journal = journal
        self.folder = os.path.join(options.dir, "sandboxes")
        self.seed = os.urandom(16)
        self.all = {}
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def get(self, sandbox_id, team):
        sandbox = self.all.get(sandbox_id)
        if sandbox is None or sandbox.team != team or sandbox.state not in REACHABLE:
            raise Trouble(404, f"Sandbox \"{sandbox_id}\" doesn't exist or you don't have access to it")
        return sandbox

    def running(self, team):
        return [s for s in self.all.values()
                if s.team == team and s.state in ("starting", "running", "pausing", "resuming")]

    def check_quota(self, team):
        limit = self.options.max_sandboxes
        if len(self.running(team)) >= limit:
            raise Trouble(429, "you have reached the maximum number of concurrent E2B sandboxes "
                          f"({limit}). If you need more, please visit your team's limits page.")

    async def create(self, team, options):
        self.check_quota(team)
        sandbox = Sandbox(self, team, options)
        self.all[sandbox.id] = sandbox
        async with sandbox.lock:
            try:
                await sandbox.boot()
            except Exception as err:
                self.all.pop(sandbox.id, None)
                shutil.rmtree(sandbox.folder, ignore_errors=True)
                raise Trouble(500, f"Failed to place sandbox: {err}",
                              "sandbox_create_failed") from err
            self._still(sandbox, "starting")
            sandbox.run_from_now(options["timeout"])
        sandbox.note("sandbox.create", template=sandbox.template, metadata=sandbox.metadata,
                     timeout=options["timeout"], env=sorted(sandbox.env_vars), team=team,
                     auto_pause=sandbox.auto_pause)
        return sandbox

    @staticmethod
    def _still(sandbox, state):
        """A change of state that takes a while may have been overtaken by a kill."""
        if sandbox.state != state:
            raise Trouble(404, f"Sandbox \"{sandbox.id}\" doesn't exist or you don't have access to it")

    async def end(self, sandbox, reason):
        """Ends it for good. False if somebody else did or does."""
        if sandbox.state in ("killing", "killed"):
            return False
        sandbox.state = "killing"
        sandbox.cut_streams()
        async with sandbox.lock:  # a start under way is let finish, then undone
            sandbox.no_alarm()
            await sandbox.shut_down()
        sandbox.state = "killed"
        self.all.pop(sandbox.id, None)
        sandbox.note("sandbox.kill", reason=reason, metadata=sandbox.metadata)
        if not self.options.keep:
            await asyncio.to_thread(shutil.rmtree, sandbox.folder, True)
        return True

    async def expire(self, sandbox):
        if sandbox.state != "running":
            return
        if sandbox.auto_pause:
            await self.pause(sandbox, sandbox.pause_memory, "timeout")
        else:
            await self.end(sandbox, "timeout")

    async def pause(self, sandbox, memory=True, reason="api"):
        if sandbox.state != "running":
            raise Trouble(409, f"Sandbox {sandbox.id} is already paused"
                          if sandbox.state == "paused" else f"Sandbox \"{sandbox.id}\" is being paused")
        async with sandbox.lock:
            sandbox.state = "pausing"
            sandbox.no_alarm()
            sandbox.cut_streams()
            if memory:
                sandbox.jail.freeze()
            else:
                await sandbox.shut_down()
            self._still(sandbox, "pausing")
            sandbox.ends = self.clock.now()
            sandbox.state = "paused"
        sandbox.note("sandbox.pause", memory=memory, reason=reason)

    async def resume(self, sandbox, timeout, memory=True):
        """A new run of a paused one; those that ask together get the same run."""
        async with sandbox.lock:
            if sandbox.state == "running":
                return
            self._still(sandbox, "paused")
            self.check_quota(sandbox.team)
            sandbox.state = "resuming"
            try:
                if sandbox.jail and memory:
                    sandbox.jail.thaw()
                else:
                    await sandbox.shut_down()
                    await sandbox.boot()
            except Exception as err:
                self._still(sandbox, "resuming")
                sandbox.state = "paused"
                raise Trouble(500, f"Error resuming sandbox: {err}", "sandbox_create_failed") from err
            self._still(sandbox, "resuming")
            sandbox.run_from_now(timeout)
        sandbox.note("sandbox.resume", timeout=timeout)

    async def auto_resume(self, sandbox):
        await self.resume(sandbox, max(sandbox.timeout, RESUME_MINIMUM))

    async def close(self):
        for sandbox in list(self.all.values()):
            await self.end(sandbox, "shutdown")
