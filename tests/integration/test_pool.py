"""The pool behind a real nginx, and under peers that no nginx would be.

Drives tests/programs/echo_pool: the master, workers and FastCGI layer of
taskmill with a handler that tells what arrived. Names are those of the traps.
"""
import concurrent.futures
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

import pytest

from apikit import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(
    os.environ.get("TASKMILL_BIN", ROOT / "build-faults/taskmill")).parent
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
SPAWN_FCGI = shutil.which("spawn-fcgi")
MIB = 1024 * 1024

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


# ------------------------------------------------------------------- helpers

def until(what, limit=60.0):
    """Waits for what() to be true; returns its value. The limit is there for
    what never comes: a busy machine takes seconds to start a pool."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {limit} s: {what}")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rsplit(b")", 1)[1].split()[0] != b"Z"
    except OSError:
        return False


def children(pid):
    """Living children, by name."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as f:
                head, tail = f.read().rsplit(b")", 1)
        except OSError:
            continue
        fields = tail.split()
        if int(fields[1]) == pid and fields[0] != b"Z":
            found[int(entry)] = head.split(b"(", 1)[1].decode()
    return found


def taken(sock):
    """Waits until the peer has read all that was sent to it."""
    def unread():
        return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]
    until(lambda: unread() == 0)


# FastCGI, as a client that may misbehave at any byte.

def record(kind, content=b""):
    return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content


def begin(keep=False):
    return record(1, struct.pack("!HB5x", 1, 1 if keep else 0))


def params(pairs):
    out = b""
    for name, value in pairs:
        name, value = name.encode(), value.encode()
        for part in (name, value):
            n = len(part)
            out += bytes([n]) if n < 128 else struct.pack("!I", n | 1 << 31)
        out += name + value
    return b"".join(record(4, out[i:i + 60000])
                    for i in range(0, len(out), 60000)) + record(4)


def stdin(body):
    return b"".join(record(5, body[i:i + 60000])
                    for i in range(0, len(body), 60000)) + record(5)


def head(path, length=None, extra=(), keep=False):
    pairs = [("REQUEST_METHOD", "GET" if length is None else "POST"),
             ("REQUEST_URI", path), ("REMOTE_ADDR", "127.0.0.1")]
    if length is not None:
        pairs.append(("CONTENT_LENGTH", str(length)))
    return begin(keep) + params(pairs + list(extra))


def answer(sock):
    """Status and body of the next answer on a FastCGI connection."""
    data, out = b"", b""

    def take(n):
        nonlocal data
        while len(data) < n:
            got = sock.recv(65536)
            assert got, "the connection ended before the answer did"
            data += got
        piece, data = data[:n], data[n:]
        return piece

    while True:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", take(8))
        content = take(length + padding)[:length]
        if kind == 6:
            out += content
        if kind == 3:
            break
    top, body = out.split(b"\r\n\r\n", 1)
    assert top.startswith(b"Status: ")
    return int(top[8:11]), body


