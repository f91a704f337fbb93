"""The server's protocol, looked at without any SDK."""

import base64
import concurrent.futures
import gzip
import json
import os
import socket
import sys
import time
import urllib.parse

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import connect_rpc  # noqa: E402
import harness  # noqa: E402
from files import sign  # noqa: E402
from harness import KEY, OTHER_KEY, Box, envelope, envelopes  # noqa: E402


@pytest.fixture(scope="module", params=["auto", "none"])
def server(request, tmp_path_factory):
    with harness.Server(tmp_path_factory.mktemp("e2b"), "--isolation", request.param) as running:
        yield running
        assert not running.journal("server.error")


@pytest.fixture()
def box(server):
    made = server.create()
    yield made
    server.api("DELETE", f"/sandboxes/{made.id}")


@pytest.fixture(autouse=True)
def clean(server):
    yield
    server.admin("POST", "/reset")


def wait_for(check, seconds=10):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# Envelopes

def test_decoder_at_every_byte():
    message = {"event": {"data": {"stdout": base64.b64encode(bytes(range(256))).decode()}}}
    data = envelope(message) + envelope({}, 2)
    for at in range(len(data) + 1):
        decoder = connect_rpc.Decoder()
        found = decoder.feed(data[:at]) + decoder.feed(data[at:])
        assert [flags for flags, _ in found] == [0, 2] and decoder.rest == 0
        assert json.loads(found[0][1]) == message
    decoder, found = connect_rpc.Decoder(), []
    for byte in data:
        found += decoder.feed(bytes([byte]))
    assert len(found) == 2


def test_stream_in_single_bytes(server, box):
    """The request in bytes, and the answer too: boundaries mean nothing."""
    server.fault(match={"path": "Start$"}, split={"size": 1})
    body = envelope({"process": {"cmd": "/bin/echo", "args": ["hi"]}, "stdin": False})
    head = f"POST /process.Process/Start HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" \
           f"Content-Type: application/connect+json\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in box.headers().items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head.encode() + body:
            sock.sendall(bytes([byte]))
        answer = b"".join(iter(lambda: sock.recv(1), b""))
    assert b"200 OK" in answer and answer.endswith(b"0\r\n\r\n")
    assert base64.b64encode(b"hi\n") in answer.replace(b"\r\n1\r\n", b"")


def test_malformed_streams_are_errors_inside(server, box):
    def first(body):
        answer = box.call("POST", "/process.Process/Start", body,
                          {"Content-Type": "application/connect+json"})
        assert answer.status == 200
        found, rest = envelopes(answer.body)
        assert not rest and found[-1][0] == 2
        return found[-1][1]["error"]["code"]

    good = envelope({"process": {"cmd": "/bin/true"}})
    assert first(b"") == first(good[:-1]) == first(b"\0\0") == "invalid_argument"
    assert first(good + good) == "unimplemented"
    assert first(envelope(b"{]")) == first(envelope([1])) == "invalid_argument"


