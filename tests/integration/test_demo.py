"""script/demo in a copy of the tree: a whole task, and nothing left."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import requests

import e2bkit
from apikit import free_port, wait_for
from runkit import BINARY, ROOT

PARTS = ("script", "share", "sql", "nginx", "tests")


@pytest.fixture
def tree(tmp_path):
    with e2bkit.server():
        pass  # skips where bubblewrap does not work
    # As root a sandbox runs as nobody, who must get through to it.
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    yield tmp_path
    demo(tree=tmp_path, argv=["stop"])


def run(tree, *argv, **more):
    env = {"PATH": os.environ["PATH"], "HOME": str(tree), "LANG": "C.UTF-8",
           **{k: str(v) for k, v in more.items()}}
    return subprocess.run([str(a) for a in argv], cwd=tree, env=env,
                          text=True, capture_output=True, timeout=300,
                          check=False)


def demo(tree, argv, **more):
    return run(tree, tree / "script/demo", *argv,
               **{"TASKMILL_BIN": BINARY, "TASKMILL_DEMO_STAND_IN": "yes",
                  **more})


def works(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def coordinates(tree):
    """What a shell has that has read var/demo.env."""
    said = works(run(tree, "bash", "-c", ". var/demo.env && env -0"))
    return {k: v for k, _, v in (row.partition("=")
                                 for row in said.split("\0"))
            if k.startswith("TASKMILL_")}


def processes_of(tree, *words):
    """Those that name the tree, or one of these words, or are at work in it."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (proc / "cmdline").read_bytes()
            text += os.readlink(proc / "cwd").encode()
        except OSError:
            continue
        if any(str(word).encode() in text for word in (tree, *words)):
            found.append((proc.name, text[:200]))
    return found


def stops(tree, *words):
    """Ends it all; nothing is left but what is below var/."""
    outside = tree / "var" / "run" / "outside"
    beside = [pathlib.Path(outside.read_text().strip())] \
        if outside.exists() else []
    works(demo(tree, ["stop"]))
    assert not processes_of(tree, *beside, *words)
    assert not [p for p in beside if p.exists()]
    assert not [p for p in tree.rglob("*") if p.is_socket()]
    assert sorted(p.name for p in tree.iterdir()) == sorted([*PARTS, "var"])


def test_a_task_in_simulation(tree):
    port = free_port()
    said = works(demo(tree, [], TASKMILL_PORT=port))
    assert "+++ b/AI_GENERATED.md" in said
    assert "+Add a note about what an AI would change here" in said
    assert re.search(r"^commit [0-9a-f]{40}$", said, re.M)
    env = coordinates(tree)
    assert env["TASKMILL_URL"] == f"https://localhost:{port}"
    answer = requests.get(
        env["TASKMILL_URL"] + "/api/auth/verify", timeout=60,
        verify=env["TASKMILL_CA_FILE"],
        headers={"Authorization": "Bearer " + env["TASKMILL_TOKEN"]})
    assert answer.json()["user_id"] == env["TASKMILL_USER_ID"]
    # The README's five minutes, by these variables alone.
    said = works(run(tree, BINARY, "task", "start", "-f", "--repo",
                     env["TASKMILL_DEMO_REPO"], "Say goodbye as well",
                     GITHUB_TOKEN="none", **env))
    task = re.search(r"task (\d+)", said).group(1)
    patch = works(run(tree, BINARY, "task", "diff", "--patch", task, **env))
    works(run(tree, "git", "clone", "-q", env["TASKMILL_DEMO_REPO"],
              "var/hello", GIT_SSL_CAINFO=env["TASKMILL_CA_FILE"]))
    (tree / "var" / "patch").write_text(patch)
    works(run(tree, "git", "-C", "var/hello", "apply", "--check", "../patch"))
    assert env["TASKMILL_USER_ID"] in works(
        run(tree, BINARY, "user", "list", "--json", **env))
    stops(tree)


