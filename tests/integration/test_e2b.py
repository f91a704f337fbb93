"""The mode "e2b": clean runs, errors, creation, and the whole engine."""
import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

import e2bkit
import gitserver
import runkit
from e2bkit import (API_KEY, BASE, CREATE, LIST, WORK, clean,  # noqa: F401
                    is_well, run, shop, since)
from runkit import TOKEN, git, kit, wait_for

AGENT_KEY = "sk-ant-0123456789abcdefKEY"


# --- clean runs ----------------------------------------------------------

def test_same_patch_as_in_the_simulation(shop):
    mark = shop.mark()
    cloud = is_well(run(shop, WORK))
    local = is_well(shop.kit.run("plain", WORK, token=TOKEN))
    assert cloud.changed_files == local.changed_files
    assert cloud.diff == local.diff
    tree = shop.kit.tree_after("plain", WORK)
    assert shop.kit.tree_of_patch("plain", cloud.patch) == tree
    assert shop.kit.tree_of_patch("plain", local.patch) == tree
    strip = re.compile(rb"^From .*\n|^From: .*\n|^Date: .*\n", re.MULTILINE)
    assert strip.sub(b"", cloud.patch) == strip.sub(b"", local.patch)
    assert sorted(cloud.output.split()) == sorted(local.output.split())
    assert cloud.message == local.message
    assert b"From: AI Assistant <ai-assistant@e2b.dev>\n" in cloud.patch
    assert cloud.metadata["sandbox"] == "e2b"
    assert cloud.metadata["file_changes"] == local.metadata["file_changes"]
    created, = since(shop, mark, "sandbox.create")
    assert cloud.sandbox_id == created["sandbox"]
    assert created["timeout"] == 600 and created["env"] == []
    facts = dict(created["metadata"])
    assert re.fullmatch("[0-9a-f]{32}", facts.pop("nonce"))
    assert facts == {"app": "taskmill", "deployment": "d-1",
                     "task": str(shop.kit.count - 1), "attempt": "1"}
    killed, = since(shop, mark, "sandbox.kill")
    assert killed["reason"] == "api"


def test_nothing_changed(shop):
    r = is_well(run(shop, "true"))
    assert (r.patch, r.diff, r.changed_files) == (b"", b"", [])


def test_older_control_plane(shop):
    """Without the v2 routes v1 is used, and its sandboxes have a token."""
    shop.e2b.admin("POST", "/settings", {"hide_versions": ["v2"]})
    mark = shop.mark()
    is_well(run(shop))
    assert not since(shop, mark, "envd.unauthorized")
    assert len(since(shop, mark, "sandbox.create")) == 1


