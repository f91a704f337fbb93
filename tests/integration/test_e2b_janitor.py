"""Cloud sandboxes that nobody owns: earlier attempts', and what a crash left."""
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import uuid

import pytest

import e2bkit
import runkit
import stack
from e2bkit import (API_KEY, CREATE, LIST, clean, is_well, run,  # noqa: F401
                    shop, since)
from runkit import TOKEN
from stack import BINARY, wait_for

KILL = {"method": "DELETE", "path": "^/sandboxes/"}


def marks(task, attempt, deployment="d-1", **more):
    return {"app": "taskmill", "deployment": deployment, "task": str(task),
            "attempt": str(attempt), "nonce": uuid.uuid4().hex, **more}


def killed(e2b, mark=0):
    return [e["sandbox"] for e in e2b.journal("sandbox.kill", after=mark)]


# --- the sandboxes of earlier attempts ----------------------------------

def test_earlier_attempts_end_first(shop):
    """Those of this very task, paused ones too; before there is a new one."""
    task = shop.kit.count + 1
    older = [shop.e2b.create(metadata=marks(task, n)).id for n in (1, 2)]
    paused = shop.e2b.create(metadata=marks(task, 2)).id
    assert shop.e2b.api("POST", f"/sandboxes/{paused}/pause", {}).status == 204
    others = [shop.e2b.create(metadata=m).id for m in (
        marks(task, 3), marks(task, 4), marks(task + 1, 1),
        marks(task, 1, "d-2"), marks(task, 1000001),
        {"app": "other", "deployment": "d-1", "task": str(task),
         "attempt": "1"},
        marks(f"0{task}", 1), marks(task, "1x"), {})]
    mark = shop.mark()
    is_well(run(shop, attempt=3))
    created, = since(shop, mark, "sandbox.create")
    ended = [e for e in since(shop, mark, "sandbox.kill")
             if e["sandbox"] != created["sandbox"]]
    assert {e["sandbox"] for e in ended} == {*older, paused}
    assert all(e["seq"] < created["seq"] for e in ended)
    assert set(shop.e2b.sandboxes()) == set(others)
    shop.e2b.admin("POST", "/reset")


def test_first_attempt_asks_nobody(shop):
    mark = shop.mark()
    is_well(run(shop))
    assert not [e for e in since(shop, mark, "http")
                if e["path"].startswith("/v2/sandboxes?")]


def test_earlier_pushes_are_apart(shop):
    """A push is later than any attempt of its task, and ends earlier ones."""
    task = shop.kit.count + 1
    keep = shop.e2b.create(metadata=marks(task, 2)).id
    old = shop.e2b.create(metadata=marks(task, 1000001)).id
    mark = shop.mark()
    run(shop, attempt=1000002)
    assert old in killed(shop.e2b, mark)
    assert keep in shop.e2b.sandboxes()
    shop.e2b.admin("POST", "/reset")


@pytest.mark.parametrize("match", [LIST, KILL])
def test_it_waits_until_they_are_gone(shop, match):
    old = shop.e2b.create(metadata=marks(shop.kit.count + 1, 1)).id
    shop.e2b.fault(match=match, times=3, answer={"status": 500,
                                                 "message": "broken"})
    mark = shop.mark()
    is_well(run(shop, attempt=2))
    assert killed(shop.e2b, mark)[0] == old


@pytest.mark.parametrize("match", [LIST, KILL])
def test_never_two_at_once(shop, match):
    """E2B does not answer: the attempt is lost, and no sandbox was made."""
    shop.e2b.create(metadata=marks(shop.kit.count + 1, 1))
    shop.e2b.fault(match=match, times=0, answer={"status": 503,
                                                 "message": "busy"})
    mark = shop.mark()
    r = run(shop, attempt=2, e2b_busy_wait_s=4)
    assert (r.code, r.result) == (75, {})
    assert "no room" in r.texts("note")[0]
    assert not since(shop, mark, "sandbox.create")
    shop.e2b.admin("POST", "/reset")


def test_wrong_key_is_said_at_once(shop):
    shop.e2b.fault(match=LIST, times=0, answer={"status": 401,
                                                "message": "Invalid API key"})
    r = run(shop, attempt=2)
    assert (r.outcome, r.failure) == ("failed", "e2b_key")


# --- the janitor --------------------------------------------------------

