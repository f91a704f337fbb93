"""Every fault switch does what it says, and the journal tells the truth about it."""

import base64
import http.client
import shutil
import socket
import subprocess
import time

import pytest

import harness

CREATE = {"method": "POST", "path": "^/v2/sandboxes$"}
BROKEN = (http.client.HTTPException, OSError, EOFError)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.Server(tmp_path_factory.mktemp("e2b")) as running:
        yield running
        assert not running.journal("server.error")


@pytest.fixture(autouse=True)
def clean(server):
    yield
    server.admin("POST", "/reset")


@pytest.fixture()
def box(server):
    return server.create()


def create(server, **more):
    return server.api("POST", "/v2/sandboxes", {"templateID": "base"}, **more)


def created(server):
    return len(server.sandboxes())


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("close", ["fin", "reset"])
def test_close_without_and_with_the_effect(server, close, effect):
    server.fault(match=CREATE, close=close, effect=effect)
    with pytest.raises(BROKEN):
        create(server)
    assert created(server) == int(effect)
    assert create(server).status == 201  # a rule serves once


def test_answers_in_place_of_the_effect(server):
    server.fault(match=CREATE, times=2, skip=1, answer={
        "status": 429, "message": "Rate limit exceeded", "headers": {"Retry-After": "7"}})
    server.fault(match=CREATE, answer={"status": 502, "text": "<html>bad</html>", "content_type": "text/html"})
    assert [create(server).status for _ in range(4)] == [502, 429, 429, 201]
    server.fault(match=CREATE, times=2, answer={"status": 429, "headers": {"Retry-After": "7"}})
    assert [create(server).headers.get("Retry-After") for _ in range(3)] == ["7", "7", None]
    server.fault(match=CREATE, answer={"status": 404, "text": ""})
    answer = create(server)
    assert answer.status == 404 and answer.body == b""


def test_error_after_the_effect(server, box):
    server.fault(match={"path": "/pause$"}, effect=True, answer={"status": 500, "message": "Error pausing sandbox"})
    assert server.api("POST", f"/sandboxes/{box.id}/pause").status == 500
    assert server.sandboxes()[box.id]["state"] == "paused"


def test_slow_create_that_succeeds(server):
    server.fault(match=CREATE, delay_answer=10)
    with pytest.raises(BROKEN):
        create(server, timeout=0.5)
    harness.wait_for(lambda: created(server) == 1)
    server.fault(match=CREATE, delay=0.4)
    began = time.monotonic()
    assert create(server).status == 201 and time.monotonic() - began >= 0.4


@pytest.mark.parametrize("effect", [False, True])
def test_half_open(server, effect):
    server.fault(match=CREATE, hang=True, effect=effect)
    with pytest.raises(BROKEN):
        create(server, timeout=1.5)
    harness.wait_for(lambda: created(server) == int(effect))


def test_slow_body_and_cut_body(server, box):
    box.call("POST", "/files?path=f", b"x" * 500, {"Content-Type": "application/octet-stream"})
    server.fault(match={"path": "/files"}, split={"size": 1, "pause": 0.0005})
    assert box.call("GET", "/files?path=f").body == b"x" * 500
    server.fault(match={"path": "/files"}, cut={"bytes": 200})
    with pytest.raises(http.client.IncompleteRead) as caught:
        box.call("GET", "/files?path=f")
    assert caught.value.partial == b"x" * 200


def test_wrong_content(server, box):
    box.call("POST", "/files?path=f", b"abcdef", {"Content-Type": "application/octet-stream"})
    server.fault(match={"path": "/files"}, corrupt={"offset": 2})
    assert box.call("GET", "/files?path=f").body == b"abCdef"
    server.fault(match={"path": "/files"}, effect=True, answer={"status": 200, "text": "else"})
    assert box.call("GET", "/files?path=f").body == b"else"
    server.fault(match={"path": "Start$"}, effect=True, answer={"status": 200, "text": "<html>"})
    with box.start("/bin/true") as stream:
        assert stream.status == 200 and stream.answer.read() == b"<html>"
    assert server.journal("process.start", box.id)


def test_white_space(server, box):
    server.fault(match={"path": "Start$"}, spaces=True)
    assert box.run("echo hi")[0] == b"hi\n"


