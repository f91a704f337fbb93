"""Rows of the fault matrix about the pool behind nginx, and those that need a
stack of their own kind: a socket with a short queue, a database that may not be
written, clocks that step, logs that nobody takes, a binary that is replaced
while it works."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

import invariants
from apikit import fault_points
from stack import BINARY, Engine, Full, alive, name_of, wait_for, why_not
from test_faults import (full, reaper_check, shared, small_disk,  # noqa: F401
                         task_body, tasks_like)
from test_faults_db import faulty_pool, one_stands_still

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


# ---------------------------------------- row 6: workers that die at birth

def api_workers(full):
    return [pid for pid in full.workers() if name_of(pid) == "taskmill"]


def test_row06_crash_loop_is_told_by_readyz(full):
    """The one that lives tells it of the others, and goes on serving."""
    full.reaper()
    wait_for(lambda: full.get("/readyz").status_code == 200, 60, "all is well")
    survivor = api_workers(full)[0]

    def told():
        for pid in api_workers(full):
            if pid != survivor:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        answer = full.get("/readyz")
        check = answer.json()["checks"]["pool"]
        assert check["ok"] or answer.status_code == 503
        assert full.client.get("/api/tasks").status_code == 200
        return "new ones die at once" in check["detail"] and not check["ok"]
    wait_for(told, 60, "/readyz to tell")
    assert alive(survivor)
    wait_for(lambda: full.get("/readyz").status_code == 200, 60,
             "all to be well again")


# --------------------------------- row 7: more requests than there is room for

@contextlib.contextmanager
def nobody_answers(full):
    pids = full.workers()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_row07_more_requests_than_workers_and_queue():
    """Refused at once, while nobody answers, and not when somebody does."""
    with Cramped(API_WORKERS=1) as full, \
            concurrent.futures.ThreadPoolExecutor(32) as clients:
        full.client.get("/api/tasks")  # it has come to its queue
        room = full.backlog + 1  # as unix sockets count
        with nobody_answers(full):
            asked = [clients.submit(full.client.get, "/api/tasks")
                     for _ in range(32)]
            wait_for(lambda: sum(a.done() for a in asked) >= 32 - room, 60,
                     "refusals")
            for answer in [a.result() for a in asked if a.done()]:
                assert answer.status_code == 502
                assert answer.json() == {"error": "Service unavailable"}
                assert int(answer.headers["Retry-After"]) > 0
        codes = [a.result().status_code for a in asked]
        assert codes.count(200) == room and codes.count(502) == 32 - room
        assert full.client.get("/api/tasks").status_code == 200


# --------------------------------- row 9: a client leaves before the answer

def leave_early(full, key, body):
    """A connection on which start-task was asked for."""
    context = ssl.create_default_context(cafile=str(full.ca))
    link = context.wrap_socket(
        socket.create_connection(("localhost", full.port), 60),
        server_hostname="localhost")
    link.sendall(
        b"POST /api/start-task HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: %s\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (
            key.encode(), full.client.token.encode(), len(body), body))
    return link


def left(full):
    """Requests whose client had left when they ended, as nginx counts them."""
    log = full.folder / "nginx" / "log" / "access.log"
    return [line for line in map(json.loads, log.read_text().splitlines())
            if line["status"] == 499]


@pytest.mark.parametrize("point", [
    name for name, process in fault_points() if process == "api"])
def test_row09_client_leaves_before_the_answer(full, point):
    """Its task is there or is not; who asks again has it exactly once."""
    prompt = f"row nine {point}"
    before = len(left(full))
    with faulty_pool(full, f"{point}:1:stop"):
        full.client.get("/api/tasks")
        workers = full.workers()
        link = leave_early(full, point, task_body(full, prompt))
        with one_stands_still(full):
            link.close()
            wait_for(lambda: len(left(full)) == before + 1, 60,
                     "nginx to see that it has left")
            assert full.client.get("/api/tasks").status_code == 200
        answer = full.ask_for_task(prompt, key=point)
        assert answer.status_code == 200
        assert list(tasks_like(full, prompt)) == [(answer.json()["task_id"],)]
        assert all(map(alive, workers))
        full.reaper()
        assert full.wait_status(answer.json()["task_id"]) == "completed"
        invariants.all_hold(full, answer.json()["task_id"], attempts=1)


# ------------------------------------------- row 46: a database to read only

@pytest.fixture
def modest():
    """As a careful admin sets it up: rights in one database and no others."""
    with Full() as full:
        password = secrets.token_hex(8)
        full.sql(f"CREATE USER tm@localhost IDENTIFIED BY '{password}'",
                 database=None)
        full.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON taskmill.* TO"
                 " tm@localhost", database=None)
        full.stop_serve()
        root = full.settings["DB_USER"]
        full.write_conf(DB_USER="tm", DB_PASSWORD=password)
        full.settings["DB_USER"] = root  # the test's own way
        full.start_serve()
        try:
            yield full
        finally:
            full.print_logs()


def test_row46_database_that_is_read_only(modest):
    full = modest
    full.reaper()
    running = full.new_task("lines 5 sleep 300 lines 5")
    full.wait_event(running, "sleeping")
    full.sql("SET GLOBAL read_only = 1", database=None)
    answer = full.client.post("/api/start-task", {
        "prompt": "lines 1", "repo_url": full.repo, "github_token": "t" * 20})
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert full.client.get(f"/api/task-status/{running}").status_code == 200
    wait_for(lambda: not reaper_check(full)["ok"], 60, "/readyz to tell")
    assert full.status(running) == "running"
    full.sql("SET GLOBAL read_only = 0", database=None)
    full.wake(running)
    assert full.wait_status(running, seconds=60) == "completed"
    invariants.all_hold(full, running, attempts=1)
    wait_for(lambda: reaper_check(full)["ok"], 30, "/readyz to be well")
    later = full.new_task("lines 1")
    assert full.wait_status(later) == "completed"


# -------------------------------------------------- rows 49 and 50: clocks

class Stepped(Engine):
    """Its database has a clock of its own."""

    def start_db(self):
        self.clock = self.folder / "clock"
        self.clock.write_text("+0")
        fake = {"MARIADBD_PRELOAD": FAKETIME, **faked(self.clock)}
        os.environ.update(fake)
        try:
            super().start_db()
        finally:
            for name in fake:
                del os.environ[name]

    def step(self, seconds):
        new = self.clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.replace(self.clock)


def faked(clock):
    return {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.skipif(not pathlib.Path(FAKETIME).exists(),
                    reason="there is no libfaketime here")
@pytest.mark.parametrize("seconds", [600, -600])
def test_row49_clock_of_the_database_steps(seconds):
    """All leases look over, or far from it; nobody is taken over for that."""
    # A lease that outlasts a reaper's standing still, and no step.
    with Stepped(LEASE_S=30) as first, \
            Engine(beside=first, LEASE_S=30) as second:
        for engine in (first, second):
            engine.reaper()
        tasks = [first.new_task("lines 3 sleep 4 lines 3") for _ in range(4)]
        for task in tasks:
            first.wait_event(task, "sleeping")
        first.step(seconds)
        shown, = first.sql(
            "SELECT TIMESTAMPDIFF(SECOND, %s, UTC_TIMESTAMP())",
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()))[0]
        assert abs(shown - seconds) < 60
        for task in tasks:
            assert first.wait_status(task, seconds=60) == "completed"
            assert len(first.attempts(task)) == 1
            invariants.i2_one_end(first, task)
            invariants.i4_events(first, task)
        # And after it, all goes on as ever.
        after = first.new_task("lines 1")
        assert first.wait_status(after, seconds=60) == "completed"
        for engine in (first, second):
            wait_for(lambda e=engine: not e.spools(), 20, "spools to go")


@pytest.mark.skipif(not pathlib.Path(FAKETIME).exists(),
                    reason="there is no libfaketime here")
def test_row50_clock_of_the_machine_steps():
    with Engine() as engine:
        clock = engine.folder / "clock"
        clock.write_text("+0")
        engine.reaper(env={"LD_PRELOAD": FAKETIME, **faked(clock)})
        task = engine.new_task("lines 3 sleep 2 lines 3")
        engine.wait_event(task, "sleeping")
        for step in ("+864000", "-864000", "+3600"):
            new = clock.with_suffix(".new")
            new.write_text(step)
            new.replace(clock)
            time.sleep(0.3)
        assert engine.wait_status(task) == "completed"
        invariants.all_hold(engine, task, attempts=1)


# -------------------------------------------------------- row 55: the logs

def test_row55_log_disk_full():
    with Engine() as engine:
        logs = engine.folder / "logs"
        with small_disk(logs, "mode=700,size=64k"):
            (logs / "filler").write_bytes(b"x" * 65536)
            engine.write_conf(LOG_FILE=logs / "taskmill.log")
            # Its log cannot say that it is ready.
            engine.reaper(ready=False)
            task = engine.new_task("lines 50 sleep 0.2 lines 50")
            assert engine.wait_status(task) == "completed"
            invariants.all_hold(engine, task, attempts=1)
            for reaper in engine.reapers:
                engine.end(reaper)


def test_row55_nobody_reads_the_log():
    """A pipe that was closed, and one that is full."""
    with Engine() as engine:
        for full_pipe in (False, True):
            read_fd, write_fd = os.pipe()
            if full_pipe:
                os.set_blocking(write_fd, False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        os.write(write_fd, b"x" * 4096)
                os.set_blocking(write_fd, True)
            else:
                os.close(read_fd)
            reaper = subprocess.Popen(
                [BINARY, "reaper", "--config", str(engine.conf)],
                stdout=write_fd, stderr=write_fd, stdin=subprocess.DEVNULL,
                start_new_session=True, env=engine.environment())
            os.close(write_fd)
            engine.reapers.append(reaper)
            task = engine.new_task("lines 50 sleep 0.2 lines 50")
            assert engine.wait_status(task) == "completed"
            assert reaper.poll() is None
            invariants.all_hold(engine, task, attempts=1)
            engine.end(reaper)
            if full_pipe:
                os.close(read_fd)


# ------------------------------------------- row 63: a new binary under load

# As systemd does it: descriptor 3, and the pid that will have it.
HAND_OVER = ("import os, sys\n"
             "os.dup2(int(sys.argv[1]), 3)\n"
             "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
             "os.execv(sys.argv[2], sys.argv[2:])\n")


class Upgraded(Full):
    """Its binary is a copy that can be replaced, its socket outlives it."""

    backlog = 511

    def start(self):
        self.binary = self.folder / "taskmill"
        shutil.copy2(BINARY, self.binary)
        self.listener = socket.socket(socket.AF_UNIX)
        super().start()

    def start_serve(self, fault=None, reaper=True):
        self.has_reaper = True
        if not (self.state / "api.sock").exists():
            self.listener.bind(str(self.state / "api.sock"))
            (self.state / "api.sock").chmod(0o666)
            self.listener.listen(self.backlog)
        with open(self.log, "ab") as out:
            self.serve = subprocess.Popen(
                [sys.executable, "-c", HAND_OVER, str(self.listener.fileno()),
                 str(self.binary), "serve", "--config", str(self.conf)],
                pass_fds=[self.listener.fileno()], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, start_new_session=True,
                env=self.environment())

    def replace_binary(self):
        """By rename, as "make install" does."""
        new = self.folder / "taskmill.new"
        shutil.copy2(BINARY, new)
        new.replace(self.binary)
        self.stop_serve()
        self.start_serve()

    def stop(self):
        super().stop()
        self.listener.close()


class Cramped(Upgraded):
    backlog = 2


def test_row63_new_binary_under_load():
    """Three times: no request fails, and no runner notices."""
    with Upgraded() as full:
        task = full.new_task("lines 5 sleep 300 lines 5")
        runner = full.runner(task)
        full.wait_event(task, "sleeping")  # not in the middle of its start
        stop, asked, wrong = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                answer = full.client.get("/ping")
                asked.append(answer.status_code)
                if answer.status_code != 200:
                    wrong.append((answer.status_code, answer.text))
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                before = len(asked)
                full.replace_binary()
                wait_for(lambda n=before: len(asked) > n + 20, 20, "answers")
                assert alive(runner)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not wrong
        full.wake(task)
        assert full.wait_status(task, seconds=60) == "completed"
        invariants.all_hold(full, task, attempts=1)
