"""The control plane: create, list, lifetimes, pause, kill; what is left at the end."""

import concurrent.futures
import os
import signal
import urllib.parse

import pytest

import harness
from harness import KEY, OTHER_KEY, inside, wait_for


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
    assert "envdAccessToken" not in old and 0 < seconds <= 15
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
    assert server.api("POST", at + "/refreshes").status == 204 and 0 < left() <= 30
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
    wait_for(lambda: {entry["state"] for entry in server.sandboxes()[box.id]["inside"]} == {"T"})
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
    server.admin("POST", "/settings", {"page_size": 1})
    assert pages("limit=2")[0] == newest
    server.admin("POST", "/settings", {"page_size": 100})
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


def test_server_killed_with_words_unread_leaves_no_process(tmp_path):
    """What the guest had told it then comes back to the guest as an error."""
    with harness.Server(tmp_path, "--isolation", "none") as server:
        box = server.create()
        with box.start("/bin/sleep", "304") as one, box.start("/bin/sleep", "304") as other:
            one.pid()
            other.pid()
            pids = [entry["pid"] for entry in server.sandboxes()[box.id]["inside"]]
            os.kill(server.process.pid, signal.SIGSTOP)
            os.kill(pids[0], signal.SIGKILL)
            wait_for(lambda: not os.path.exists(f"/proc/{pids[0]}"))
            server.process.kill()
            server.process.wait()
    assert len(pids) == 2
    wait_for(lambda: not os.path.exists(f"/proc/{pids[1]}/exe"))
