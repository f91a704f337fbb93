"""What every benchmark stands on: a release build, a private MariaDB, one nginx
in plain HTTP on loopback, taskmill behind it. Everything lives in a temporary
folder, and only processes that were started here are ended."""
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

import pymysql

TOP = pathlib.Path(__file__).resolve().parent.parent
BENCH = TOP / "bench"
WORKERS = 4


def binary():
    """TASKMILL_BIN, else the release build in build/, made if need be."""
    named = os.environ.get("TASKMILL_BIN")
    if named:
        return named
    subprocess.run([TOP / "script/build"], check=True, stdout=subprocess.DEVNULL)
    return str(TOP / "build/taskmill")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(ready, what, limit_s=20):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.05)
    raise RuntimeError(f"{what} did not come up within {limit_s} s")


def connects(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        return True


class Stack:
    """Use as a context manager. Settings are taskmill's own, as a dict."""

    def __init__(self, **settings):
        self.settings = settings
        self.children = []
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="taskmill-bench-"))
        self.dir.chmod(0o755)
        self.bin = binary()
        self.port = free_port()
        self.secret = secrets.token_hex(32)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        for child in reversed(self.children):
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._end_runners()
        subprocess.run([TOP / "script/private-mariadb", "stop", self.dir / "db"], check=False,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _end_runners(self):
        """Runs outlive the service by design: what a failed benchmark leaves is asked to end, then killed."""
        for sig, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            end = time.monotonic() + seconds
            while (pids := self._runner_pids()) and time.monotonic() < end:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, sig)
                time.sleep(0.5)

    def _runner_pids(self):
        """Who holds the lock of a run of ours, as the lock's file and the kernel say."""
        found = []
        for lock in self.dir.glob("state/spool/*/lock"):
            with contextlib.suppress(OSError, ValueError):
                pid, begun = lock.read_text().split()
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if stat[19] == begun and stat[0] != "Z":
                    found.append(int(pid))
        return found

    def spawn(self, *argv, env=None, log="log"):
        with open(self.dir / log, "ab") as out:
            child = subprocess.Popen([str(a) for a in argv], cwd=self.dir, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out, env={**os.environ, **(env or {})})
        self.children.append(child)
        return child

    def taskmill(self, *argv, stdin=None):
        done = subprocess.run([self.bin, *argv, "--config", str(self.dir / "taskmill.conf")], input=stdin,
                              text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"taskmill {argv}: {done.stderr}")
        return done.stdout

    def _start(self):
        out = subprocess.run([TOP / "script/private-mariadb", "start", self.dir / "db"], check=True, text=True,
                             capture_output=True).stdout
        self.db_socket = out.strip().splitlines()[-1]
        self.db_user = "root" if os.getuid() == 0 else os.environ["USER"]
        self.sql("CREATE DATABASE IF NOT EXISTS taskmill", database=None)
        state = self.dir / "state"
        state.mkdir(mode=0o711)
        values = {
            "DB_SOCKET": self.db_socket, "DB_USER": self.db_user, "DB_NAME": "taskmill",
            "STATE_DIR": state, "SHARE_DIR": TOP / "share", "SQL_DIR": TOP / "sql",
            "API_WORKERS": WORKERS, "JWT_SECRET": self.secret, "LOG_FILE": self.dir / "taskmill.log",
            "LOG_LEVEL": "warn", "TASKS_LIVE_PER_USER": 1000000,
            "TASK_STARTS_PER_USER": 1000000, **self.settings,
        }
        conf = self.dir / "taskmill.conf"
        conf.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
        conf.chmod(0o600)
        self.taskmill("migrate")
        self.taskmill("keygen")
        self.user = json.loads(self.taskmill("user", "add", "--email", "bench@example.com", "--generate", "--json"))
        self.token = self.taskmill("token", "issue", "--minutes", "1440", self.user["id"]).strip()
        self.serve = self.spawn(self.bin, "serve", "--config", conf)
        wait_for(lambda: connects(state / "api.sock"), "taskmill")
        self._start_nginx()

    def _start_nginx(self):
        text = (BENCH / "nginx.conf.in").read_text()
        user = "user root;" if os.getuid() == 0 else ""
        for key, value in {"DIR": self.dir, "PORT": self.port, "BENCH": BENCH, "USER": user}.items():
            text = text.replace(f"@{key}@", str(value))
        (self.dir / "nginx.conf").write_text(text)
        params = pathlib.Path("/etc/nginx/fastcgi_params").read_text()
        (self.dir / "fastcgi.conf").write_text(params)
        self.spawn("/usr/sbin/nginx", "-p", self.dir, "-c", self.dir / "nginx.conf", log="nginx.log")

        def up():
            with socket.create_connection(("127.0.0.1", self.port)):
                return True
        wait_for(up, "nginx")

    def call(self, method, path, body=None):
        rq = urllib.request.Request(self.url + path, method=method, headers={
            "Authorization": "Bearer " + self.token, "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(rq, timeout=30) as rs:
            return json.load(rs)

    def start_task(self, repo_url, agent="claude", prompt="Write a file."):
        return self.call("POST", "/api/start-task", {
            "prompt": prompt, "repo_url": repo_url, "github_token": "token-of-nobody", "model": agent})["task_id"]

    def wait_task(self, task_id, limit_s=60):
        wait_for(lambda: self.call("GET", f"/api/task-status/{task_id}")["task"]["status"]
                 not in ("pending", "running"), f"the end of task {task_id}", limit_s)

    def sql(self, statement, args=None, database="taskmill", many=False):
        db = pymysql.connect(unix_socket=self.db_socket, user=self.db_user, database=database, autocommit=True)
        try:
            with db.cursor() as cursor:
                (cursor.executemany if many else cursor.execute)(statement, args)
                return cursor.fetchall()
        finally:
            db.close()

    def add_tasks(self, count, user=None, projects=None):
        """Ended tasks as the engine would have left them, in bulk."""
        user = user or self.user["id"]
        self.sql(
            "INSERT INTO tasks (user_id, status, agent, repo_url, target_branch, commit_hash, git_diff, git_patch,"
            " changed_files, chat_messages, prompt, patch_bytes, created_at, started_at, completed_at)"
            " SELECT %s, 'completed', 'claude', 'https://github.com/o/r.git', 'main', SHA1(seq), REPEAT('+x\\n', 200),"
            " REPEAT('+x\\n', 200), '[\"a.txt\",\"b/c.txt\"]',"
            " JSON_ARRAY(JSON_OBJECT('role','user','content',CONCAT('Do thing number ', seq),'timestamp',"
            " '2026-01-01T00:00:00+00:00')), CONCAT('Do thing number ', seq), 600,"
            " '2026-01-01' + INTERVAL seq SECOND, '2026-01-01' + INTERVAL seq SECOND, '2026-01-02' + INTERVAL seq SECOND"
            f" FROM seq_1_to_{int(count)}", (user,))


def wrk(url, token=None, seconds=5, connections=8):
    """Requests per second, and how many answers were not 2xx."""
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    if token:
        argv += ["-H", f"Authorization: Bearer {token}"]
    out = subprocess.run([*argv, url], check=True, text=True, capture_output=True).stdout
    rate = next(float(line.split()[1]) for line in out.splitlines() if line.startswith("Requests/sec"))
    bad = sum(int(line.split()[-1]) for line in out.splitlines() if "Non-2xx" in line)
    return rate, bad


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def median(values):
    return statistics.median(values)
