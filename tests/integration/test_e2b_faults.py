"""The mode "e2b" when connections, files, the sandbox or the user break in."""
import json
import os
import pathlib
import signal
import time

import pytest

import runkit
from e2bkit import (GATE, agent_starts, clean, ended_in_order,  # noqa: F401
                    is_well, open_gates, run, shop, since)
from runkit import TOKEN, wait_for

# --- streams and files under every fault --------------------------------

START = {"method": "POST", "path": "Start$", "body": "agent-run"}
ANY_START = {"method": "POST", "path": "Start$"}


def only_an_error(code, message="not today"):
    """A stream that has nothing but its end, with an error in it."""
    text = json.dumps({"error": {"code": code, "message": message}})
    return {"answer": {"status": 200, "content_type":
                       "application/connect+json",
                       "text": f"\2\0\0\0{chr(len(text))}{text}"}}


CUTS = {
    "before start": {"cut": {"event": "start", "where": "before"}},
    "inside start": {"cut": {"event": "start", "where": "inside"}},
    "after start": {"cut": {"event": "start", "where": "after"}},
    "before data": {"cut": {"event": "data", "where": "before"}},
    "inside data": {"cut": {"event": "data", "where": "inside"}},
    "after data": {"cut": {"event": "data", "where": "after"}},
    "third data": {"cut": {"event": "data", "count": 3, "where": "inside"}},
    "before end": {"cut": {"event": "end", "where": "before"}},
    "after end": {"cut": {"event": "end", "where": "after"}},
    "inside eos": {"cut": {"event": "eos", "where": "inside"}},
    "reset": {"cut": {"event": "data", "where": "after", "reset": True}},
    "clean in data": {"cut": {"event": "data", "where": "after",
                              "clean": True}},
    "clean before end": {"cut": {"event": "end", "clean": True}},
    "clean before eos": {"cut": {"event": "eos", "clean": True}},
    "error in place of start": only_an_error("internal"),
    "error, and it has begun": {**only_an_error("unavailable"),
                                "effect": True},
    "error after end": {"stream_error": {"code": "internal",
                                         "message": "broken"}},
    "closed after the effect": {"close": "fin", "effect": True},
    "closed before it": {"close": "fin"},
    "html": {"answer": {"status": 502, "text": "<html></html>",
                        "content_type": "text/html"}},
    "rate": {"answer": {"status": 429, "message": "slow down",
                        "headers": {"Retry-After": "1"}}},
    "not a stream": {"answer": {"status": 200, "text": "{\"hello\":1}",
                                "content_type": "application/json"}},
    "corrupt head": {"corrupt": {"offset": 1}},
    "corrupt message": {"corrupt": {"offset": 8}},
}
TALK = ("i=0; while [ $i -lt 12 ]; do i=$((i+1)); echo line $i; "
        "echo err $i >&2; sleep 0.1; done; echo run >>keep")


@pytest.mark.parametrize("name", CUTS)
def test_broken_stream_loses_nothing(shop, name):
    mark = shop.mark()
    shop.e2b.fault(match=START, times=1, **CUTS[name])
    r = is_well(run(shop, TALK))
    for stream, word in (("stdout", "line"), ("stderr", "err")):
        text = "".join(e["data"]["text"] for e in r.events if
                       e["kind"] == "output" and e["data"]["stream"] == stream)
        assert text == "".join(f"{word} {i}\n" for i in range(1, 13))
    assert r.patch.count(b"\n+run\n") == 1
    assert since(shop, mark, "sandbox.create")


@pytest.mark.parametrize("count", [1, 2])
def test_cut_while_stderr_is_silent(shop, count):
    """Its file is empty, and an empty file has no parts."""
    shop.e2b.fault(match=START, times=1,
                   cut={"event": "data", "count": count, "where": "after"})
    r = is_well(run(shop, "echo one; sleep 1; echo two; sleep 1; echo run >>keep"))
    assert r.output == "one\ntwo\n" and r.patch.count(b"\n+run\n") == 1


@pytest.mark.parametrize("code", ["invalid_argument", "unauthenticated",
                                  "permission_denied", "unimplemented",
                                  "failed_precondition"])
def test_error_that_no_second_try_changes(shop, code):
    """The one after it would begin the agent; it is not asked for."""
    mark = shop.mark()
    shop.e2b.fault(match=START, times=1, **only_an_error(code, "no way in"))
    r = run(shop, TALK)
    assert (r.outcome, r.failure) == ("failed", "e2b_protocol")
    assert "no way in" in r.error
    assert not agent_starts(shop, mark)


