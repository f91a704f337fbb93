"""Rows of the fault matrix that need a stack of their own kind: a database
that may not be written, clocks that step, logs that nobody takes, a binary that
is replaced while it works."""
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import invariants
from stack import BINARY, Engine, Full, alive, wait_for, why_not
from test_faults import reaper_check, small_disk
from test_pool import head, stdin

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


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
            self.listener.listen(511)
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
