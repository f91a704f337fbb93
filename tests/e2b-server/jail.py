"""One sandbox's walls: bubblewrap where it works, else a plain folder.

With bubblewrap a sandbox has its own file system tree (/usr and parts of /etc of
this machine, read-only, under a root of its own), its own pids, and dies whole
with process 1. Without it ("none") the tree is a folder, paths of file calls
are mapped into it, HOME and TMPDIR point there, and commands see this machine's
paths: good for protocol tests, no protection of anything.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import subprocess

PYTHON = "/usr/bin/python3"  # a folder that the sandbox sees
HERE = os.path.dirname(os.path.abspath(__file__))
ETC = ("alternatives", "ssl", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
       "nsswitch.conf", "resolv.conf", "hosts", "localtime", "timezone", "protocols", "services",
       "gitconfig", "debian_version", "os-release", "mime.types", "inputrc")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib32": "usr/lib32",
         "lib64": "usr/lib64", "libx32": "usr/libx32"}
FOLDERS = ("home/user", "root", "tmp", "var/tmp", "var/log", "run", "etc", "proc", "dev", "usr",
           "opt", "mnt", "srv", "code")
START_SECONDS = 60
KILL_ROUNDS = 1000
CALL_LIMIT = 64 * 1024 * 1024


class GuestError(Exception):
    """A call that the guest refused: kind is missing, exists, invalid, not_file, full, other, dead."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind
        self.message = message