def test_tls(tmp_path):
    """Over TLS: with its CA it works, without it the peer is refused."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
         str(key), "-out", str(cert), "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    with kit() as made, e2bkit.server(tls=(str(cert), str(key))) as e2b:
        made.repository("plain", BASE)
        secure = e2bkit.Shop(made, e2b)
        is_well(secure.run("plain", "echo x >>keep"))
        r = secure.run("plain", "echo x >>keep", e2b_ca_file="")
        assert (r.outcome, r.failure) == ("failed", "e2b_protocol")
        assert "SSL" in r.error or "certificate" in r.error
        wait_for(secure.no_sandbox_left)


def test_http_beyond_this_machine_is_refused(shop):
    r = run(shop, e2b_api_url="http://192.0.2.1:1", e2b_busy_wait_s=1)
    assert (r.outcome, r.failure) == ("failed", "e2b_protocol")


def test_http_beyond_this_machine_may_be_allowed(shop):
    """An address that leads here, and that taskmill does not know for one."""
    other = e2bkit.from_elsewhere(shop.e2b)
    for field in ("e2b_api_url", "e2b_sandbox_url"):
        r = run(shop, **{field: other})
        assert r.outcome == "failed"
        assert "its address is not allowed" in r.error
    is_well(run(shop, e2b_api_url=other, e2b_sandbox_url=other,
                e2b_allow_http=True))


def test_much_output_in_order(shop):
    """Many MiB on both streams, and characters that any cut divides."""
    script = ("seq -f '%.0f äöü€😀 line of output to make it long enough' "
              "1 250000; seq 1 600000 >&2; echo done >>keep")
    r = is_well(run(shop, script, output_max_bytes=100 << 20))
    out = "".join(e["data"]["text"] for e in r.events
                  if e["kind"] == "output" and e["data"]["stream"] == "stdout")
    err = "".join(e["data"]["text"] for e in r.events
                  if e["kind"] == "output" and e["data"]["stream"] == "stderr")
    assert len(out) > 10 << 20 and len(err) > 3 << 20
    lines = out.split("\n")[:-1]
    assert [int(x.split()[0]) for x in lines] == list(range(1, 250001))
    assert all("äöü€😀" in x for x in lines)
    assert err == "".join(f"{i}\n" for i in range(1, 600001))


def test_output_comes_while_it_runs(shop):
    with shop.started("plain", "echo early;" + e2bkit.GATE + "echo late >>keep",
                      token=TOKEN) as (process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"early" in events.read_bytes())
        assert process.poll() is None
        e2bkit.open_gates(shop.e2b)
        assert process.wait(60) == 0


def test_exit_status_and_last_words(shop):
    r = run(shop, "echo 'the key is bad' >&2; exit 3")
    assert (r.outcome, r.failure) == ("failed", "agent_failed")
    assert "status 3" in r.error and "the key is bad" in r.error


def test_nothing_of_the_agent_stays(shop):
    """Sessions of their own, no hang-ups: gone when the agent has ended."""
    script = ("setsid sh -c 'sleep 300 & sleep 300' >/dev/null 2>&1 & "
              "(setsid setsid sleep 300 >/dev/null 2>&1 &); "
              "nohup sleep 300 >/dev/null 2>&1 & sleep 0.2; echo x >>keep")
    with shop.started("plain", script, token=TOKEN,
                      faults="run.after_agent:1:stop") as (process, _):
        def stopped():
            stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        wait_for(stopped)
        box, = shop.e2b.sandboxes().values()
        assert "sleep" not in str(box["inside"])
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0


def test_branch_is_pushed_from_the_cloud(tmp_path):
    """The other job of a run, "publish": the same tree, pushed."""
    (tmp_path / "srv").mkdir()
    with gitserver.serve(tmp_path / "srv", {"x-access-token": TOKEN},
                         push=True) as host, e2bkit.server() as e2b:
        made = runkit.Kit(tmp_path, host)
        made.repository("plain", BASE)
        cloud = e2bkit.Shop(made, e2b)
        r = is_well(run(cloud, WORK))
        spool = tmp_path / f"run{made.count + 1}" / "spool"
        with cloud.started(
                "plain", "x", token=TOKEN, job="publish", attempt=1000001,
                base_commit=r.metadata["base_commit"], completed_s=1700000000,
                head_branch="claude-code-7", before=lambda folder: (
                    (folder / "spool").mkdir(),
                    (folder / "spool" / "input.patch").write_bytes(r.patch))
        ) as (process, where):
            assert where == spool and process.wait(60) == 0
        assert runkit.Result(spool, 0, 0).outcome == "completed"
        tree = git("rev-parse", "claude-code-7^{tree}",
                   cwd=made.bare("plain")).stdout.strip()
        assert tree == made.tree_after("plain", WORK)
        wait_for(cloud.no_sandbox_left)


# --- secrets -------------------------------------------------------------

def test_secrets_stay_secret(shop):
    """In no file, argument or event; the token for the clone alone."""
    prompt = "env | sort; ps aux; cat /proc/*/environ 2>/dev/null | tr '\\0' " \
             "'\\n' | grep -a E2B_ ; sleep 0.5; echo x >>keep"
    lines = []
    with shop.started("plain", prompt, token=TOKEN,
                      env={"TEST_KEY": AGENT_KEY}) as (process, spool):
        while process.poll() is None:
            try:
                lines.append(pathlib.Path(
                    f"/proc/{process.pid}/cmdline").read_bytes())
                lines.append(pathlib.Path(
                    f"/proc/{process.pid}/environ").read_bytes())
            except OSError:
                pass
            time.sleep(0.02)
    assert process.returncode == 0
    seen = b"".join(lines)
    for folder in (spool, spool.parent):
        for path in folder.iterdir():
            if path.is_file():
                seen += path.read_bytes()
    assert not e2bkit.secrets_in(seen, API_KEY, TOKEN, AGENT_KEY)
    output = runkit.Result(spool, 0, 0).output
    assert "TASKMILL_TOKEN" not in output
    # The journal of the server knows names of variables, and arguments.
    starts = shop.e2b.journal("process.start")
    assert not e2bkit.secrets_in(json.dumps(starts).encode(), API_KEY, TOKEN)
    with_token = [e for e in starts if "TASKMILL_TOKEN" in e["env"]]
    assert with_token and all("/control/clone.sh" in e["args"]
                              for e in with_token)


def test_debug_log_shows_all_but_secrets(shop):
    """Every request and answer, masked: also what an error echoes."""
    shop.e2b.fault(match=CREATE, times=1, answer={
        "status": 500, "message": f"no luck with {API_KEY}"})
    with shop.started("plain", "echo here >&2;" + e2bkit.GATE +
                      " echo x >>keep",
                      token=TOKEN, env={"TEST_KEY": AGENT_KEY},
                      log_level="debug", e2b_create_s=8) as (process,
                                                             spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"here" in events.read_bytes())
        box, = shop.e2b.sandboxes()
        envd_token = shop.e2b.api(
            "GET", f"/sandboxes/{box}").json["envdAccessToken"]
        e2bkit.open_gates(shop.e2b)
        assert process.wait(60) == 0
    log = (spool.parent / "log").read_text()
    for words in ('e2b request method=POST path="/v2/sandboxes" body="{',
                  'e2b answer method=POST path="/v2/sandboxes" status=201',
                  'status=500',
                  'e2b request method=POST path="/process.Process/Start"',
                  'e2b answer method=POST path="/process.Process/Start" '
                  'status=200',
                  'e2b request method=POST path="/files',
                  f'e2b answer method=DELETE path="/sandboxes/{box}" '
                  'status=204', '\\"envdAccessToken\\":\\"***\\"',
                  '\\"TASKMILL_TOKEN\\":\\"***\\"'):
        assert words in log, words
    assert re.search(r"status=200 ms=\d+ bytes=\d+", log)
    assert not e2bkit.secrets_in(log.encode(), API_KEY, TOKEN, AGENT_KEY,
                                 envd_token)
    # Nothing of it without being asked for.
    with shop.started("plain", "echo x >>keep", token=TOKEN) as (process,
                                                                 spool):
        assert process.wait(60) == 0
    assert "e2b request" not in (spool.parent / "log").read_text()


def test_key_goes_to_the_control_plane_only(shop):
    """...and the sandbox's token to the sandbox only."""
    mark = shop.mark()
    is_well(run(shop))
    assert not since(shop, mark, "envd.unauthorized")