def test_wrong_content_type_and_method(box):
    answer = box.call("POST", "/process.Process/Start", "{}", {"Content-Type": "application/json"})
    assert answer.status == 415 and "Accept-Post" in answer.headers
    assert box.call("GET", "/process.Process/List").status == 405
    answer = box.call("POST", "/process.Process/List", "", {"Content-Type": "application/json"})
    assert answer.status == 400 and answer.json["code"] == "invalid_argument"
    answer = box.rpc("List", headers={"Connect-Protocol-Version": "2"})
    assert answer.json["code"] == "invalid_argument"
    packed = box.rpc("List", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(packed.body) == b"{}"


# Processes

def test_events_and_defaults(box):
    with box.start("/bin/sh", "-c", "echo out; echo err >&2") as stream:
        seen = stream.rest()
    kinds = [list(message.get("event", {"eos": 0}))[0] for _, message in seen]
    assert kinds[0] == "start" and kinds[-2:] == ["end", "eos"] and kinds.count("data") == 2
    assert seen[-2][1]["event"]["end"] == {"exited": True, "status": "exit status 0"}
    assert seen[-1] == (2, {})
    assert box.run("exit 3")[2] == {"exitCode": 3, "exited": True, "status": "exit status 3",
                                    "error": "exit status 3"}
    assert box.rpc("List").body == b"{}"


def test_missing_program_is_127(box):
    with box.start("/no/such") as stream:
        _, err, end = stream.result()
    assert end["exitCode"] == 127 and b"not found" in err


def test_start_errors_come_inside(box):
    for more, code in (({"cwd": "/nowhere"}, "invalid_argument"),
                       ({"headers": {"Authorization": "Basic " + base64.b64encode(b"ghost:").decode()}},
                        "unauthenticated")):
        with box.start("/bin/true", **more) as stream:
            assert stream.status == 200
            flags, message = stream.next()
        assert flags == 2 and message["error"]["code"] == code


def test_environment_and_cwd(server, box):
    made = Box(server, server.api("POST", "/v2/sandboxes", {
        "templateID": "base", "envVars": {"A": "1", "B": "2", "E2B_SANDBOX": "no"}}).json)
    out, _, _ = made.run("env", envs={"B": "3"}, cwd="/tmp")
    env = dict(line.split("=", 1) for line in out.decode().splitlines() if "=" in line)
    assert env["A"] == "1" and env["B"] == "3" and env["E2B_SANDBOX"] == "true"
    assert env["USER"] == "user" and env["HOME"].endswith("/home/user")
    assert env["PWD"].endswith("/tmp") and env["E2B_SANDBOX_ID"] == made.id
    assert "E2B_API_KEY" not in env
    started = server.journal("process.start", made.id)[-1]
    assert started["env"] == ["B"] and "3" not in json.dumps(started["env"])


def test_several_megabytes(box):
    out, err, end = box.run("head -c 5000000 /dev/urandom | tee copy; head -c 3000000 copy >&2")
    assert len(out) == 5_000_000 and err == out[:3_000_000] and end["exited"]


def test_slow_reader_stops_the_process(box):
    """Back-pressure: a listener that does not read keeps the writer from going on."""
    with box.start("/bin/sh", "-c", "head -c 20000000 /dev/zero; echo done > done") as stream:
        stream.pid()
        time.sleep(1)
        assert box.call("GET", "/files?path=done").status == 404
        assert len(stream.result()[0]) == 20_000_000
    assert box.call("GET", "/files?path=done").status == 200


def test_output_without_listener_is_dropped(box):
    with box.start("/bin/sh", "-c", "read x; head -c 9000000 /dev/zero; echo end > mark; read y; echo late",
                   stdin=True) as stream:
        pid = stream.pid()
    box.rpc("SendInput", {"process": {"pid": pid}, "input": {"stdin": "Cg=="}})
    wait_for(lambda: box.call("GET", "/files?path=mark").status == 200)
    with box.stream("Connect", {"process": {"pid": pid}}) as again:
        assert again.pid() == pid
        box.rpc("SendInput", {"process": {"pid": pid}, "input": {"stdin": "Cg"}})
        assert again.result()[0] == b"late\n"


def test_two_listeners_hear_the_same(box):
    with box.start("/bin/cat", stdin=True) as first:
        pid = first.pid()
        with box.stream("Connect", {"process": {"pid": pid}}) as second:
            assert second.pid() == pid
            box.rpc("SendInput", {"process": {"pid": pid}, "input": {"stdin": "aGkK"}})
            assert box.rpc("CloseStdin", {"process": {"pid": pid}}).body == b"{}"
            assert first.result() == second.result()
        assert box.rpc("CloseStdin", {"process": {"pid": pid}}).status == 404


def test_signals(box):
    with box.start("/bin/sleep", "100") as stream:
        pid = stream.pid()
        answer = box.rpc("SendSignal", {"process": {"pid": pid}, "signal": 2})
        assert answer.status == 501 and answer.json["code"] == "unimplemented"
        assert box.rpc("SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGTERM"}).status == 200
        assert stream.result()[2] == {"exitCode": -1, "status": "signal: terminated",
                                      "error": "signal: terminated"}
    answer = box.rpc("SendSignal", {"process": {"pid": pid}, "signal": 9})
    assert answer.status == 404 and answer.json["code"] == "not_found"


