"""The server as a child of a test: start it, talk to it, end it.

    with harness.Server(folder) as server:
        box = server.create(metadata={"task": "1"})
        server.fault(match={"path": "Start$"}, close="fin", effect=True)
        server.journal("process.start")
"""

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "e2b_" + "0" * 40
OTHER_KEY = "e2b_" + "1" * 40
ENVD_PORT = "49983"
WAIT = 60


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def envelope(message, flags=0):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">BI", flags, len(data)) + data


def envelopes(data):
    """([(flags, message)…], what is left over) of a stream's body."""
    found, at = [], 0
    while len(data) - at >= 5:
        flags, size = struct.unpack_from(">BI", data, at)
        if len(data) - at - 5 < size:
            break
        found.append((flags, json.loads(data[at + 5:at + 5 + size])))
        at += 5 + size
    return found, data[at:]


def wait_for(check, seconds=WAIT):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def inside(server, box):
    """Names of the programs that truly run in a sandbox."""
    return [entry["argv"][0].rpartition("/")[2] for entry in server.sandboxes()[box.id]["inside"]
            if entry["argv"]]


class Box:
    """What a client knows of one sandbox."""

    def __init__(self, server, created):
        self.server = server
        self.id = created["sandboxID"]
        self.token = created.get("envdAccessToken")

    def headers(self, **more):
        token = {"X-Access-Token": self.token} if self.token else {}
        return {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": ENVD_PORT, **token, **more}

    def call(self, method, path, body=None, headers=None):
        return self.server.call(method, path, body, self.headers(**(headers or {})))

    def rpc(self, method, message=None, headers=None):
        """A unary call of process.Process or, with a dot, of the service named."""
        path = "/" + (method if "." in method else f"process.Process/{method}")
        return self.call("POST", path, json.dumps(message or {}),
                         {"Content-Type": "application/json", **(headers or {})})

    def stream(self, method, message, headers=None):
        """A streaming call, read as it comes."""
        return Stream(self, method, message, headers or {})

    def start(self, *argv, headers=None, stdin=False, tag=None, **process):
        message = {"process": {"cmd": argv[0], "args": list(argv[1:]), **process}, "stdin": stdin}
        if tag is not None:
            message["tag"] = tag
        return self.stream("Start", message, headers)

    def run(self, script, **more):
        """(stdout, stderr, end event) of a shell command."""
        with self.start("/bin/bash", "-c", script, **more) as stream:
            return stream.result()


class Stream:
    def __init__(self, box, method, message, headers):
        self.connection = box.server.connect()
        self.buffer = bytearray()
        self.seen = []
        body = envelope(message)
        self.connection.request("POST", f"/process.Process/{method}", body, {
            **box.headers(), "Content-Type": "application/connect+json",
            "Connect-Protocol-Version": "1", **headers})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.answer.close()
        self.connection.close()

    def next(self):
        """(flags, message) of the next envelope; None at a proper end of the body."""
        while True:
            size = struct.unpack_from(">BI", self.buffer)[1] if len(self.buffer) >= 5 else 0
            if len(self.buffer) >= 5 + size:
                found = (self.buffer[0], json.loads(self.buffer[5:5 + size]))
                del self.buffer[:5 + size]
                self.seen.append(found)
                return found
            data = self.answer.read1(65536)
            if not data:
                if self.buffer:
                    raise EOFError("the body ends within an envelope")
                return None
            self.buffer += data

    def pid(self):
        return self.next()[1]["event"]["start"]["pid"]

    def rest(self):
        while self.next():
            pass
        return self.seen

    def result(self):
        out = {"stdout": bytearray(), "stderr": bytearray(), "pty": bytearray()}
        end = None
        for flags, message in self.rest():
            for channel, text in message.get("event", {}).get("data", {}).items():
                out[channel] += base64.b64decode(text)
            end = message.get("event", {}).get("end", end)
            if flags & 2 and "error" in message:
                raise RuntimeError(message["error"])
        return bytes(out["stdout"] + out["pty"]), bytes(out["stderr"]), end


class Server:
    def __init__(self, folder, *options, tls=None):
        self.folder = str(folder)
        self.ready_file = os.path.join(self.folder, "ready")
        self.tls = tls
        self.options = list(options) + (["--tls", *tls] if tls else [])
        self.process = None
        self.port = 0

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [os.path.join(HERE, "run"), "--dir", os.path.join(self.folder, "state"),
             "--ready-file", self.ready_file, *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + WAIT
        while not os.path.exists(self.ready_file):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                with open(self.log.name, encoding="utf-8") as log:
                    raise RuntimeError(f"the server did not start: {log.read()}")
            time.sleep(0.02)
        with open(self.ready_file, encoding="utf-8") as ready:
            self.ready = json.load(ready)
        self.port = self.ready["port"]
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def environment(self):
        """For the official SDKs, and for any client that reads the same variables."""
        return {"E2B_API_KEY": KEY, "E2B_API_URL": self.url, "E2B_SANDBOX_URL": self.url}

    def connect(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        context = ssl.create_default_context(cafile=self.tls[0])
        return http.client.HTTPSConnection("localhost", self.port, timeout=WAIT, context=context)

    def raw(self, data):
        """Sends bytes on a fresh plain socket and reads until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT) as sock:
            sock.sendall(data)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def call(self, method, path, body=None, headers=None, timeout=WAIT):
        connection = self.connect()
        connection.timeout = timeout
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def api(self, method, path, value=None, key=KEY, **more):
        """A call of the control plane."""
        body = None if value is None else json.dumps(value)
        headers = {"Content-Type": "application/json"} if body else {}
        if key:
            headers["X-API-Key"] = key
        return self.call(method, path, body, headers, **more)

    def create(self, **fields):
        answer = self.api("POST", "/v2/sandboxes", {"templateID": "base", "timeout": 120, **fields})
        assert answer.status == 201, answer.body
        return Box(self, answer.json)

    def admin(self, method, path, value=None):
        answer = self.call(method, "/_test" + path, None if value is None else json.dumps(value))
        assert answer.status == 200, answer.body
        return answer.json

    def fault(self, **rule):
        return self.admin("POST", "/faults", rule)

    def journal(self, kind="", sandbox="", after=0):
        return self.admin("GET", f"/journal?kind={kind}&sandbox={sandbox}&after={after}")

    def sandboxes(self):
        return {entry["id"]: entry for entry in self.admin("GET", "/sandboxes")}
