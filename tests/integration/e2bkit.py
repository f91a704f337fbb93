"""What the tests of the E2B mode share: the test server, and runs against it."""
import contextlib
import importlib.util
import pathlib
import shutil
import sys
import tempfile

import pytest

import runkit
from runkit import TOKEN, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
API_KEY = "e2b_" + "0" * 40


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
    try:
        with harness.Server(folder, *options, tls=tls) as made:
            if made.ready["isolation"] != "bwrap":
                pytest.skip("bubblewrap does not work here, so a command "
                            "would see this machine's own /control")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def from_elsewhere(e2b):
    """A server's URL that names no loopback address, and leads to it."""
    return e2b.url.replace("127.0.0.1", "0.0.0.0")


class Shop:
    """A runkit.Kit whose runs use a server's sandboxes."""

    def __init__(self, kit, e2b):
        self.kit, self.e2b = kit, e2b

    def fields(self, **more):
        return {"mode": "e2b", "e2b_api_url": self.e2b.url,
                "e2b_sandbox_url": self.e2b.url, "e2b_deployment": "d-1",
                "e2b_ca_file": self.e2b.tls[0] if self.e2b.tls else "",
                "e2b_silence_s": 12, **more}

    def started(self, repo, prompt, key=API_KEY, **more):
        return self.kit.started(repo, prompt, e2b_api_key=key,
                                **self.fields(**more))

    def run(self, repo, prompt, key=API_KEY, **more):
        return self.kit.run(repo, prompt, e2b_api_key=key,
                            **self.fields(**more))

    def mark(self):
        """The journal's place now."""
        entries = self.e2b.journal()
        return entries[-1]["seq"] if entries else 0

    def no_sandbox_left(self):
        return not self.e2b.sandboxes()


# A script waits here until open_gates() is called.
GATE = "while [ ! -e /home/user/go ]; do sleep 0.05; done;"


def open_gates(e2b):
    for box in e2b.sandboxes().values():
        with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
            pathlib.Path(box["folder"], "home/user/go").touch()


def secrets_in(text, *secrets):
    return [s for s in secrets if s.encode() in text]


BASE = r"""
echo one >keep; seq 1 100 >long; printf 'a\r\nb\r\n' >crlf
printf '\000\001\377bin' >bin; ln -s keep link; mkdir sub; echo s >sub/s
echo x >run.sh; chmod +x run.sh; echo 3 >'ümlaut'
"""
WORK = r"""
echo two >>keep; sed -i s/50/fifty/ long; rm bin; chmod -x run.sh
printf 'a\r\nB\r\n' >crlf; mkdir new; echo y >'new/sp ace'; ln -s keep l2
printf 'to out\n'; printf 'to err\n' >&2
"""


@pytest.fixture(scope="module")
def shop():
    with runkit.kit({"x-access-token": TOKEN}) as made, server() as e2b:
        made.repository("plain", BASE)
        yield Shop(made, e2b)


@pytest.fixture(autouse=True)
def clean(request):
    """Before each test no faults; after it no sandbox, and no fault of the
    server's own."""
    if "shop" not in request.fixturenames:
        yield
        return
    shop = request.getfixturevalue("shop")
    shop.e2b.admin("POST", "/reset")
    yield
    wait_for(shop.no_sandbox_left, 20)
    assert not shop.e2b.journal("server.error")


def run(shop, prompt="echo two >>keep", **more):
    return shop.run("plain", prompt, token=TOKEN, **more)


def since(shop, mark, kind):
    return shop.e2b.journal(kind, after=mark)


def agent_starts(shop, mark):
    """How often the agent was really started: its wrapper makes its folder
    once, so count the marker it leaves in the repository."""
    return [e for e in since(shop, mark, "process.start")
            if "/home/user/agent-run" in e["args"]]


def ended_in_order(e2b, box, asked, record_property):
    """Since it was asked for: first the agent's whole tree, by its wrapper or
    by force, then the sandbox; and soon. It takes two seconds on a quiet
    machine, and must never be the minutes of a wait. True: by force."""
    started = e2b.journal("process.start", box)
    agent, = [e for e in started if e["args"][-1] == "/home/user/agent-run"]
    force = [e for e in started
             if e["args"][:2] == ["/control/e2b-run", "kill"]]
    ends = [e for e in e2b.journal("process.end", box)
            if e["pid"] in [p["pid"] for p in (agent, *force)]]
    kill, = e2b.journal("sandbox.kill", box)
    assert ends and ends[0]["seq"] < kill["seq"]
    took = kill["time"] - asked
    print(f"{took:.2f} s from the wish to the end of the sandbox")
    record_property("seconds", round(took, 2))
    assert took < 20
    return bool(force)


def is_well(result):
    assert (result.code, result.outcome, result.error) == (0, "completed",
                                                           None), result.result
    return result


CREATE = {"method": "POST", "path": "^/v2/sandboxes$"}
LIST = {"method": "GET", "path": "^/v2/sandboxes"}
