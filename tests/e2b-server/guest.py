#!/usr/bin/python3
"""The part that lives inside a sandbox: starts processes, opens files.

    guest.py FD [ROOT]

It is the sandbox's process 1 (or, without bubblewrap, the subreaper of its
processes) and works for the server at the other end of the socket FD. So pids
and paths are those of the sandbox, and a link planted there leads nowhere else.

A message is a 4-byte length and JSON; "fds" in it counts the descriptors that
travel with it. ROOT is the folder that stands for "/" when there is no
bubblewrap: paths are mapped into it, and back in what is told.
"""

import array
import ctypes
import errno
import fcntl
import grp
import json
import os
import pwd
import selectors
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios

PR_SET_CHILD_SUBREAPER = 36
ENTRY_LIMIT = 20_000
TYPES = ((stat.S_ISLNK, "FILE_TYPE_SYMLINK"), (stat.S_ISDIR, "FILE_TYPE_DIRECTORY"),
         (stat.S_ISREG, "FILE_TYPE_FILE"))
# As envd does it: the program is exec'ed by a shell, so a missing one is not an
# error of the call but exit status 127 with a text on stderr.
PROLOGUE = ["/bin/sh", "-c", 'exec "${@}"', "--"]


class Refused(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Paths:
    """The sandbox's paths and where they really are."""

    def __init__(self, root):
        self.root = root.rstrip("/") if root else ""

    def real(self, path):
        if not self.root or path == self.root or path.startswith(self.root + "/"):
            return path
        return self.root + os.path.normpath(path)

    def shown(self, path):
        return path[len(self.root):] or "/" if self.root and path.startswith(self.root) else path


def owner_name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def describe(paths, real):
    """One entry of the file system; a link shows its target's type and mode."""
    info = os.lstat(real)
    entry = {"name": os.path.basename(paths.shown(real)) or "/", "path": paths.shown(real)}
    if stat.S_ISLNK(info.st_mode):
        entry["symlinkTarget"] = os.readlink(real)
        try:
            info = os.stat(real)
        except OSError:
            pass  # a dangling link is shown as itself
    entry["type"] = next((name for test, name in TYPES if test(info.st_mode)),
                         "FILE_TYPE_UNSPECIFIED")
    entry.update(size=info.st_size, mode=stat.S_IMODE(info.st_mode), mtime_ns=info.st_mtime_ns,
                 permissions=stat.filemode(info.st_mode),
                 owner=owner_name(pwd.getpwuid, info.st_uid),
                 group=owner_name(grp.getgrgid, info.st_gid))
    return entry


class Files:
    """What the file calls do. Every method takes the message, returns JSON and descriptors."""

    def __init__(self, paths):
        self.paths = paths

    def stat(self, message):
        return {"entry": describe(self.paths, self.paths.real(message["path"]))}, []

    def open(self, message):
        """A regular file to read; or to write, with the folders above it."""
        real = self.paths.real(message["path"])
        if message.get("write"):
            os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        else:
            flags = os.O_RDONLY
        fd = os.open(real, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Refused("not_file", f"path '{message['path']}' is not a regular file")
        return {"entry": describe(self.paths, real)}, [fd]

    def mkdir(self, message):
        real = self.paths.real(message["path"])
        if os.path.isdir(real):
            raise Refused("exists", f"directory already exists: {message['path']}")
        if os.path.lexists(real):
            raise Refused("invalid", f"path already exists but it is not a directory: {message['path']}")
        os.makedirs(real, mode=0o755)
        return {"entry": describe(self.paths, real)}, []

    def move(self, message):
        source, target = (self.paths.real(message[name]) for name in ("source", "destination"))
        os.lstat(source)
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        os.rename(source, target)
        return {"entry": describe(self.paths, target)}, []

    def remove(self, message):
        real = self.paths.real(message["path"])
        if os.path.isdir(real) and not os.path.islink(real):
            shutil.rmtree(real)
        elif os.path.lexists(real):
            os.unlink(real)
        return {}, []

    def list(self, message):
        top = self.paths.real(message["path"])
        if not stat.S_ISDIR(os.stat(top).st_mode):
            raise Refused("invalid", f"path is not a directory: {message['path']}")
        entries, level = [], [top]
        for _ in range(max(1, message.get("depth", 1))):
            below = []
            for folder in level:
                for name in sorted(os.listdir(folder)):
                    real = os.path.join(folder, name)
                    entries.append(describe(self.paths, real))
                    if os.path.isdir(real) and not os.path.islink(real):
                        below.append(real)
                    if len(entries) > ENTRY_LIMIT:
                        raise Refused("invalid", "too many entries")
            level = below
        return {"entries": entries}, []


class Guest:
    def __init__(self, sock, paths):
        self.sock = sock
        self.paths = paths
        self.files = Files(paths)
        self.calls = {"spawn": self.spawn, "signal": self.signal, "resize": self.resize}
        self.calls.update({name: getattr(self.files, name)
                           for name in ("stat", "open", "mkdir", "move", "remove", "list")})
        self.children = {}
        self.terminals = {}
        self.buffer = b""
        self.fds = []

    def spawn(self, message):
        count = 0 if message.get("pty") else 3
        given, self.fds[:count] = self.fds[:count], []
        back = []
        try:
            if not os.path.isdir(self.paths.real(message["cwd"])):
                raise Refused("invalid", f"cwd '{message['cwd']}' does not exist")
            if message.get("pty"):
                back, given = self.open_terminal(message["pty"])
            child = self.popen(message, given)
        except BaseException:
            for fd in back:
                os.close(fd)
            raise
        finally:
            for fd in set(given):
                os.close(fd)
        self.children[child.pid] = child
        if back:
            self.terminals[child.pid] = os.dup(back[0])
        return {"pid": child.pid}, back

    def popen(self, message, given):
        return subprocess.Popen(PROLOGUE + [message["cmd"], *message.get("args", [])],
                                cwd=self.paths.real(message["cwd"]), env=message["env"],
                                stdin=given[0], stdout=given[1], stderr=given[2],
                                preexec_fn=take_terminal if message.get("pty") else None)

    @staticmethod
    def open_terminal(size):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", size.get("rows", 24), size.get("cols", 80), 0, 0))
        return [master], [slave, slave, slave]

    def resize(self, message):
        fd = self.terminals.get(message["pid"])
        if fd is None:
            raise Refused("invalid", "not a terminal")
        fcntl.ioctl(fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", message.get("rows", 24), message.get("cols", 80), 0, 0))
        return {}, []

    def signal(self, message):
        """To that pid alone; one that was reaped gets nothing."""
        if message["pid"] in self.children:
            os.kill(message["pid"], message["signal"])
        return {}, []

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue  # an orphan that came to us
            child.returncode = os.waitstatus_to_exitcode(status)
            if pid in self.terminals:
                os.close(self.terminals.pop(pid))
            self.tell({"exited": pid, "code": child.returncode, "core": os.WCOREDUMP(status)})

    def tell(self, message, fds=()):
        data = json.dumps({**message, "fds": len(fds)}).encode()
        data = struct.pack(">I", len(data)) + data
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([data], ancillary)
        self.sock.sendall(data[sent:])

    def receive(self):
        """Handles what came; False when the server is gone."""
        data, fds, _, _ = socket.recv_fds(self.sock, 65536, 16, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        self.buffer += data
        self.fds += fds
        while len(self.buffer) >= 4:
            size = struct.unpack_from(">I", self.buffer)[0]
            if len(self.buffer) < 4 + size:
                break
            message = json.loads(self.buffer[4:4 + size])
            self.buffer = self.buffer[4 + size:]
            self.handle(message)
        return True

    def handle(self, message):
        fds = []
        try:
            answer, fds = self.calls[message["op"]](message)
        except Refused as err:
            answer = {"error": err.kind, "message": str(err)}
        except OSError as err:
            kind = {errno.ENOENT: "missing", errno.ENOTDIR: "missing", errno.ENOSPC: "full",
                    errno.EISDIR: "not_file"}.get(err.errno, "other")
            answer = {"error": kind, "message": f"{err.strerror}: {message.get('path', '')}"}
        except ValueError as err:  # a NUL byte in a path or an argument
            answer = {"error": "invalid", "message": str(err)}
        self.tell({"id": message["id"], **answer}, fds)
        for fd in fds:
            os.close(fd)


def take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def end_all():
    """The server is gone: so are we all. In a pid namespace the kernel does it."""
    if os.getpid() == 1:
        return
    while children := subprocess_pids():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def subprocess_pids():
    """Our children; those of a child come to us when it dies (subreaper)."""
    with open("/proc/self/task/%d/children" % os.getpid(), encoding="ascii") as text:
        return [int(word) for word in text.read().split()]


def serve(guest, chosen, wake_read):
    """Until the server closes its end."""
    while True:
        for key, _ in chosen.select():
            if key.fd == wake_read:
                os.read(wake_read, 4096)
                guest.reap()
            elif not guest.receive():
                return


def main():
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    root = sys.argv[2] if len(sys.argv) > 2 else ""
    os.umask(0o022)
    if root:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    guest = Guest(sock, Paths(root))
    guest.tell({"ready": True})
    chosen = selectors.DefaultSelector()
    chosen.register(sock, selectors.EVENT_READ)
    chosen.register(wake_read, selectors.EVENT_READ)
    try:
        serve(guest, chosen, wake_read)
    except ConnectionError:
        pass  # the server was killed before it had read all that we told it
    finally:
        end_all()


if __name__ == "__main__":
    main()
