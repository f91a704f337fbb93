"""Sandboxes for benchmarks: a thousand of them on a small machine.

A light sandbox has no guest. The server itself opens its files, and each of our
client's own commands (clone, collect) really runs, in bubblewrap, on a file tree
of the sandbox's own. An agent does not: whatever "e2b-run" is told to run as
"user" is played by a ScriptedAgent, which has no process. It prints a line every
few seconds to where e2b-run would, until it is told to finish; then it changes
the repository and ends.

Not for tests of what sandboxes do: nothing holds a file call inside the tree, a
signal ends a whole command, nothing can be paused, and users have no rights.
"""

import asyncio
import errno
import itertools
import os
import random
import signal

import background
from guest import PROLOGUE, Files, Paths, Refused
from jail import GuestError, make_root, walls

LINE_SECONDS = 4
FIRST_PID = 10_000_000  # beyond those of the kernel
PROMPT = "home/user/prompt.txt"
REPOSITORY = "home/user/workspace/repo"
RESULT = "agent.txt"
KINDS = {errno.ENOENT: "missing", errno.ENOTDIR: "missing", errno.ENOSPC: "full",
         errno.EISDIR: "not_file"}

agents = {}  # all that work, in the order of their start
_pids = itertools.count(FIRST_PID)


class ScriptedAgent:
    """What "e2b-run run FOLDER user ... -- COMMAND" would be, without a process."""

    def __init__(self, jail, folder, stdout):
        self.jail = jail
        self.pid = next(_pids)
        self.folder = jail.root + folder
        self.stdout = stdout
        self.number = 0
        os.makedirs(self.folder)
        for name, text in (("out", ""), ("err", ""), ("pid", f"{self.pid}\n")):
            self._write(name, text)
        self.timer = asyncio.get_running_loop().call_later(
            LINE_SECONDS * random.random(), self._say)  # not all at once
        agents[self] = None

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "a", encoding="utf-8") as out:
            out.write(text)

    def _print(self, text):
        self._write("out", text)
        try:
            os.write(self.stdout, text.encode())
        except (BlockingIOError, BrokenPipeError):
            pass  # nobody listens; the file has it

    def _say(self):
        self.number += 1
        self._print(f"{self.number}: looking at file number {self.number} of the repository\n")
        self.timer = asyncio.get_running_loop().call_later(LINE_SECONDS, self._say)

    def finish(self):
        """Its work is the prompt in a file, so that a mix-up of two tasks shows."""
        with open(os.path.join(self.jail.root, PROMPT), encoding="utf-8") as text:
            prompt = text.read()
        with open(os.path.join(self.jail.root, REPOSITORY, RESULT), "w", encoding="utf-8") as out:
            out.write(prompt + "\n")
        self._print("done\n")
        self.end(0)

    def end(self, code):
        if self not in agents:
            return
        del agents[self]
        self.timer.cancel()
        out = os.path.getsize(os.path.join(self.folder, "out"))
        self._write("code.new", f"{code if code >= 0 else 128 - code} {out} 0\n")
        os.rename(os.path.join(self.folder, "code.new"), os.path.join(self.folder, "code"))
        self.jail.played.pop(self.pid, None)
        os.close(self.stdout)
        self.jail.on_exit(self.pid, code, False)


class LightJail:
    """Stands for jail.Jail."""

    isolated = True

    def __init__(self, root, isolated, network=True, shared=()):
        del isolated  # always
        self.root = root
        self.network = network
        self.shared = shared
        self.on_exit = self.on_death = None
        self.guest_pid = 0
        self.played = {}   # agents by their pids
        self.running = {}  # bubblewraps by theirs
        files = Files(Paths(root))
        self.calls = {name: getattr(files, name)
                      for name in ("stat", "open", "mkdir", "move", "remove", "list")}

    async def start(self):
        make_root(self.root, True)

    async def call(self, operation, fds=(), **fields):
        try:
            if operation == "spawn":
                return {"pid": await self._spawn(fds, fields), "descriptors": []}
            if operation == "signal":
                self._signal(fields["pid"], fields["signal"])
                return {"descriptors": []}
            answer, opened = self.calls[operation](fields)
            return {**answer, "descriptors": opened}
        except Refused as err:
            raise GuestError(err.kind, str(err)) from err
        except OSError as err:
            raise GuestError(KINDS.get(err.errno, "other"),
                             f"{err.strerror}: {fields.get('path', '')}") from err

    async def _spawn(self, fds, fields):
        args = fields.get("args", [])
        action, folder, who = (args + [""] * 4)[1:4]
        if action == "kill":  # "e2b-run kill": its command is not among its own children
            self._end_all()
        elif action == "run" and who == "user" and not os.path.exists(self.root + folder):
            agent = ScriptedAgent(self, folder, os.dup(fds[1]))
            self.played[agent.pid] = agent
            return agent.pid
        child = await asyncio.create_subprocess_exec(
            *walls(self.root, self.network, self.shared), "--chdir", fields["cwd"], "--",
            *PROLOGUE, fields["cmd"], *args,
            stdin=fds[0], stdout=fds[1], stderr=fds[2], env=fields["env"], start_new_session=True)
        self.running[child.pid] = child
        background.start(self._wait(child))
        return child.pid

    async def _wait(self, child):
        code = await child.wait()
        self.running.pop(child.pid, None)
        self.on_exit(child.pid, code, False)

    def _signal(self, pid, number):
        if pid in self.played:
            self.played[pid].end(-number)
        elif pid in self.running:
            os.killpg(pid, number)

    def _end_all(self):
        for agent in list(self.played.values()):
            agent.end(-signal.SIGKILL)
        for pid in self.running:
            os.killpg(pid, signal.SIGKILL)

    def members(self):
        return []

    def freeze(self):
        raise GuestError("other", "a light sandbox cannot be paused")

    thaw = freeze

    async def destroy(self):
        """Ends every process; returns when none is left."""
        self.on_exit = lambda *_: None
        self._end_all()
        for child in list(self.running.values()):
            await child.wait()
