"""What the tests of the API share: a stack of their own, users, a client.

The stack is real: nginx with TLS in front, `taskmill serve`, a MariaDB of its
own. It has no reaper, so a task stays what a test makes of it.

Every answer of a stack that a test sees is held against share/openapi.json:
those to requests, whoever makes them, to bytes that are sent as they are, and
(nodekit) to Node's fetch.
"""
import contextlib
import http.client
import io
import json
import os
import pathlib
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import jsonschema
import jwt
import pymysql
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TASKMILL_BIN", str(ROOT / "build-faults" / "taskmill"))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SECRET = "a secret of tests that has more than 32 bytes"
PASSWORD = "correct horse battery staple"
START_S = 120
PATIENCE_S = 60

RE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?\+00:00")


def why_not():
    """Why no stack can be started here, or None."""
    if not os.access(BINARY, os.X_OK):
        return f"{BINARY} is not there"
    for program in ("nginx", "mariadbd"):
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed"
    return None


def fault_points():
    """The (name, process) of each; none where they are not compiled in."""
    if not os.access(BINARY, os.X_OK):
        return []
    done = subprocess.run([BINARY, "fault-points"], text=True,
                          capture_output=True, check=False)
    return [tuple(line.split()) for line in done.stdout.splitlines()]


# Too many processes for any test to come near them.
ROOMY = 20000


def room_for(count):
    """A limit of so many more processes than the user of sandboxes has now.
    Without isolation the kernel counts all that he has, in other tests too."""
    uid = os.getuid() or pwd.getpwnam("nobody").pw_uid
    there = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            if int(re.search(r"^Uid:\s+(\d+)", text, re.M).group(1)) == uid:
                there += int(re.search(r"^Threads:\s+(\d+)", text,
                                       re.M).group(1))
    return there + count


@contextlib.contextmanager
def the_only_bomb():
    """Two that fork without end, beside each other and without isolation,
    would take the room that each one's own commands need."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
        def mine():
            with contextlib.suppress(OSError):
                mark.bind("\0taskmill-test-bomb")
                return True
        wait_for(mine, 600, "another test's bomb to end")
        yield


TAKEN = []  # holds our ports as long as this process lives


def free_port():
    """Below those that the kernel gives to whoever connects somewhere, and
    not one that another process of these tests is about to use."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0taskmill-test-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        TAKEN.append(mark)
        return port


def wait_for(condition, seconds, what):
    """Waits for a true value. On a busy machine all takes its time, so nobody
    waits less than PATIENCE_S; only what never comes is a failure."""
    seconds = max(seconds, PATIENCE_S)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


# -------------------------------------------------------------------- schema

# Said of what is hardly a request, before anybody looks where it is for; the
# description has them in its introduction.
EARLY = (400, 414, 431)


