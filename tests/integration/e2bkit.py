"""What the tests of the E2B mode share: the test server, and runs against it."""
import contextlib
import importlib.util
import json
import pathlib
import sys
import tempfile

import pytest

import runkit

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "e2b_" + "0" * 40


def load_harness():
    """tests/e2b-server/harness.py, whose folder's name is no module's."""
    name = "e2b_server_harness"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, ROOT / "tests" / "e2b-server" / "harness.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


harness = load_harness()


@contextlib.contextmanager
def server(*options, tls=None):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-e2b-"))
    with harness.Server(folder, *options, tls=tls) as made:
        if made.ready["isolation"] not in ("bubblewrap", "bwrap"):
            pytest.skip("sandboxes of the test server are not isolated here: "
                        f"{made.ready['isolation']}")
        yield made


class Shop:
    """A runkit.Kit whose runs use a server's sandboxes."""

    def __init__(self, kit, e2b):
        self.kit, self.e2b = kit, e2b

    def fields(self, **more):
        return {"mode": "e2b", "e2b_api_url": self.e2b.url,
                "e2b_sandbox_url": self.e2b.url, "e2b_deployment": "d-1",
                "e2b_ca_file": self.e2b.tls[0] if self.e2b.tls else "",
                "e2b_silence_s": 12, **more}

    def started(self, repo, prompt, key=KEY, **more):
        return self.kit.started(repo, prompt, e2b_api_key=key,
                                **self.fields(**more))

    def run(self, repo, prompt, key=KEY, **more):
        return self.kit.run(repo, prompt, e2b_api_key=key,
                            **self.fields(**more))

    def mark(self):
        """The journal's place now."""
        entries = self.e2b.journal()
        return entries[-1]["seq"] if entries else 0

    def no_sandbox_left(self):
        return not self.e2b.sandboxes()


def secrets_in(text, *secrets):
    return [s for s in secrets if s.encode() in text]


__all__ = ["KEY", "Shop", "harness", "json", "runkit", "secrets_in", "server"]
