"""The official npm packages of tests/integration/supabase, installed once.

The lock file fixes what is installed, below build/. Without node, npm or the
registry the caller's test is skipped.
"""
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from apikit import ROOT, Answer

SOURCE = pathlib.Path(__file__).parent / "supabase"
NODE = ROOT / "build" / "supabase"
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|"
                     r"ENETUNREACH|E403|E404|E5\d\d|network", re.I)


def npm_ci():
    """npm ci, once for each state of the lock file."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    digest, stamp = hashlib.sha256(lock).hexdigest(), NODE / ".installed-from"
    if stamp.exists() and stamp.read_text() == digest:
        return
    try:
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=NODE, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci took more than 240 s")
    text = done.stdout + done.stderr
    why = next((line for line in text.splitlines() if OFFLINE.search(line)),
               None)
    if done.returncode and why:
        pytest.skip(f"npm ci: the registry cannot be reached: {why[:160]}")
    assert done.returncode == 0, text[-3000:]
    stamp.write_text(digest)


def install():
    """The folder in which the scripts and their packages are, or a skip."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True,
                             text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"Node.js 20 is needed, this is {version.strip()}")
    NODE.mkdir(parents=True, exist_ok=True)
    # Files of tests run two at a time, and npm ci begins by removing all.
    with open(NODE / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for source in SOURCE.iterdir():
            shutil.copy(source, NODE)
        npm_ci()
    return NODE


def run(script, stack, **env):
    """Runs one of the scripts against a stack; its outcome. What it was
    answered must be described."""
    answers = stack.folder / "answers"
    done = subprocess.run(
        ["node", "--import", str(script.parent / "record.mjs"), str(script)],
        capture_output=True, text=True, check=False, timeout=180, env={
            "PATH": os.environ["PATH"], "HOME": str(stack.folder),
            "NODE_EXTRA_CA_CERTS": str(stack.ca), "SUPABASE_URL": stack.url,
            "ANSWERS": str(answers), **env})
    lines = [json.loads(x) for x in answers.read_text().splitlines()]
    assert lines, done.stdout + done.stderr
    for a in lines:
        stack.seen.check(Answer(a["status"], a["headers"], a["body"].encode()),
                         a["method"], a["url"][len(stack.url):].split("?")[0])
    return done