def test_signal_reaches_one_pid_only(server, box):
    with box.start("/bin/bash", "-c", "sleep 301; echo never") as stream:
        pid = stream.pid()
        wait_for(lambda: "sleep" in inside(server, box))
        box.rpc("SendSignal", {"process": {"pid": pid}, "signal": 9})
        assert stream.result()[2]["status"] == "signal: killed"  # though sleep holds the pipes
    assert "sleep" in inside(server, box)


def inside(server, box):
    return [entry["argv"][0].rpartition("/")[2] for entry in server.sandboxes()[box.id]["inside"]
            if entry["argv"]]


def test_end_waits_for_the_pipes(box):
    began = time.monotonic()
    out, _, _ = box.run("(sleep 1; echo child) & echo parent")
    assert out == b"parent\nchild\n" and time.monotonic() - began >= 1


def test_connect_timeout_kills(server, box):
    with box.start("/bin/sleep", "100", headers={"Connect-Timeout-Ms": "700"}) as stream:
        pid = stream.pid()
        flags, message = stream.rest()[-1]
        assert flags == 2 and message["error"]["code"] == "deadline_exceeded"
    wait_for(lambda: not server.sandboxes()[box.id]["inside"])
    with box.start("/bin/sleep", "100", headers={"Connect-Timeout-Ms": "700"}) as stream:
        pid = stream.pid()  # and gone: the deadline holds all the same
    wait_for(lambda: box.rpc("List").body == b"{}")
    with box.stream("Connect", {"process": {"pid": pid}}) as late:
        assert late.result()[2]["status"] == "signal: killed"


def test_connect_timeout_on_attach_ends_the_stream_only(box):
    with box.start("/bin/sleep", "100") as stream:
        pid = stream.pid()
    with box.stream("Connect", {"process": {"pid": pid}}, {"Connect-Timeout-Ms": "300"}) as again:
        assert again.rest()[-1][1]["error"]["code"] == "deadline_exceeded"
    assert box.rpc("List").json["processes"][0]["pid"] == pid


def test_result_is_kept_30_s(server, box):
    with box.start("/bin/sh", "-c", "exit 9") as stream:
        pid = stream.pid()
        stream.rest()
    with box.stream("Connect", {"process": {"pid": pid}}) as late:
        assert [m for _, m in late.rest()][1]["event"]["end"]["exitCode"] == 9
    server.admin("POST", "/clock", {"advance": 31})
    with box.stream("Connect", {"process": {"pid": pid}}) as gone:
        assert gone.next()[1]["error"] == {"code": "not_found",
                                           "message": f"process with pid {pid} not found"}


def test_keepalive(box):
    with box.start("/bin/sleep", "2.5", headers={"Keepalive-Ping-Interval": "1"}) as stream:
        kinds = [list(message.get("event", {"eos": 0}))[0] for _, message in stream.rest()]
    assert kinds[0] == "start" and kinds.count("keepalive") == 2 and kinds[-2:] == ["end", "eos"]


def test_keepalive_zero_panics(server, box):
    with pytest.raises(Exception):
        with box.start("/bin/true", headers={"Keepalive-Ping-Interval": "0"}) as stream:
            stream.rest()
    wait_for(lambda: box.id not in server.sandboxes())
    assert server.journal("envd.panic", box.id)


def test_tags_are_searched_badly(box):
    with box.start("/bin/sleep", "9", tag="one") as first, box.start("/bin/sleep", "9", tag="two") as second:
        pids = {first.pid(): "one", second.pid(): "two"}
        assert {p["pid"]: p["tag"] for p in box.rpc("List").json["processes"]} == pids
        with box.stream("Connect", {"process": {"tag": "two"}}) as stream:
            assert stream.next()[1]["error"]["code"] == "not_found"


def test_pty(box):
    message = {"process": {"cmd": "/bin/sh", "args": ["-c", "stty size; read x; echo got $x"]},
               "pty": {"size": {"rows": 33, "cols": 99}}}
    with box.stream("Start", message) as stream:
        pid = stream.pid()
        box.rpc("SendInput", {"process": {"pid": pid}, "input": {"pty": "aGkK"}})
        out = stream.result()[0]
    assert b"33 99" in out and b"got hi" in out