class Description:
    """share/openapi.json, as far as answers go."""

    def __init__(self):
        self.doc = json.loads((ROOT / "share" / "openapi.json").read_text())
        self.paths = []
        for path, methods in self.doc["paths"].items():
            pattern = re.escape(path).replace(r"\{id\}", "[0-9]+")
            pattern = pattern.replace(r"\{uuid\}", "[^/]+")
            self.paths.append((re.compile(pattern), methods))

    def find(self, method, path):
        """The described operation, "method" or None."""
        if path in self.doc["paths"]:
            return self.doc["paths"][path].get(method.lower(), "method")
        known = None
        for pattern, methods in self.paths:
            if pattern.fullmatch(path):
                known = methods.get(method.lower(), known or "method")
        return known

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for step in node["$ref"].lstrip("#/").split("/"):
                target = target[step]
            node = target
        return node

    def validate(self, schema, value):
        validator = jsonschema.Draft202012Validator(
            schema, resolver=jsonschema.RefResolver("", self.doc))
        found = [f"{list(e.absolute_path)}: {e.message}"
                 for e in validator.iter_errors(value)]
        assert not found, found

    def check_refused(self, answer, method, path, operation):
        """What is nowhere is an error all the same."""
        if method == "OPTIONS" and answer.status_code == 204:
            return
        expected = 405 if operation == "method" else 404
        # In production there is no such path, whatever the method.
        if path.startswith("/api/test-users") and answer.status_code == 404:
            expected = 404
        assert answer.status_code in (expected, *EARLY), answer.text
        if method != "HEAD":
            self.check_error(answer)

    def check_error(self, answer):
        assert answer.headers["Content-Type"] == "application/json"
        self.validate(self.resolve({"$ref": "#/components/schemas/Error"}),
                      answer.json())

    def check(self, answer, method, path):
        """Asserts that an answer is one that is described."""
        assert answer.headers.get("X-Request-Id"), answer.headers
        operation = self.find("GET" if method == "HEAD" else method, path)
        if not isinstance(operation, dict):
            self.check_refused(answer, method, path, operation)
            return
        described = operation["responses"].get(str(answer.status_code))
        assert described, f"{method} {path}: {answer.status_code} is not described"
        content = self.resolve(described).get("content")
        if content is None:
            assert not answer.content, f"{method} {path}: has a body"
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in content, f"{method} {path}: {kind} is not described"
        if kind == "application/json":
            # The exact form, as the contract has it: no charset parameter.
            assert answer.headers["Content-Type"] == "application/json"
            if method != "HEAD":
                self.validate(content[kind]["schema"], answer.json())


class Answer:
    """One that requests did not read, with those members that are checked."""

    def __init__(self, status, headers, content):
        self.status_code, self.content = status, content
        self.headers = requests.structures.CaseInsensitiveDict(headers)

    @property
    def text(self):
        return self.content.decode(errors="replace")

    def json(self):
        return json.loads(self.content)

    @classmethod
    def read(cls, data, method):
        """From the bytes of one answer; None if there is none."""
        class Bytes:
            def makefile(self, _):
                return io.BytesIO(data)
        read = http.client.HTTPResponse(Bytes(), method=method)
        try:
            read.begin()
            return cls(read.status, read.getheaders(), read.read())
        except http.client.HTTPException:
            return None


# Where stacks answer, and what of them is described.
DESCRIBED = {}
SEND = requests.Session.send


def send_and_check(session, request, **more):
    answer = SEND(session, request, **more)
    for url, description in DESCRIBED.items():
        if request.url.startswith(url + "/") and not more.get("stream"):
            path = request.url[len(url):].split("?")[0]
            description.check(answer, request.method, path)
    return answer


requests.Session.send = send_and_check


# --------------------------------------------------------------------- stack

