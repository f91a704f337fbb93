"""What a runner does with an agent: its events, its clocks, its failures, its
environment, its installation. In both kinds of sandboxes; the agents are
scripts of the tests."""
import hashlib
import http.server
import io
import json
import os
import signal
import tarfile
import threading

import pytest

import e2bkit
import runkit
from runkit import KEY, TOKEN, kit, wait_for

OK = """echo '{"is":"end","ok":true,"text":"all is done"}'\n"""


@pytest.fixture(scope="module")
def kinds():
    """One folder of repositories, seen from both kinds of sandboxes."""
    with kit({"x-access-token": TOKEN}) as made, e2bkit.server() as e2b:
        made.repository("plain", "echo hello >a.txt")
        yield {"local": made, "e2b": e2bkit.Shop(made, e2b)}


@pytest.fixture(params=["local", "e2b"])
def shop(request, kinds):
    return kinds[request.param]


def run(shop, prompt, **more):
    return shop.run("plain", prompt, token=TOKEN, **{"agent": "lines", **more})


def agent_events(r):
    return [e["data"] for e in r.events if e["kind"] == "agent"]


def types(r):
    return [e["type"] for e in agent_events(r)]


# --- events --------------------------------------------------------------

def test_lines_become_events(shop):
    r = run(shop, r"""
        echo '{"is":"session","id":"s-1","model":"m-1"}'
        echo '{"is":"text","text":"I begin."}'
        echo '{"is":"tool","name":"sh","input":{"a":"b"}}'
        echo '{"is":"used","in":10,"out":3,"usd":0.5}'
        echo '{"is":"used","in":10,"out":3,"usd":0.75}'
        echo 'not JSON'
        echo '{"is":"unheard of"}'
        echo x >b.txt
        """ + OK)
    assert (r.outcome, r.error, r.message) == ("completed", None,
                                               "all is done")
    assert types(r) == ["start", "session", "text", "tool_start", "usage",
                        "usage", "text", "text", "result"]
    events = agent_events(r)
    assert events[0] == {"type": "start", "agent": "lines", "title": "Lines",
                         "output": "json-lines"}
    assert events[3] == {"type": "tool_start", "tool": "sh",
                         "input": '{"a":"b"}'}
    assert events[6] == {"type": "text", "text": "not JSON", "raw": True}
    # The raw output is kept as well.
    assert '{"is":"unheard of"}\n' in r.output
    assert r.metadata["agent_model"] == "m-1"
    assert r.metadata["usage"] == {
        "session": "s-1", "input_tokens": 20, "cached_tokens": 0,
        "output_tokens": 6, "reasoning_tokens": 0, "turns": 2,
        "cost_micro_usd": 750000}


def test_the_same_bytes_give_the_same_events(kinds):
    """A second reader of an output makes no other events of it."""
    prompt = ("i=0; while [ $i -lt 300 ]; do i=$((i+1)); "
              "echo '{\"is\":\"text\",\"text\":\"line '$i' äöü\"}'; "
              "echo \"broken $i\"; done\n" + OK)
    first, second = (agent_events(run(kinds[k], prompt))
                     for k in ("local", "e2b"))
    assert first == second and len(first) == 602


def test_no_secret_in_an_event(shop):
    """Also not as JSON escapes it, in the event or in the raw output."""
    secret = 'sk-"quote\\back/0123'
    script = r"""
        python3 - <<'END'
import json, os
key = os.environ["ANTHROPIC_API_KEY"]
print(json.dumps({"is": "text", "text": "a " + key}))
print(json.dumps({"is": "tool", "name": "sh", "input": {"k": key}}))
print(json.dumps({"is": "text", "text": json.dumps({"inner": key})}))
print(json.dumps({"is": "unknown", "text": key}))
print(json.dumps({"is": "end", "ok": True, "text": key}).replace("/", "\\/"))
END
        """
    r = run(shop, script, env={"ANTHROPIC_API_KEY": secret})
    assert r.outcome == "completed", r.error
    assert types(r) == ["start", "text", "tool_start", "text", "text",
                        "result"]
    everything = r.everything()
    for part in ("quote", "back/0123", "back\\/0123"):
        assert part.encode() not in everything
    assert r.message == "[redacted]"