def test_big_arguments(box):
    words = ["x" * 100_000 for _ in range(10)]
    with box.start("/bin/sh", "-c", 'printf %s "$@" | wc -c', "sh", *words) as stream:
        assert stream.result()[0].strip() == b"1000000"


# Files

def test_files_up_and_down(server, box):
    data = os.urandom(3_000_000)
    answer = box.call("POST", "/files?path=deep/down/o.bin", data,
                      {"Content-Type": "application/octet-stream"})
    assert answer.status == 200 and not answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == [{"path": "/home/user/deep/down/o.bin", "name": "o.bin", "type": "file"}]
    answer = box.call("GET", "/files?path=deep/down/o.bin")
    assert answer.body == data and "Last-Modified" in answer.headers
    zipped = box.call("GET", "/files?path=deep/down/o.bin", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.body) == data
    box.call("POST", "/files?path=z", gzip.compress(b"unzipped"), {
        "Content-Type": "application/octet-stream", "Content-Encoding": "gzip"})
    assert box.call("GET", "/files?path=~/z").body == b"unzipped"
    assert [e["size"] for e in server.journal("file.write", box.id)] == [3_000_000, 8]


@pytest.mark.parametrize("span,status,want", [
    ("bytes=0-3", 206, b"0123"), ("bytes=5-", 206, b"56789"), ("bytes=-2", 206, b"89"),
    ("bytes=8-99", 206, b"89"), ("bytes=10-", 416, None), ("bytes=-0", 416, None)])
def test_range(box, span, status, want):
    box.call("POST", "/files?path=r", b"0123456789", {"Content-Type": "application/octet-stream"})
    answer = box.call("GET", "/files?path=r", headers={"Range": span})
    assert answer.status == status
    if want is not None:
        assert answer.body == want and answer.headers["Content-Range"].endswith("/10")


def test_multipart(box):
    parts = b"".join(b"--XX\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n%s\r\n"
                     % part for part in ((b"file", b"/tmp/a", b"A\r\n--X"), (b"other", b"b", b"B"),
                                         (b"file", b"c.txt", b"")))
    kind = {"Content-Type": "multipart/form-data; boundary=XX"}
    answer = box.call("POST", "/files", parts + b"--XX--\r\n", kind)
    assert [entry["path"] for entry in answer.json] == ["/tmp/a", "/home/user/c.txt"]
    assert box.call("GET", "/files?path=/tmp/a").body == b"A\r\n--X"
    assert box.call("POST", "/files", parts, kind).status == 400
    assert box.call("POST", "/files?path=same", parts + b"--XX--", kind).status == 400


def test_file_errors(box):
    assert box.call("GET", "/files?path=/nope").json == {"code": 404, "message": "path '/nope' does not exist"}
    assert box.call("GET", "/files?path=/tmp").status == 400
    assert box.call("GET", "/files?path=~other/x").status == 400
    assert box.call("GET", "/files?path=x&username=ghost").status == 401
    assert box.call("POST", "/files?path=x", b"a", {"Content-Type": "text/plain"}).status == 400


def test_signatures(server, box):
    assert sign("hello.txt", "read", "", "tok") == "v1_dEkXrS/Y6p/Op9rMpEpzXeRJ5bBL0LYkjrRJr9/Zz44"
    box.call("POST", "/files?path=s", b"signed", {"Content-Type": "application/octet-stream"})
    bare = {"E2b-Sandbox-Id": box.id, "E2b-Sandbox-Port": "49983"}

    def get(expiration, token=box.token, **headers):
        query = urllib.parse.urlencode({"path": "s", "signature_expiration": expiration,
                                        "signature": sign("s", "read", "", token, expiration)})
        return server.call("GET", f"/files?{query}", headers={**bare, **headers}).status

    soon = str(int(time.time()) + 60)
    assert get(soon) == 200 and get("1") == 401 and get(soon, "other") == 401
    assert get(soon, **{"X-Access-Token": "wrong"}) == 401
    assert server.call("GET", "/files?path=s", headers=bare).status == 401