@pytest.fixture(scope="module")
def cloud():
    if stack.why_not() is not None:
        pytest.skip(str(stack.why_not()))
    with e2bkit.server("--max-sandboxes", "400") as e2b:
        with stack.Full(E2B_API_KEY=API_KEY, E2B_API_URL=e2b.url,
                        E2B_SANDBOX_URL=e2b.url, ANTHROPIC_API_KEY="sk-x",
                        E2B_JANITOR_S=1, E2B_BUSY_WAIT_S=5,
                        AGENT_TIMEOUT_S=2000, SANDBOX_LIFE_S=3000) as made:
            made.e2b = e2b
            agent = made.folder / "share/agents/claude/run"
            agent.write_text(
                "#!/bin/sh\nsh \"$TASKMILL_PROMPT_FILE\" >&2 || exit 6\n"
                """echo '{"type":"result","subtype":"success","is_error":"""
                """false,"result":"worked","session_id":"s","num_turns":1}'\n""")
            made.name = deployment_of(made)
            yield made


@pytest.fixture
def town(cloud):
    cloud.e2b.admin("POST", "/reset")
    cloud.reaper()
    yield cloud
    cloud.print_logs()
    cloud.drain()
    cloud.write_conf(E2B_JANITOR_S=1,
                     RETRY_DELAYS_S=stack.QUICK["RETRY_DELAYS_S"])


def deployment_of(full):
    """As every sandbox of this installation is marked."""
    full.reaper()
    task = full.new_task("true")
    full.wait_status(task, "completed")
    made, = [e for e in full.e2b.journal("sandbox.create")
             if e["metadata"].get("task") == str(task)]
    full.drain()
    return made["metadata"]["deployment"]


def janitor(full):
    """Pids of the janitors of this machine."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[1:2] == [b"janitor"] and str(full.conf).encode() in argv and \
                stack.alive(entry.name):
            found.append(int(entry.name))
    return found


def live_task(full):
    """A task at work in its sandbox: (its id, the sandbox's)."""
    task = full.new_task("echo here >&2; sleep 1000")
    full.wait_event(task, "here")
    box, = [e["sandbox"] for e in full.e2b.journal("sandbox.create")
            if e["metadata"].get("task") == str(task)]
    return task, box


def looks(full, since_byte):
    """(sandboxes, killed) of each look, as the log tells."""
    text = (full.folder / "reaper.log").read_text()[since_byte:]
    return [tuple(map(int, m)) for m in re.findall(
        r"janitor\[\d+\] look sandboxes=(\d+) killed=(\d+)\n", text)]


def log_size(full):
    return len((full.folder / "reaper.log").read_text())


def stopped_at_rest(full, pid):
    """Whether that was soon enough after a look for it to be no next one."""
    at = log_size(full)
    wait_for(lambda: looks(full, at), 20, "the end of a look")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: ") T " in pathlib.Path(f"/proc/{pid}/stat").read_text(),
             20, "it to stop")
    last = re.findall(r"(\S+) .*janitor\[\d+\] look sandboxes=",
                      (full.folder / "reaper.log").read_text())[-1]
    ago = datetime.datetime.now(datetime.timezone.utc) - \
        datetime.datetime.fromisoformat(last)
    if ago.total_seconds() < 0.5:
        return True
    os.kill(pid, signal.SIGCONT)
    return False


@contextlib.contextmanager
def stopped(full):
    """The janitor, while a test makes what it will find, and its next look
    begins with all of it."""
    pid, = wait_for(lambda: janitor(full), 20, "a janitor")
    wait_for(lambda: stopped_at_rest(full, pid), 60, "it to be at rest")
    yield
    os.kill(pid, signal.SIGCONT)