def test_attaching_finds_nothing_at_first(shop):
    shop.e2b.fault(match=START, times=1,
                   cut={"event": "data", "where": "inside"})
    shop.e2b.fault(match={"path": "Connect$"}, times=2,
                   **only_an_error("not_found"))
    r = is_well(run(shop, TALK))
    assert r.output.count("line ") == 12


def test_nothing_is_kept_any_more(shop):
    """Whoever comes so late learns from the files how it has ended."""
    mark = shop.mark()
    shop.e2b.fault(match=START, times=1,
                   cut={"event": "data", "where": "after"})
    with shop.started("plain", "echo begun;" + GATE + TALK + "; exit 3",
                      token=TOKEN, e2b_silence_s=60) as (process, spool):
        wait_for(lambda: agent_starts(shop, mark))
        pid = agent_starts(shop, mark)[0]["pid"]
        shop.e2b.fault(match={"path": "(^/files|List$|Connect$)"}, times=0,
                       answer={"status": 500, "message": "oops"})
        open_gates(shop.e2b)
        wait_for(lambda: pid in [e["pid"] for e in
                                 since(shop, mark, "process.end")])
        shop.e2b.admin("POST", "/clock", {"advance": 31})
        shop.e2b.admin("DELETE", "/faults")
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "agent_failed")
    assert "status 3" in r.error
    assert r.output.count("line ") == 12


def wrapper_of_the_agent(shop):
    """Its pid and those of the two that copy the output; None: not all."""
    box, = shop.e2b.sandboxes().values()
    pids = [p["pid"] for p in box["inside"]
            if "/control/e2b-run" in p["argv"] or p["argv"][:1] == ["tail"]]
    return pids if len(pids) == 3 else None


def test_vanished_without_an_exit_status(shop):
    """What should have written it was killed; its agent must not go on."""
    mark = shop.mark()
    with shop.started("plain", "echo here; sleep 300", token=TOKEN) as (
            process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        for pid in wait_for(lambda: wrapper_of_the_agent(shop)):
            os.kill(pid, signal.SIGKILL)
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "sandbox_lost")
    assert "vanished without an exit status" in r.error
    assert len(agent_starts(shop, mark)) == 1
    assert since(shop, mark, "process.start")[-1]["args"][:2] == \
        ["/control/e2b-run", "kill"]


def test_every_stream_cut(shop):
    """Connections that never last: still each byte once."""
    shop.e2b.fault(match={"path": "(Start|Connect)$"}, times=0,
                   cut={"event": "data", "count": 2, "where": "inside"})
    r = is_well(run(shop, TALK))
    assert r.output.count("line ") == 12


def test_single_bytes(shop):
    shop.e2b.fault(match={"path": "Start$"}, times=0, split={"size": 1},
                   spaces=True)
    shop.e2b.fault(match={"path": "^/(v2|sandboxes|files)"}, times=0,
                   split={"size": 1}, spaces=True)
    r = is_well(run(shop, TALK))
    assert r.output.count("line ") == 12


def test_silent_connection(shop):
    """No byte, no keepalive: left, and taken up again."""
    shop.e2b.fault(match=START, times=1, silence={"after": 2})
    r = is_well(run(shop, TALK, e2b_silence_s=6))
    assert r.output.count("line ") == 12


def test_living_connection_without_keepalives(shop):
    """Silent for longer than we bear: left as well, though it lives."""
    mark = shop.mark()
    shop.e2b.fault(match=START, times=1, keepalive=False)
    r = is_well(run(shop, "echo line 1; sleep 9; echo line 2; echo x >>keep",
                    e2b_silence_s=6))
    assert r.output == "line 1\nline 2\n"
    assert since(shop, mark, "process.connect")


def test_half_open_connection(shop):
    shop.e2b.fault(match=START, times=1, hang=True)
    is_well(run(shop, TALK, e2b_silence_s=6))


@pytest.mark.parametrize("skip", [0, 1])  # the very first is e2b_open()'s
@pytest.mark.parametrize("rule", [
    {"close": "reset"}, {"cut": {"bytes": 3}},
    {"answer": {"status": 500, "message": "oops"}},
    {"answer": {"status": 502, "text": "", "content_type": "text/plain"}},
    {"answer": {"status": 401, "message": "unauthorized"}, "times": 0},
])
def test_files_under_faults(shop, rule, skip):
    rule = {"times": 2, **rule}
    shop.e2b.fault(match={"path": "^/files"}, skip=skip, **rule)
    r = run(shop)
    if rule["times"]:
        is_well(r)
    else:
        assert (r.outcome, r.failure) == ("failed", "e2b_protocol")
    assert shop.no_sandbox_left()


