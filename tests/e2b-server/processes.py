"""Processes of a sandbox as envd keeps them: fan-out, signals, results kept 30 s.

The rules that clients trip over are here on purpose: output without a listener
is dropped, a slow listener stops the process, nothing is replayed, a deadline
kills, a signal goes to one pid and ends the wait for the pipes.
"""

import asyncio
import base64
import collections
import os
import signal

import background
import fdio
from jail import GuestError

QUEUE = 64                # events that wait for a listener
CHUNK, PTY_CHUNK = 32768, 16384
RESULT_SECONDS = 30
MAX_PROCESSES = 256
SIGNAL_TEXT = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGINT: "interrupt",
               signal.SIGHUP: "hangup", signal.SIGSEGV: "segmentation fault",
               signal.SIGABRT: "aborted", signal.SIGPIPE: "broken pipe", signal.SIGQUIT: "quit"}


def end_event(code, core):
    """The end event of proto3 JSON: nothing that is 0 or false."""
    if code < 0:
        text = f"signal: {SIGNAL_TEXT.get(-code, f'signal {-code}')}"
        text += " (core dumped)" if core else ""
        return {"exitCode": -1, "status": text, "error": text}
    text = f"exit status {code}"
    event = {"exited": True, "status": text}
    return {"exitCode": code, **event, "error": text} if code else event


class Listener:
    """One attached client: a short queue, and a way to leave it."""

    def __init__(self):
        self.events = collections.deque()
        self.closed = False
        self._changed = asyncio.Event()

    async def put(self, event):
        while len(self.events) >= QUEUE and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        if not self.closed:
            self.events.append(event)
            self._changed.set()

    async def wait(self):
        """Until there is an event, or the listener is closed."""
        while not self.events and not self.closed:
            self._changed.clear()
            await self._changed.wait()

    def take(self):
        event = self.events.popleft()
        self._changed.set()
        return event

    def close(self):
        self.closed = True
        self._changed.set()