def test_janitor_ends_what_nobody_owns(town):
    """Over all pages: what is over at once, what the database does not know
    after two looks, and nothing else ever."""
    e2b, ours = town.e2b, town.name
    e2b.admin("POST", "/settings", {"page_size": 3})
    task, box = live_task(town)
    ended = town.new_task("true")
    town.wait_status(ended, "completed")
    town.sql("INSERT INTO pull_requests (task_id, user_id, state, attempt,"
             " run_at, repo_url, base_branch, requested_at) SELECT id,"
             " user_id, 'pushed', 1000002, NOW(), 'x', 'main', NOW() FROM"
             " tasks WHERE id = %s", ended)
    town.sql("INSERT INTO pull_requests (task_id, user_id, state, attempt,"
             " run_at, repo_url, base_branch, requested_at, owner,"
             " lease_until) SELECT id, user_id, 'running', 1000003, NOW(),"
             " 'x', 'main', NOW(), 'somebody', NOW() + INTERVAL 1 HOUR"
             " FROM tasks WHERE id = %s", task)
    keep = {e2b.create(metadata=m).id for m in (
        marks(task, 1, ours), marks(task, 1000003, ours),
        marks(ended, 1, "0123456789abcdef"), marks(ended, 1, ours[:-1]),
        {**marks(ended, 1, ours), "app": "other"}, {})} | {box}
    at = log_size(town)
    with stopped(town):
        doubted = {e2b.create(metadata=m).id for m in (
            marks(10**9, 1, ours), marks(task, 2, ours),
            marks("x", 1, ours), marks(task, "", ours),
            {"app": "taskmill", "deployment": ours})}
        over = {e2b.create(metadata=m).id for m in (
            marks(task, 0, ours), marks(ended, 1, ours),
            marks(ended, 1000002, ours), marks(task, 1000002, ours),
            *[marks(ended, 1, ours)] * 6)}
        for name in list(over)[:2] + list(doubted)[:1]:
            assert e2b.api("POST", f"/sandboxes/{name}/pause",
                           {}).status == 204
    wait_for(lambda: set(e2b.sandboxes()) == keep, 120, "orphans to go", 0.2)
    wait_for(lambda: looks(town, at)[-2:] == [(3, 0)] * 2, 30, "quiet looks")
    assert set(e2b.sandboxes()) == keep
    worked = [n for n in looks(town, at) if n[1]]
    assert worked == [(3 + len(over) + len(doubted), len(over)),
                      (3 + len(doubted), len(doubted))]
    assert f"task={task} attempt=2 " in town.log_text()
    text = town.get("/metrics").text
    metrics = dict(line.rsplit(" ", 1) for line in text.splitlines()
                   if line.startswith("taskmill_sandboxes"))
    assert int(metrics["taskmill_sandboxes_killed_total"]) >= \
        len(over) + len(doubted)
    assert int(metrics["taskmill_sandboxes"]) >= 3
    assert int(metrics["taskmill_sandboxes_age_seconds"]) < 60
    assert town.cancel(task) == 200
    town.wait_status(task, "cancelled")


def test_janitor_is_asked_when_an_attempt_is_lost(town):
    """Its rounds are an hour apart: it looks when there is a reason to."""
    task, box = live_task(town)
    town.end(town.reapers[-1])
    os.kill(town.runner(task), signal.SIGKILL)
    assert town.cancel(task) == 200
    town.write_conf(E2B_JANITOR_S=3600)
    mark = town.e2b.journal()[-1]["seq"]
    town.e2b.fault(match=LIST, times=1, delay=1)
    town.reaper()
    town.wait_status(task, "cancelled")
    wait_for(lambda: box not in town.e2b.sandboxes(), 30, "the kill")
    assert box in killed(town.e2b, mark)


def test_janitor_ends_what_a_dead_attempt_has_left(town):
    """Its task waits in the queue, for so long that nobody else would."""
    town.end(town.reapers[-1])
    town.write_conf(E2B_JANITOR_S=3600, RETRY_DELAYS_S="3600")
    town.reaper()
    task, box = live_task(town)
    runner = town.runner(task)
    # As often as another runner would have taken it up.
    (town.state / f"spool/{task}.1/resumes").write_bytes(b"...")
    mark = town.e2b.journal()[-1]["seq"]
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: box not in town.e2b.sandboxes(), 60, "the kill")
    assert killed(town.e2b, mark) == [box]
    row = town.row(task)
    assert (row["state"], row["attempt"], row["tries"]) == ("pending", 1, 1)
    assert town.attempts(task) == ["dead"]


def test_janitor_bears_what_fails(town):
    """E2B down, kills refused, answers that are none: later it works."""
    faults = [(LIST, {"status": 503, "message": "busy"}, 5),
              (LIST, {"status": 200, "text": "[{", "content_type":
                      "application/json"}, 1),
              (KILL, {"status": 500, "message": "Error killing sandbox"}, 5)]
    for match, answer, times in faults:
        town.e2b.fault(match=match, times=times, answer=answer)
    old = town.e2b.create(metadata=marks(10**9, 1, town.name)).id
    wait_for(lambda: old not in town.e2b.sandboxes(), 60, "the kill")
    assert len(janitor(town)) == 1
    assert "sandboxes not looked at" in town.log_text()
    assert "sandbox stays" in town.log_text()


