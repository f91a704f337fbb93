"""The official SDKs, unmodified, must believe this server.

They are installed below build-e2b/ (TASKMILL_E2B_BUILD says where else) with
pinned versions; without node, npm, venv or the registries the tests are skipped.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest

import harness

ROOT = os.path.dirname(os.path.dirname(harness.HERE))
BUILD = os.environ.get("TASKMILL_E2B_BUILD", os.path.join(ROOT, "build-e2b"))
NODE = os.path.join(BUILD, "node")
VENV = os.path.join(BUILD, "venv")
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|E403|E404|"
                     r"NewConnectionError|ConnectTimeout|ProxyError|name resolution|"
                     r"No matching distribution|Read timed out|network", re.I)


def install(argv, cwd, what):
    """Runs an installer; no network is a reason to skip, anything else to fail."""
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=300,
                              check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} took more than 300 s")
    text = done.stdout + done.stderr
    why = next((line for line in text.splitlines() if OFFLINE.search(line)), None)
    if done.returncode and why:
        pytest.skip(f"{what}: the registry cannot be reached: {why[:160]}")
    assert done.returncode == 0, text[-3000:]


def fresh(folder, source):
    """True if the folder was installed from this very file."""
    with open(source, "rb") as text:
        digest = hashlib.sha256(text.read()).hexdigest()
    stamp = os.path.join(folder, ".installed-from")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as text:
            return text.read() == digest, stamp, digest
    return False, stamp, digest


def keep(stamp, digest):
    with open(stamp, "w", encoding="utf-8") as out:
        out.write(digest)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.Server(tmp_path_factory.mktemp("e2b")) as running:
        yield running


@pytest.fixture(scope="module")
def node():
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = tuple(int(part) for part in version.strip().lstrip("v").split(".")[:3])
    if not ((20, 18, 1) <= numbers < (21,) or numbers >= (22,)):
        pytest.skip(f"e2b wants Node.js >=20.18.1 <21 or >=22, this is {version.strip()}")
    os.makedirs(NODE, exist_ok=True)
    source = os.path.join(harness.HERE, "node")
    for name in os.listdir(source):
        shutil.copy(os.path.join(source, name), NODE)
    there, stamp, digest = fresh(NODE, os.path.join(source, "package-lock.json"))
    if not there:
        install(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], NODE, "npm ci")
        keep(stamp, digest)
    return ["node", os.path.join(NODE, "run.mjs")]


@pytest.fixture(scope="module")
def python():
    requirements = os.path.join(harness.HERE, "requirements.txt")
    there, stamp, digest = fresh(VENV, requirements)
    if not there:
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True,
                              text=True, check=False)
        if made.returncode:
            pytest.skip("no virtual environment can be made: python3-venv is not installed")
        install([os.path.join(VENV, "bin/pip"), "install", "-q", "--disable-pip-version-check",
                 "--only-binary=:all:", "--require-hashes", "-r", requirements], BUILD, "pip install")
        keep(stamp, digest)
    return [os.path.join(VENV, "bin/python"), os.path.join(harness.HERE, "sdk_run.py")]


def check_run(server, argv):
    env = {name: value for name, value in os.environ.items() if not name.startswith("E2B_")}
    env.update(server.environment(), PYTHONDONTWRITEBYTECODE="1")
    before = len(server.journal())
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=240, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    assert not failed, "\n".join(failed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^done (\d+) of \1$", done.stdout, re.M), done.stdout
    after = server.journal(after=before)
    assert not [entry for entry in after if entry["kind"] == "server.error"]
    created = [entry for entry in after if entry["kind"] == "sandbox.create"]
    killed = [entry for entry in after if entry["kind"] == "sandbox.kill"]
    assert len(created) == len(killed) > 0, "the SDK left sandboxes, or this server did"
    assert not server.sandboxes()


def test_npm_package(server, node):
    check_run(server, node)


def test_pypi_package(server, python):
    check_run(server, python)