class Pool:
    """echo_pool with an nginx in front, in a folder of its own."""

    def __init__(self, program):
        self.program = program
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-pool."))
        self.socket = self.folder / "api.sock"
        self.settings = self.folder / "settings"
        self.log = self.folder / "log"
        self.master = self.nginx = None
        self.port = self.kept_port = None

    def set(self, **settings):
        settings.setdefault("log_file", self.log)
        self.settings.write_text(
            "".join(f"{k} {v}\n" for k, v in settings.items()))

    def start(self, env=None, **settings):
        self.set(**settings)
        self.master = subprocess.Popen(
            [self.program, str(self.socket), str(self.settings)],
            env={**os.environ, **(env or {})})
        until(self.listens)
        return self

    def listens(self):
        try:
            self.raw().close()
            return True
        except OSError:
            return False

    def start_nginx(self):
        self.port, self.kept_port = free_port(), free_port()
        f = self.folder
        # Or its workers would not be let in to our socket (F19).
        user = "user root;" if os.geteuid() == 0 else ""
        (f / "nginx.conf").write_text(f"""
            {user}
            daemon off;
            pid {f}/nginx.pid;
            error_log {f}/nginx.log warn;
            worker_processes 1;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path {f}/body;
                fastcgi_temp_path {f}/fastcgi;
                proxy_temp_path {f}/proxy;
                uwsgi_temp_path {f}/uwsgi;
                scgi_temp_path {f}/scgi;
                client_max_body_size 4m;
                fastcgi_read_timeout 20s;
                fastcgi_param REQUEST_METHOD $request_method;
                fastcgi_param REQUEST_URI $request_uri;
                fastcgi_param CONTENT_TYPE $content_type;
                fastcgi_param CONTENT_LENGTH $content_length;
                fastcgi_param REMOTE_ADDR $remote_addr;
                fastcgi_param REQUEST_ID $request_id;
                upstream kept {{
                    server unix:{self.socket};
                    keepalive 64;
                }}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{ fastcgi_pass unix:{self.socket}; }}
                }}
                server {{
                    listen 127.0.0.1:{self.kept_port};
                    location / {{
                        fastcgi_pass kept;
                        fastcgi_keep_conn on;
                    }}
                }}
            }}""")
        self.nginx = subprocess.Popen(
            [NGINX, "-c", f / "nginx.conf", "-p", f, "-e", f / "nginx.log"],
            stderr=subprocess.DEVNULL)
        until(lambda: self.connects(self.port))
        return self

    @staticmethod
    def connects(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def http(self, path, body=None, headers=None, method=None, port=None):
        c = http.client.HTTPConnection("127.0.0.1", port or self.port,
                                       timeout=45)
        try:
            c.request(method or ("GET" if body is None else "POST"), path,
                      body, headers or {})
            r = c.getresponse()
            data = r.read()
            return r.status, r.headers, data
        finally:
            c.close()

    def get(self, path, **more):
        status, _, data = self.http(path, **more)
        assert status == 200, (status, data)
        return json.loads(data)

    def raw(self, data=b"", limit=45):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(limit)
        s.connect(str(self.socket))
        if data:
            s.sendall(data)
        return s

    def ask(self, data):
        with self.raw(data) as s:
            return answer(s)

    def ask_pid(self):
        status, body = self.ask(head("/") + stdin(b""))
        assert status == 200
        return json.loads(body)["pid"]

    def workers(self):
        return {pid for pid, name in children(self.master.pid).items()
                if name.startswith("echo_pool")}

    def stop(self):
        """The master's exit status."""
        self.master.send_signal(signal.SIGTERM)
        return self.master.wait(60)

    def close(self):
        for p in (self.nginx, self.master):
            if p is not None and p.poll() is None:
                p.terminate()
                try:
                    p.wait(60)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def program():
    done = subprocess.run(["make", "-s", "-C", BUILD, "echo_pool"],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return BUILD / "echo_pool"


@pytest.fixture
def pool(program):
    p = Pool(program)
    yield p
    p.close()


def many(n, call, *args):
    with concurrent.futures.ThreadPoolExecutor(n) as ex:
        return [f.result() for f in [ex.submit(call, *args) for _ in range(n)]]


# --------------------------------------------------------------------- traps

def test_request_through_nginx_arrives_whole(pool):
    pool.start(workers=1).start_nginx()
    status, headers, data = pool.http(
        "/api/x%20y?a=%41", b'{"k": 1}',
        {"Content-Type": "application/json", "Authorization": "Bearer t",
         "Idempotency-Key": "key-1", "X-Request-Id": "client-7"})
    got = json.loads(data)
    assert status == 200
    assert got["method"] == "POST" and got["path"] == "/api/x y"
    assert got["query"] == "a=%41" and got["body_len"] == 8
    assert got["authorization"] == "Bearer t"
    assert got["content_type"] == "application/json"
    assert got["idempotency_key"] == "key-1"
    assert got["remote_addr"] == "127.0.0.1" and got["there"] is True
    assert got["request_id"] == "client-7" == headers["X-Request-Id"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) == len(data)


def test_head_has_the_length_and_no_body(pool):
    pool.start(workers=1).start_nginx()
    status, headers, data = pool.http("/big?n=1234", method="HEAD")
    assert (status, data) == (200, b"")
    assert headers["Content-Length"] == "1234"


def test_F1_term_in_mid_body_completes_the_request(pool):
    pool.start(workers=1)
    pid = pool.ask_pid()
    body = os.urandom(20000)
    with pool.raw(head("/", 20000) + record(5, body[:10000])) as s:
        taken(s)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.3)
        assert alive(pid)
        s.sendall(stdin(body[10000:]))
        status, data = answer(s)
    got = json.loads(data)
    assert status == 200 and got["pid"] == pid
    assert got["sha256"] == hashlib.sha256(body).hexdigest()
    until(lambda: not alive(pid))
    assert pool.ask_pid() != pid


def test_F2_term_is_seen_under_constant_load(pool):
    pool.start(workers=1)
    done = threading.Event()
    bad = []

    def load():
        while not done.is_set():
            try:
                pool.ask_pid()
            except (AssertionError, OSError) as e:
                bad.append(e)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            pid = pool.ask_pid()
            os.kill(pid, signal.SIGTERM)
            until(lambda: not alive(pid))
    finally:
        done.set()
        for t in threads:
            t.join()
    assert not bad


def test_F2_a_worker_that_leaves_takes_no_wake_up_along(pool):
    """A connection wakes one worker; if that one is told to leave at this very
    moment, the connection must not wait for the next one to wake another."""
    pool.start(workers=3)
    until(lambda: len(pool.workers()) == 3)
    done = threading.Event()

    def shoo():
        while not done.is_set():
            for pid in pool.workers():
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
                time.sleep(0.001)

    thread = threading.Thread(target=shoo)
    thread.start()
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            pool.ask_pid()
    finally:
        done.set()
        thread.join()


def test_F4_kept_connections_starve_nobody(pool):
    pool.start(workers=2).start_nginx()
    kept = pool.kept_port

    # More connections for nginx to keep than the workers have slots. It keeps
    # them for a minute, which is longer than we wait for an answer.
    assert all(status == 200 for status, _, _ in
               many(48, lambda: pool.http("/sleep?ms=30", port=kept)))
    assert all(status == 200 for status, _, _ in
               many(8, lambda: pool.http("/")))

    def mixed():
        out = []
        for i in range(40):
            body = b"x" * 3000 if i % 2 else None
            out.append(pool.http("/", body, port=kept)[0])
        return out

    statuses = [s for part in many(8, mixed) for s in part]
    assert statuses == [200] * len(statuses)


def test_F5_a_refused_body_does_not_spoil_the_connection(pool):
    pool.start(workers=1)
    big = b"x" * (2 * MIB)
    with pool.raw() as s:
        threading.Thread(target=s.sendall, args=(
            head("/", len(big), keep=True) + stdin(big),)).start()
        assert answer(s)[0] == 413
        for _ in range(3):
            s.sendall(head("/", 3, keep=True) + stdin(b"abc"))
            status, data = answer(s)
            assert status == 200 and json.loads(data)["body_len"] == 3


def test_F6_a_worker_that_aborts_is_replaced_at_once(pool):
    pool.start(workers=2).start_nginx()
    until(lambda: len(pool.workers()) == 2)
    time.sleep(1.1)  # grown up: not held back
    before = pool.workers()
    assert pool.http("/die")[0] == 502
    until(lambda: len(pool.workers()) == 2 and pool.workers() != before)
    assert "keeps dying" not in pool.log.read_text()
    pool.get("/")


def test_F7_too_many_parameters_are_431(pool):
    pool.start(workers=1)
    extra = [(f"HTTP_X{i}", "y") for i in range(300)]
    assert pool.ask(head("/", extra=extra) + stdin(b""))[0] == 431
    extra = [("HTTP_X", "y" * 70000)]
    assert pool.ask(head("/", extra=extra) + stdin(b""))[0] == 431
    assert pool.ask_pid()


def test_F8_duplicates_of_used_headers_are_refused(pool):
    pool.start(workers=1).start_nginx()
    c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=45)
    c.putrequest("POST", "/")
    c.putheader("Idempotency-Key", "one")
    c.putheader("Idempotency-Key", "two")
    c.putheader("Content-Length", "0")
    c.endheaders()
    r = c.getresponse()
    assert r.status == 400
    assert json.loads(r.read()) == {"error": "Duplicate request header"}
    c.close()