def bubblewrap_works():
    """None if it does, else why not."""
    program = shutil.which("bwrap")
    if not program:
        return "bwrap is not installed"
    trial = [program, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
             "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    try:
        done = subprocess.run(trial, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as err:
        return str(err)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()


def make_root(root, isolated):
    for name in FOLDERS:
        os.makedirs(os.path.join(root, name), exist_ok=True)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    if not isolated or os.path.exists(os.path.join(root, "etc/passwd")):
        return
    texts = {"passwd": "root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n",
             "group": "root:x:0:\nuser:x:1000:\n", "hostname": "e2b.local\n"}
    for name, text in texts.items():
        with open(os.path.join(root, "etc", name), "w", encoding="utf-8") as out:
            out.write(text)
    for name, target in LINKS.items():
        if os.path.lexists("/" + name):
            os.symlink(target, os.path.join(root, name))


def walls(root, network, shared):
    """bubblewrap and what it is told of a sandbox whose file tree is root."""
    args = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
            "--unshare-cgroup-try", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL",
            "--hostname", "e2b.local", "--die-with-parent", "--bind", root, "/",
            "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    if not network:
        args.append("--unshare-net")
    for name in ETC:
        args += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for path in shared:
        args += ["--ro-bind", path, path]
    return args


class Jail:
    """The processes of one sandbox, and the line to its guest."""

    def __init__(self, root, isolated, network=True, shared=()):
        self.root = root
        self.isolated = isolated
        self.network = network
        self.shared = shared
        self.on_exit = None    # called with pid, code, core of a process that ended
        self.on_death = None   # called when the guest itself is gone
        self.guest_pid = 0
        self._child = None
        self._sock = None
        self._calls = {}
        self._number = 0
        self._buffer = b""
        self._fds = []
        self._lock = asyncio.Lock()
        self._ready = asyncio.get_running_loop().create_future()
        self._stopped = set()

    async def start(self):
        make_root(self.root, self.isolated)
        ours, theirs = socket.socketpair()
        info_read, info_write = os.pipe()
        with theirs:
            self._child = await asyncio.create_subprocess_exec(
                *self._command(theirs.fileno(), info_write), stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), info_write), start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONDONTWRITEBYTECODE": "1"})
        os.close(info_write)
        self._sock = ours
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)
        await asyncio.wait_for(asyncio.shield(self._ready), START_SECONDS)
        with open(info_read, encoding="utf-8") as info:
            self.guest_pid = json.load(info)["child-pid"] if self.isolated else self._child.pid

    def _command(self, fd, info):
        guest = [PYTHON, "-S", "-E", os.path.join(HERE, "guest.py"), str(fd)]
        if not self.isolated:
            return guest + [self.root]
        return walls(self.root, self.network, (*self.shared, HERE + "/guest.py")) + [
            "--as-pid-1", "--info-fd", str(info), "--chdir", "/"] + guest

    def _readable(self):
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, 65536, 16, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        self._fds += fds
        if not data:
            self._lost()
            return
        self._buffer += data
        while len(self._buffer) >= 4:
            size = struct.unpack_from(">I", self._buffer)[0]
            if len(self._buffer) < 4 + size:
                break
            message = json.loads(self._buffer[4:4 + size])
            self._buffer = self._buffer[4 + size:]
            self._take(message)

    def _take(self, message):
        count = message.pop("fds")
        message["descriptors"], self._fds = self._fds[:count], self._fds[count:]
        if "ready" in message:
            self._ready.set_result(True)
        elif "exited" in message:
            self.on_exit(message["exited"], message["code"], message["core"])
        else:
            waiting = self._calls.pop(message["id"], None)
            if waiting and not waiting.done():
                waiting.set_result(message)
                return
            for fd in message["descriptors"]:
                os.close(fd)

    def _lost(self):
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        if not self._ready.done():
            self._ready.set_exception(GuestError("dead", "the sandbox did not start"))
        for waiting in self._calls.values():
            if not waiting.done():
                waiting.set_exception(GuestError("dead", "the sandbox ended"))
        self._calls.clear()
        if self.on_death:
            self.on_death()

    async def call(self, operation, fds=(), **fields):
        """One request to the guest: its answer, with "descriptors"; or GuestError."""
        self._number += 1
        number = self._number
        data = json.dumps({"id": number, "op": operation, **fields}).encode()
        if len(data) > CALL_LIMIT:
            raise GuestError("invalid", "too long")
        loop = asyncio.get_running_loop()
        waiting = self._calls[number] = loop.create_future()
        async with self._lock:
            try:
                head = struct.pack(">I", len(data))
                if fds:
                    await self._send_fds(head, list(fds))
                else:
                    await loop.sock_sendall(self._sock, head)
                await loop.sock_sendall(self._sock, data)
            except OSError as err:
                self._calls.pop(number, None)
                raise GuestError("dead", "the sandbox ended") from err
        answer = await waiting
        if "error" in answer:
            raise GuestError(answer["error"], answer["message"])
        return answer

    async def _send_fds(self, head, fds):
        while True:
            try:
                socket.send_fds(self._sock, [head], fds)
                return
            except BlockingIOError:
                await asyncio.sleep(0.005)  # the guest is behind

    def members(self):
        """The pids, as this machine counts them, of all processes inside but the guest.

        Orphans come to the guest, so its descendants are all there are."""
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", "rb") as text:
                    fields = text.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                parents.setdefault(int(fields[1]), []).append((int(name), fields[0]))
        found, level = [], [self.guest_pid]
        while level:
            below = [entry for pid in level for entry in parents.get(pid, [])]
            found += below
            level = [pid for pid, _ in below]
        return found

    def freeze(self):
        """Stops all; those that were stopped before stay so at thaw()."""
        fresh = True
        while fresh:
            fresh = [pid for pid, state in self.members()
                     if pid not in self._stopped and state not in (b"T", b"t")]
            for pid in fresh:
                if send(pid, signal.SIGSTOP):
                    self._stopped.add(pid)
        send(self.guest_pid, signal.SIGSTOP)

    def thaw(self):
        send(self.guest_pid, signal.SIGCONT)
        for pid in self._stopped:
            send(pid, signal.SIGCONT)
        self._stopped.clear()

    async def destroy(self):
        """Ends every process; returns when none is left."""
        self.on_exit = lambda *_: None
        self.on_death = None
        if self.guest_pid and not self.isolated:
            send(self.guest_pid, signal.SIGSTOP)  # it adopts the orphans: last to go
            for _ in range(KILL_ROUNDS):
                left = self.members()
                if not left:
                    break
                for pid, _ in left:
                    send(pid, signal.SIGKILL)
                await asyncio.sleep(0.005)
        if self.guest_pid:
            send(self.guest_pid, signal.SIGKILL)
        if self._child and self._child.returncode is None:
            if not self.guest_pid:
                self._child.kill()
            await self._child.wait()
        if self._sock:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._lost()
            self._sock.close()
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