def test_filesystem_calls(box):
    def call(name, **fields):
        return box.rpc(f"filesystem.Filesystem/{name}", fields)

    box.call("POST", "/files?path=f", b"12345678", {"Content-Type": "application/octet-stream"})
    entry = call("Stat", path="f").json["entry"]
    assert entry["size"] == "8" and entry["mode"] == 0o644 and entry["type"] == "FILE_TYPE_FILE"
    assert call("Stat", path="nope").json["code"] == "not_found"
    assert call("MakeDir", path="d/e").status == 200
    assert call("MakeDir", path="d/e").status == 409 and call("MakeDir", path="f").status == 400
    assert call("Move", source="f", destination="d/new/g").json["entry"]["path"] == "/home/user/d/new/g"
    names = [e["name"] for e in call("ListDir", path="d", depth=2).json["entries"]]
    assert sorted(names) == ["e", "g", "new"]
    box.run("ln -s /etc/passwd d/link; : > empty")
    assert call("Stat", path="d/link").json["entry"]["symlinkTarget"] == "/etc/passwd"
    assert "size" not in call("Stat", path="empty").json["entry"]
    assert call("Remove", path="d").body == call("Remove", path="d").body == b"{}"
    assert call("ListDir", path="d").status == 404 and call("ListDir", path="empty").status == 400


# Control plane

def test_authentication(server, box):
    for key, text in ((None, "missing"), ("nope", "malformed"), ("e2b_xyz", "malformed"),
                      ("e2b_abc", "Invalid API key")):
        answer = server.api("GET", "/v2/sandboxes", key=key)
        assert answer.status == answer.json["code"] == 401 and text in answer.json["message"]
    answer = server.api("GET", f"/sandboxes/{box.id}", key=OTHER_KEY)
    assert answer.status == answer.json["code"] == 404
    wrong = box.rpc("List", headers={"X-Access-Token": "0" * 64})
    assert wrong.status == wrong.json["code"] == 401
    with box.start("/bin/true", headers={"X-Access-Token": ""}) as stream:
        assert stream.status == 401
    assert server.journal("envd.unauthorized", box.id)
    assert box.call("GET", "/health", headers={"X-Access-Token": ""}).status == 204


@pytest.mark.parametrize("fields,status", [
    ({}, 201), ({"timeout": 0}, 400), ({"timeout": 86401}, 400), ({"timeout": "x"}, 400),
    ({"templateID": "nope"}, 404), ({"templateID": "Base:default "}, 201), ({"templateID": "a b"}, 400),
    ({"templateID": 5}, 400), ({"metadata": {"a": 1}}, 400), ({"unknown": 1}, 201),
    ({"autoPauseMemory": False}, 400), ({"network": {"allowPublicTraffic": False}}, 201)])
def test_create_checks(server, fields, status):
    answer = server.api("POST", "/v2/sandboxes", {"templateID": "base", **fields})
    assert answer.status == status
    if status >= 400:
        assert answer.json["code"] == status and answer.json["message"]
    elif "network" in fields:
        assert answer.json["trafficAccessToken"]


def test_versions_and_defaults(server):
    def left(path, body):
        made = server.api("POST", path, {"templateID": "base", **body})
        return made.json, server.sandboxes()[made.json["sandboxID"]]["left"]

    old, seconds = left("/sandboxes", {})
    assert "envdAccessToken" not in old and 10 < seconds <= 15
    assert left("/sandboxes", {"secure": True})[0]["envdAccessToken"]
    assert 290 < left("/v2/sandboxes", {})[1] <= 300
    server.admin("POST", "/settings", {"hide_versions": ["v2"]})
    answer = server.api("POST", "/v2/sandboxes", {"templateID": "base"})
    assert answer.status == 404 and "template" not in answer.json["message"]
    assert server.api("POST", "/sandboxes", {"templateID": "base"}).status == 201