@pytest.mark.parametrize("length,body", [
    ("20", b"x" * 10), ("0", b"x"), ("10", b"x" * 20), ("-1", b""),
    ("1e3", b""), ("0x5", b"12345")])
def test_F9_a_body_of_another_length_is_refused(pool, length, body):
    pool.start(workers=1)
    status, data = pool.ask(head("/", length) + stdin(body))
    assert status == 400 and "error" in json.loads(data)
    assert pool.ask_pid()


def test_F9_a_client_that_leaves_in_mid_body_is_harmless(pool):
    pool.start(workers=1)
    pool.raw(head("/", 20000) + record(5, b"x" * 100)).close()
    assert pool.ask_pid()


def test_F9_chunked_uploads_arrive(pool):
    pool.start(workers=1).start_nginx()
    status, _, data = pool.http("/", iter([b"abc", b"defg"]))
    assert status == 200 and json.loads(data)["body_len"] == 7


def test_body_of_a_mebibyte_passes_and_more_is_413(pool):
    pool.start(workers=1).start_nginx()
    body = os.urandom(MIB)
    status, _, data = pool.http("/", body)
    assert status == 200
    assert json.loads(data)["sha256"] == hashlib.sha256(body).hexdigest()
    status, _, data = pool.http("/", body + b"x")
    assert status == 413
    assert json.loads(data) == {"error": "Request body too large"}
    assert pool.get("/")