class Stack:
    """MariaDB, taskmill and nginx in a folder. Use as a context manager.

    The folder is its own and has a short name: a unix socket's path has 107
    bytes, and pytest's folders may use up most of them.
    """

    def __init__(self, **settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-api."))
        self.state = self.folder / "state"
        self.conf = self.folder / "conf"
        self.log = self.folder / "serve.log"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.ca = self.folder / "nginx" / "tls" / "ca.crt"
        self.settings = {
            "DB_NAME": "taskmill",
            "DB_USER": os.environ.get("USER") or "root",
            "JWT_SECRET": SECRET,
            "STATE_DIR": self.state,
            "SHARE_DIR": ROOT / "share",
            "SQL_DIR": ROOT / "sql",
            "API_WORKERS": 3,
            "PASSWORD_MEMORY_MB": 8,
            "PASSWORD_PASSES": 1,
            "SIGN_INS_AT_ONCE": 2,
            # Tests of other things fail to sign in as often as they like.
            "SIGN_IN_TRIES": 100000,
            "SIGN_IN_TRIES_ADDRESS": 100000,
            "TASK_STARTS_PER_USER": 100000,
            "GITHUB_CALLS_PER_USER": 100000,
        }
        if os.getuid() == 0:
            self.settings["DB_USER"] = "root"
        self.settings.update(settings)
        self.serve = None
        self.db = None
        self.seen = Description()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.show_logs()
            self.stop()
            raise
        return self

    def show_logs(self):
        """For the report of a test whose stack did not start."""
        for log in (self.log, self.folder / "db" / "log",
                    self.folder / "nginx" / "log" / "error.log"):
            if log.exists():
                print(f"{log}:\n{log.read_text(errors='replace')[-4000:]}")

    def __exit__(self, *_):
        self.stop()

    def run(self, *argv, **more):
        done = subprocess.run([str(a) for a in argv], text=True,
                              capture_output=True, timeout=120,
                              env={**os.environ, "PATH": PATH}, **more)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def taskmill(self, *argv, **more):
        return self.run(BINARY, *argv, "--config", self.conf, **more)

    def start(self):
        self.state.mkdir()
        self.start_db()
        self.sql("CREATE DATABASE taskmill CHARACTER SET utf8mb4", database=None)
        self.conf.write_text("".join(
            f"{k}={v}\n" for k, v in self.settings.items()))
        self.conf.chmod(0o600)
        self.taskmill("migrate")
        self.taskmill("keygen")
        self.start_serve()
        self.start_nginx()

    def start_db(self):
        self.settings["DB_SOCKET"] = self.run(
            ROOT / "script" / "private-mariadb", "start",
            self.folder / "db").strip()

    def stop_db(self, how="stop"):
        if self.db is not None:
            self.db.close()
            self.db = None
        self.run(ROOT / "script" / "private-mariadb", how, self.folder / "db")

    def start_serve(self):
        out = open(self.log, "ab")
        self.serve = subprocess.Popen(
            [BINARY, "serve", "--no-reaper", "--config", str(self.conf)],
            stdout=out,
            stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            env={"PATH": PATH, "HOME": str(self.folder)})
        out.close()
        wait_for(lambda: (self.state / "api.sock").exists() or
                 self.serve.poll() is not None, START_S, "the pool's socket")
        assert self.serve.poll() is None, self.log.read_text()

    def start_nginx(self):
        out = self.folder / "nginx"
        self.run(ROOT / "nginx" / "generate", "laptop", "--out", out, "--port",
                 self.port, "--socket", self.state / "api.sock",
                 "--auth-rate", 60000, "--token-rate", 60000,
                 "--start-rate", 60000, "--user-conns", 100)
        self.run("nginx", "-e", out / "log" / "error.log", "-c",
                 out / "nginx.conf")

        def answers():
            try:
                return requests.get(f"{self.url}/healthz", verify=str(self.ca),
                                    timeout=5).status_code == 200
            except (requests.ConnectionError, requests.Timeout):
                return False
        wait_for(answers, START_S, "nginx and the pool")
        DESCRIBED[self.url] = self.seen

    def stop(self):
        DESCRIBED.pop(self.url, None)
        pid_file = self.folder / "nginx" / "nginx.pid"
        if pid_file.exists():
            os.kill(int(pid_file.read_text()), signal.SIGTERM)
            wait_for(lambda: not pid_file.exists(), START_S, "nginx's end")
        if self.serve is not None:
            self.serve.terminate()
            try:
                self.serve.wait(START_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.serve.pid, signal.SIGKILL)
                self.serve.wait()
        if (self.folder / "db").exists():
            self.stop_db()
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------- database

    def sql(self, statement, *values, database="taskmill"):
        """Runs one statement; rows as tuples, or the new row's id."""
        if self.db is None:
            self.db = pymysql.connect(
                unix_socket=self.settings["DB_SOCKET"],
                user=self.settings["DB_USER"], charset="utf8mb4",
                autocommit=True)
        if database is not None:
            self.db.select_db(database)
        with self.db.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.lastrowid

    # ---------------------------------------------------------------- users

    def user(self, password=None):
        """A user; with a password one that can sign in."""
        user = User(self, str(uuid.uuid4()))
        if password is None:
            self.sql("INSERT INTO users (id, email) VALUES (%s, %s)",
                     user.id, user.email)
        else:
            self.taskmill("user", "add", "--email", user.email, "--id",
                          user.id, input=password + "\n")
        return user

    def call(self, method, path, token=None, headers=None, timeout=60,
             **more):
        """One request; its answer must be one that is described."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        answer = requests.request(method, self.url + path, headers=headers,
                                  verify=str(self.ca), timeout=timeout,
                                  **more)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])
        return answer

    def get(self, path, token=None, **more):
        return self.call("GET", path, token, **more)

    def post(self, path, body=None, token=None, **more):
        if body is not None:
            more["json"] = body
        return self.call("POST", path, token, **more)

    def raw(self, request, seconds=60):
        """Sends bytes as they are; the status line's number and all bytes."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with socket.create_connection(("localhost", self.port), seconds) as s, \
                context.wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(request)
            got = b""
            while chunk := tls.recv(65536):
                got += chunk
        line = request.split(b"\r\n")[0].decode("latin-1").split(" ")
        answer = Answer.read(got, line[0])
        if answer is None:
            return None, got
        if answer.status_code in EARLY and line[0] != "HEAD":
            self.seen.check_error(answer)
        else:
            path = re.split("[?#]", line[1])[0]
            self.seen.check(answer, line[0], urllib.parse.unquote(path))
        return answer.status_code, got


class User:
    def __init__(self, stack, user_id):
        self.stack = stack
        self.id = user_id
        self.email = f"{user_id[:8]}@example.com"
        self.token = access_token(user_id)

    def get(self, path, **more):
        return self.stack.get(path, self.token, **more)

    def post(self, path, body=None, **more):
        return self.stack.post(path, body, self.token, **more)

    def start(self, key=None, **fields):
        """POST /api/start-task with good fields, or those given."""
        headers = {"Idempotency-Key": key} if key is not None else None
        return self.post("/api/start-task", {**GOOD_TASK, **fields},
                         headers=headers)

    def task(self, **fields):
        """Starts a task and returns its id."""
        answer = self.start(**fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["task_id"]

    def ended_task(self, status="completed", **columns):
        """A task that has ended, with these columns."""
        task = self.task()
        self.stack.sql("DELETE FROM task_queue WHERE task_id = %s", task)
        self.stack.sql("DELETE FROM task_secrets WHERE task_id = %s", task)
        columns = {"status": status, **columns}
        names = ", ".join(f"{name} = %s" for name in columns)
        self.stack.sql(f"UPDATE tasks SET {names} WHERE id = %s",
                       *columns.values(), task)
        return task

    def project(self):
        return self.stack.sql(
            "INSERT INTO projects (user_id, repo_url, repo_name, repo_owner,"
            " name) VALUES (%s, %s, 'r', 'o', 'P')", self.id,
            f"https://github.com/o/{uuid.uuid4()}")


GOOD_TASK = {
    "prompt": "do it",
    "repo_url": "https://github.com/o/r.git",
    "github_token": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
}

NO_TASK = 987654321


# -------------------------------------------------------------------- tokens

def claims(user_id, kind="access", **changes):
    """Claims of a good token; a change to None leaves one out."""
    now = int(time.time())
    made = {"user_id": user_id, "type": kind, "iat": now, "exp": now + 600,
            "jti": str(uuid.uuid4()), **changes}
    return {k: v for k, v in made.items() if v is not None}


def access_token(user_id, secret=SECRET, headers=None, **changes):
    return jwt.encode(claims(user_id, **changes), secret, algorithm="HS256",
                      headers=headers)


def error_of(answer):
    """The text of an error's body, which holds nothing else."""
    body = answer.json()
    assert list(body) == ["error"] and isinstance(body["error"], str), body
    return body["error"]


def malformed(answer, where="line "):
    """A body that is no JSON: the text is fixed, and beside it is the place."""
    body = answer.json()
    assert (answer.status_code, list(body)) == (400, ["error", "detail"]), body
    assert body["error"] == "Invalid JSON"
    assert body["detail"].startswith(where), body


def refused(answer, status, text):
    assert (answer.status_code, error_of(answer)) == (status, text)


def random_text(n=12):
    return secrets.token_hex(n)