class Process:
    def __init__(self, table, config, tag, user):
        self.table = table
        self.config = config
        self.tag = tag
        self.user = user
        self.pid = 0
        self.stdin = -1
        self.stdin_open = False
        self.terminal = -1
        self.listeners = set()
        self.ended = asyncio.get_running_loop().create_future()
        self.deadline = None
        self._signalled = asyncio.Event()
        self._pumps = []
        self._supervisor = None
        self._input_lock = asyncio.Lock()

    def attach(self):
        listener = Listener()
        self.listeners.add(listener)
        return listener

    def detach(self, listener):
        self.listeners.discard(listener)
        listener.close()

    def begin(self, pid, outputs, terminal):
        """The process runs: reads its output from now on."""
        self.pid = pid
        for channel, fd in outputs.items():
            os.set_blocking(fd, False)
            self._pumps.append(asyncio.ensure_future(self._pump(fd, channel)))
        if terminal >= 0:
            self.terminal = os.dup(terminal)
            os.set_blocking(self.terminal, False)
        self._supervisor = background.start(self._supervise())

    async def _pump(self, fd, channel):
        size = PTY_CHUNK if channel == "pty" else CHUNK
        try:
            while data := await fdio.read(fd, size):
                await self._publish("data", {channel: base64.b64encode(data).decode()})
        finally:
            os.close(fd)

    async def _publish(self, kind, value):
        for listener in list(self.listeners):
            await listener.put((kind, {"event": {kind: value}}))

    async def _supervise(self):
        code, core = await self.ended
        pumps = asyncio.gather(*self._pumps, return_exceptions=True)
        signalled = asyncio.ensure_future(self._signalled.wait())
        try:
            await asyncio.wait({pumps, signalled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            signalled.cancel()
        self.stop_pumps()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        event = end_event(code, core)
        self.table.finished(self, event)
        await self._publish("end", event)

    def stop_pumps(self):
        for pump in self._pumps:
            pump.cancel()

    def abandon(self):
        """The sandbox is over: no end event comes."""
        self._supervisor.cancel()
        self.stop_pumps()
        self.release()

    async def send_signal(self, number):
        self._signalled.set()
        await self.table.jail.call("signal", pid=self.pid, signal=int(number))

    def kill_after(self, seconds):
        """The process's own deadline: real time, whoever is attached."""
        self.deadline = asyncio.get_running_loop().call_later(
            seconds, lambda: background.start(self._overdue()))

    async def _overdue(self):
        self.table.note("process.deadline", self)
        try:
            await self.send_signal(signal.SIGKILL)
        except GuestError:
            pass  # the sandbox ended first

    async def write(self, data, terminal):
        fd = self.terminal if terminal else self.stdin
        if fd < 0 or (not terminal and not self.stdin_open):
            raise GuestError("closed", "pty not enabled" if terminal
                             else "stdin not enabled or closed")
        async with self._input_lock:
            try:
                await fdio.write(fd, data)
            except OSError as err:
                raise GuestError("closed", f"error writing to stdin: {err.strerror}") from err

    def close_stdin(self):
        if self.stdin_open:
            self.stdin_open = False
            os.close(self.stdin)
            self.stdin = -1

    def release(self):
        if self.deadline:
            self.deadline.cancel()
        self.close_stdin()
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1


class ProcessTable:
    """All processes of one run of a sandbox, and the results still kept."""

    def __init__(self, jail, clock, note):
        self.jail = jail
        self.clock = clock
        self.note = note
        self.live = {}
        self.results = {}
        self._early = {}
        jail.on_exit = self._exited

    def _exited(self, pid, code, core):
        process = self.live.get(pid)
        if process is None:
            self._early[pid] = (code, core)  # ended before spawn's answer was looked at
        elif not process.ended.done():
            process.ended.set_result((code, core))

    def finished(self, process, event):
        """Called by the process before its listeners hear of the end."""
        self.live.pop(process.pid, None)
        process.release()
        self.note("process.end", process, **event)
        until = self.clock.now() + RESULT_SECONDS
        self.results[process.pid] = (until, process.tag, event)
        for pid in [pid for pid, kept in self.results.items() if kept[0] <= self.clock.now()]:
            del self.results[pid]

    async def start(self, process, env, cwd, stdin, pty):
        """Starts it in the guest; GuestError if it cannot be."""
        if len(self.live) >= MAX_PROCESSES:
            raise GuestError("other", "too many processes")
        ours, theirs = ([], []) if pty is not None else self._pipes(process, stdin)
        try:
            answer = await self.jail.call(
                "spawn", theirs, cmd=process.config["cmd"], args=process.config.get("args", []),
                env=env, cwd=cwd, pty=None if pty is None else (pty.get("size") or {"rows": 24}))
        except GuestError:
            process.close_stdin()
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        terminal = answer["descriptors"][0] if pty is not None else -1
        outputs = {"pty": terminal} if pty is not None else {"stdout": ours[0], "stderr": ours[1]}
        pid = answer["pid"]
        self.results.pop(pid, None)
        self.live[pid] = process
        process.begin(pid, outputs, terminal)
        if pid in self._early:
            self._exited(pid, *self._early.pop(pid))
        return pid

    @staticmethod
    def _pipes(process, stdin):
        """Our ends of stdout and stderr; the guest's of all three."""
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        if stdin is False:
            in_read = os.open(os.devnull, os.O_RDONLY)
        else:
            in_read, process.stdin = os.pipe()
            os.set_blocking(process.stdin, False)
            process.stdin_open = True
        return [out_read, err_read], [in_read, out_write, err_write]

    def find(self, selector):
        """The live process of a selector, or None; by tag as badly as envd does."""
        if "pid" in selector:
            return self.live.get(int(selector["pid"]))
        for process in self.live.values():
            if process.tag is None:
                continue
            return process if process.tag == selector.get("tag") else None
        return None

    def result(self, selector):
        """(pid, end event) that is still kept, or None."""
        for pid, (until, tag, event) in self.results.items():
            if until <= self.clock.now():
                continue
            if pid == selector.get("pid") or (tag is not None and tag == selector.get("tag")):
                return pid, event
        return None

    def close(self):
        for process in list(self.live.values()):
            process.abandon()
            for listener in list(process.listeners):
                process.detach(listener)
        self.live.clear()