def test_sandbox_that_asks_for_a_long_pause(shop):
    """Another attempt may do better: it is no error of ours."""
    shop.e2b.fault(match={"path": "^/files"}, times=0, answer={
        "status": 502, "message": "The sandbox is asleep",
        "headers": {"Retry-After": "90"}})
    r = run(shop, e2b_busy_wait_s=3)
    assert (r.code, r.outcome) == (75, None), r.result


def test_paused_from_outside(shop):
    """A paused sandbox is resumed, and the agent goes on where it was."""
    mark = shop.mark()
    script = TALK.replace("sleep 0.1;",
                          "[ $i != 5 ] || " + GATE + " sleep 0.1;")
    with shop.started("plain", script, token=TOKEN) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"line 3" in events.read_bytes())
        box, = shop.e2b.sandboxes()
        assert shop.e2b.api("POST", f"/sandboxes/{box}/pause",
                            {}).status == 204
        open_gates(shop.e2b)
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert r.outcome == "completed", r.result
    assert r.output.count("line ") == 12
    assert since(shop, mark, "sandbox.resume")


def test_sandbox_dies_under_the_agent(shop):
    """The agent may have done anything: no second run of it."""
    mark = shop.mark()
    with shop.started("plain", "echo here; sleep 60", token=TOKEN) as (
            process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        box, = shop.e2b.sandboxes()
        shop.e2b.admin("POST", f"/sandboxes/{box}/die", {"how": "kill"})
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "sandbox_lost")
    assert "gone" in r.error
    assert len(agent_starts(shop, mark)) == 1


def test_sandbox_dies_before_the_agent(shop):
    """Nothing was done: another attempt may do better."""
    shop.e2b.fault(match=ANY_START, times=1, die={"seconds": 0})
    r = run(shop)
    assert (r.code, r.result) == (75, {})


def test_silence_of_the_service_is_not_the_agents(shop):
    """It prints all the time; nothing of it comes through for a while."""
    shop.e2b.fault(match=START, times=1,
                   cut={"event": "data", "count": 6, "where": "after"})
    with shop.started("plain", "i=0; while [ $i -lt 35 ]; do i=$((i+1)); "
                      "echo line $i; sleep 0.4; done; echo x >>keep",
                      token=TOKEN, agent_idle_s=6, e2b_silence_s=60) as (
                          process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"line 2" in events.read_bytes())
        shop.e2b.fault(match={"path": "(^/files|List$|Connect$)"}, times=0,
                       answer={"status": 500, "message": "oops"})
        time.sleep(10)
        shop.e2b.admin("DELETE", "/faults")
        assert process.wait(60) == 0
    r = is_well(runkit.Result(spool, 0, 0))
    assert r.output.count("line ") == 35


# --- time and cancellation ----------------------------------------------

def test_time_limit_ends_the_whole_tree(shop):
    script = ("echo begun; setsid sleep 300 & trap '' TERM; "
              "sh -c 'sleep 300'; sleep 300")
    with shop.started("plain", script, token=TOKEN, agent_limit_s=6,
                      faults="run.after_agent:1:stop") as (process, spool):
        def stopped():
            stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        wait_for(stopped)
        boxes = shop.e2b.sandboxes()
        assert "sleep" not in str([b["inside"] for b in boxes.values()])
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert "AGENT_TIMEOUT_S" in r.error and "begun" in r.output


def test_time_limit_while_its_files_hang(shop):
    """Its time is not spent on waiting for an answer."""
    script = "echo here; sleep 3; echo there; sleep 300"
    shop.e2b.fault(match=START, times=1,
                   cut={"event": "data", "count": 2, "where": "before"})
    with shop.started("plain", script, token=TOKEN, agent_limit_s=6) as (
            process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        shop.e2b.fault(match={"method": "GET", "path": "^/files"}, times=0,
                       hang=True)
        assert process.wait(80) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "timeout"), r.result


def test_time_limit_in_mid_flood(shop):
    """What was said until then is there in its order, each word once."""
    script = "seq -f 'line %.0f' 1 9000000; sleep 60"
    with shop.started("plain", script, token=TOKEN, agent_limit_s=2,
                      output_max_bytes=200 << 20) as (process, spool):
        assert process.wait(90) == 0
    r = runkit.Result(spool, 0, 0)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    lines = r.output.split("\n")
    assert len(lines) > 1000
    assert lines[:-1] == [f"line {i}" for i in range(1, len(lines))]


