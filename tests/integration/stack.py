"""A stack with a reaper: what the tests of the engine share.

Builds on apikit.Stack (MariaDB, taskmill serve, nginx) and adds reapers under
the test's own control, tasks put straight into the tables, a repository server
and the fault points. `Engine` is a reaper and a database without the web.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid

import pymysql
import requests

import apikit
import gitserver
from apikit import BINARY, PATH, ROOT, why_not  # noqa: F401 (for the tests)

# Everything that takes time, made short. LEASE_S must stay over 3 x RENEW_S.
QUICK = {
    "LEASE_S": 4,
    "RENEW_S": 1,
    "SWEEP_S": 1,
    "SWEEP_SLACK_S": 1,
    "SWEEP_GRACE_S": 2,
    "RETRY_DELAYS_S": "1,1",
    "POLL_MS": 200,
    "SHIP_MS": 50,
    "CANCEL_GRACE_MS": 300,
    "DISK_RESERVE_MB": 1,
    "TASKS_PER_USER": 100,
    "TASKS_PER_MACHINE": 20,
    "SANDBOX_PROCESSES": apikit.ROOMY,  # counted by user without isolation
    "LOG_LEVEL": "debug",
}

# Stands in for the simulated agent: does what the words of the prompt say.
AGENT = r'''#!/bin/sh
set -eu
echo "prompt: $(cat "$TASKMILL_PROMPT_FILE")" >AI_GENERATED.md
set -f
set -- $(cat "$TASKMILL_PROMPT_FILE")
while [ $# -gt 1 ]; do
	case $1 in
	lines) i=0; while [ $i -lt "$2" ]; do i=$((i + 1)); echo "line $i"; done ;;
	sleep) echo "sleeping"; sleep "$2" || echo "woken" ;;
	deaf) trap '' TERM INT HUP; echo "deaf"
		i=0; while [ $i -lt "$2" ]; do i=$((i + 1)); sleep 1 || :; done ;;
	flood) yes "a line of a flood, and another one of the same" |
		head -c "$2M" ;;
	big) head -c "$2M" /dev/zero | tr '\0' 'x' | fold -w 100 >big.txt ;;
	escape) setsid sh -c 'sleep 299 & sleep 299' >/dev/null 2>&1 </dev/null &
		(setsid setsid sleep 299 >/dev/null 2>&1 </dev/null &) ;;
	bomb) for i in 1 2 3 4 5 6 7 8 9; do
			(while :; do sleep 299 & sleep 299 & done) >/dev/null 2>&1 &
		done ;;
	fail) exit "$2" ;;
	*) shift; continue ;;
	esac
	shift 2
done
'''

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
ENDED = ("completed", "failed", "cancelled")


def wait_for(condition, seconds, what, every=0.02):
    """Waits for a true value and returns it; as patient as apikit's."""
    seconds = max(seconds, apikit.PATIENCE_S)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(every)


def state_of(pid):
    """The letter that /proc has for it; "" when there is none."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def alive(pid):
    return state_of(pid) not in ("", "Z")


def is_stopped(pid):
    return state_of(pid) == "T"


def command(pid):
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return line.decode(errors="replace").split("\0")[:-1]


def name_of(pid):
    """What a process calls itself; "" when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def parent(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid):
    """Its children, theirs and so on."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def traces(pid):
    """What a process has open and was called with. Any of it may go while it
    is looked at, and the rest must be seen all the same."""
    proc = f"/proc/{pid}"
    with contextlib.suppress(OSError):
        with open(f"{proc}/cmdline", "rb") as line:
            yield line.read()
    with contextlib.suppress(OSError):
        yield os.readlink(f"{proc}/cwd").encode()
    fds = []
    with contextlib.suppress(OSError):
        fds = os.listdir(f"{proc}/fd")
    for fd in fds:
        with contextlib.suppress(OSError):
            yield os.readlink(f"{proc}/fd/{fd}").encode()


def ticks_now():
    """Now, as /proc counts the time at which a process was started."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) *
               os.sysconf("SC_CLK_TCK"))