# --- clocks --------------------------------------------------------------

def test_silence_is_not_endless(shop):
    r = run(shop, """echo '{"is":"text","text":"I wait."}'; sleep 100""",
            agent_idle_s=1)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert "AGENT_IDLE_S" in r.error and "1 seconds" in r.error


def test_output_keeps_it_alive(shop):
    r = run(shop, "for i in $(seq 20); do sleep 0.5; "
            "echo '{\"is\":\"text\",\"text\":\"on\"}'; done\n" + OK,
            agent_idle_s=8)
    assert r.outcome == "completed", r.error


def test_who_has_finished_need_not_leave(shop):
    r = run(shop, "echo x >b.txt\n" + OK + "setsid sleep 300 & sleep 300",
            agent_linger_s=1, agent_idle_s=200)
    assert (r.outcome, r.error, r.message) == ("completed", None,
                                               "all is done")
    assert r.changed_files == ["b.txt"]
    assert any("AGENT_LINGER_S" in text for text in r.texts("note"))


def test_who_has_failed_need_not_leave_either(shop):
    r = run(shop, """echo '{"is":"end","ok":false,"text":"no money",'\
'"code":"poor"}'; sleep 300""", agent_linger_s=1)
    assert (r.outcome, r.failure) == ("failed", "agent_quota")
    assert "no money" in r.error and "ANTHROPIC_API_KEY" in r.error


def test_the_total_limit_is_another(shop):
    r = run(shop, "while :; do echo '{\"is\":\"text\",\"text\":\"on\"}'; "
            "sleep 0.2; done", agent_limit_s=2, agent_idle_s=60)
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert "AGENT_TIMEOUT_S" in r.error


def test_no_result_is_no_success(shop):
    r = run(shop, "echo '{\"is\":\"text\",\"text\":\"half of it\"}'")
    assert (r.outcome, r.failure) == ("failed", "agent_failed")
    assert "half of it" in r.error


def test_a_cancelled_agent_leaves_nobody(kinds):
    """Its commands have sessions of their own."""
    shop = kinds["local"]
    prompt = ("setsid setsid sleep 300 & setsid sleep 300 & "
              "echo '{\"is\":\"text\",\"text\":\"here\"}'; sleep 300")
    with shop.started("plain", prompt, agent="lines", token=TOKEN) as (
            process, spool):
        events = spool / "events.ndjson"
        wait_for(lambda: events.exists() and
                 b'"text":"here"' in events.read_bytes())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert runkit.Result(spool, 0, 0).outcome == "cancelled"
    wait_for(lambda: not shop.leftovers())


# --- what it gets --------------------------------------------------------

SHOW = r"""
    env | sed 's/^GITHUB_TOKEN=ghp_.*/the token is here/' | sort >env.txt
    cat .git/config >>env.txt 2>/dev/null || :
    """ + OK


def shown(r):
    assert r.outcome == "completed", r.error
    return r.patch.decode()


def test_the_token_is_for_the_clone_alone(shop):
    text = shown(run(shop, SHOW))
    assert "+GITHUB_TOKEN" not in text and "+the token is here" not in text
    assert "+HOME=" in text and TOKEN not in text


def test_unless_somebody_wants_otherwise(shop):
    text = shown(run(shop, SHOW, agent_github_token=True))
    assert "+the token is here" in text and TOKEN not in text


def test_model_and_limits(shop):
    text = shown(run(shop, SHOW, agent_model="anthropic/m-1[1m]",
                     agent_max_turns=7, agent_budget_cents=205))
    assert "+TASKMILL_AGENT_MODEL=anthropic/m-1[1m]\n" in text
    assert "+TASKMILL_AGENT_MAX_TURNS=7\n" in text
    assert "+TASKMILL_AGENT_BUDGET_USD=2.05\n" in text


def test_no_option_is_a_model(kinds):
    text = shown(run(kinds["local"], SHOW, agent_model="--settings=x"))
    assert "TASKMILL_AGENT_MODEL" not in text