def test_the_branch_is_the_repositorys_own(tree):
    port = free_port()
    works(demo(tree, [], TASKMILL_PORT=port))
    git = tree / "var" / "git"
    works(run(tree, "git", "clone", "-q", "--bare", git / "hello.git",
              git / "other.git"))
    works(run(tree, "git", "-C", git / "other.git", "branch", "-m", "trunk"))
    url = f"https://localhost:{port}/git/other.git"
    said = works(demo(tree, [url, "Say more"], TASKMILL_PORT=port))
    assert f"on {url}, branch trunk" in said and "+Say more" in said
    done = demo(tree, [url], TASKMILL_PORT=port, TASKMILL_DEMO_BRANCH="main")
    assert done.returncode == 1 and "branch main" in done.stdout
    stops(tree)


@contextlib.contextmanager
def agent(tree, last):
    """The simulated agent says and does something else."""
    program = tree / "share" / "agents" / "simulated" / "run"
    before = program.read_text()
    program.write_text(before + last)
    yield
    program.write_text(before)


def test_again_at_another_port_while_a_task_runs(tree):
    first, second = free_port(), free_port()
    works(demo(tree, [], TASKMILL_PORT=first))
    env = coordinates(tree)
    nap = f"86400.{first}"
    with agent(tree, f"sleep {nap}\n"):
        works(run(tree, BINARY, "task", "start", "--repo",
                  env["TASKMILL_DEMO_REPO"], "Sleep", GITHUB_TOKEN="none",
                  **env))
        wait_for(lambda: processes_of(nap), 60, "the agent to sleep")
    sleeping = processes_of(nap)
    assert "+++ b/AI_GENERATED.md" in works(
        demo(tree, [], TASKMILL_PORT=second))
    env = coordinates(tree)
    assert env["TASKMILL_DEMO_REPO"].startswith(f"https://localhost:{second}/")
    assert processes_of(nap) == sleeping
    stops(tree, nap)


def start(tree, **more):
    """Which process serves when the stack has been started."""
    works(run(tree, tree / "script/stack", "start", **more))
    return (tree / "var" / "run" / "serve.pid").read_text()


def test_what_has_changed_is_what_runs(tree):
    binary = tree / "var" / "taskmill"
    binary.parent.mkdir()
    shutil.copy(BINARY, binary)
    env = {"TASKMILL_BIN": binary, "TASKMILL_PORT": free_port()}
    first = start(tree, **env)
    assert start(tree, **env) == first
    with open(tree / "var" / "taskmill.conf", "a", encoding="ascii") as conf:
        conf.write("PROMPT_MAX_CHARS=9000\n")
    second = start(tree, **env)
    assert second != first
    # As a build does: a new file takes the place of the one that runs.
    fresh = tree / "var" / "taskmill.new"
    shutil.copy(BINARY, fresh)
    with open(fresh, "ab") as program:
        program.write(b"of another version")
    fresh.rename(binary)
    third = start(tree, **env)
    assert third != second
    assert start(tree, **env) == third
    stops(tree)


def test_task_in_the_cloud_without_an_account(tree):
    done = demo(tree, ["--e2b"])
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "a stand-in takes its place" in said
    assert "+> Add a note about what an AI would change here" in said
    assert "The agent: I am a stand-in for Claude Code" in said
    conf = tree / "var" / "taskmill.conf"
    assert "E2B_API_KEY=" in conf.read_text()
    assert conf.stat().st_mode & 0o777 == 0o600
    stops(tree)
    assert not list((tree / "var" / "e2b").glob("sandboxes/*"))
    left = conf.read_text()
    assert "E2B_" not in left and "ANTHROPIC_API_KEY" not in left
    assert "JWT_SECRET=" in left


def test_half_of_the_keys_is_refused(tree):
    done = demo(tree, ["--e2b"], E2B_API_KEY="e2b_" + "0" * 40)
    assert done.returncode == 1 and "ANTHROPIC_API_KEY is not" in done.stderr
    assert not (tree / "var").exists()
