"""The unmodified PyPI package "e2b" against the test server.

Run by test_sdk.py with the Python that has the package. Every step prints "ok NAME"
or "not ok NAME: why". Where to is told by E2B_API_KEY, E2B_API_URL and
E2B_SANDBOX_URL, as for any user of the package.
"""

import json
import os
import sys
import time
import traceback
import urllib.request

import e2b
from e2b import Sandbox
from e2b.sandbox.sandbox_api import SandboxQuery, SandboxState

API = os.environ["E2B_API_URL"]
METADATA = {"app": "demo", "k ey&=": "v/ä +%"}
steps = []


def step(name):
    def keep(run):
        steps.append((name, run))
        return run
    return keep


def admin(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{API}/_test{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def raises(kind, call, *args, **named):
    try:
        call(*args, **named)
    except kind as err:
        return err
    raise AssertionError(f"{kind.__name__} was not raised")


class State:
    sandbox = None


@step("create with metadata and envs")
def create():
    State.sandbox = Sandbox.create(timeout=120, metadata=METADATA, envs={"GREETING": "hi there"})


@step("write and read")
def write_read():
    files = State.sandbox.files
    assert files.write("hello.txt", "héllo\n").path == "/home/user/hello.txt"
    assert files.read("hello.txt") == "héllo\n"
    data = bytes(range(256)) * 2000
    files.write("/data/o.bin", data, user="root")
    assert files.read("/data/o.bin", format="bytes", user="root") == data
    assert any(entry.name == "hello.txt" for entry in files.list("/home/user"))
    assert files.exists("hello.txt") and not files.exists("nope")
    raises(e2b.NotFoundException, files.read, "nope")


@step("directories")
def directories():
    files = State.sandbox.files
    assert files.make_dir("a/b") and not files.make_dir("a/b")
    files.rename("hello.txt", "a/b/hello2.txt")
    assert files.get_info("a/b/hello2.txt").size == 7
    files.remove("a")
    assert not files.exists("a")


@step("run with streamed output")
def run():
    seen = {"out": "", "err": ""}
    result = State.sandbox.commands.run(
        'echo "$GREETING $OWN"; echo bad >&2; pwd', envs={"OWN": "own"}, cwd="/tmp",
        on_stdout=lambda text: seen.update(out=seen["out"] + text),
        on_stderr=lambda text: seen.update(err=seen["err"] + text))
    assert result.stdout == "hi there own\n/tmp\n" and result.exit_code == 0, result
    assert seen == {"out": "hi there own\n/tmp\n", "err": "bad\n"}, seen


@step("exit code 3, bad cwd, unknown user")
def failures():
    commands = State.sandbox.commands
    err = raises(e2b.CommandExitException, commands.run, "echo x; exit 3")
    assert err.exit_code == 3 and err.stdout == "x\n"
    raises(e2b.InvalidArgumentException, commands.run, "true", cwd="/nowhere")
    raises(e2b.AuthenticationException, commands.run, "true", user="ghost")


@step("timeout of 1 s")
def timeout():
    raises(e2b.TimeoutException, State.sandbox.commands.run, "sleep 30", timeout=1)


@step("ten MiB of output")
def flood():
    result = State.sandbox.commands.run("head -c 10485760 /dev/zero | tr '\\0' a")
    assert len(result.stdout) == 10485760


@step("background, disconnect, re-attach by pid")
def reattach():
    handle = State.sandbox.commands.run("sleep 1; echo late; exit 5", background=True, timeout=0)
    handle.disconnect()
    err = raises(e2b.CommandExitException, State.sandbox.commands.connect(handle.pid).wait)
    assert err.exit_code == 5 and err.stdout == "late\n"


@step("late attach to an ended process")
def late():
    handle = State.sandbox.commands.run("exit 7", background=True)
    raises(e2b.CommandExitException, handle.wait)
    err = raises(e2b.CommandExitException, State.sandbox.commands.connect(handle.pid).wait)
    assert err.exit_code == 7


@step("SIGKILL, and false on the second")
def kill_process():
    handle = State.sandbox.commands.run("sleep 100", background=True)
    assert any(p.pid == handle.pid for p in State.sandbox.commands.list())
    assert handle.kill()
    assert raises(e2b.CommandExitException, handle.wait).exit_code == -1
    assert not State.sandbox.commands.kill(handle.pid)


@step("stdin and its close")
def stdin():
    handle = State.sandbox.commands.run("cat", background=True, stdin=True)
    State.sandbox.commands.send_stdin(handle.pid, "héllo\n")
    State.sandbox.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "héllo\n"


@step("set_timeout, get_info, is_running, metrics")
def about():
    State.sandbox.set_timeout(60)
    info = State.sandbox.get_info()
    assert info.metadata == METADATA and info.state == SandboxState.RUNNING
    assert State.sandbox.is_running()
    assert len(State.sandbox.get_metrics()) == 1


def listed(limit=None, **query):
    pages = Sandbox.list(query=SandboxQuery(**query), limit=limit)
    found = []
    while pages.has_next:
        found += [sandbox.sandbox_id for sandbox in pages.next_items()]
    return found


@step("list by metadata and state, with pages")
def listing():
    more = [Sandbox.create(metadata={"app": "demo"}), Sandbox.create()]
    mine = State.sandbox.sandbox_id
    assert listed(metadata=METADATA) == [mine]
    assert listed(1, metadata={"app": "demo"}, state=[SandboxState.RUNNING]) == [
        more[0].sandbox_id, mine]
    assert len(listed(2)) == 3
    for one in more:
        assert one.kill()


@step("pause, errors while paused, connect as resume")
def pause():
    sandbox = State.sandbox
    handle = sandbox.commands.run("while sleep 0.1; do :; done", background=True, timeout=0)
    sandbox.pause()
    assert not sandbox.is_running()
    raises(Exception, handle.wait)
    raises(e2b.SandboxException, sandbox.commands.run, "true")
    State.sandbox = Sandbox.connect(sandbox.sandbox_id, timeout=60)
    assert State.sandbox.commands.kill(handle.pid)


@step("kill, then false; errors on the dead sandbox")
def kill():
    assert State.sandbox.kill() and not State.sandbox.kill()
    raises(e2b.SandboxException, State.sandbox.commands.run, "true")
    raises(e2b.NotFoundException, Sandbox.get_info, State.sandbox.sandbox_id)


@step("429 of the quota, and of the rate")
def limits():
    admin("POST", "/settings", {"max_sandboxes": 0})
    raises(e2b.RateLimitException, Sandbox.create, retries=0)
    admin("POST", "/settings", {"max_sandboxes": 20})
    admin("POST", "/faults", {"match": {"path": "^/v2/sandboxes$"}, "times": 2, "answer": {
        "status": 429, "message": "Rate limit exceeded", "headers": {"Retry-After": "1"}}})
    began = time.monotonic()
    Sandbox.create().kill()
    assert time.monotonic() - began >= 1.9


@step("503, wrong key")
def refusals():
    admin("POST", "/faults", {"match": {"path": "^/v2/sandboxes$"}, "answer": {"status": 503}})
    raises(e2b.ServiceBusyException, Sandbox.create, retries=0)
    raises(e2b.AuthenticationException, Sandbox.create, api_key="e2b_abcdef")


@step("idempotency key")
def idempotency():
    admin("POST", "/settings", {"idempotency": True})
    first, second = (Sandbox.create(idempotency_key="one-run") for _ in range(2))
    assert first.sandbox_id == second.sandbox_id
    assert first.kill()


def main():
    failed = 0
    for name, call in steps:
        try:
            call()
            print(f"ok {name}", flush=True)
        except Exception:  # one step's trouble is no reason to skip the others
            failed += 1
            print(f"not ok {name}: {' | '.join(traceback.format_exc().splitlines())}", flush=True)
            admin("DELETE", "/faults")
    print(f"done {len(steps) - failed} of {len(steps)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