def test_programs_of_the_host(kinds):
    """Of the host a local agent sees the folders that the admin names."""
    folder = kinds["local"].folder / "programs"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\necho from the host >tool.txt\n")
    (folder / "tool").chmod(0o755)
    script = (f"tool; ls {folder.parent} >list.txt; "
              f"touch {folder}/more 2>/dev/null && echo written >list.txt\n")
    r = run(kinds["local"], script + OK, agent_path=str(folder))
    text = shown(r)
    assert "+from the host" in text and "+programs" in text
    assert "srv" not in text and "written" not in text
    assert not (folder / "more").exists()


# --- installation --------------------------------------------------------

def archive():
    """An npm package with one program, as its registry serves it."""
    script = ("#!/bin/sh\ncat \"$TASKMILL_PROMPT_FILE\" >made-by-tool.txt\n"
              + OK).encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/bin/tool")
        entry.size, entry.mode = len(script), 0o644
        tar.addfile(entry, io.BytesIO(script))
    return data.getvalue()


class Registry(http.server.BaseHTTPRequestHandler):
    content, hang = archive(), None

    def do_GET(self):  # noqa: N802
        if self.hang is not None:
            self.hang.wait(60)
        found = self.path == "/@acme/tool-linux/-/tool-linux-1.2.3.tgz"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length",
                         str(len(self.content) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def registry():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.handle_error = lambda *_: None  # a client that has left
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make_agent(kinds, name, sha512):
    folder = kinds["local"].share / "agents" / name
    folder.mkdir()
    (folder / "agent.json").write_text(json.dumps({
        "title": "The Tool", "script": "run", "output": "json-lines",
        "events": "events.json", "version": "1.2.3", "install": "install"}))
    lines = kinds["local"].share / "agents" / "lines" / "events.json"
    (folder / "events.json").write_text(lines.read_text())
    (folder / "run").write_text(
        "#!/bin/sh\nPATH=$HOME/.local/bin:$PATH\n"
        "command -v tool >/dev/null || exit 127\nexec tool\n")
    (folder / "install").write_text(
        "#!/bin/sh\nset -eu\ncommand -v tool >/dev/null && exit 0\n"
        "[ -z \"${ANTHROPIC_API_KEY:-}\" ] || exit 9\n"
        "exec /bin/sh \"$TASKMILL_FETCH\" tool @acme/tool-linux "
        f"\"$TASKMILL_AGENT_VERSION\" {sha512} bin/tool\n")
    return name


def test_a_missing_agent_is_installed(kinds, registry):
    digest = hashlib.sha512(Registry.content).hexdigest()
    r = run(kinds["e2b"], "the prompt", agent=make_agent(
        kinds, "tool", digest), agent_registry=registry,
        env={"ANTHROPIC_API_KEY": KEY})
    assert (r.outcome, r.error) == ("completed", None)
    assert r.changed_files == ["made-by-tool.txt"]
    # On this machine nothing is installed: who runs it says what is there.
    r = run(kinds["local"], "the prompt", agent="tool", agent_kind="cli",
            agent_registry=registry)
    assert (r.outcome, r.failure) == ("failed", "agent_missing")
    assert "The Tool" in r.error and "SIMULATION_AGENT_PATH" in r.error


def test_only_what_is_expected_is_installed(kinds, registry):
    r = run(kinds["e2b"], "x", agent=make_agent(kinds, "forged", "0" * 128),
            agent_registry=registry)
    assert (r.outcome, r.failure) == ("failed", "agent_missing")
    assert "SHA-512" in r.error and "The Tool" in r.error


def test_an_installation_has_a_deadline(kinds, registry):
    Registry.hang = threading.Event()
    try:
        r = run(kinds["e2b"], "x", agent=make_agent(kinds, "slow", "0" * 128),
                agent_registry=registry, agent_install_limit_s=1)
    finally:
        Registry.hang.set()
        Registry.hang = None
    assert (r.outcome, r.failure) == ("failed", "timeout")
    assert "AGENT_INSTALL_TIMEOUT_S" in r.error and "The Tool" in r.error


def test_no_registry_no_agent(kinds):
    name = "nowhere"
    r = run(kinds["e2b"], "x", agent=make_agent(kinds, name, "0" * 128),
            agent_registry="http://127.0.0.1:9")
    assert (r.outcome, r.failure) == ("failed", "agent_missing")
    assert "127.0.0.1:9" in r.error and "share/e2b-template" in r.error
    assert os.listdir(kinds["local"].share / "agents" / name)