def test_large_answers_arrive_whole(pool):
    pool.start(workers=1).start_nginx()
    n = 5 * MIB + 13
    _, _, data = pool.http(f"/big?n={n}")
    assert len(data) == n
    assert data == (b"abcdefghijklmnopqrstuvwxyz" * (n // 26 + 1))[:n]


@pytest.mark.parametrize("path", [
    "/%00", "/%ff", "/%zz", "/a%0d%0aX:y", "/x/%2e%2e/y", "/..", "*"])
def test_paths_that_are_none_are_400(pool, path):
    pool.start(workers=1)
    assert pool.ask(head(path) + stdin(b""))[0] == 400


def test_F13_the_handler_learns_that_its_client_left(pool):
    pool.start(workers=1)
    pool.raw(head("/gone") + stdin(b"")).close()
    pool.ask(head("/there") + stdin(b""))
    lines = [x for x in pool.log.read_text().splitlines() if " there=" in x]
    assert [x.split("there=")[1][0] for x in lines] == ["0", "1"]


def test_F14_silent_peers_cost_nothing(pool):
    pool.start(workers=2)

    def costs_nothing():
        """The others were answered while all of them were still there; on a
        busy machine they may have been dropped before that."""
        silent = [pool.raw() for _ in range(24)]
        for _ in range(10):
            pool.ask_pid()
        none_dropped = not select.select(silent, [], [], 0)[0]
        # And they are dropped.
        for s in silent:
            assert s.recv(1) == b""
            s.close()
        return none_dropped
    until(costs_nothing)


def test_F14_more_silent_peers_than_slots_starve_nobody(pool):
    pool.start(workers=1)
    silent = [pool.raw() for _ in range(40)]
    pool.ask_pid()
    for s in silent:
        s.close()


def test_F14_peers_that_stall_are_cut(pool):
    pool.start(workers=2, io_timeout_s=1)
    stalled = [pool.raw(b"\x01") for _ in range(2)]
    pool.ask_pid()
    for s in stalled:
        s.close()


def test_F14_the_master_kills_who_exceeds_the_limit(pool):
    pool.start(workers=2, request_limit_s=8, io_timeout_s=1000)
    until(lambda: len(pool.workers()) == 2)
    before = pool.workers()
    stalled = [pool.raw(b"\x01") for _ in range(2)]
    pool.ask_pid()
    until(lambda: not before & pool.workers())
    assert pool.log.read_text().count("over its request limit") >= 2
    for s in stalled:
        s.close()


def test_F15_a_reader_that_does_not_read_is_left(pool):
    pool.start(workers=1, io_timeout_s=1)
    pid = pool.ask_pid()
    with pool.raw(head("/big?n=8000000") + stdin(b"")):
        assert pool.ask_pid() == pid
    assert "answer not taken" in pool.log.read_text()


def test_F16_a_second_master_is_refused(pool):
    pool.start(workers=1)
    second = subprocess.run(
        [pool.program, str(pool.socket), str(pool.settings)],
        capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "already" in pool.log.read_text()
    assert pool.ask_pid() in pool.workers()


def test_F17_workers_hold_no_descriptor_that_survives_exec(pool):
    pool.start(workers=1)
    pid = pool.ask_pid()
    with pool.raw(head("/", keep=True) + stdin(b"")) as s:
        answer(s)
        try:
            fds = os.listdir(f"/proc/{pid}/fdinfo")
        except PermissionError:
            pytest.skip("a hardened worker shows its descriptors to root only")
        for fd in fds:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                flags = int(f.read().split("flags:")[1].split()[0], 8)
            assert int(fd) <= 2 or flags & os.O_CLOEXEC, fd


def test_F18_a_burst_beyond_the_workers_waits(pool):
    pool.start(workers=2).start_nginx()
    statuses = many(64, lambda: pool.http("/sleep?ms=10")[0])
    assert statuses == [200] * 64


def test_F19_the_socket_is_for_owner_and_group(pool):
    pool.start(workers=1)
    assert stat.S_IMODE(pool.socket.stat().st_mode) == 0o660


def test_H1_workers_cannot_fork_nor_exec(pool):
    pool.start(workers=1).start_nginx()
    assert pool.get("/forbidden") == {"fork": 1, "exec": 1}


# ----------------------------------------------------------- life of the pool

def test_hup_under_load_loses_no_request(pool):
    pool.start(workers=2, reaper=1).start_nginx()
    until(lambda: len(pool.workers()) == 2)
    first = pool.workers()
    done = threading.Event()
    statuses = []

    def load():
        while not done.is_set():
            statuses.append(pool.http("/sleep?ms=2", b"x" * 2000)[0])

    def some_more():
        enough = len(statuses) + 30
        until(lambda: len(statuses) >= enough)

    with concurrent.futures.ThreadPoolExecutor(6) as ex:
        loads = [ex.submit(load) for _ in range(6)]
        try:
            for _ in range(4):
                some_more()
                pool.master.send_signal(signal.SIGHUP)
            some_more()
        finally:
            done.set()
        for f in loads:
            f.result()
    assert set(statuses) == {200}
    until(lambda: len(pool.workers()) == 2 and not first & pool.workers())
    until(lambda: "cat" in children(pool.master.pid).values())


def test_hup_takes_new_settings(pool):
    pool.start(workers=1)
    until(lambda: len(pool.workers()) == 1)
    pool.set(workers=3)
    pool.master.send_signal(signal.SIGHUP)
    until(lambda: len(pool.workers()) == 3)


def test_hup_with_wrong_settings_changes_nothing(pool):
    pool.start(workers=1)
    pid = pool.ask_pid()
    pool.set(workers=3, nonsense=1)
    pool.master.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in pool.log.read_text())
    assert "unknown setting nonsense" in pool.log.read_text()
    assert pool.ask_pid() == pid


def test_crash_loop_is_held_back_while_others_serve(pool):
    pool.start(workers=2)
    until(lambda: len(pool.workers()) == 2)
    serving = pool.workers()
    pool.set(workers=2, die_at_birth=1)
    pool.master.send_signal(signal.SIGHUP)
    until(lambda: pool.log.read_text().count("keeps dying place=0") >= 2)
    for _ in range(10):
        assert pool.ask_pid() in serving
    # Each is held back longer than the time before: 0, 0.1, 0.5, 1 s.
    text = pool.log.read_text()
    pauses = re.findall(
        r"worker keeps dying place=0 deaths=(\d+) pause_ms=(\d+)", text)
    # On a busy machine one may be noticed so late that it had lived long.
    slow = [n for n in re.findall(r"worker died.*lived_ms=(\d+)", text)
            if int(n) >= 1000]
    assert slow or pauses[:2] == [("2", "100"), ("3", "500")]
    # None dies without: the first of each place, and one not yet written.
    assert text.count("worker died") <= \
        text.count("keeps dying") + 3 + 2 * len(slow)

    pool.set(workers=2)
    pool.master.send_signal(signal.SIGHUP)
    until(lambda: len(pool.workers()) == 2 and not serving & pool.workers())
    assert pool.ask_pid() not in serving


def test_usr1_opens_the_log_again_in_all(pool):
    pool.start(workers=1)
    pool.ask_pid()
    old = pool.folder / "log.1"
    pool.log.rename(old)
    pool.master.send_signal(signal.SIGUSR1)
    until(pool.log.exists)

    def written():
        pool.ask(head("/there") + stdin(b""))
        return "there=1" in pool.log.read_text()

    until(written)
    pool.master.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in pool.log.read_text())
    assert "reloaded" not in old.read_text()


def test_kill_9_of_the_master_leaves_nothing(pool):
    pool.start(workers=2, reaper=1)
    until(lambda: len(children(pool.master.pid)) == 3)
    left = set(children(pool.master.pid))
    with pool.raw(head("/sleep?ms=500") + stdin(b"")) as s:
        taken(s)
        pool.master.kill()
        pool.master.wait()
        assert answer(s)[0] == 200  # the request at work is finished
    until(lambda: not any(alive(p) for p in left))
    pool.start(workers=1)  # the stale socket is no obstacle
    assert pool.ask_pid() in pool.workers()


def test_term_drains(pool):
    pool.start(workers=1, reaper=1)
    until(lambda: len(children(pool.master.pid)) == 2)
    left = set(children(pool.master.pid))
    # One at work, the others wait in the backlog.
    asked = [pool.raw(head("/sleep?ms=150") + stdin(b"")) for _ in range(5)]
    time.sleep(0.05)
    assert pool.stop() == 0
    for s in asked:
        assert answer(s)[0] == 200
        s.close()
    assert not pool.socket.exists()
    assert not any(alive(p) for p in left)


def test_a_worker_retires_after_its_requests(pool):
    pool.start(workers=1, max_requests=20)
    pids = [pool.ask_pid() for _ in range(70)]
    runs = [pids.count(p) for p in dict.fromkeys(pids)]
    assert len(runs) >= 3
    assert all(18 <= n <= 22 for n in runs[:-1]), runs
    assert "keeps dying" not in pool.log.read_text()


def test_alone_under_spawn_fcgi(pool):
    if SPAWN_FCGI is None:
        pytest.skip("spawn-fcgi is not installed")
    pool.set()
    pool.master = subprocess.Popen(
        [SPAWN_FCGI, "-n", "-s", str(pool.socket), "--", pool.program, "-",
         str(pool.settings)], stdout=subprocess.DEVNULL)
    until(pool.listens)
    pids = {pool.ask_pid() for _ in range(5)}
    assert len(pids) == 1
    with pool.raw(head("/sleep?ms=300") + stdin(b"")) as s:
        taken(s)
        os.kill(pids.pop(), signal.SIGTERM)
        assert answer(s)[0] == 200
    assert pool.master.wait(60) == 0


def test_systemd_is_told(pool):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(pool.folder / "notify"))
    told.settimeout(60)
    pool.start(env={"NOTIFY_SOCKET": str(pool.folder / "notify")}, workers=1)
    assert told.recv(200) == b"READY=1"
    pool.master.send_signal(signal.SIGHUP)
    assert told.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert told.recv(200) == b"READY=1"
    assert pool.stop() == 0
    assert told.recv(200) == b"STOPPING=1"
    told.close()