@pytest.mark.parametrize("event,where,seen", [
    ("start", "before", 0), ("start", "after", 1), ("data", "inside", 1), ("end", "before", 2),
    ("end", "after", 3), ("eos", "before", 3), ("eos", "after", 4)])
def test_cut_stream(server, box, event, where, seen):
    server.fault(match={"path": "Start$"}, cut={"event": event, "where": where})
    stream = box.start("/bin/echo", "hi")
    with stream, pytest.raises(BROKEN):
        stream.rest()
    assert len(stream.seen) == seen
    assert len(server.journal("process.start", box.id)) == 1


def test_clean_end_without_end_of_stream(server, box):
    server.fault(match={"path": "Start$"}, cut={"event": "eos", "clean": True})
    with box.start("/bin/echo", "hi") as stream:
        assert [flags for flags, _ in stream.rest()] == [0, 0, 0]


def test_error_after_end(server, box):
    server.fault(match={"path": "Start$"}, stream_error={"code": "internal", "message": "odd"})
    with box.start("/bin/true") as stream:
        assert stream.rest()[-1] == (2, {"error": {"code": "internal", "message": "odd"}})


def test_silence(server, box):
    server.fault(match={"path": "Start$"}, silence={"after": 2})
    with box.start("/bin/sh", "-c", "echo 1; sleep 0.3; echo 2") as stream:
        stream.next(), stream.next()
        stream.connection.sock.settimeout(1.5)
        with pytest.raises(socket.timeout):
            stream.rest()
        assert len(stream.seen) == 2
    server.fault(match={"path": "Start$"}, keepalive=False)
    with box.start("/bin/sleep", "1.5", headers={"Keepalive-Ping-Interval": "1"}) as stream:
        assert not any("keepalive" in m.get("event", {}) for _, m in stream.rest())


def test_sandbox_dies(server, box):
    server.fault(match={"path": "Start$", "sandbox": box.id}, die={"seconds": 3})
    stream = box.start("/bin/sleep", "60")
    with stream, pytest.raises(BROKEN):
        stream.rest()
    assert len(stream.seen) == 1
    harness.wait_for(lambda: box.id not in server.sandboxes())
    second = server.create()
    server.fault(match={"path": "Start$"}, die={})
    with second.start("/bin/true") as stream:
        assert stream.status == 502
    third = server.create()
    server.admin("POST", f"/sandboxes/{third.id}/die", {"how": "pause"})
    assert server.sandboxes()[third.id]["state"] == "paused"


def test_match_by_body(server, box):
    server.fault(match={"path": "Start$", "body": "git.*clone"}, answer={"status": 500})
    with box.start("/bin/echo", "x") as stream:
        assert stream.status == 200
    with box.start("/bin/echo", "git", "clone") as stream:
        assert stream.status == 500


def test_misspelt_rules_are_refused(server):
    for rule in ({"matches": {}}, {"match": {"paht": "x"}}, {"cut": {}}, {"close": "yes"},
                 {"match": {"path": "("}}):
        answer = server.call("POST", "/_test/faults", str(rule).replace("'", '"'))
        assert answer.status == 400, rule


def test_journal_names_but_never_tells(server, box):
    box.run("true", envs={"TOKEN": "very-secret"})
    with open(server.admin("GET", "/status")["journal"], encoding="utf-8") as text:
        log = text.read()
    assert '"TOKEN"' in log and "very-secret" not in log and box.token not in log and harness.KEY not in log


def test_tls(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    cert, key = str(tmp_path / "cert"), str(tmp_path / "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    with harness.Server(tmp_path / "s", tls=(cert, key)) as server:
        box = server.create()
        assert box.run("head -c 1000000 /dev/zero")[0] == bytes(1_000_000)
        server.fault(match={"path": "Start$"}, cut={"event": "end"})
        stream = box.start("/bin/true")
        with stream, pytest.raises(BROKEN):
            stream.rest()


def test_decoding_across_characters(server, box):
    """Chunks end where they like: in the middle of a character too."""
    text = "ä" * 40_000
    with box.start("/bin/sh", "-c", f"printf x; yes {text[:50]} | tr -d '\\n' | head -c 100000") as stream:
        events = [m["event"]["data"]["stdout"] for _, m in stream.rest() if "data" in m.get("event", {})]
    whole = b"".join(base64.b64decode(event) for event in events)
    assert len(whole) == 100_001 and whole[1:101] == text[:50].encode()