def test_bad_requests_have_json(server):
    for method, path, status in (("GET", "/sandboxes/UPPER", 400), ("GET", "/sandboxes/inone", 404),
                                 ("GET", "/nothing", 404), ("DELETE", "/sandboxes/inone", 404)):
        answer = server.api(method, path)
        assert answer.status == answer.json["code"] == status and answer.json["message"]
    answer = server.call("POST", "/v2/sandboxes", "{", {"X-API-Key": KEY})
    assert answer.status == answer.json["code"] == 400
    assert server.raw(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_chunked_request(server):
    raw = server.raw(f"POST /v2/sandboxes HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nConnection: close\r\n"
                     "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
                     "3\r\n{\"t\r\n16;ext=1\r\nemplateID\":   \"base\" }\r\n0\r\nTrailer: x\r\n\r\n".encode())
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")


def test_timeouts(server, box):
    def left():
        return server.sandboxes()[box.id]["left"]

    at = f"/sandboxes/{box.id}"
    assert server.api("POST", at + "/timeout", {"timeout": 30}).status == 204 and left() <= 30
    assert server.api("POST", at + "/timeout", {"timeout": -1}).status == 400
    assert server.api("POST", at + "/timeout", {"timeout": 10 ** 9}).status == 204
    assert left() <= 24 * 3600
    server.api("POST", at + "/timeout", {"timeout": 30})
    assert server.api("POST", at + "/refreshes").status == 204 and 20 < left() <= 30
    assert server.api("POST", at + "/refreshes", {"duration": 100}).status == 204 and left() > 90
    assert server.api("POST", f"/v2{at}/connect", {"timeout": 10}).status == 200 and left() > 90
    server.admin("POST", "/clock", {"advance": 200})
    wait_for(lambda: box.id not in server.sandboxes())
    assert server.journal("sandbox.kill", box.id)[0]["reason"] == "timeout"
    assert server.api("POST", at + "/timeout", {"timeout": 1}).status == 404


def test_death_cuts_streams_and_kills_all(server, box):
    with box.start("/bin/bash", "-c", "setsid sleep 302 & sleep 302") as stream:
        stream.pid()
        wait_for(lambda: inside(server, box).count("sleep") == 2)
        pids = [entry["pid"] for entry in server.sandboxes()[box.id]["inside"]]
        assert server.api("DELETE", f"/sandboxes/{box.id}").status == 204
        with pytest.raises(Exception):
            stream.rest()
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)
    assert server.api("DELETE", f"/sandboxes/{box.id}").json["code"] == 404
    answer = box.call("GET", "/health")
    assert answer.status == 502 and answer.json == {
        "sandboxId": box.id, "message": "The sandbox was not found", "code": 502}


def test_pause_and_connect(server, box):
    at = f"/sandboxes/{box.id}"
    with box.start("/bin/bash", "-c", "i=0; while :; do echo $((i+=1)) > n.new; mv n.new n; sleep 0.02; done") as stream:
        pid = stream.pid()
        wait_for(lambda: box.call("GET", "/files?path=n").status == 200)
        assert server.api("POST", at + "/pause").status == 204
        with pytest.raises(Exception):
            stream.rest()
    assert server.api("POST", at + "/pause", {}).json["code"] == 409
    assert box.call("GET", "/health").status == 502
    assert server.api("GET", at).json["state"] == "paused"
    assert server.api("POST", at + "/timeout", {"timeout": 5}).status == 404
    states = {entry["state"] for entry in server.sandboxes()[box.id]["inside"]}
    assert states == {"T"}
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: server.api("POST", f"/v2{at}/connect", {"timeout": 50}), range(5)))
    assert 201 in {a.status for a in answers} and {a.status for a in answers} <= {200, 201}
    assert {a.json["envdAccessToken"] for a in answers} == {box.token}
    assert len(server.journal("sandbox.resume", box.id)) == 1
    assert [p["pid"] for p in box.rpc("List").json["processes"]] == [pid]
    before = box.call("GET", "/files?path=n").body
    wait_for(lambda: box.call("GET", "/files?path=n").body != before)
    assert server.api("POST", at + "/resume").status == 409


def test_pause_without_memory(server, box):
    at = f"/sandboxes/{box.id}"
    box.run("echo kept > file; sleep 300 </dev/null >/dev/null 2>&1 &")
    assert server.api("POST", at + "/pause", {"memory": False}).status == 204
    assert server.api("POST", at + "/resume").status == 201
    assert box.call("GET", "/files?path=file").body == b"kept\n"
    assert not server.sandboxes()[box.id]["inside"] and box.rpc("List").body == b"{}"


