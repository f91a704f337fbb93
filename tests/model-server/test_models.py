"""The fake model server by itself: events, steps, errors."""

import http.client
import json
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixture  # noqa: E402

TOOLS = [{"name": "Bash"}]
PROMPT = {"role": "user", "content": "please"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with fixture.ModelServer(tmp_path_factory.mktemp("model")) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(server):
    yield
    server.admin("reset")


def events(body):
    found = []
    for block in body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


def claude(server, *conversation, **more):
    return server.call("POST", "/v1/messages?beta=true", {
        "model": "m", "stream": True, "tools": TOOLS, "messages": list(conversation), **more})


def codex(server, *items, **more):
    return server.call("POST", "/v1/responses", {"model": "m", "stream": True, "input": list(items), **more})


def text_and_tool(found):
    parts = {}
    for event in found:
        delta = event.get("delta", {})
        for name in ("text", "partial_json"):
            parts[name] = parts.get(name, "") + delta.get(name, "")
    return parts["text"], parts["partial_json"], found[-2]["delta"]["stop_reason"]


def test_messages(server):
    status, headers, body = claude(server, PROMPT)
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    found = events(body)
    assert found[0]["type"] == "message_start" and found[-1] == {"type": "message_stop"}
    text, tool, stop = text_and_tool(found)
    assert text == "I will create a file." and "hello.txt" in json.loads(tool)["command"]
    assert stop == "tool_use"
    text, tool, stop = text_and_tool(events(claude(server, PROMPT, CALL, RESULT)[2]))
    assert (text, tool, stop) == ("I created hello.txt.", "", "end_turn")
    again = claude(server, PROMPT, CALL, RESULT, {"role": "assistant", "content": "x"}, PROMPT)
    assert text_and_tool(events(again[2]))[2] == "tool_use"


def test_messages_without_stream_or_tools(server):
    message = json.loads(claude(server, PROMPT, stream=False)[2])
    assert message["content"][1]["type"] == "tool_use"
    message = json.loads(claude(server, PROMPT, stream=False, tools=[])[2])
    assert [block["type"] for block in message["content"]] == ["text"]
    assert server.call("HEAD", "/")[0] == 200
    assert json.loads(server.call("POST", "/v1/messages/count_tokens", {})[2])["input_tokens"]


def test_responses(server):
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "please"}]}
    found = events(codex(server, user)[2])
    assert [e["type"] for e in found] == ["response.created", "response.output_item.done",
                                          "response.output_item.done", "response.completed"]
    call = found[2]["item"]
    assert call["name"] == "exec_command" and "hello.txt" in json.loads(call["arguments"])["cmd"]
    found = events(codex(server, user, call, {"type": "function_call_output", "output": "ok"})[2])
    assert [e["item"]["type"] for e in found if "item" in e] == ["message"]
    assert server.call("GET", "/v1/responses", headers={"Upgrade": "websocket"})[0] == 404


def test_scripts_by_prompt(server):
    server.admin("script", [{"prompt": "two", "steps": [{"tool": {"command": "a"}}, {"tool": {"command": "b"}},
                                                        {"text": "end"}]},
                            {"steps": [{"text": "other"}]}])
    two = {"role": "user", "content": "two"}

    def said(*more):
        return text_and_tool(events(claude(server, *more)[2]))

    assert json.loads(said(two)[1])["command"] == "a"
    assert json.loads(said(two, CALL, RESULT)[1])["command"] == "b"
    assert said(two, CALL, RESULT, CALL, RESULT)[0] == "end"
    assert said(PROMPT)[0] == "other"
    assert server.call("POST", "/_test/script", {"steps": [{}]})[0] == 400


@pytest.mark.parametrize("status,kind", [(401, "authentication_error"), (429, "rate_limit_error"),
                                         (529, "overloaded_error")])
def test_errors(server, status, kind):
    server.admin("faults", {"path": "messages", "status": status, "headers": {"retry-after": "1"}})
    got, headers, body = claude(server, PROMPT)
    assert got == status and headers["retry-after"] == "1"
    assert json.loads(body)["error"]["type"] == kind
    assert claude(server, PROMPT)[0] == 200
    server.admin("faults", {"path": "responses", "status": 429, "code": "insufficient_quota"})
    assert json.loads(codex(server)[2])["error"]["code"] == "insufficient_quota"


def test_slow_cut_closed_and_silent(server):
    server.admin("faults", {"pause": 0.0001})
    assert len(events(claude(server, PROMPT)[2])) > 5
    server.admin("faults", {"cut": 3})
    assert len(events(claude(server, PROMPT)[2])) == 3
    server.admin("faults", {"close": True})
    with pytest.raises((http.client.HTTPException, OSError)):
        claude(server, PROMPT)
    server.admin("faults", {"hang": True})
    began = time.monotonic()
    with pytest.raises(OSError):
        server.call("POST", "/v1/messages", {}, timeout=1)
    assert time.monotonic() - began >= 1


def test_keys_and_journal(tmp_path):
    log = tmp_path / "log"
    with fixture.ModelServer(tmp_path, "--key", "sk-good", "--journal", str(log)) as server:
        assert claude(server, PROMPT)[0] == 401
        body = {"model": "m", "messages": [PROMPT]}
        assert server.call("POST", "/v1/messages", body, {"x-api-key": "sk-good"})[0] == 200
        assert server.call("POST", "/v1/responses", {}, {"Authorization": "Bearer sk-good"})[0] == 200
        keys = [entry["key"] for entry in server.journal()]
        assert keys[0] is None and keys[1] == keys[2]
    assert "sk-good" not in log.read_text() and len(log.read_text().splitlines()) == 3