# ------------------------------------------------- the real program, without
# a database: what the pool promises holds before there is one (Y8).

class Taskmill(Pool):
    """taskmill serve or api in place of echo_pool."""

    def __init__(self):
        super().__init__(BUILD / "taskmill")
        self.config = self.folder / "taskmill.conf"
        self.config.write_text(f"""
DB_SOCKET={self.folder}/no-database.sock
STATE_DIR={self.folder}
SHARE_DIR={ROOT}/share
SQL_DIR={ROOT}/sql
API_SOCKET={self.socket}
API_WORKERS=2
LOG_FILE={self.log}
JWT_SECRET=only-for-this-test-0123456789abcdef
""")

    def command(self, *words):
        return [self.program, words[0], "--config", self.config, *words[1:]]

    def run(self, *words, **more):
        """Until a worker answers: it listens before it obeys signals."""
        self.master = subprocess.Popen(self.command(*words), **more)
        until(self.listens)
        assert self.status("/ping") == 200

    def status(self, path):
        return self.ask(head(path) + stdin(b""))[0]


@pytest.fixture
def taskmill():
    t = Taskmill()
    if not t.program.exists():
        t.close()
        pytest.fail(f"{t.program} is not built")
    yield t
    t.close()


def test_Y8_serve_starts_without_a_database(taskmill):
    taskmill.run("serve", "--no-reaper")
    assert taskmill.status("/ping") == 200
    assert taskmill.status("/readyz") == 503
    taskmill.master.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in taskmill.log.read_text())
    assert taskmill.status("/ping") == 200
    assert taskmill.stop() == 0
    assert not taskmill.socket.exists()