def test_auto_pause_and_auto_resume(server):
    box = server.create(autoPause=True, autoResume={"enabled": True}, timeout=20)
    server.admin("POST", "/clock", {"advance": 21})
    wait_for(lambda: server.sandboxes()[box.id]["state"] == "paused")
    assert box.call("GET", "/health", headers={"X-Access-Token": "no"}).status == 403
    assert box.call("GET", "/health").status == 204
    assert server.sandboxes()[box.id]["left"] > 290


def test_list(server):
    boxes = [server.create(metadata={"run": str(i % 2), "k y&=": "v/ä +%"}).id for i in range(5)]
    server.api("POST", f"/sandboxes/{boxes[0]}/pause")

    def pages(query):
        found, token = [], ""
        while True:
            answer = server.api("GET", f"/v2/sandboxes?{query}{token}")
            assert answer.status == 200, answer.body
            found += [item["sandboxID"] for item in answer.json]
            if not answer.headers.get("X-Next-Token"):
                return found, answer
            token = "&nextToken=" + urllib.parse.quote(answer.headers["X-Next-Token"])

    newest = boxes[::-1]
    assert pages("limit=2")[0] == newest and pages("")[0] == newest
    assert pages("limit=2&order=asc")[0] == boxes
    found, answer = pages("metadata=run%3D0&state=running&limit=1")
    assert found == [boxes[4], boxes[2]] and answer.headers["X-Total-Running"] == "2"
    found, answer = pages("state=paused")
    assert found == [boxes[0]] and "X-Total-Running" not in answer.headers
    quote = urllib.parse.quote
    pair = quote(quote("k y&=", ""), "") + "=" + quote(quote("v/ä +%", ""), "")
    assert pages("metadata=" + quote(pair + "&run=1", ""))[0] == [boxes[3], boxes[1]]
    for bad in ("limit=0", "limit=101", "metadata=", "metadata=a", "nextToken=x", "state=x", "order=x"):
        assert server.api("GET", f"/v2/sandboxes?{bad}").json["code"] == 400
    assert len(server.api("GET", "/sandboxes").json) == 4
    assert server.api("GET", "/v2/sandboxes", key=OTHER_KEY).json == []


def test_quota(server):
    server.admin("POST", "/settings", {"max_sandboxes": 1})
    first = server.create()
    answer = server.api("POST", "/v2/sandboxes", {"templateID": "base"})
    assert answer.status == 429 and "maximum number of concurrent" in answer.json["message"]
    assert "Retry-After" not in answer.headers
    server.api("POST", f"/sandboxes/{first.id}/pause")
    second = server.create()
    assert server.api("POST", f"/v2/sandboxes/{first.id}/connect").status == 429
    server.api("DELETE", f"/sandboxes/{second.id}")
    assert server.api("POST", f"/v2/sandboxes/{first.id}/connect").status == 201


def test_routing(server, box):
    def get(host, **headers):
        return server.call("GET", "/health", headers={"Host": host, **headers})

    assert get(f"49983-{box.id}.e2b.app").status == 204
    assert get(f"3000-{box.id}.e2b.app").json["port"] == 3000
    assert get("sandbox.e2b.app").status == 400
    assert get("sandbox.e2b.app", **box.headers()).status == 204
    assert get("127.0.0.1", **{"E2b-Sandbox-Id": box.id}).status == 400
    assert box.call("POST", "/init").json["code"] == 404


def test_shutdown_leaves_nothing(tmp_path):
    with harness.Server(tmp_path) as server:
        box = server.create()
        box.run("setsid sleep 303 </dev/null >/dev/null 2>&1 &")
        pids = [entry["pid"] for entry in server.sandboxes()[box.id]["inside"]]
        folder = server.sandboxes()[box.id]["folder"]
    assert pids and not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)
    assert server.process.returncode == 0 and not os.path.exists(folder)


@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_killed_server_leaves_no_process(tmp_path, isolation):
    with harness.Server(tmp_path, "--isolation", isolation) as server:
        box = server.create()
        with box.start("/bin/sleep", "304") as stream:
            stream.pid()
            pids = [entry["pid"] for entry in server.sandboxes()[box.id]["inside"]]
            server.process.kill()
            server.process.wait()
    assert pids
    if isolation == "none" or server.ready["isolation"] == "bwrap":
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids))
