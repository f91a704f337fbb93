"""The real Claude Code, Codex and opencode as tasks, in both kinds of sandboxes.

Unmodified programs against the scripted model server: what is tested is our
manifests, their scripts and the rules for their output. Skipped where the
programs cannot be installed.
"""
import contextlib
import importlib.util
import json
import os
import pathlib
import re
import sys

import pytest

import e2bkit
import runkit
from runkit import TOKEN, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-throw-away"
LIMIT_S = 240  # for one agent: some are slow starters on a busy machine


def load(name):
    """A module of tests/model-server, whose folder's name is no module's."""
    folder = str(ROOT / "tests" / "model-server")
    spec = importlib.util.spec_from_file_location(
        "model_server_" + name, folder + f"/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


agents = load("test_agents")
programs = agents.programs  # the fixture that installs them

# Whose key, whose endpoint, and a model that the model server can play.
AGENTS = {
    "claude": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", "scripted"),
    "codex": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1", "gpt-5-codex"),
    "opencode": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "",
                 "anthropic/claude-sonnet-4-5"),
}
FAULT_PATH = {"claude": "messages", "codex": "responses",
              "opencode": "messages"}


def version_of(agent):
    manifest = ROOT / "share" / "agents" / agent / "agent.json"
    return json.loads(manifest.read_text())["version"]


class Place:
    """Where an agent runs: a template in E2B, or the programs of this host."""

    def __init__(self, shop, model, **fields):
        self.shop, self.model, self.fields = shop, model, fields

    def run(self, agent, key=KEY, fault=None, **more):
        self.model.admin("reset")
        if fault:
            self.model.admin("faults",
                             {"path": FAULT_PATH[agent], "times": 0, **fault})
        name, base, below, model = AGENTS[agent]
        return self.shop.run(
            "plain", "Please create a file.", token=TOKEN, agent=agent,
            env={name: key, base: self.model.url + below},
            **{"agent_limit_s": LIMIT_S, "wait_s": LIMIT_S + 40,
               "agent_model": model, **self.fields, **more})


@pytest.fixture(scope="module")
def places(programs, tmp_path_factory):  # pylint: disable=redefined-outer-name
    folder = tmp_path_factory.mktemp("cloud")
    links = folder / "bin"
    links.mkdir()
    for name, path in programs.items():
        (links / name).symlink_to(path)
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(
            agents.fixture.ModelServer(folder / "model", "--key", KEY))
        kit = stack.enter_context(runkit.kit({"x-access-token": TOKEN}))
        kit.repository("plain", "echo hello >a.txt")
        e2b = stack.enter_context(e2bkit.server(
            "--share", agents.BUILD, "--share", str(links),
            "--env", f"PATH={links}:/usr/local/bin:/usr/bin:/bin",
            "--env", "HTTPS_PROXY=http://127.0.0.1:9",
            "--env", "NO_PROXY=127.0.0.1,localhost"))
        folders = ":".join(str(pathlib.Path(p).parent)
                           for p in programs.values())
        yield {"e2b": Place(e2bkit.Shop(kit, e2b), model),
               "local": Place(kit, model, agent_kind="cli", memory_mb=8192,
                              agent_path=folders)}


@pytest.fixture(params=["e2b", "local"])
def place(request, places):  # pylint: disable=redefined-outer-name
    return places[request.param]


@pytest.fixture
def cloud(places):  # pylint: disable=redefined-outer-name
    return places["e2b"]


def events_of(r):
    return [e["data"] for e in r.events if e["kind"] == "agent"]


def need(programs, agent):  # pylint: disable=redefined-outer-name
    if agent not in programs:
        pytest.skip(f"there is no {agent} for this machine")