def test_F16_a_second_serve_says_why_it_refuses(taskmill):
    taskmill.run("serve", "--no-reaper")
    second = subprocess.run(taskmill.command("serve", "--no-reaper"),
                            capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "another process serves on" in second.stderr
    assert taskmill.status("/ping") == 200


def test_hup_with_a_wrong_configuration_changes_nothing(taskmill):
    taskmill.run("serve", "--no-reaper")
    with taskmill.config.open("a") as f:
        f.write("API_WORKERS=none\n")
    taskmill.master.send_signal(signal.SIGHUP)
    until(lambda: "reload refused" in taskmill.log.read_text())
    assert "API_WORKERS" in taskmill.log.read_text()
    assert taskmill.status("/ping") == 200


def test_api_alone_makes_and_removes_its_socket(taskmill):
    taskmill.run("api", "--socket", str(taskmill.socket))
    assert taskmill.status("/ping") == 200
    assert taskmill.stop() == 0
    assert not taskmill.socket.exists()


def test_api_alone_under_spawn_fcgi(taskmill):
    if SPAWN_FCGI is None:
        pytest.skip("spawn-fcgi is not installed")
    taskmill.master = subprocess.Popen(
        [SPAWN_FCGI, "-n", "-s", str(taskmill.socket), "--",
         *taskmill.command("api")], stdout=subprocess.DEVNULL)
    until(taskmill.listens)
    assert taskmill.status("/ping") == 200
    assert taskmill.stop() == 0


def test_api_without_a_socket_says_so(taskmill):
    done = subprocess.run(taskmill.command("api"), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "not a listening socket" in done.stderr


def test_Y5_a_socket_of_systemd_outlives_the_service(taskmill):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(taskmill.socket))
        listener.listen(511)

        # As systemd does it: descriptor 3, and the pid that will have it.
        hand_over = ("import os, sys\n"
                     "os.dup2(int(sys.argv[1]), 3)\n"
                     "os.environ.update(LISTEN_FDS='1',"
                     " LISTEN_PID=str(os.getpid()))\n"
                     "os.execv(sys.argv[2], sys.argv[2:])\n")

        def start():
            taskmill.master = subprocess.Popen(
                [sys.executable, "-c", hand_over, str(listener.fileno()),
                 *taskmill.command("serve", "--no-reaper")],
                pass_fds=[listener.fileno()])

        start()
        assert taskmill.status("/ping") == 200
        assert taskmill.stop() == 0
        assert taskmill.socket.exists()
        # What comes between two services waits.
        with taskmill.raw(head("/ping") + stdin(b"")) as s:
            time.sleep(0.2)
            start()
            assert answer(s)[0] == 200
        assert taskmill.stop() == 0


def test_memory_of_an_idle_worker_is_at_most_3_mib(taskmill):
    if "libasan" in subprocess.run(["ldd", taskmill.program], text=True,
                                   capture_output=True).stdout:
        pytest.skip("a sanitized program is larger")
    taskmill.run("serve", "--no-reaper")
    for _ in range(50):
        taskmill.status("/readyz")
    sizes = []
    for pid in children(taskmill.master.pid):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                sizes += [int(x.split()[1]) for x in f if x[:4] == "Pss:"]
        except PermissionError:
            pytest.skip("a hardened worker shows its memory to root only")
    assert len(sizes) == 2 + 4 and max(sizes) <= 3 * 1024, sizes