# --- errors that users understand ---------------------------------------

ERRORS = {
    "key": ({"status": 401, "message": "Invalid API key"}, "e2b_key",
            "E2B_API_KEY"),
    "blocked": ({"status": 403, "message": "team is blocked: payment"},
                "e2b_blocked", "team is blocked: payment"),
    "banned": ({"status": 403, "message": "team is banned"}, "e2b_blocked",
               "dashboard"),
    "foreign template": ({"status": 403, "message":
                          "you don't have access to template 'x'"},
                         "e2b_template", "E2B_TEMPLATE_ID"),
    "template": ({"status": 404, "message": "template 'x' not found"},
                 "e2b_template", "template 'x' not found"),
    "tag": ({"status": 404, "message":
             "tag 'v' does not exist for template 'x'"}, "e2b_template",
            "tag 'v'"),
    "too long": ({"status": 400, "message":
                  "Timeout cannot be greater than 1 hours"}, "e2b_refused",
                 "Timeout cannot be greater than 1 hours"),
    "capacity": ({"status": 503, "message": "Failed to place sandbox",
                  "error_code": "sandbox_capacity_unavailable"},
                 "e2b_capacity", "no room"),
    "redirect": ({"status": 302, "headers": {"Location": "http://x/"}},
                 "e2b_protocol", "does not understand"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_create_is_refused(shop, name):
    answer, failure, words = ERRORS[name]
    shop.e2b.fault(match=CREATE, times=0, answer=answer)
    r = run(shop, e2b_busy_wait_s=1, e2b_create_s=5)
    assert (r.code, r.outcome, r.failure) == (0, "failed", failure)
    assert words in r.error
    assert API_KEY not in r.error


def test_wrong_key(shop):
    r = run(shop, key="e2b_" + "f" * 40)
    assert (r.outcome, r.failure) == ("failed", "e2b_key")


def test_full_account_defers_a_task(shop):
    """Asked for once, and left to the queue (test_e2b_quota.py)."""
    shop.e2b.admin("POST", "/settings", {"max_sandboxes": 0})
    mark = shop.mark()
    r = run(shop, e2b_quota_wait_s=60)
    assert (r.code, r.outcome, r.failure) == (0, "deferred", "quota")
    assert "as many sandboxes as its plan allows" in r.error
    assert "maximum number of concurrent" in r.error
    asked = [e for e in since(shop, mark, "http")
             if (e["method"], e["path"]) == ("POST", "/v2/sandboxes")]
    assert len(asked) == 1


def test_full_account_keeps_a_push_waiting(shop):
    """Its user waits before a page: it says why, and goes on when it can."""
    shop.e2b.admin("POST", "/settings", {"max_sandboxes": 1})
    other = shop.e2b.create()
    with shop.started("plain", "x", token=TOKEN, job="publish",
                      attempt=1000001, head_branch="claude-code-7") as (
                          process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and b"note" in events.read_bytes())
        assert shop.e2b.api("DELETE", f"/sandboxes/{other.id}").status == 204
        assert process.wait(60) == 0
    r = runkit.Result(spool, 0, 0)
    assert r.failure != "quota"
    note, = r.texts("note")
    assert note.startswith("Waiting for a sandbox: The E2B account already")


def test_full_account_fails_a_push_in_the_end(shop):
    shop.e2b.admin("POST", "/settings", {"max_sandboxes": 0})
    r = run(shop, e2b_quota_wait_s=1, job="publish", attempt=1000001,
            head_branch="claude-code-7")
    assert (r.outcome, r.failure) == ("failed", "quota")
    assert "maximum number of concurrent" in r.error


def test_rate_limit_is_honoured(shop):
    shop.e2b.fault(match=CREATE, times=1, answer={
        "status": 429, "message": "Rate limit exceeded",
        "headers": {"Retry-After": "2"}})
    r = is_well(run(shop))
    assert r.seconds > 2
    assert "no more requests" in r.texts("note")[0]


def test_rate_limit_for_too_long(shop):
    shop.e2b.fault(match=CREATE, times=0, answer={
        "status": 429, "message": "Rate limit exceeded",
        "headers": {"Retry-After": "30"}})
    r = run(shop, e2b_busy_wait_s=3)
    assert (r.outcome, r.failure) == ("failed", "e2b_rate")


def test_no_capacity_for_a_while(shop):
    shop.e2b.fault(match=CREATE, times=2, answer={
        "status": 503, "message": "no node", "error_code":
        "sandbox_no_compatible_node"})
    is_well(run(shop))


def test_nobody_there(shop):
    with e2bkit.server() as gone:
        url = gone.url
    r = run(shop, e2b_api_url=url, e2b_busy_wait_s=1)
    assert (r.outcome, r.failure) == ("failed", "e2b_away")


@pytest.mark.parametrize("skip", [0, 2])  # the very first is e2b_open()'s
def test_disk_of_the_sandbox_is_full(shop, skip):
    shop.e2b.fault(match={"method": "POST", "path": "^/files"}, skip=skip,
                   times=0, answer={"status": 507, "message":
                                    "not enough disk space available"})
    r = run(shop)
    assert (r.outcome, r.failure) == ("failed", "disk_full")
    assert shop.no_sandbox_left()


def test_repository_errors_are_the_same(shop):
    r = shop.run("plain", "true", token="ghp_wrong0123456789")
    assert (r.outcome, r.failure) == ("failed", "github_auth")
    r = shop.run("plain", "true", token=TOKEN, branch="nowhere")
    assert (r.outcome, r.failure) == ("failed", "repo_access")


def test_readme_covers_every_error():
    """Each text that a user may see is quoted among the troubles."""
    source = (e2bkit.ROOT / "src/exec/e2b_trouble.c").read_text()
    table = source[source.index("troubles[] = {"):source.index("_Static_")]
    texts = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', row)) for row in
             re.findall(r"\[E2B_\w+\] = \{[^,]*,[^,]*,[^,]*,(.*?)\},\n",
                        table, re.DOTALL)]
    readme = (e2bkit.ROOT / "README.md").read_text()
    trouble = readme[readme.index("## When something is wrong"):]
    quoted = [q.strip("…") for q in re.findall(r'"([^"\n]{8,})"', trouble)]
    unsaid = {"E2B answered well", "The sandbox has no such thing", "stopped"}
    assert len(texts) == source.count("\t[E2B_")
    for text in texts:
        assert text in unsaid or any(q in text for q in quoted), text


# --- creating exactly one ------------------------------------------------

@pytest.mark.parametrize("rule", [
    {"close": "fin", "effect": True},
    {"close": "reset", "effect": True},
    {"delay_answer": 8},
    {"cut": {"bytes": 40}},
    {"answer": {"status": 502, "text": "<html>bad</html>",
                "content_type": "text/html"}, "effect": True},
    {"answer": {"status": 201, "text": "{\"sandboxID\":",
                "content_type": "application/json"}, "effect": True},
])
def test_unclear_creation_is_looked_up(shop, rule):
    """It was made, but nobody said so: found by its nonce, not made again."""
    mark = shop.mark()
    shop.e2b.fault(match=CREATE, times=1, **rule)
    is_well(run(shop, e2b_create_s=6))
    assert len(since(shop, mark, "sandbox.create")) == 1
    assert len(since(shop, mark, "sandbox.kill")) == 1


@pytest.mark.parametrize("rule", [
    {"close": "fin"}, {"close": "reset"}, {"hang": True},
    {"answer": {"status": 500, "message": "Failed to place sandbox",
                "error_code": "sandbox_create_failed"}},
    {"answer": {"status": 404, "text": "", "content_type": "text/plain"}},
])
def test_creation_that_did_not_happen_is_repeated(shop, rule):
    mark = shop.mark()
    shop.e2b.fault(match=CREATE, times=1, **rule)
    is_well(run(shop, e2b_create_s=4))
    assert len(since(shop, mark, "sandbox.create")) == 1


def test_unclear_creation_in_an_outage(shop):
    """Nobody can say for a while whether there is one: that is waited for."""
    mark = shop.mark()
    away = {"status": 502, "text": "", "content_type": "text/html"}
    shop.e2b.fault(match=CREATE, times=1, answer=away)
    shop.e2b.fault(match=LIST, times=3, answer=away)
    is_well(run(shop, e2b_create_s=4, e2b_busy_wait_s=60))
    assert len(since(shop, mark, "sandbox.create")) == 1


def test_unclear_creation_in_an_outage_that_lasts(shop):
    away = {"status": 502, "text": "", "content_type": "text/html"}
    shop.e2b.fault(match=CREATE, times=1, answer=away)
    shop.e2b.fault(match=LIST, times=0, answer=away)
    r = run(shop, e2b_create_s=1, e2b_busy_wait_s=2)
    assert (r.outcome, r.failure) == ("failed", "e2b_away")


def test_cancelled_while_it_is_made(shop):
    """The result is there at once; the sandbox is found and ended after it."""
    shop.e2b.fault(match=CREATE, times=1, delay_answer=15)
    mark = shop.mark()
    with shop.started("plain", "true", token=TOKEN, e2b_create_s=20) as (
            process, spool):
        wait_for(lambda: since(shop, mark, "sandbox.create"))
        process.terminate()
        wait_for(lambda: (spool / "result.json").exists())
        there = (spool / "result.json").stat().st_mtime
        process.wait(60)
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"
    wait_for(lambda: since(shop, mark, "sandbox.kill"))
    assert there <= since(shop, mark, "sandbox.kill")[0]["time"]


# --- the whole engine ----------------------------------------------------

@pytest.fixture(scope="module")
def engine():
    stack = pytest.importorskip("stack")
    if stack.why_not() is not None:
        pytest.skip(str(stack.why_not()))
    with e2bkit.server() as e2b:
        with stack.Engine(
                E2B_API_KEY=API_KEY, E2B_API_URL=e2b.url,
                E2B_SANDBOX_URL=e2b.url, ANTHROPIC_API_KEY=AGENT_KEY,
                E2B_QUOTA_WAIT_S=60) as made:
            # A real agent: the manifest's, with its key, no stand-in.
            run_script = made.folder / "share/agents/claude/run"
            run_script.write_text(
                "#!/bin/sh\n[ -n \"$ANTHROPIC_API_KEY\" ] || exit 4\n"
                "[ -z \"${TASKMILL_TOKEN:-}\" ] || exit 5\n"
                "sh \"$TASKMILL_PROMPT_FILE\" >&2 || exit 6\n"
                """echo '{"type":"result","subtype":"success","is_error":"""
                """false,"result":"worked","session_id":"s","num_turns":1}'\n""")
            made.e2b = e2b
            made.reaper()
            yield made


def events_of(engine, task, kind):
    return [e["data"] for e in engine.events(task) if e["kind"] == kind]


def test_engine_runs_a_task_in_the_cloud(engine):
    task = engine.new_task("echo x >>README.md; echo said >&2;" + e2bkit.GATE)
    engine.wait_event(task, "said")
    spooled = b"".join(path.read_bytes() for path in (
        engine.state / "spool" / f"{task}.1").iterdir())
    e2bkit.open_gates(engine.e2b)
    assert engine.wait_status(task, seconds=40) == "completed"
    diff, box = engine.sql(
        "SELECT git_diff, container_id FROM tasks WHERE id = %s", task)[0]
    assert "+x" in diff
    created, = [e for e in engine.e2b.journal("sandbox.create")
                if e["metadata"]["task"] == str(task)]
    assert created["sandbox"] == box
    assert re.fullmatch("[0-9a-f]{16}", created["metadata"]["deployment"])
    wait_for(lambda: not engine.e2b.sandboxes())
    # LOG_LEVEL=debug: what the runner said outlives its spool.
    wait_for(lambda: not engine.spools())
    text = spooled + engine.log_text().encode()
    assert f"said run={task}.1 ".encode() in text
    assert b"e2b request method=POST path" in text
    for row in engine.sql("SELECT data FROM task_events"):
        text += str(row[0]).encode()
    assert not e2bkit.secrets_in(text, API_KEY, AGENT_KEY)


def test_engine_names_the_failure(engine):
    engine.e2b.fault(match=CREATE, times=1, answer={
        "status": 401, "message": "Invalid API key"})
    task = engine.new_task("true")
    assert engine.wait_status(task, seconds=40) == "failed"
    text, = engine.sql("SELECT error FROM tasks WHERE id = %s", task)[0]
    assert "E2B_API_KEY" in text


def test_row41_cancel_while_running(engine, record_property):
    task = engine.new_task("setsid sleep 300 & echo here >&2; sleep 300")
    wait_for(lambda: any("here" in d.get("text", "")
                         for d in events_of(engine, task, "output")))
    box, = [e["sandbox"] for e in engine.e2b.journal("sandbox.create")
            if e["metadata"]["task"] == str(task)]
    asked = time.time()
    engine.cancel(task)
    assert engine.wait_status(task) == "cancelled"
    wait_for(lambda: not engine.e2b.sandboxes())
    e2bkit.ended_in_order(engine.e2b, box, asked, record_property)


def test_check_online(engine):
    done = engine.taskmill("check", "--json", "--online", check=False)
    report = json.loads(done)
    assert report["mode"] == "e2b"
    assert report["checks"]["sandbox"]["verdict"] == "ok"
    assert "was made" in report["checks"]["sandbox"]["detail"]
    assert not engine.e2b.sandboxes()


def test_check_online_says_what_could_not_be_ended(engine):
    engine.e2b.fault(match={"method": "DELETE"}, times=0,
                     answer={"status": 400, "message": "not now"})
    done = subprocess.run(
        [runkit.BINARY, "check", "--json", "--online", "--config",
         str(engine.conf)], text=True, capture_output=True, check=False,
        env=engine.environment(), timeout=120)
    found = json.loads(done.stdout)["checks"]["sandbox"]
    assert done.returncode == 69
    assert found["verdict"] == "fail" and "not now" in found["detail"]


@pytest.mark.parametrize("answer, words", [
    ({"status": 401, "message": "Invalid API key"}, "E2B_API_KEY"),
    ({"status": 403, "message": "team is blocked: payment"}, "payment"),
    ({"status": 404, "message": "template 'base' not found"},
     "E2B_TEMPLATE_ID"),
    ({"status": 429, "message": "maximum number of concurrent"}, "plan")])
def test_check_online_says_what_is_wrong(engine, answer, words):
    engine.e2b.fault(match=CREATE, times=1, answer=answer)
    done = subprocess.run(
        [runkit.BINARY, "check", "--json", "--online", "--config",
         str(engine.conf)], text=True, capture_output=True, check=False,
        env=engine.environment(), timeout=120)
    report = json.loads(done.stdout)
    assert done.returncode == 69 and report["ok"] is False
    found = report["checks"]["sandbox"]
    assert found["verdict"] == "fail" and words in found["detail"]
    assert "E2B_API_KEY is set" in report["checks"]["mode"]["detail"]
    assert API_KEY not in json.dumps(report)
