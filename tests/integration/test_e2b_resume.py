"""The mode "e2b": a run outlives its runner, its reaper and this machine."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

import e2bkit
import runkit
from apikit import fault_points
from e2bkit import (API_KEY, CREATE, agent_starts, clean, is_well,  # noqa: F401
                    shop, since)
from runkit import TOKEN, wait_for

TALK = ("i=0; while [ $i -lt 12 ]; do i=$((i+1)); echo line $i; "
        "echo err $i >&2; sleep 0.1; done; echo run >>keep")
LINES = "".join(f"line {i}\n" for i in range(1, 13))


def killed_and_again(shop, faults, **more):
    """A runner that a fault kills, and a second one in the same folder."""
    with shop.started("plain", TALK, token=TOKEN, faults=faults, **more) as (
            process, spool):
        assert process.wait(60) == -signal.SIGKILL
    return again(shop, spool)


def again(shop, spool):
    with shop.kit.begun(spool.parent, TOKEN, e2b_api_key=API_KEY) as process:
        code = process.wait(60)
    return runkit.Result(spool, code, 0)


def is_whole(shop, r, mark):
    """As if nothing had happened: one sandbox, one agent, each word once."""
    is_well(r)
    for stream, word in (("stdout", "line"), ("stderr", "err")):
        text = "".join(e["data"]["text"] for e in r.events if
                       e["kind"] == "output" and e["data"]["stream"] == stream)
        assert text == LINES.replace("line", word)
    assert r.patch.count(b"\n+run\n") == 1
    assert [e["seq"] for e in r.events] == list(range(1, len(r.events) + 1))
    steps = [(e["data"]["step"], e["data"]["state"]) for e in r.events
             if e["kind"] == "step"]
    assert steps == [(step, state)
                     for step in ("sandbox", "clone", "agent", "collect")
                     for state in ("started", "done")]
    assert len(since(shop, mark, "sandbox.create")) == 1
    assert len(agent_starts(shop, mark)) == 1
    assert shop.no_sandbox_left()


# Passed by a runner of a task between its first note and its result.
POINTS = ["e2b.after_post", "e2b.before_command", "run.after_open",
          "run.after_clone", "run.in_agent", "run.after_agent",
          "run.after_collect", "spool.before_rename"]


def test_the_list_of_points_is_whole():
    known = {name for name, process in fault_points() if process == "runner"
             and not name.startswith("publish.")}
    elsewhere = {"run.start", "spool.mid_line", "spool.after_rename",
                 "run.before_close", "e2b.before_post", "e2b.before_cut"}
    assert set(POINTS) | elsewhere == known


@pytest.mark.parametrize("point,nth", [
    *((point, 1) for point in POINTS), ("e2b.before_command", 2),
    ("e2b.before_command", 3)])
def test_a_killed_runner_is_taken_up(shop, point, nth):
    mark = shop.mark()
    r = killed_and_again(shop, f"{point}:{nth}:kill", e2b_create_s=8)
    is_whole(shop, r, mark)
    assert len([t for t in r.texts("note") if "had died" in t]) == 1


@pytest.mark.parametrize("nth", [4, 9, 15, 22])
def test_killed_in_the_middle_of_a_line(shop, nth):
    mark = shop.mark()
    r = killed_and_again(shop, f"spool.mid_line:{nth}:kill")
    is_whole(shop, r, mark)


def test_killed_before_it_asked_for_a_sandbox(shop):
    """Looked for by its nonce, which nobody has: made then, once."""
    mark = shop.mark()
    r = killed_and_again(shop, "e2b.before_post:1:kill", e2b_create_s=4)
    is_whole(shop, r, mark)


def test_killed_again_and_again(shop):
    """Each of four runners dies somewhere else."""
    mark = shop.mark()
    with shop.started("plain", TALK, token=TOKEN,
                      faults="run.after_clone:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    for fault in ("run.in_agent:1:kill", "spool.mid_line:2:kill",
                  "run.after_agent:1:kill", "run.after_collect:1:kill"):
        with shop.kit.begun(spool.parent, TOKEN, faults=fault,
                            e2b_api_key=API_KEY) as process:
            assert process.wait(60) == -signal.SIGKILL
    is_whole(shop, again(shop, spool), mark)


def test_agent_ends_while_nobody_listens(shop):
    mark = shop.mark()
    with shop.started("plain", TALK, token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    box, = shop.e2b.sandboxes()
    wait_for(lambda: not shop.e2b.sandboxes()[box]["processes"])
    r = again(shop, spool)
    is_whole(shop, r, mark)
    assert r.metadata["timings_ms"]["agent"] >= 1000


def test_time_goes_on_while_nobody_listens(shop):
    """The limit counts from the agent's own beginning."""
    with shop.started("plain", "echo here; sleep 300", token=TOKEN,
                      agent_limit_s=100) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        process.kill()
        process.wait()
    memo = json.loads((spool / "sandbox.json").read_text())
    memo["began_us"] -= 3600 * 1000000
    (spool / "sandbox.json").write_text(
        json.dumps(memo, separators=(",", ":")))
    r = again(shop, spool)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert "AGENT_TIMEOUT_S" in r.error and r.output == "here\n"