def test_the_shells_own_words_are_no_output(shop):
    r = run(shop, "echo here; kill -SEGV $$")
    assert (r.outcome, r.failure) == ("failed", "agent_failed")
    assert r.output == "here\n" and "egmentation" not in r.error


@pytest.mark.parametrize("answer", [
    {"text": "{}", "content_type": "application/json"},
    {"text": "null", "content_type": "application/json"},
    {"text": "[]", "content_type": "application/json",
     "headers": {"X-Next-Token": "x" * 600}}])
def test_what_is_no_list_is_not_an_empty_one(shop, answer):
    """A second attempt knows nothing of the first one's sandbox then."""
    mark = shop.mark()
    shop.e2b.fault(match={"method": "GET", "path": "^/v2/sandboxes"}, times=0,
                   answer={"status": 200, **answer})
    r = run(shop, attempt=2)
    assert (r.outcome, r.failure) == ("failed", "e2b_protocol")
    assert not since(shop, mark, "sandbox.create")


def test_cancel_after_an_agent_that_lingered(shop):
    """Its tree was ended, and the run goes on: it hears a wish still."""
    script = """echo '{"is":"end","ok":true,"text":"done"}'; sleep 300"""
    with shop.started("plain", script, token=TOKEN, agent="lines",
                      agent_linger_s=1, faults="e2b.before_command:3:stop"
                      ) as (process, spool):
        wait_for(lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text()
                 .rpartition(")")[2].split()[0] == "T", 40)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"


def test_a_kill_that_takes_long_is_no_lost_sandbox(shop):
    """What an agent that lingered has done counts all the same."""
    script = """echo x >b; echo '{"is":"end","ok":true,"text":"done"}'; """ \
             "sleep 300"
    shop.e2b.fault(match={"path": "Start$", "body": "taskmill-kill"}, times=1,
                   delay=5)
    r = is_well(run(shop, script, agent="lines", agent_linger_s=1))
    assert r.changed_files == ["b"]


def test_life_is_renewed(shop):
    """A sandbox must outlive its command."""
    mark = shop.mark()
    is_well(run(shop, life_s=60, agent_limit_s=200))
    assert any(e.get("timeout") == 260 or e.get("seconds") == 260
               for e in since(shop, mark, "sandbox.timeout")), \
        since(shop, mark, "sandbox.timeout")


@pytest.mark.parametrize("script", [
    "echo here; sleep 300",
    "trap '' TERM INT HUP; echo here; while :; do sleep 1; done",
    "echo here; setsid sleep 300; sleep 300",
])
def test_cancel_is_not_waited_for(shop, script, record_property):
    with shop.started("plain", script, token=TOKEN,
                      agent_limit_s=300) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        box, = shop.e2b.sandboxes()
        asked = time.time()
        process.terminate()
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"
    assert shop.no_sandbox_left()
    by_force = ended_in_order(shop.e2b, box, asked, record_property)
    assert by_force or "trap" not in script


def test_cancel_while_waiting_for_room(shop):
    shop.e2b.fault(match={"path": "^/v2/sandboxes$"}, times=0, answer={
        "status": 503, "message": "Failed to place sandbox",
        "error_code": "sandbox_capacity_unavailable"})
    with shop.started("plain", "true", token=TOKEN) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"note" in events.read_bytes())
        process.terminate()
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"


@pytest.mark.parametrize("rule", [
    {"answer": {"status": 500, "message": "Error killing sandbox"}},
    {"close": "reset"},
    {"close": "fin", "effect": True},
    {"answer": {"status": 404, "text": "", "content_type": "text/plain"},
     "effect": True},
])
def test_kill_is_repeated(shop, rule):
    shop.e2b.fault(match={"method": "DELETE"}, times=2, **rule)
    is_well(run(shop))
    assert shop.no_sandbox_left()


def test_asleep_while_the_agent_runs(shop):
    """No busy waiting: next to no processor time for seconds of agent."""
    with shop.started("plain", "echo here; sleep 4; echo x >>keep",
                      token=TOKEN) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())

        def ticks():
            text = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
            fields = text.rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(3)
        assert ticks() - before <= 0.1 * os.sysconf("SC_CLK_TCK")
        assert process.wait(60) == 0