@pytest.mark.parametrize("agent", AGENTS)
def test_agent_makes_a_patch(place, programs, agent):
    need(programs, agent)
    r = place.run(agent)
    assert (r.code, r.outcome, r.error) == (0, "completed", None), r.output
    assert r.changed_files == ["hello.txt"]
    assert b"+written by the model\n" in r.patch
    assert "I created hello.txt." in r.message
    assert r.metadata["ran"] == agent
    assert r.metadata["agent_version"] == version_of(agent)
    assert AGENTS[agent][3] in r.metadata["agent_model"]
    used = r.metadata["usage"]
    assert used["session"] and used["turns"] >= 1
    assert used["input_tokens"] >= 200 and used["cached_tokens"] >= 40
    assert used["output_tokens"] >= 50
    assert ("cost_micro_usd" in used) == (agent != "codex")
    types = [e["type"] for e in events_of(r)]
    assert types[:2] == ["start", "session"] and types[-1] == "result"
    assert {"text", "tool_start", "tool_end", "usage"} <= set(types)
    start, = [e for e in events_of(r) if e["type"] == "tool_start"]
    end, = [e for e in events_of(r) if e["type"] == "tool_end"]
    assert "written by the model" in start["input"]
    assert start["id"] == end["id"] and not end.get("failed")
    assert not [e for e in events_of(r) if e.get("raw")], events_of(r)
    assert KEY.encode() not in r.everything()
    wait_for(place.shop.no_sandbox_left if hasattr(place.shop, "e2b")
             else lambda: not place.shop.leftovers())


FAILURES = [
    ("claude", "wrong", None, "agent_key"),
    ("claude", KEY, {"status": 400, "message": "Your credit balance is too "
                     "low to access the Anthropic API."}, "agent_quota"),
    ("claude", KEY, {"status": 529}, "agent_rate"),
    ("claude", KEY, {"status": 429}, "agent_rate"),
    ("codex", "wrong", None, "agent_key"),
    ("codex", KEY, {"status": 429, "code": "insufficient_quota"},
     "agent_quota"),
    ("codex", KEY, {"status": 429}, "agent_rate"),
    ("opencode", "wrong", None, "agent_key"),
]


@pytest.mark.parametrize("agent,key,fault,failure", FAILURES)
def test_agent_that_fails(places, programs, agent, key, fault, failure):
    """Each class by the words of the real program; where does not matter."""
    need(programs, agent)
    if key == "wrong":
        key = "sk-wrong-0123456789"
    r = places["local"].run(agent, key=key, fault=fault)
    assert (r.outcome, r.failure) == ("failed", failure), r.error
    if failure != "agent_rate":
        assert AGENTS[agent][0] in r.error
    assert b"sk-wrong-0123456789" not in r.everything()


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_agent_with_a_wrong_key_in_the_cloud(cloud, agent):
    r = cloud.run(agent, key="sk-wrong-0123456789")
    assert (r.outcome, r.failure) == ("failed", "agent_key")
    assert "401" in r.error and AGENTS[agent][0] in r.error
    assert "sk-wrong-0123456789" not in r.error


def test_turns_are_limited(places):
    r = places["local"].run("claude", agent_max_turns=1)
    assert (r.outcome, r.failure) == ("failed", "agent_limit")
    assert "AGENT_MAX_TURNS" in r.error


def test_local_agents_see_nothing_else(places):
    """Beside the network and their own program nothing of this host."""
    places["local"].model.admin("reset")
    places["local"].model.admin("script", {"steps": [
        {"text": "Looking.", "tool": {"command":
         "ls -a / /home /home/user /root /etc /work /tmp /var 2>/dev/null"
         " >seen.txt; env | sort >>seen.txt; ls /proc | grep -c '^[0-9]'"
         " >>seen.txt"}},
        {"text": "Seen."}]})
    name, base, _, model = AGENTS["claude"]
    r = places["local"].shop.run(
        "plain", "Look around.", token=TOKEN, agent="claude",
        env={name: KEY, base: places["local"].model.url},
        agent_limit_s=LIMIT_S, wait_s=LIMIT_S + 40, agent_model=model,
        **places["local"].fields)
    assert r.outcome == "completed", r.error
    seen = r.patch.decode()
    for secret in (TOKEN, "GITHUB_TOKEN", "shadow", "mysql", "tm-run-"):
        assert secret not in seen, seen
    assert int(re.findall(r"^\+(\d+)$", seen, re.M)[-1]) < 20


def test_agent_that_is_not_installed(places):
    """A template without the program, and no way to get it, says so."""
    if os.path.exists("/usr/local/bin/claude") or \
            os.path.exists("/usr/bin/claude"):
        pytest.skip("claude is installed on this machine")
    with e2bkit.server() as bare:
        shop = e2bkit.Shop(places["local"].shop, bare)
        r = shop.run("plain", "x", token=TOKEN, agent="claude",
                     env={"ANTHROPIC_API_KEY": KEY},
                     agent_registry="http://127.0.0.1:9")
    assert (r.outcome, r.failure) == ("failed", "agent_missing")
    assert f"claude {version_of('claude')} cannot be installed" in r.error
    assert "127.0.0.1:9" in r.error
