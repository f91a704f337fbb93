"""The real agents as whole tasks: nginx, pool, database, reaper, runner and the
local sandbox with SIMULATION_AGENTS=cli; the agents' programs are npm's."""
import contextlib
import json
import os
import pathlib
import re
import subprocess

import pytest

import stack as stackkit
import test_e2b_agents
from stack import BINARY, TOKEN, wait_for, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
programs = test_e2b_agents.programs  # the fixture that installs them
agents = test_e2b_agents.agents
KEY = test_e2b_agents.KEY
MODELS = {"claude": "scripted", "codex": "gpt-5-codex"}


@pytest.fixture(scope="module")
def stack(programs, tmp_path_factory):  # pylint: disable=redefined-outer-name
    folders = ":".join(str(pathlib.Path(path).parent)
                       for path in programs.values())
    with contextlib.ExitStack() as opened:
        model = opened.enter_context(agents.fixture.ModelServer(
            tmp_path_factory.mktemp("model"), "--key", KEY))
        made = opened.enter_context(stackkit.Full(
            SIMULATION_AGENTS="cli", SIMULATION_AGENT_PATH=folders,
            ANTHROPIC_API_KEY=KEY, OPENAI_API_KEY=KEY, AGENT_TIMEOUT_S=240, SANDBOX_MEMORY_MB=8192,
            AGENT_MODELS="claude=scripted,claude=other,codex=gpt-5-codex"))
        made.reaper(env={"ANTHROPIC_BASE_URL": model.url,
                         "OPENAI_BASE_URL": model.url + "/v1"})
        made.model = model
        yield made


def cli(stack, *argv):
    done = subprocess.run(
        [BINARY, *[str(a) for a in argv]], text=True, capture_output=True,
        timeout=300, check=False, env={
            "PATH": os.environ["PATH"], "TASKMILL_URL": stack.url,
            "TASKMILL_CA_FILE": str(stack.ca), "GITHUB_TOKEN": TOKEN,
            "TASKMILL_TOKEN": stack.client.token})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("agent", MODELS)
def test_a_whole_task(stack, agent):
    said = cli(stack, "task", "start", "-f", "--agent", agent, "--repo",
               stack.repo, "Please create a file.")
    task = int(re.search(r"task (\d+)", said).group(1))
    # For people: what it does, and not the lines that say so.
    assert "I created hello.txt." in said and "result: ok" in said
    assert "written by the model" in said and '{"type":' not in said
    assert '{"type":' in cli(stack, "task", "logs", "--raw", task)
    diff = stack.client.get(f"/api/git-diff/{task}").json()["git_diff"]
    assert "+written by the model" in diff
    page = stack.client.get(f"/api/tasks/{task}/events").json()
    kinds = [e["data"]["type"] for e in page["events"]
             if e["kind"] == "agent"]
    assert kinds[:2] == ["start", "session"]
    assert {"tool_start", "tool_end", "text", "usage", "result"} <= set(kinds)
    made, = stack.sql("SELECT execution_metadata FROM tasks WHERE id = %s",
                      task)
    made = json.loads(made[0])
    assert made["agent"] == made["ran"] == agent
    assert made["agent_version"] == test_e2b_agents.version_of(agent)
    assert made["agent_model"] == MODELS[agent]
    assert made["usage"]["session"] and made["usage"]["output_tokens"] > 0
    text = json.dumps(page) + stack.log_text()
    assert KEY not in text and TOKEN not in text


def test_a_request_chooses_among_what_is_offered(stack):
    stack.model.admin("reset")
    answer = stack.client.post("/api/start-task", {
        "prompt": "x", "repo_url": stack.repo, "github_token": TOKEN,
        "agent_model": "third"})
    assert answer.status_code == 400
    assert "AGENT_MODELS" in answer.json()["error"]
    task = stack.new_task("Please create a file.", agent_model="other")
    assert stack.wait_status(task, seconds=240) == "completed"
    wait_for(lambda: any(entry["model"] == "other"
                         for entry in stack.model.journal()), 20,
             "the model that was asked for")