@pytest.mark.parametrize("point", ["e2b.before_cut", "run.after_agent"])
def test_killed_when_the_time_was_over(shop, point):
    """Its limit has ended it, and not a signal of its own."""
    with shop.started("plain", "echo here; sleep 60", token=TOKEN,
                      agent_limit_s=6, faults=f"{point}:1:kill") as (
            process, spool):
        assert process.wait(60) == -signal.SIGKILL
    r = again(shop, spool)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert r.output.startswith("here\n") and r.texts("note")


def test_sandbox_that_is_gone_is_another_attempts(shop):
    """No result; and no third runner looks for it."""
    with shop.started("plain", TALK, token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    box, = shop.e2b.sandboxes()
    shop.e2b.admin("POST", f"/sandboxes/{box}/die", {"how": "kill"})
    r = again(shop, spool)
    assert (r.code, r.result) == (75, {})
    assert not (spool / "sandbox.json").exists()


def test_service_is_away_when_it_is_taken_up(shop):
    mark = shop.mark()
    with shop.started("plain", TALK, token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    shop.e2b.fault(match={"path": "connect$"}, times=7,
                   answer={"status": 500, "message": "oops"})
    is_whole(shop, again(shop, spool), mark)


def test_paused_while_nobody_listened(shop):
    mark = shop.mark()
    with shop.started("plain", TALK, token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    box, = shop.e2b.sandboxes()
    assert shop.e2b.api("POST", f"/sandboxes/{box}/pause", {}).status == 204
    is_whole(shop, again(shop, spool), mark)
    assert since(shop, mark, "sandbox.resume")


def test_older_control_plane(shop):
    shop.e2b.admin("POST", "/settings", {"hide_versions": ["v2"]})
    mark = shop.mark()
    r = killed_and_again(shop, "run.in_agent:1:kill")
    is_whole(shop, r, mark)


def test_cancelled_after_it_was_taken_up(shop):
    with shop.started("plain", "echo here; sleep 60", token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    with shop.kit.begun(spool.parent, TOKEN, e2b_api_key=API_KEY) as process:
        wait_for(lambda: b"here" in (spool / "events.ndjson").read_bytes())
        process.terminate()
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"
    assert shop.no_sandbox_left()


def test_cancelled_before_it_is_taken_up(shop):
    """Nobody else would end the sandbox, and the agent in it."""
    with shop.started("plain", "echo here; sleep 60", token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    with shop.kit.begun(spool.parent, TOKEN, faults="run.start:1:stop",
                        e2b_api_key=API_KEY) as process:
        wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text()
                 .rpartition(")")[2].split()[0] == "T")
        process.terminate()
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"
    assert shop.no_sandbox_left()


def test_other_keys_than_the_agent_has(shop):
    """The redactor would not know the old ones: another attempt's sandbox."""
    with shop.started("plain", "echo here; sleep 60", token=TOKEN,
                      faults="run.in_agent:1:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    with shop.kit.begun(spool.parent, TOKEN + "2",
                        e2b_api_key=API_KEY) as process:
        assert process.wait(60) == 75
    assert not (spool / "sandbox.json").exists()
    assert not (spool / "result.json").exists()
    shop.e2b.admin("POST", "/reset")  # as the next attempt would


def test_a_patch_that_is_made_twice(shop):
    """Killed at each command of collecting; the file needs care in a patch."""
    for nth in (3, 4, 5):
        mark = shop.mark()
        with shop.started("plain", "printf 'a\\r\\nC\\r\\n' >crlf", token=TOKEN,
                          faults=f"e2b.before_command:{nth}:kill") as (
                              process, spool):
            if process.wait(60) != -signal.SIGKILL:
                break
        r = is_well(again(shop, spool))
        assert shop.kit.tree_of_patch("plain", r.patch) == \
            shop.kit.tree_after("plain", "printf 'a\\r\\nC\\r\\n' >crlf")
        assert len(since(shop, mark, "sandbox.create")) == 1
    assert nth > 3


def test_much_output_is_there_once(shop):
    """More than ten MiB, and death somewhere in them."""
    script = ("seq -f 'out %.0f' 1 500000;" + e2bkit.GATE +
              "seq -f 'out %.0f' 500001 1000000")
    with shop.started("plain", script, token=TOKEN,
                      output_max_bytes=100 << 20,
                      faults="spool.mid_line:12:kill") as (process, spool):
        assert process.wait(60) == -signal.SIGKILL
    e2bkit.open_gates(shop.e2b)
    r = is_well(again(shop, spool))
    assert len(r.output) > 10 << 20
    assert r.output == "".join(f"out {i}\n" for i in range(1, 1000001))


# --- the whole engine ----------------------------------------------------

WORK = ("i=0; while [ $i -lt 15 ]; do i=$((i+1)); echo word $i >&2; "
        "[ $i != 5 ] || " + e2bkit.GATE + " sleep 0.1; done; "
        "echo ran >>README.md")
WORDS = "".join(f"word {i}\n" for i in range(1, 16))


@contextlib.contextmanager
def machine(e2b, **more):
    """An installation that uses this server."""
    stack = pytest.importorskip("stack")
    with stack.Engine(
            E2B_API_KEY=API_KEY, E2B_API_URL=e2b.url, E2B_SANDBOX_URL=e2b.url,
            ANTHROPIC_API_KEY="k" * 20, **more) as made:
        (made.folder / "share/agents/claude/run").write_text(
            "#!/bin/sh\nsh \"$TASKMILL_PROMPT_FILE\" >&2 || exit 6\n"
            """echo '{"type":"result","subtype":"success","is_error":"""
            """false,"result":"worked","session_id":"s","num_turns":1}'\n""")
        made.e2b = e2b
        yield made


@pytest.fixture(scope="module")
def engine():
    stack = pytest.importorskip("stack")
    if stack.why_not() is not None:
        pytest.skip(str(stack.why_not()))
    with e2bkit.server() as e2b, machine(e2b) as made:
        yield made


@pytest.fixture(autouse=True)
def no_reaper_left(request):
    yield
    if "engine" in request.fixturenames:
        engine = request.getfixturevalue("engine")
        for reaper in engine.reapers:
            engine.end(reaper)
        engine.reapers.clear()
        engine.e2b.admin("POST", "/reset")


@pytest.fixture
def second(engine):
    """Another machine on the same database, with a state of its own."""
    with machine(engine.e2b, beside=engine) as other:
        shutil.copytree(engine.state / "keys", other.state / "keys")
        yield other


def goes_on(engine, task):
    """To its end, in whatever sandbox it is by now."""
    wait_for(lambda: e2bkit.open_gates(engine.e2b) or engine.status(task) in
             ("completed", "failed"))


def begun(engine, task):
    """The pid of a task's runner once its agent has said something."""
    spool = engine.state / "spool" / f"{task}.1"
    wait_for(lambda: (spool / "events.ndjson").exists() and
             b"word 3" in (spool / "events.ndjson").read_bytes())
    # Whoever takes it up empties it before it signs.
    return int(wait_for(lambda: (spool / "lock").read_text().split())[0])


def is_one_run(engine, task, attempts=1):
    goes_on(engine, task)
    assert engine.wait_status(task, seconds=60) == "completed"
    diff, = engine.sql("SELECT git_diff FROM tasks WHERE id = %s", task)[0]
    assert diff.count("\n+ran\n") == 1
    assert len(engine.attempts(task)) == attempts
    events = engine.events(task)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert "".join(e["data"]["text"] for e in events if e["kind"] == "output"
                   and e["data"]["stream"] == "stderr") == WORDS
    wait_for(lambda: not engine.e2b.sandboxes())
    wait_for(lambda: not engine.spools())
    assert not engine.sql("SELECT 1 FROM task_secrets WHERE task_id = %s", task)


def test_row22_killed_runner(engine):
    engine.reaper()
    task = engine.new_task(WORK)
    os.kill(begun(engine, task), signal.SIGKILL)
    is_one_run(engine, task)
    assert re.search(r"run resumed run=\d+\.1 pid=\d+ times=1",
                     engine.log_text())


def test_row69_everything_of_ours_is_killed(engine):
    reaper = engine.reaper()
    task = engine.new_task(WORK)
    pid = begun(engine, task)
    reaper.kill()
    os.kill(pid, signal.SIGKILL)
    reaper.wait()
    engine.reaper()
    is_one_run(engine, task)


@pytest.mark.parametrize("point", ["resume.before_spawn", "resume.after_spawn"])
def test_reaper_killed_as_it_takes_up(engine, point):
    first = engine.reaper(fault=f"{point}:1:kill")
    task = engine.new_task(WORK)
    os.kill(begun(engine, task), signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    engine.reaper()
    is_one_run(engine, task)


def test_dies_too_often(engine):
    """Three times; then it is another attempt's, in another sandbox."""
    engine.reaper()
    task = engine.new_task(WORK)
    seen = set()
    for _ in range(4):
        pid = wait_for(lambda: begun(engine, task) not in seen and
                       begun(engine, task))
        seen.add(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    goes_on(engine, task)
    assert engine.wait_status(task, seconds=60) == "completed"
    assert engine.attempts(task) == ["dead", "completed"]
    one_after_the_other(engine, task)


def one_after_the_other(engine, task):
    """The sandbox of each attempt was ended before the next one was made, and
    each had an agent of its own."""
    made = [e for e in engine.e2b.journal("sandbox.create")
            if e["metadata"].get("task") == str(task)]
    assert [e["metadata"]["attempt"] for e in made] == ["1", "2"]
    for older, newer in zip(made, made[1:]):
        kill, = engine.e2b.journal("sandbox.kill", older["sandbox"])
        assert older["seq"] < kill["seq"] < newer["seq"]
    for each in made:
        begun_there = engine.e2b.journal("process.start", each["sandbox"])
        assert sum(e["args"][-1] == "/home/user/agent-run"
                   for e in begun_there) == 1


def test_row21_another_machine_takes_over(engine, second):
    """The first one's reaper stands still; its runner and agent do not, and
    no second agent is begun beside that one."""
    silent = engine.reaper()
    task = engine.new_task(WORK)
    runner = begun(engine, task)
    os.kill(silent.pid, signal.SIGSTOP)
    try:
        second.reaper()
        wait_for(lambda: (engine.row(task) or {}).get("attempt") == 2)
        goes_on(engine, task)
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    assert engine.wait_status(task, seconds=60) == "completed"
    assert engine.attempts(task) == ["lost", "completed"]
    one_after_the_other(engine, task)
    diff, = engine.sql("SELECT git_diff FROM tasks WHERE id = %s", task)[0]
    assert diff.count("\n+ran\n") == 1
    wait_for(lambda: not pathlib.Path(f"/proc/{runner}").exists())
    wait_for(lambda: not engine.spools() and not second.spools())
    wait_for(lambda: f"run dropped run={task}.1" in engine.log_text())
    assert not engine.e2b.sandboxes()


def test_cancel_while_the_runner_is_dead(engine):
    reaper = engine.reaper()
    task = engine.new_task("echo word 3 >&2; sleep 300")
    pid = begun(engine, task)
    reaper.kill()
    reaper.wait()
    os.kill(pid, signal.SIGKILL)
    engine.cancel(task)
    engine.reaper()
    assert engine.wait_status(task, seconds=30) == "cancelled"