def living_since(ticks):
    """Pids of processes that are not older. All the others need not be
    looked at closely, and on a busy machine there are many of them."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z" and int(fields[19]) >= ticks:
            yield int(entry)


def make_repository(bare, work):
    def git(*args, cwd):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *args],
            cwd=cwd, check=True, capture_output=True,
            env={"PATH": PATH, "HOME": str(cwd)})
    work.mkdir(parents=True)
    bare.parent.mkdir(parents=True)
    git("init", "-q", "-b", "main", ".", cwd=work)
    (work / "README.md").write_text("a repository of tests\n")
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "first", cwd=work)
    git("clone", "-q", "--bare", str(work), str(bare), cwd=work)


class Engine(apikit.Stack):
    """MariaDB and as many reapers as a test wants; tasks come by SQL.

    A second "machine" on the same database: Engine(beside=first).
    """

    def __init__(self, beside=None, **settings):
        super().__init__(**{**QUICK, **settings})
        self.beside = beside
        self.since = ticks_now() - 1
        self.reapers = []
        self.user_id = None
        self.fault_folder = self.folder / "faults"
        self.git = None
        self.opened = contextlib.ExitStack()

    def start(self):
        self.state.mkdir()
        self.folder.chmod(0o711)  # as root, sandboxes run as nobody
        self.fault_folder.mkdir()
        self.start_git()
        self.make_share()
        if self.beside is None:
            self.start_db()
            self.sql("CREATE DATABASE taskmill CHARACTER SET utf8mb4",
                     database=None)
        else:
            self.settings["DB_SOCKET"] = self.beside.settings["DB_SOCKET"]
        self.write_conf()
        if self.beside is None:
            self.taskmill("migrate")
            self.taskmill("keygen")

    def start_git(self):
        if self.beside is not None:
            self.git = self.beside.git
        else:
            root = self.folder / "git"
            make_repository(root / "o" / "r.git", self.folder / "seed")
            self.git = self.opened.enter_context(gitserver.serve(
                str(root), users={"x-access-token": TOKEN}))
        self.repo = self.git.url + "o/r.git"
        host = self.git.url.split("/")[2]
        self.settings["REPO_ALLOWED_HOSTS"] = f"github.com,{host}"
        self.settings["REPO_CA_FILE"] = self.git.ca_file
        self.git.users = {}  # tasks by SQL have no token

    def make_share(self):
        share = self.folder / "share"
        shutil.copytree(ROOT / "share", share)
        script = share / "agents" / "simulated" / "run"
        script.write_text(AGENT)
        script.chmod(0o755)
        self.settings["SHARE_DIR"] = share

    def write_conf(self, **changes):
        self.settings.update(changes)
        self.conf.write_text("".join(
            f"{k}={v}\n" for k, v in self.settings.items()))
        self.conf.chmod(0o600)

    def stop(self):
        """Ends everything that was started, also what a test left stopped."""
        if self.serve is not None:  # or it would start them again
            self.end(self.serve)
        self.kill_all()
        if self.db is not None:
            self.db.close()
            self.db = None
        super().stop()
        self.opened.close()

    # ------------------------------------------------------------- reapers

    def environment(self, fault=None, **more):
        env = {"PATH": PATH, "HOME": str(self.folder)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        if fault is not None:
            env["TASKMILL_FAULT"] = fault
            env["TASKMILL_FAULT_ONCE"] = str(self.fault_folder)
        env.update(more)
        return env

    def reaper(self, *argv, fault=None, env=None, ready=True):
        """Starts a reaper and waits until it looks after tasks."""
        log = self.folder / "reaper.log"
        at = log.stat().st_size if log.exists() else 0
        with open(log, "ab") as out:
            process = subprocess.Popen(
                [BINARY, "reaper", "--config", str(self.conf), *argv],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=self.environment(fault, **(env or {})))
        self.reapers.append(process)
        if ready:
            wait_for(lambda: process.poll() is not None or
                     b"reaper ready" in log.read_bytes()[at:], 20,
                     "the reaper to be ready")
        return process

    def end(self, process, sig=signal.SIGTERM, seconds=60):
        if process.poll() is None:
            process.send_signal(sig)
            if sig == signal.SIGKILL:
                process.send_signal(signal.SIGCONT)
        return process.wait(seconds)

    def kill_all(self):
        """As a power cut: reapers, runners and sandboxes, until none is left
        (one may fork while it is looked for)."""
        for reaper in self.reapers:
            self.end(reaper, signal.SIGKILL)

        def none_left():
            found = self.processes()
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found
        wait_for(none_left, 20, "processes to go")

    def drain(self):
        """Between tests: no reaper, no run, nothing in the queue."""
        self.kill_all()
        self.reapers.clear()
        for folder in (self.state / "spool", self.state / "box",
                       self.fault_folder):
            # Who has just been killed may have been at removing it, too.
            wait_for(lambda f=folder: shutil.rmtree(f, ignore_errors=True) or
                     not f.exists(), 20, f"{folder} to go")
        self.fault_folder.mkdir()
        for table in ("task_queue", "task_secrets", "machines"):
            self.sql(f"DELETE FROM {table}")

    def log_text(self):
        return "".join(
            f.read_text(errors="replace")
            for f in (self.folder / "reaper.log", self.log) if f.exists())

    def print_logs(self):
        for log in (self.folder / "reaper.log", self.log):
            if log.exists():
                print(f"{log.name}:\n{log.read_text(errors='replace')[-5000:]}")

    # --------------------------------------------------------------- tasks

    def sql(self, statement, *values, database="taskmill"):
        """As in apikit, on a new connection when the old one was lost."""
        for last in (False, True):
            try:
                return super().sql(statement, *values, database=database)
            except (pymysql.err.OperationalError,
                    pymysql.err.InterfaceError):
                if self.db is not None:
                    with contextlib.suppress(Exception):
                        self.db.close()
                    self.db = None
                if last:
                    raise

    def new_task(self, prompt="do it", repo=None,
                 agent="claude", user=None, run_in_s=0):
        """What start-task commits, by hand; no token is sealed."""
        if user is None:
            if self.user_id is None:
                self.user_id = str(uuid.uuid4())
                self.sql("INSERT INTO users (id, email) VALUES (%s, 'e@e')",
                         self.user_id)
            user = self.user_id
        self.sql("SELECT 1")  # reconnects before the transaction
        self.db.begin()
        task = self.sql(
            "INSERT INTO tasks (user_id, status, agent, repo_url,"
            " target_branch, prompt, chat_messages) VALUES"
            " (%s, 'pending', %s, %s, 'main', %s, '[]')",
            user, agent, repo or self.repo, prompt)
        self.sql(
            "INSERT INTO task_queue (task_id, user_id, state, turn, run_at,"
            " last_seq) VALUES (%s, %s, 'pending', 1,"
            " UTC_TIMESTAMP(6) + INTERVAL %s SECOND, 1)", task, user, run_in_s)
        self.sql(
            "INSERT INTO task_events (task_id, seq, attempt, kind, created_at,"
            " data) VALUES (%s, 1, 0, 'queued', UTC_TIMESTAMP(6), '{}')", task)
        self.db.commit()
        self.poke()
        return task

    def poke(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            with contextlib.suppress(OSError):
                s.sendto(b"", str(self.state / "reaper.sock"))

    def cancel(self, task):
        """As task_cancel() does for a task that runs."""
        self.sql("UPDATE task_queue SET cancel_requested_at ="
                 " UTC_TIMESTAMP(6) WHERE task_id = %s", task)
        self.poke()

    def status(self, task):
        return self.sql("SELECT status FROM tasks WHERE id = %s", task)[0][0]

    def row(self, task):
        """The task's queue row as a dict, or None when it has ended."""
        names = ("state", "attempt", "tries", "owner", "last_seq")
        rows = self.sql(f"SELECT {', '.join(names)} FROM task_queue"
                        " WHERE task_id = %s", task)
        return dict(zip(names, rows[0])) if rows else None

    def trouble(self):
        """Why the reaper claims nothing, as it tells the database."""
        rows = self.sql("SELECT COALESCE(trouble, '') FROM machines")
        return rows[0][0] if rows else ""

    def attempts(self, task):
        """Outcomes of all attempts, in their order."""
        return [r[0] for r in self.sql(
            "SELECT outcome FROM task_attempts WHERE task_id = %s"
            " ORDER BY attempt", task)]

    def events(self, task):
        return [{"seq": r[0], "attempt": r[1], "spool_seq": r[2],
                 "kind": r[3], "data": json.loads(r[4])}
                for r in self.sql(
                    "SELECT seq, attempt, spool_seq, kind, data"
                    " FROM task_events WHERE task_id = %s ORDER BY seq", task)]

    def wait_status(self, task, *wanted, seconds=30):
        return wait_for(lambda: self.status(task) in (wanted or ENDED) and
                        self.status(task), seconds,
                        f"task {task} to be {wanted or ENDED}")

    def wait_event(self, task, text, seconds=20):
        """Until an event has this text in its data or kind."""
        return wait_for(
            lambda: [e for e in self.events(task)
                     if text in json.dumps(e)], seconds, f"event {text!r}")

    # ----------------------------------------------------- what is running

    def spools(self):
        folder = self.state / "spool"
        return sorted(p.name for p in folder.iterdir()) \
            if folder.exists() else []

    def workspaces(self):
        folder = self.state / "box"
        return sorted(p.name for p in folder.iterdir()) \
            if folder.exists() else []

    def runner(self, task, seconds=10):
        """The pid of a task's runner, from its lock file."""
        def look():
            m = None
            for lock in (self.state / "spool").glob(f"{task}.*/lock"):
                with contextlib.suppress(FileNotFoundError):
                    m = re.match(r"(\d+) \d+\n", lock.read_text())
                if m and alive(int(m.group(1))):
                    return int(m.group(1))
            return None
        return wait_for(look, seconds, f"the runner of task {task}")

    def wake(self, task):
        """Ends the "sleep 300" of a task's agent, which then goes on."""
        def look():
            found = [pid for pid in descendants(self.runner(task))
                     if command(pid) == ["sleep", "300"]]
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            return found
        wait_for(look, 60, f"the agent of task {task} to sleep")

    def processes(self):
        """Pids that have to do with our state folder."""
        return [pid for pid in living_since(self.since)
                if pid != os.getpid() and self.is_about_us(pid) and
                not self.is_ours(pid)]

    def is_about_us(self, pid):
        """Reapers, spawners and runners by their command line, for they show
        what they have open to root only."""
        line, *rest = list(traces(pid)) or [b""]
        mine = str(self.state).encode()
        reaper = b"\0reaper\0--config\0%s\0" % str(self.conf).encode()
        return reaper in line or any(mine in text for text in (line, *rest))

    def is_ours(self, pid):
        """True for what a test ends by itself."""
        if any(pid == r.pid for r in self.reapers) or \
                (self.serve is not None and pid == self.serve.pid):
            return True
        try:
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return True  # it has ended meanwhile
        return b"mariadbd" in line


