"""The real Claude Code and Codex, driven by the fake model server.

Pinned versions are installed below build-agents/ (TASKMILL_AGENTS_BUILD says where
else): some 820 MB. Without npm or the registry the tests are skipped. No
agent reaches any other network: its proxy is a closed port.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2b-server")]
import fixture  # noqa: E402
import harness  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("TASKMILL_AGENTS_BUILD", os.path.join(ROOT, "build-agents"))
CLAUDE = "node_modules/@anthropic-ai/claude-code-linux-{}/claude"
OPENCODE = "node_modules/opencode-linux-{}/bin/opencode"
CODEX = "node_modules/@openai/codex-linux-{}/vendor/{}-unknown-linux-musl/bin/codex"
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|E403|E404|network",
                     re.I)
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
LIMIT = 120


def skip_unless_installable():
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    if os.uname().machine not in MACHINES:
        pytest.skip(f"no agents for {os.uname().machine}")
    os.makedirs(BUILD, exist_ok=True)
    if shutil.disk_usage(BUILD).free < 2 << 30:
        pytest.skip("less than 2 GiB free")


def installed(stamp, digest):
    try:
        with open(stamp, encoding="utf-8") as text:
            return text.read() == digest
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def programs():
    """Paths of the native programs; the wrappers of the packages are not used."""
    skip_unless_installable()
    source = os.path.join(HERE, "node")
    with open(os.path.join(source, "package-lock.json"), "rb") as text:
        digest = hashlib.sha256(text.read()).hexdigest()
    stamp = os.path.join(BUILD, ".installed-from")
    # Other files of tests want them too, and npm ci begins by removing all.
    lock = open(os.path.join(BUILD, ".lock"), "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not installed(stamp, digest):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(source, name), BUILD)
        try:
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=BUILD,
                                  capture_output=True, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm ci took more than 600 s")
        text = done.stdout + done.stderr
        why = next((line for line in text.splitlines() if OFFLINE.search(line)), None)
        if done.returncode and why:
            pytest.skip(f"npm ci: the registry cannot be reached: {why[:160]}")
        assert done.returncode == 0, text[-3000:]
        with open(stamp, "w", encoding="utf-8") as out:
            out.write(digest)
    lock.close()
    machine = os.uname().machine
    found = {"claude": CLAUDE.format(MACHINES[machine]), "codex": CODEX.format(MACHINES[machine], machine)}
    # Optional: there is not one for each kind of machine.
    if os.path.exists(os.path.join(BUILD, OPENCODE.format(MACHINES[machine]))):
        found["opencode"] = OPENCODE.format(MACHINES[machine])
    return {name: os.path.join(BUILD, path) for name, path in found.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with fixture.ModelServer(tmp_path_factory.mktemp("model"), "--key", "sk-throw-away") as running:
        yield running


@pytest.fixture()
def place(server):
    """A home and a repository; not below /tmp, where Codex does not trust its home."""
    folder = tempfile.mkdtemp(prefix="run-", dir=BUILD)
    for name in ("home", "repo"):
        os.mkdir(os.path.join(folder, name))
    subprocess.run(["git", "init", "-q", os.path.join(folder, "repo")], check=True)
    yield folder
    server.admin("reset")
    shutil.rmtree(folder)


def environment(home, **more):
    return {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
            "TMPDIR": home, "CLAUDE_CODE_TMPDIR": home,
            "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1", **more}


def claude_call(program, url, home, key="sk-throw-away"):
    argv = [program, "-p", "--output-format", "stream-json", "--verbose", "--model", "scripted",
            "--dangerously-skip-permissions"]
    return argv, environment(home, ANTHROPIC_API_KEY=key, ANTHROPIC_BASE_URL=url, IS_SANDBOX="1",
                             CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_AUTOUPDATER="1",
                             CLAUDE_CODE_MAX_RETRIES="2")


def codex_call(program, url, home, key="sk-throw-away"):
    provider = (f'model_providers.gateway={{name="gateway",base_url="{url}/v1",env_key="CODEX_API_KEY",'
                'wire_api="responses",request_max_retries=1,stream_max_retries=1}')
    argv = [program, "exec", "--json", "-m", "gpt-5-codex", "--dangerously-bypass-approvals-and-sandbox",
            "-c", "model_provider=gateway", "-c", provider, "-"]
    return argv, environment(home, CODEX_API_KEY=key, CODEX_HOME=home)


def run(call, program, server, place, **more):
    """(exit status, the lines of output as objects)."""
    argv, env = call(program, server.url, os.path.join(place, "home"), **more)
    done = subprocess.run(argv, input="Please create a file.", cwd=os.path.join(place, "repo"), env=env,
                          capture_output=True, text=True, timeout=LIMIT, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    return done.returncode, lines


def written(place):
    with open(os.path.join(place, "repo", "hello.txt"), encoding="utf-8") as text:
        return text.read() == "written by the model\n"


def claude_result(lines):
    return next(line for line in lines if line["type"] == "result")


def test_claude_does_the_task(programs, server, place):
    status, lines = run(claude_call, programs["claude"], server, place)
    result = claude_result(lines)
    assert status == 0 and result["is_error"] is False and result["result"] == "I created hello.txt."
    assert written(place)
    assert [entry["results"] for entry in server.journal() if entry["tools"]][-2:] == [0, 1]


def test_claude_with_a_wrong_key(programs, server, place):
    status, lines = run(claude_call, programs["claude"], server, place, key="sk-wrong")
    result = claude_result(lines)
    assert status == 1 and result["is_error"] is True and result["api_error_status"] == 401


@pytest.mark.parametrize("fault", [
    {"status": 529}, {"status": 429, "headers": {"retry-after": "1"}}, {"pause": 0.0003}, {"close": True}])
def test_claude_survives(programs, server, place, fault):
    server.admin("faults", {"path": "messages", **fault})
    status, lines = run(claude_call, programs["claude"], server, place)
    assert status == 0 and claude_result(lines)["is_error"] is False and written(place)


def test_claude_gives_up(programs, server, place):
    server.admin("faults", {"path": "messages", "status": 529, "times": 0})
    status, lines = run(claude_call, programs["claude"], server, place)
    assert status == 1 and claude_result(lines)["is_error"] is True
    assert "hello.txt" not in os.listdir(os.path.join(place, "repo"))


def test_codex_does_the_task(programs, server, place):
    status, lines = run(codex_call, programs["codex"], server, place)
    assert status == 0 and lines[-1]["type"] == "turn.completed" and written(place)
    said = [line["item"]["text"] for line in lines
            if line["type"] == "item.completed" and line["item"]["type"] == "agent_message"]
    assert said == ["I will create a file.", "I created hello.txt."]


@pytest.mark.parametrize("fault", [
    {"status": 500}, {"pause": 0.0003}, {"cut": 1}, {"close": True}])
def test_codex_survives(programs, server, place, fault):
    server.admin("faults", {"path": "responses", **fault})
    status, lines = run(codex_call, programs["codex"], server, place)
    assert status == 0 and lines[-1]["type"] == "turn.completed" and written(place)


@pytest.mark.parametrize("fault,key", [
    (None, "sk-wrong"), ({"status": 429, "code": "insufficient_quota", "times": 0}, "sk-throw-away")])
def test_codex_gives_up(programs, server, place, fault, key):
    if fault:
        server.admin("faults", {"path": "responses", **fault})
    status, lines = run(codex_call, programs["codex"], server, place, key=key)
    assert status == 1 and lines[-1]["type"] == "turn.failed"


@pytest.mark.parametrize("name,call", [("claude", claude_call), ("codex", codex_call)])
def test_agent_in_an_e2b_sandbox(programs, server, tmp_path, name, call):
    """The two fakes together: a real agent works inside a sandbox of the E2B server."""
    with harness.Server(tmp_path, "--share", BUILD) as e2b:
        if e2b.ready["isolation"] != "bwrap":
            pytest.skip("bubblewrap does not work here")
        box = e2b.create()
        argv, env = call(programs[name], server.url, "/home/user")
        box.call("POST", "/files?path=prompt", b"Please create a file.",
                 {"Content-Type": "application/octet-stream"})
        script = "git init -q repo && cd repo && exec \"$@\" < ../prompt"
        with box.start("/bin/sh", "-c", script, "sh", *argv, envs=env) as stream:
            out, err, end = stream.result()
        assert end["status"] == "exit status 0", out + err
        assert box.call("GET", "/files?path=repo/hello.txt").body == b"written by the model\n"
