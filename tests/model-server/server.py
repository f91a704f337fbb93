"""The fake model server: listening, faults, journal, and the tests' own calls."""

import argparse
import hashlib
import http.server
import json
import os
import re
import signal
import sys
import threading
import time

import messages
import responses
import script

BODY_LIMIT = 64 * 1024 * 1024
HANG_SECONDS = 900
FAULT_FIELDS = {"path", "times", "skip", "status", "type", "message", "code", "headers", "delay",
                "pause", "cut", "hang", "close"}
APIS = {"/v1/messages": messages, "/v1/responses": responses}


class State:
    """What the tests set, and what happened. One lock for all."""

    def __init__(self, keys, journal):
        self.lock = threading.Lock()
        self.keys = set(keys)
        self.scripts = []
        self.faults = []
        self.entries = []
        self.journal = open(journal, "a", encoding="utf-8", buffering=1) if journal else None

    def note(self, **entry):
        with self.lock:
            entry = {"seq": len(self.entries) + 1, "time": time.time(), **entry}
            self.entries.append(entry)
            if self.journal:
                self.journal.write(json.dumps(entry) + "\n")

    def add_fault(self, fault):
        unknown = set(fault) - FAULT_FIELDS
        if unknown:
            raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
        re.compile(fault.get("path", ""))
        with self.lock:
            self.faults.append({"fault": fault, "seen": 0, "used": 0})

    def draw(self, path):
        """The first fault that fits, used up by it; {} if there is none."""
        with self.lock:
            for entry in self.faults:
                fault = entry["fault"]
                times = fault.get("times", 1)
                if (times and entry["used"] >= times) or not re.search(fault.get("path", ""), path):
                    continue
                entry["seen"] += 1
                if entry["seen"] > fault.get("skip", 0):
                    entry["used"] += 1
                    return fault
        return {}

    def reset(self):
        with self.lock:
            self.scripts, self.faults = [], []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300
    state = None

    def log_message(self, *_):
        pass

    def reply(self, status, value, headers=None):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self.chunked_body()
        size = int(self.headers.get("Content-Length", 0))
        if size > BODY_LIMIT:
            raise ValueError("the body is too large")
        return self.rfile.read(size)

    def chunked_body(self):
        data = b""
        while size := int(self.rfile.readline(100).split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline(10)
            if len(data) > BODY_LIMIT:
                raise ValueError("the body is too large")
        self.rfile.readline(10)
        return data

    def do_HEAD(self):
        self.reply(200, {})

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/_test/journal":
            self.reply(200, self.state.entries)
        elif path == "/v1/models" and "upgrade" not in self.headers:
            self.reply(200, {"object": "list", "data": [{"id": "scripted", "type": "model"}]})
        else:  # Codex tries a WebSocket on its built-in provider
            self.reply(404, {"error": {"message": "not found"}})

    def do_POST(self):
        path = self.path.partition("?")[0]
        try:
            data = json.loads(self.body() or b"{}")
        except ValueError as err:
            self.close_connection = True
            self.reply(400, {"error": {"message": str(err), "type": "invalid_request_error"}})
            return
        if path.startswith("/_test/"):
            self.test_call(path[len("/_test/"):], data)
        elif path == "/v1/messages/count_tokens":
            self.reply(200, {"input_tokens": 100})
        elif path in APIS:
            self.model_call(APIS[path], path, data)
        else:
            self.reply(404, {"error": {"message": "not found"}})

    def test_call(self, name, data):
        try:
            if name == "script":
                given = data if isinstance(data, list) else [data]
                self.state.scripts = [script.checked(one) for one in given]
            elif name == "faults":
                self.state.add_fault(data)
            elif name == "reset":
                self.state.reset()
            else:
                self.reply(404, {"error": "no such test call"})
                return
        except (ValueError, TypeError, re.error) as err:
            self.reply(400, {"error": str(err)})
            return
        self.reply(200, {})

    def key(self):
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or bearer

    def model_call(self, api, path, body):
        key = self.key()
        fault = self.state.draw(path)
        if self.state.keys and key not in self.state.keys:
            fault = {"status": 401, "message": "invalid key"}
        prompt, results = api.progress(body)
        # The key itself is nobody's business; its digest tells two keys apart.
        self.state.note(path=path, model=body.get("model"), stream=bool(body.get("stream")),
                        prompt=prompt[-2000:], results=results, fault=fault or None,
                        tools=[tool.get("name") for tool in body.get("tools") or []],
                        key=hashlib.sha256(key.encode()).hexdigest()[:16] if key else None)
        time.sleep(fault.get("delay", 0))
        if fault.get("hang"):
            self.hang()
        elif fault.get("close"):
            self.close_connection = True
        elif "status" in fault:
            self.reply(fault["status"], api.error(fault["status"], fault), fault.get("headers"))
        else:
            whole, events = api.answer(body, self.state.scripts)
            if body.get("stream"):
                self.stream(events, fault)
            else:
                self.reply(200, whole)

    def hang(self):
        """Half-open: until the client has left."""
        self.close_connection = True
        self.connection.settimeout(HANG_SECONDS)
        try:
            self.connection.recv(1)
        except OSError:
            pass

    def stream(self, events, fault):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number, (name, data) in enumerate(events):
            if number == fault.get("cut", -1):
                return
            text = f"event: {name}\ndata: {json.dumps(data)}\n\n"
            if not fault.get("pause"):
                self.wfile.write(text.encode())
                continue
            for byte in text.encode():
                self.wfile.write(bytes([byte]))
                time.sleep(fault["pause"])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(prog="run", description="A scripted model server for tests.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, which is printed")
    parser.add_argument("--ready-file", help="written once the server listens")
    parser.add_argument("--script", help="file with a script, or a list of them")
    parser.add_argument("--key", action="append", default=[], help="refuse all other keys")
    parser.add_argument("--journal", help="file of one JSON line for each request")
    options = parser.parse_args()
    state = State(options.key, options.journal)
    if options.script:
        with open(options.script, encoding="utf-8") as text:
            given = json.load(text)
        state.scripts = [script.checked(one) for one in (given if isinstance(given, list) else [given])]
    server = Server(("127.0.0.1", options.port), type("Bound", (Handler,), {"state": state}))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.server_port, flush=True)
    if options.ready_file:
        with open(options.ready_file + ".new", "w", encoding="utf-8") as out:
            json.dump({"port": server.server_port, "pid": os.getpid()}, out)
        os.rename(options.ready_file + ".new", options.ready_file)
    server.serve_forever(poll_interval=0.2)
