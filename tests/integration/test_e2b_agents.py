"""The real Claude Code and Codex as tasks in the mode "e2b".

Unmodified programs, in sandboxes of the E2B test server, against the scripted
model server: what is tested is our manifests, their scripts and the readers of
their output. Skipped where the programs cannot be installed.
"""
import contextlib
import importlib.util
import os
import pathlib
import sys

import pytest

import e2bkit
import runkit
from runkit import TOKEN, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-throw-away"


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


def make_template(folder, url, paths):
    """What a template has: both programs, and for Codex where its model is."""
    folder.mkdir()
    (folder / "claude").symlink_to(paths["claude"])
    provider = (f'model_providers.test={{name="test",base_url="{url}/v1",'
                'env_key="CODEX_API_KEY",wire_api="responses"}')
    codex = folder / "codex"
    codex.write_text(
        "#!/bin/sh\nmode=$1\nshift\n"
        f"exec '{paths['codex']}' \"$mode\" -m gpt-5-codex "
        f"-c model_provider=test -c '{provider}' \"$@\"\n")
    codex.chmod(0o755)
    return ["--share", agents.BUILD, "--share", str(folder),
            "--env", f"PATH={folder}:/usr/local/bin:/usr/bin:/bin",
            "--env", f"ANTHROPIC_BASE_URL={url}",
            "--env", "HTTPS_PROXY=http://127.0.0.1:9",
            "--env", "NO_PROXY=127.0.0.1,localhost"]


@pytest.fixture(scope="module")
def cloud(programs, tmp_path_factory):  # pylint: disable=redefined-outer-name
    folder = tmp_path_factory.mktemp("cloud")
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(
            agents.fixture.ModelServer(folder / "model", "--key", KEY))
        options = make_template(folder / "bin", model.url, programs)
        kit = stack.enter_context(runkit.kit({"x-access-token": TOKEN}))
        kit.repository("plain", "echo hello >a.txt")
        e2b = stack.enter_context(e2bkit.server(*options))
        shop = e2bkit.Shop(kit, e2b)
        shop.model = model
        yield shop


NAMES = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY"}


def run(cloud, agent, key=KEY):
    cloud.model.admin("reset")
    return cloud.run("plain", "Please create a file.", token=TOKEN,
                     agent=agent, env={NAMES[agent]: key},
                     agent_limit_s=100)


@pytest.mark.parametrize("agent", NAMES)
def test_agent_makes_a_patch(cloud, agent):
    r = run(cloud, agent)
    assert (r.code, r.outcome, r.error) == (0, "completed", None), r.output
    assert r.changed_files == ["hello.txt"]
    assert b"+written by the model\n" in r.patch
    assert "I created hello.txt." in r.message
    assert r.metadata["ran"] == agent and r.metadata["usage"]["session"]
    assert KEY.encode() not in r.everything()
    wait_for(cloud.no_sandbox_left)


@pytest.mark.parametrize("agent", NAMES)
def test_agent_with_a_wrong_key(cloud, agent):
    r = run(cloud, agent, key="sk-wrong-0123456789")
    assert (r.outcome, r.failure) == ("failed", "agent_key")
    assert "401" in r.error and NAMES[agent] in r.error
    assert "sk-wrong-0123456789" not in r.error


def test_agent_that_is_not_installed(cloud):
    """A template without the program says so."""
    with e2bkit.server() as bare:
        shop = e2bkit.Shop(cloud.kit, bare)
        if os.path.exists("/usr/local/bin/claude") or \
                os.path.exists("/usr/bin/claude"):
            pytest.skip("claude is installed on this machine")
        r = shop.run("plain", "x", token=TOKEN, agent="claude",
                     env={"ANTHROPIC_API_KEY": KEY},
                     agent_registry="http://127.0.0.1:9")
    assert (r.outcome, r.failure) == ("failed", "agent_missing")
    assert "claude 2.1.197 cannot be installed" in r.error
    assert "127.0.0.1:9" in r.error
