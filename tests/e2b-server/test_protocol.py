"""envd's side of the protocol, looked at without any SDK."""

import base64
import gzip
import json
import os
import socket
import time
import urllib.parse

import pytest

import connect_rpc
from files import sign
from harness import Box, envelope, envelopes, inside, wait_for


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


def test_end_waits_for_the_pipes(box):
    began = time.monotonic()
    out, _, _ = box.run("(sleep 1; echo child) & echo parent")
    assert out == b"parent\nchild\n" and time.monotonic() - began >= 1


def test_connect_timeout_kills(server, box):
    with box.start("/bin/sleep", "100", headers={"Connect-Timeout-Ms": "8000"}) as stream:
        pid = stream.pid()
        flags, message = stream.rest()[-1]
        assert flags == 2 and message["error"]["code"] == "deadline_exceeded"
    wait_for(lambda: not server.sandboxes()[box.id]["inside"])
    with box.start("/bin/sleep", "100", headers={"Connect-Timeout-Ms": "8000"}) as stream:
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
    with box.start("/bin/cat", stdin=True, headers={"Keepalive-Ping-Interval": "1"}) as stream:
        pid = stream.pid()
        for _ in range(2):
            assert "keepalive" in stream.next()[1]["event"]
        assert box.rpc("CloseStdin", {"process": {"pid": pid}}).body == b"{}"
        kinds = [list(message.get("event", {"eos": 0}))[0] for _, message in stream.rest()]
    assert kinds[0] == "start" and set(kinds[1:-2]) == {"keepalive"} and kinds[-2:] == ["end", "eos"]


def test_keepalive_zero_panics(server, box):
    with pytest.raises(Exception):
        with box.start("/bin/true", headers={"Keepalive-Ping-Interval": "0"}) as stream:
            stream.rest()
    wait_for(lambda: box.id not in server.sandboxes())
    assert server.journal("envd.panic", box.id)


def test_tags_are_searched_badly(box):
    with box.start("/bin/sleep", "300", tag="one") as first, box.start("/bin/sleep", "300", tag="two") as second:
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


@pytest.mark.parametrize("span", ["bytes=0-9", "bytes=5-", "bytes=-1"])
def test_range_of_an_empty_file(box, span):
    """As Go's http.ServeContent: it is the whole file, not a part that is not there."""
    box.call("POST", "/files?path=r", b"", {"Content-Type": "application/octet-stream"})
    answer = box.call("GET", "/files?path=r", headers={"Range": span})
    assert (answer.status, answer.body) == (200, b"")


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