@contextlib.contextmanager
def proxied(engine):
    """The engine's database behind dbproxy.py; yields a function that tells
    the proxy what to do. Reapers started inside go through it."""
    listen, control = engine.folder / "p.sock", engine.folder / "p.ctl"
    direct = engine.settings["DB_SOCKET"]
    proxy = subprocess.Popen(
        ["/usr/bin/python3", str(ROOT / "tests/integration/dbproxy.py"),
         str(listen), direct, str(control)], stdout=subprocess.PIPE)
    assert proxy.stdout.readline().strip() == b"ready"

    def tell(*words):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(control))
            s.sendall((" ".join(map(str, words)) + "\n").encode())
            return s.makefile().readline().strip()

    engine.write_conf(DB_SOCKET=listen)
    engine.settings["DB_SOCKET"] = direct  # the test's own way is straight
    try:
        yield tell
    finally:
        for reaper in engine.reapers:
            engine.end(reaper, signal.SIGKILL)
        proxy.terminate()
        proxy.wait(60)
        engine.write_conf()


class Full(Engine):
    """The whole of taskmill: nginx, pool, reaper; tasks come by the API."""

    def start(self):
        super().start()
        self.git.users = {"x-access-token": TOKEN}
        self.start_serve()
        self.start_nginx()
        self.client = self.user()

    def start_serve(self, fault=None, reaper=False, before=()):
        """With the words before it, a program that starts another one."""
        argv = () if reaper else ("--no-reaper",)
        self.has_reaper = reaper
        with open(self.log, "ab") as out:
            at = out.seek(0, os.SEEK_END)
            self.serve = subprocess.Popen(
                [*before, BINARY, "serve", *argv, "--config", str(self.conf)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True, env=self.environment(fault))
        # Connecting proves nothing: workers of a master that was killed may
        # have its socket still.
        wait_for(lambda: self.serve.poll() is not None or
                 b"ready workers=" in self.log.read_bytes()[at:], 20,
                 "the pool")

    def stop_serve(self, sig=signal.SIGTERM):
        self.end(self.serve, sig)

    def workers(self):
        """Pids of the pool's processes that answer requests."""
        children = pathlib.Path(
            f"/proc/{self.serve.pid}/task/{self.serve.pid}/children")
        pids = [int(p) for p in children.read_text().split()]

        def answers(pid):
            try:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                return False
            return b"\0reaper\0" not in line
        return [p for p in pids if answers(p)]

    def new_task(self, prompt="do it", key=None, user=None, **fields):
        """Starts a task as our own page does: the same key until an answer."""
        answer = self.ask_for_task(prompt, key, user, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["task_id"]

    def ask_for_task(self, prompt="do it", key=None, user=None, seconds=120,
                     **fields):
        key = key or str(uuid.uuid4())
        user = user or self.client
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(requests.ConnectionError,
                                     requests.Timeout):
                answer = user.post(
                    "/api/start-task", {
                        "prompt": prompt, "repo_url": self.repo,
                        "github_token": TOKEN, **fields},
                    headers={"Idempotency-Key": key})
                if answer.status_code not in (502, 503, 504):
                    return answer
            assert time.monotonic() < end, "no answer to start-task"
            time.sleep(0.1)

    def cancel(self, task):
        """The status code of the API's answer."""
        return self.client.post(f"/api/tasks/{task}/cancel").status_code

    def drain(self):
        if self.has_reaper and self.serve.poll() is None:
            self.stop_serve()  # a test failed on its way: it starts reapers
        if self.serve.poll() is not None:
            self.start_serve()
        super().drain()
        self.client = self.user()