def test_janitor_bears_a_database_that_is_away(cloud):
    cloud.e2b.admin("POST", "/reset")
    with stack.proxied(cloud) as tell:
        cloud.reaper()
        tell("refuse", "on")
        tell("cut")
        # Not before: two looks would be enough to end it.
        old = cloud.e2b.create(metadata=marks(10**9, 1, cloud.name)).id
        at = log_size(cloud)
        wait_for(lambda: (cloud.folder / "reaper.log").read_text()[at:].count(
            "sandboxes not looked at") >= 2, 30, "looks")
        assert old in cloud.e2b.sandboxes()
        tell("refuse", "off")
        wait_for(lambda: old not in cloud.e2b.sandboxes(), 60, "the kill")
        cloud.drain()


def test_janitor_lives_and_dies_with_its_reaper(town):
    first, = wait_for(lambda: janitor(town), 20, "a janitor")
    os.kill(first, signal.SIGKILL)  # replaced
    second, = wait_for(lambda: [p for p in janitor(town) if p != first], 20,
                       "another janitor")
    town.end(town.reapers[-1], signal.SIGKILL)
    wait_for(lambda: not janitor(town), 20, "the janitor to leave")
    town.reaper()
    third, = wait_for(lambda: janitor(town), 20, "a janitor")
    assert third not in (first, second)
    town.end(town.reapers[-1])
    assert not janitor(town)


def test_janitor_has_no_secret_in_its_arguments_or_log(town):
    pid, = wait_for(lambda: janitor(town), 20, "a janitor")
    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    assert not e2bkit.secrets_in(line + town.log_text().encode(), API_KEY)


def test_all_goes_over_http_if_that_is_allowed(cloud):
    """Runner, janitor and command: none is left out."""
    other = e2bkit.from_elsewhere(cloud.e2b)
    cloud.e2b.admin("POST", "/reset")
    cloud.write_conf(E2B_API_URL=other, E2B_SANDBOX_URL=other,
                     E2B_ALLOW_HTTP="yes")
    try:
        old = cloud.e2b.create(metadata=marks(10**9, 1, cloud.name)).id
        assert old in sandbox(cloud, "list").stdout
        cloud.reaper()
        task = cloud.new_task("true")
        assert cloud.wait_status(task, seconds=60) == "completed"
        wait_for(lambda: not cloud.e2b.sandboxes(), 60, "the kill")
        told = cloud.taskmill("check", check=False)
        assert "E2B_ALLOW_HTTP=yes: keys" in told
        cloud.write_conf(E2B_ALLOW_HTTP="no")
        done = sandbox(cloud, "list")
        assert done.returncode == 78 and "E2B_ALLOW_HTTP" in done.stderr
    finally:
        cloud.drain()
        cloud.write_conf(E2B_API_URL=cloud.e2b.url, E2B_ALLOW_HTTP="no",
                         E2B_SANDBOX_URL=cloud.e2b.url)


def test_no_janitor_in_the_simulation(cloud):
    cloud.write_conf(E2B_API_KEY="")
    try:
        cloud.reaper()
        task = cloud.new_task("nothing to do")
        cloud.wait_status(task, "completed")
        assert not janitor(cloud)
        done = sandbox(cloud, "list")
        assert done.returncode == 78 and "E2B_API_KEY" in done.stderr
    finally:
        cloud.drain()
        cloud.write_conf(E2B_API_KEY=API_KEY)


# --- taskmill sandbox ---------------------------------------------------

def sandbox(full, *argv):
    return subprocess.run(
        [BINARY, "sandbox", *argv, "--config", str(full.conf)], text=True,
        capture_output=True, check=False, env=full.environment(), timeout=120)


@pytest.fixture
def still(cloud):
    """Without a reaper, so that nothing but the command ends anything."""
    cloud.e2b.admin("POST", "/reset")
    cloud.user_id = None
    yield cloud
    cloud.drain()


