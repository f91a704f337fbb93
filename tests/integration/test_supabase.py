"""The front end's own Supabase client, unmodified, must believe this server.

The official npm package of a pinned version, installed below build/; without
node, npm or the registry the test is skipped.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import uuid

import pytest

import apikit

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

SOURCE = pathlib.Path(__file__).parent / "supabase"
NODE = apikit.ROOT / "build" / "supabase"
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|"
                     r"ENETUNREACH|E403|E404|E5\d\d|network", re.I)


def install():
    """npm ci, once for each state of the lock file."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    digest, stamp = hashlib.sha256(lock).hexdigest(), NODE / ".installed-from"
    if stamp.exists() and stamp.read_text() == digest:
        return
    try:
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=NODE, capture_output=True, text=True, timeout=240)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci took more than 240 s")
    text = done.stdout + done.stderr
    why = next((line for line in text.splitlines() if OFFLINE.search(line)),
               None)
    if done.returncode and why:
        pytest.skip(f"npm ci: the registry cannot be reached: {why[:160]}")
    assert done.returncode == 0, text[-3000:]
    stamp.write_text(digest)


@pytest.fixture(scope="module")
def run_mjs():
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True,
                             text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"Node.js 20 is needed, this is {version.strip()}")
    NODE.mkdir(parents=True, exist_ok=True)
    for source in SOURCE.iterdir():
        shutil.copy(source, NODE)
    install()
    return NODE / "run.mjs"


def test_supabase_js(run_mjs):
    with apikit.Stack(SIGN_UP="open") as stack:
        user = stack.user(apikit.PASSWORD)
        done = subprocess.run(
            ["node", str(run_mjs)], capture_output=True, text=True,
            timeout=120, env={
                "PATH": os.environ["PATH"], "HOME": str(stack.folder),
                "NODE_EXTRA_CA_CERTS": str(stack.ca),
                "SUPABASE_URL": stack.url, "EMAIL": user.email,
                "PASSWORD": apikit.PASSWORD, "USER_ID": user.id,
                "NEW_EMAIL": f"{uuid.uuid4().hex}@example.com",
                "OTHER_ID": stack.user().id})
        bad = [line for line in done.stdout.splitlines()
               if line.startswith("not ok")]
        assert not bad, done.stdout
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^done (\d+) of \1$", done.stdout, re.M)
