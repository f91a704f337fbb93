"""The journal: every effect this server had, in order.

It is the judge of tests ("was anything run twice, was anything leaked?"), so
it tells what happened, not what was answered. Names of environment variables
are kept, never their values; no header and no token is kept.
"""

import itertools
import json
import time

KEPT = 200_000  # entries in memory; the file has them all


class Journal:
    def __init__(self, path):
        self.path = path
        self._file = open(path, "a", encoding="utf-8", buffering=1)
        self._numbers = itertools.count(1)
        self.entries = []

    def add(self, kind, **fields):
        entry = {"seq": next(self._numbers), "time": time.time(), "kind": kind, **fields}
        self.entries.append(entry)
        if len(self.entries) > KEPT:
            del self.entries[:KEPT // 10]
        self._file.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")

    def find(self, kind=None, sandbox=None, after=0, limit=10_000):
        """Entries in order; kind "sandbox." finds all that begin so."""
        found = []
        for entry in self.entries:
            if entry["seq"] <= after or (sandbox and entry.get("sandbox") != sandbox):
                continue
            if kind and entry["kind"] != kind and not (kind.endswith(".") and
                                                        entry["kind"].startswith(kind)):
                continue
            found.append(entry)
            if len(found) == limit:
                break
        return found

    def close(self):
        self._file.close()
