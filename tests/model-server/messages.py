"""Anthropic's Messages API as Claude Code uses it: requests, events, errors."""

import itertools
import json

import script

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
         404: "not_found_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
numbers = itertools.count(1)


def blocks(message):
    content = message.get("content", [])
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def is_result(message):
    return any(block.get("type") == "tool_result" for block in blocks(message))


def progress(body):
    """(the user's words, how many tool results came since)."""
    results = 0
    for message in reversed(body.get("messages", [])):
        if message.get("role") != "user":
            continue
        if not is_result(message):
            return "\n".join(b.get("text", "") for b in blocks(message)), results
        results += 1
    return "", results


def content_of(step):
    content = []
    if step.get("text"):
        content.append({"type": "text", "text": step["text"]})
    tool = step.get("tool")
    if tool:
        given = tool.get("input") or {"command": tool["command"], "description": "scripted"}
        content.append({"type": "tool_use", "id": f"toolu_{next(numbers)}",
                        "name": tool.get("name", "Bash"), "input": given})
    return content


def message_of(body, step):
    return {"id": f"msg_{next(numbers)}", "type": "message", "role": "assistant",
            "model": body.get("model", ""), "content": content_of(step),
            "stop_reason": "tool_use" if step.get("tool") else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 100, "cache_creation_input_tokens": 10,
                      "cache_read_input_tokens": 20, "output_tokens": 25}}


def answer(body, scripts):
    """(the whole message, its events as [(name, data)])."""
    prompt, results = progress(body)
    # A request without tools is about titles and the like, never a step of the work.
    step = script.step_of(script.choose(scripts, prompt), results) if body.get("tools") else {
        "text": "A scripted title"}
    message = message_of(body, step)
    return message, events_of(message)


def events_of(message):
    usage = {**message["usage"], "output_tokens": 1}
    events = [{"type": "message_start", "message": {**message, "content": [], "stop_reason": None,
                                                    "usage": usage}}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            start, deltas = {**block, "text": ""}, [
                {"type": "text_delta", "text": part} for part in halves(block["text"])]
        else:
            start, deltas = {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": part}
                for part in halves(json.dumps(block["input"]))]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "usage": {"output_tokens": 25}, "delta": {
        "stop_reason": message["stop_reason"], "stop_sequence": None}})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


def halves(text):
    """In two pieces: a reader must put them together."""
    return [text[:len(text) // 2], text[len(text) // 2:]]


def error(status, fault):
    kind = fault.get("type") or TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": fault.get("message", "injected")}}
