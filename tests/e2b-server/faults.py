"""Faults on request: which call, how often, and what goes wrong.

A rule is JSON (see README.md, "Faults"). The first rule that fits a request is
used up by it and becomes that request's Plan; a request without a rule has the
empty plan. "effect" decides between the two kinds of lost call: false, and
nothing happened; true, and it happened but the client does not learn it.
"""

import asyncio
import itertools
import json
import re

CUT_EVENTS = ("start", "data", "keepalive", "end", "eos")
FIELDS = {"match", "skip", "times", "effect", "delay", "delay_answer", "answer", "close", "hang",
          "split", "cut", "corrupt", "spaces", "silence", "keepalive", "stream_error", "die", "note"}
MATCH_FIELDS = {"method", "path", "body", "sandbox"}
MAX_RULES = 1000


class BadRule(ValueError):
    """The rule makes no sense; the text says why."""


def check(rule):
    """Refuses what is misspelt: a fault that silently does nothing spoils a test."""
    if not isinstance(rule, dict):
        raise BadRule("a rule is an object")
    for where, known in ((rule, FIELDS), (rule.get("match", {}), MATCH_FIELDS)):
        unknown = set(where) - known
        if unknown:
            raise BadRule(f"unknown field {', '.join(sorted(unknown))}")
    for name in ("path", "body"):
        try:
            re.compile(rule.get("match", {}).get(name, ""))
        except re.error as err:
            raise BadRule(f"{name}: {err}") from err
    if rule.get("close", "fin") not in ("fin", "reset"):
        raise BadRule("close is fin or reset")
    cut = rule.get("cut")
    if cut is not None and "bytes" not in cut and cut.get("event") not in CUT_EVENTS:
        raise BadRule(f"cut needs bytes, or an event of {', '.join(CUT_EVENTS)}")
    if cut is not None and cut.get("where", "before") not in ("before", "inside", "after"):
        raise BadRule("cut: where is before, inside or after")
    if rule.get("die", {}).get("how", "kill") not in ("kill", "pause"):
        raise BadRule("die: how is kill or pause")


class Plan:
    """What goes wrong with one request."""

    def __init__(self, rule=None):
        rule = rule or {}
        self.rule = rule
        self.answer = rule.get("answer")
        self.close = rule.get("close")
        self.hang = rule.get("hang", False)
        self.cut = rule.get("cut") or {}
        self.spaces = rule.get("spaces", False)
        self.keepalive = rule.get("keepalive", True)
        self.silence = rule.get("silence")
        self.stream_error = rule.get("stream_error")
        self.die = rule.get("die")
        hides = bool(self.answer or self.close or self.hang)
        self.effect = rule.get("effect", not hides)
        self._event_count = 0

    async def before(self):
        await asyncio.sleep(self.rule.get("delay", 0))

    async def before_answer(self, exchange):
        """Between the effect and the answer."""
        seconds = self.rule.get("delay_answer", 0)
        if seconds and not exchange.started:
            await asyncio.sleep(seconds)

    def replaced(self, status, body, content_type, headers):
        if not self.answer:
            return status, body, content_type, headers
        given = self.answer
        status = given.get("status", status)
        headers = dict(given.get("headers", {}))
        if "json" in given:
            return status, json.dumps(given["json"]).encode(), "application/json", headers
        if "text" in given:
            kind = given.get("content_type", "text/plain; charset=utf-8")
            return status, given["text"].encode(), kind, headers
        message = given.get("message", "injected fault")
        value = {"code": status, "message": message}
        if "error_code" in given:
            value["error_code"] = given["error_code"]
        return status, json.dumps(value).encode(), "application/json", headers

    def split(self):
        given = self.rule.get("split")
        return (given.get("size", 1), given.get("pause", 0)) if given else (0, 0)

    def cut_bytes(self, sent, size):
        """How much of the next piece still goes out, or None for all of it."""
        at = self.cut.get("bytes")
        return None if at is None or sent + size <= at else max(0, at - sent)

    def corrupted(self, data, sent):
        at = self.rule.get("corrupt", {}).get("offset", -1) - sent
        if not 0 <= at < len(data):
            return data
        return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1:]

    def cut_event(self, kind):
        """before, inside or after when the stream breaks at this event, else None."""
        if self.cut.get("event") != kind:
            return None
        self._event_count += 1
        if self._event_count < self.cut.get("count", 1):
            return None
        return self.cut.get("where", "before")


class Faults:
    """The rules in force, in the order in which they were set."""

    def __init__(self):
        self._numbers = itertools.count(1)
        self._rules = {}

    def add(self, rule):
        check(rule)
        if len(self._rules) >= MAX_RULES:
            raise BadRule("too many rules")
        number = next(self._numbers)
        self._rules[number] = {"rule": rule, "seen": 0, "used": 0}
        return number

    def remove(self, number=None):
        if number is None:
            self._rules.clear()
            return True
        return self._rules.pop(number, None) is not None

    def list(self):
        return [{"id": number, **entry} for number, entry in self._rules.items()]

    def draw(self, method, path, body, sandbox):
        for entry in self._rules.values():
            rule = entry["rule"]
            times = rule.get("times", 1)
            if times and entry["used"] >= times:
                continue
            if not self._fits(rule.get("match", {}), method, path, body, sandbox):
                continue
            entry["seen"] += 1
            if entry["seen"] <= rule.get("skip", 0):
                continue
            entry["used"] += 1
            return Plan(rule)
        return Plan()

    @staticmethod
    def _fits(match, method, path, body, sandbox):
        if match.get("method", method) != method or match.get("sandbox", sandbox) != sandbox:
            return False
        if not re.search(match.get("path", ""), path):
            return False
        return "body" not in match or bool(re.search(match["body"], body.decode("latin-1")))
