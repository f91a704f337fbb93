"""What the client says on the wire, byte by byte: the checklist of E2B's
protocol that no journal of effects can show."""
import contextlib
import json
import re
import socket
import struct
import threading

import e2bkit
import runkit
from e2bkit import API_KEY, clean, is_well, run, shop  # noqa: F401
from runkit import TOKEN, wait_for

BROWSERS = "mozilla chrome safari firefox edge opera msie".split()


class Recorder:
    """A plain proxy that keeps what clients send, one stream a connection."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = []
        self.ended = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def accept(self):
        while not self.ended.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            kept = bytearray()
            self.sent.append(kept)
            for ends in ((client, server, kept), (server, client, None)):
                threading.Thread(target=self.copy, args=ends,
                                 daemon=True).start()

    @staticmethod
    def copy(source, to, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                to.sendall(data)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.ended.set()
        self.listener.close()

    def requests(self):
        return [r for kept in self.sent for r in split(bytes(kept))]


def split(data):
    """(method, path, headers, body) of each request; lengths are explicit."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, version = first.split(" ")
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, name
            headers[name.lower()] = value.strip()
        assert "transfer-encoding" not in headers
        size = int(headers.get("content-length", "0"))
        found.append((method, path, headers, data[:size]))
        data = data[size:]
    return found


def test_what_is_sent(shop):
    recorder = Recorder(shop.e2b.port)
    try:
        # A stream that is cut, so that all calls are made once.
        shop.e2b.fault(match={"path": "Start$", "body": "agent-run"}, times=1,
                       cut={"event": "data", "where": "after"})
        with shop.started(
                "plain", "echo a;" + e2bkit.GATE + " echo b; echo x >>keep",
                token=TOKEN, attempt=2, e2b_api_url=recorder.url,
                e2b_sandbox_url=recorder.url) as (process, spool):
            wait_for(lambda: any(b"/process.Process/Connect" in kept
                                 for kept in recorder.sent))
            e2bkit.open_gates(shop.e2b)
            assert process.wait(60) == 0
        is_well(runkit.Result(spool, 0, 0))
    finally:
        recorder.close()
    requests = recorder.requests()
    kinds = {(m, re.sub("i[a-z0-9]{20}", "ID", p.partition("?")[0]))
             for m, p, _, _ in requests}
    assert {("GET", "/v2/sandboxes"), ("POST", "/v2/sandboxes"),
            ("DELETE", "/sandboxes/ID"), ("POST", "/files"),
            ("GET", "/files"), ("POST", "/process.Process/Start"),
            ("POST", "/process.Process/List"),
            ("POST", "/process.Process/Connect")} <= kinds, kinds
    for method, path, headers, body in requests:
        of_envd = path.startswith(("/files", "/process.", "/health"))
        check_headers(headers, of_envd)
        assert not e2bkit.secrets_in(path.encode(), API_KEY, TOKEN)
        if path == "/v2/sandboxes" and method == "POST":
            made = json.loads(body)
            assert made["timeout"] == 600 and "secure" not in made
        if path.startswith("/process."):
            check_rpc(path.rpartition("/")[2], headers, body)


def check_headers(headers, of_envd):
    assert headers["accept"] == "application/json"
    assert not any(b in headers["user-agent"].lower() for b in BROWSERS)
    assert headers["user-agent"] != "connect-python"
    for name in ("accept-encoding", "connect-accept-encoding", "expect",
                 "connect-timeout-ms", "content-encoding"):
        assert name not in headers, name
    # The key is for the account alone, the token for the sandbox alone.
    assert ("x-api-key" in headers) is not of_envd
    assert ("x-access-token" in headers) is of_envd
    if of_envd:
        assert re.fullmatch("i[a-z0-9]{20}", headers["e2b-sandbox-id"])
        assert headers["e2b-sandbox-port"] == "49983"
        assert headers["x-access-token"] not in (API_KEY, "")
    else:
        assert headers["x-api-key"] == API_KEY


def check_rpc(method, headers, body):
    if method not in ("Start", "Connect"):
        assert headers["content-type"] == "application/json"
        assert isinstance(json.loads(body), dict)
        return
    assert headers["content-type"] == "application/connect+json"
    assert headers["connect-protocol-version"] == "1"
    assert int(headers["keepalive-ping-interval"]) > 0
    flags, size = struct.unpack(">BI", body[:5])
    assert flags == 0 and size == len(body) - 5  # exactly one envelope
    message = json.loads(body[5:])
    if method == "Start":
        assert message["stdin"] is False
        assert message["tag"].startswith("taskmill-")
        assert message["process"]["cmd"].startswith("/")
    else:
        assert message["process"]["pid"] > 0


def test_connections_are_fresh_for_what_must_not_happen_twice(shop):
    """A create is the first and only request of its connection."""
    recorder = Recorder(shop.e2b.port)
    try:
        is_well(run(shop, e2b_api_url=recorder.url,
                    e2b_sandbox_url=recorder.url))
    finally:
        recorder.close()
    for kept in recorder.sent:
        found = split(bytes(kept))
        once = [(m, p) for m, p, _, _ in found
                if (m, p) == ("POST", "/v2/sandboxes") or p.endswith("/Start")]
        assert not once or len(found) == 1, [(m, p) for m, p, _, _ in found]
    assert any(len(split(bytes(k))) > 1 for k in recorder.sent)


def test_sandbox_url_is_made_of_the_answer(shop):
    """A team's own cluster: each sandbox has a host of its own."""
    shop.e2b.admin("POST", "/settings", {"domain": "sandboxes.invalid"})
    r = run(shop, e2b_sandbox_url="", e2b_busy_wait_s=1)
    assert r.outcome != "completed"
    log = (r.spool.parent / "log").read_text() + r.spool.joinpath(
        "events.ndjson").read_text() + str(r.result)
    assert re.search(r"49983-i[a-z0-9]{20}\.sandboxes\.invalid", log)
    wait_for(shop.no_sandbox_left)