def queued(full, attempt):
    """A live task as the database sees it."""
    task = stack.Engine.new_task(full, run_in_s=3600)
    full.sql("UPDATE task_queue SET attempt = %s, state = 'running', owner ="
             " 'x', lease_until = NOW() + INTERVAL 1 HOUR WHERE task_id = %s",
             attempt, task)
    return task


def test_sandbox_list_and_kill(still):
    e2b, ours = still.e2b, still.name
    task = queued(still, 2)
    live = e2b.create(metadata=marks(task, 2, ours)).id
    orphan = e2b.create(metadata=marks(task, 1, ours)).id
    e2b.api("POST", f"/sandboxes/{orphan}/pause", {})
    unknown = e2b.create(metadata=marks("?", 1, ours)).id
    other = e2b.create(metadata=marks(task, 1, "d-2")).id
    e2b.create()

    rows = json.loads(sandbox(still, "list", "--json").stdout)
    by_id = {r["id"]: r for r in rows}
    assert set(by_id) == {live, orphan, unknown}
    assert by_id[live] == {
        "id": live, "task_id": task, "attempt": 2, "state": "running",
        "started_at": by_id[live]["started_at"],
        "ends_at": by_id[live]["ends_at"],
        "template": by_id[live]["template"], "deployment": ours,
        "owner": "live"}
    assert by_id[live]["started_at"][:2] == "20"
    assert (by_id[orphan]["state"], by_id[orphan]["owner"]) == ("paused",
                                                                "orphan")
    assert (by_id[unknown]["task_id"], by_id[unknown]["owner"]) == (None,
                                                                    "unknown")
    rows = json.loads(sandbox(still, "list", "--json",
                              "--any-deployment").stdout)
    assert {r["id"]: r["owner"] for r in rows}[other] == "other"
    text = sandbox(still, "list").stdout.splitlines()
    assert len(text) == 4 and text[0].split()[0] == "ID"

    done = sandbox(still, "pause", live, orphan)  # which is paused already
    assert done.returncode == 0 and set(done.stdout.split()) == {live, orphan}
    assert e2b.api("GET", f"/sandboxes/{live}").json["state"] == "paused"
    assert sandbox(still, "pause", "i0").returncode == 67
    done = sandbox(still, "kill", other, live)
    assert done.returncode == 67 and other in done.stderr
    assert done.stdout.split() == [live] and other in e2b.sandboxes()
    done = sandbox(still, "kill", "--orphans")
    assert done.returncode == 0 and done.stdout.split() == [orphan]
    assert "1 are of attempts" in done.stderr
    done = sandbox(still, "kill", "--all")
    assert done.returncode == 0 and done.stdout.split() == [unknown]
    assert len(e2b.sandboxes()) == 2
    assert sandbox(still, "kill", "--orphans").returncode == 0


@pytest.mark.parametrize("rule", [
    {"answer": {"status": 500, "message": "Error pausing sandbox"},
     "effect": True},
    {"close": "fin", "effect": True}])
def test_pause_that_is_unclear_is_looked_up(still, rule):
    box = still.e2b.create(metadata=marks(10**9, 1, still.name)).id
    still.e2b.fault(match={"path": "/pause$"}, times=1, **rule)
    assert sandbox(still, "pause", box).returncode == 0
    still.e2b.fault(match={"path": "/pause$"}, times=1, answer={
        "status": 503, "message": "busy"})
    box = still.e2b.create(metadata=marks(10**9, 1, still.name)).id
    assert sandbox(still, "pause", box).returncode == 75
    assert still.e2b.api("GET", f"/sandboxes/{box}").json["state"] == "running"


def test_sandbox_says_what_is_wrong(still):
    for argv in (["kill"], ["pause"], ["pause", "--all"], ["x"],
                 ["kill", "--all", "x"], ["list", "x"],
                 ["kill", "--all", "--orphans"]):
        assert sandbox(still, *argv).returncode == 64
    e2b = still.e2b
    old = e2b.create(metadata=marks(10**9, 1, still.name)).id
    e2b.fault(match=KILL, times=0, answer={"status": 500, "message": "no"})
    done = sandbox(still, "kill", old)
    assert done.returncode == 75 and old in done.stderr
    e2b.admin("POST", "/reset")
    e2b.fault(match=LIST, times=1, answer={"status": 401, "message": "Invalid"
                                           " API key"})
    done = sandbox(still, "list")
    assert done.returncode == 77 and "E2B_API_KEY" in done.stderr
    assert API_KEY not in done.stderr
