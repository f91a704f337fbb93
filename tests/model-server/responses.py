"""OpenAI's Responses API as Codex uses it: requests, events, errors."""

import itertools
import json

import script

TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_exceeded",
         500: "server_error"}
numbers = itertools.count(1)


def text_of(item):
    content = item.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def progress(body):
    """(the user's words, how many tool results came since)."""
    given = body.get("input", [])
    if isinstance(given, str):
        return given, 0
    results = 0
    for item in reversed(given):
        if str(item.get("type", "")).endswith("_call_output"):
            results += 1
        elif item.get("role") == "user":
            return text_of(item), results
    return "", results


def items_of(step):
    items = []
    if step.get("reasoning"):
        items.append({"type": "reasoning", "id": f"rs_{next(numbers)}", "encrypted_content": None,
                      "summary": [{"type": "summary_text", "text": step["reasoning"]}]})
    if step.get("text"):
        items.append({"type": "message", "id": f"msg_{next(numbers)}", "role": "assistant",
                      "content": [{"type": "output_text", "text": step["text"]}]})
    tool = step.get("tool")
    if tool:
        given = tool.get("input") or {"cmd": tool["command"]}
        number = next(numbers)
        items.append({"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}",
                      "name": tool.get("name", "exec_command"), "arguments": json.dumps(given)})
    return items


def answer(body, scripts):
    """(the whole response, its events as [(name, data)])."""
    prompt, results = progress(body)
    items = items_of(script.step_of(script.choose(scripts, prompt), results))
    response = {"id": f"resp_{next(numbers)}"}
    usage = {"input_tokens": 120, "input_tokens_details": {"cached_tokens": 30}, "output_tokens": 40,
             "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 160}
    events = [{"type": "response.created", "response": response}]
    events += [{"type": "response.output_item.done", "output_index": index, "item": item}
               for index, item in enumerate(items)]
    events.append({"type": "response.completed", "response": {**response, "usage": usage}})
    whole = {**response, "object": "response", "status": "completed", "usage": usage,
             "model": body.get("model", ""), "output": items}
    return whole, [(event["type"], event) for event in events]


def error(status, fault):
    return {"error": {"message": fault.get("message", "injected"),
                      "type": fault.get("type") or TYPES.get(status, "server_error"),
                      "code": fault.get("code")}}
