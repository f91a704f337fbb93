"""Faults to order: what goes wrong, with which requests, how often."""
import re
import threading
import time

KINDS = {
    "delay": "answers after `seconds`, or when the faults are deleted",
    "hang": "does not answer; ends after `seconds` (60), or when the faults are "
            "deleted",
    "status": "answers `status` (500) with a page of HTML, does nothing",
    "rate_limit": "403, the limit is used up until `seconds` (120) from now",
    "secondary": "`status` (403) of the secondary limit; with `seconds` it "
                 "says Retry-After",
    "drop": "closes the connection, does nothing",
    "drop_after": "does it, closes the connection without an answer",
    "status_after": "does it, answers `status` (502)",
    "cut": "does it, closes in the middle of the answer",
    "garbage": "does it, answers 200 or 201 with what is no JSON",
    "stale": "answers with an empty list, as of before there was anything",
    "large": "answers with 3 MiB of blanks before the JSON",
    "exists_race": "somebody else opens the same pull request just before",
    "change": "first does what `ask`, [method, name, values], asks of /_test/",
    "location": "answers 301 to `url`",
}


class Fault:
    def __init__(self, kind, method=".*", path=".*", times=1, skip=0,
                 **values):
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}")
        self.kind, self.left, self.values = kind, times, values
        self.skip = skip
        self.over = threading.Event()  # what it delays need not wait longer
        self.method, self.path = re.compile(method), re.compile(path)

    def matches(self, method, path):
        return self.left != 0 and self.method.fullmatch(method) and \
            self.path.fullmatch(path)

    def get(self, name, default):
        return self.values.get(name, default)


class Faults:
    """times below 0 is for ever; as many as skip pass first. The first that
    matches is used."""

    def __init__(self):
        self.list = []

    def add(self, **values):
        self.list.append(Fault(**values))

    def clear(self):
        for fault in self.list:
            fault.over.set()
        self.list.clear()

    def take(self, method, path):
        for fault in self.list:
            if not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.left -= 1
            return fault
        return None


def limit_headers(fault):
    """(status, headers, message) of an answer that a limit gave."""
    if fault.kind == "rate_limit":
        reset = int(time.time()) + fault.get("seconds", 120)
        return 403, [("X-RateLimit-Limit", "5000"),
                     ("X-RateLimit-Remaining", "0"),
                     ("X-RateLimit-Reset", str(reset))], \
            "API rate limit exceeded for user ID 1."
    headers = [("X-RateLimit-Remaining", "4000")]
    if "seconds" in fault.values:
        headers.append(("Retry-After", str(fault.values["seconds"])))
    return fault.get("status", 403), headers, \
        "You have exceeded a secondary rate limit. Please wait a few " \
        "minutes before you try again."
