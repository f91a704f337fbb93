"""script/demo --e2b in a copy of the tree: a whole task, and nothing left."""
import os
import pathlib
import shutil
import subprocess

import pytest

import e2bkit
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


def demo(tree, argv, **more):
    env = {"PATH": os.environ["PATH"], "HOME": str(tree), "LANG": "C.UTF-8",
           "TASKMILL_BIN": BINARY, "TASKMILL_DEMO_STAND_IN": "yes", **more}
    return subprocess.run([tree / "script/demo", *argv], cwd=tree, env=env,
                          text=True, capture_output=True, timeout=300,
                          check=False)


def processes_of(tree):
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (proc / "cmdline").read_bytes()
            text += os.readlink(proc / "cwd").encode()
        except OSError:
            continue
        if str(tree).encode() in text:
            found.append((proc.name, text[:200]))
    return found


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
    done = demo(tree, ["stop"])
    assert done.returncode == 0, done.stderr
    assert not processes_of(tree)
    assert not [p for p in tree.rglob("*") if p.is_socket()]
    assert not list((tree / "var" / "e2b").glob("sandboxes/*"))
    left = conf.read_text()
    assert "E2B_" not in left and "ANTHROPIC_API_KEY" not in left
    assert "JWT_SECRET=" in left
    assert sorted(p.name for p in tree.iterdir()) == sorted([*PARTS, "var"])


def test_half_of_the_keys_is_refused(tree):
    done = demo(tree, ["--e2b"], E2B_API_KEY="e2b_" + "0" * 40)
    assert done.returncode == 1 and "ANTHROPIC_API_KEY is not" in done.stderr
    assert not (tree / "var").exists()
