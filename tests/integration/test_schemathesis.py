"""share/openapi.json is what the server does: schemathesis tries to disprove it.

It makes requests up, good and bad ones, and holds each answer against the
description: no 5xx, no status and no content type that is not described, each
body as its schema says. Behind the API are a reaper and the stand-in for GitHub,
with a task that has ended and one project, so that what is made up can hit.

The package is installed with its hashes checked, below build-schemathesis/;
without the registry the test is skipped.
"""
import fcntl
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import apikit
from hubkit import TOKEN, Town
from stack import ROOT, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

SOURCE = pathlib.Path(__file__).parent / "schemathesis"
HOME = ROOT / "build-schemathesis"
OFFLINE = re.compile(r"No matching distribution|Connection(Pool| )?(error|"
                     r"broken|refused)|Failed to establish|timed out|Max retries"
                     r"|NewConnectionError|Temporary failure", re.I)
SECONDS = 75
CHECKS = ("not_a_server_error", "status_code_conformance",
          "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "missing_required_header",
          "unsupported_method", "allow_header_conformance", "ignored_auth",
          "use_after_free", "ensure_resource_availability")


def bounded(argv, seconds):
    """A command's outcome; None when it took too long."""
    try:
        return subprocess.run([str(a) for a in argv], capture_output=True,
                              text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None


def pip_install(venv):
    """A new virtual environment with what requirements.txt names."""
    shutil.rmtree(venv, ignore_errors=True)
    made = bounded([sys.executable, "-m", "venv", venv], 120)
    if made is None or made.returncode:
        pytest.skip("python3 -m venv does not work; python3-venv is needed")
    done = bounded(
        [venv / "bin" / "pip", "install", "--quiet", "--require-hashes",
         "--only-binary", ":all:", "--disable-pip-version-check", "--retries",
         "1", "-r", SOURCE / "requirements.txt"], 240)
    if done is None:
        pytest.skip("pip install took more than 240 s")
    text = done.stdout + done.stderr
    if done.returncode and OFFLINE.search(text) and "HASH" not in text.upper():
        last = text.strip().splitlines()[-1]
        pytest.skip(f"the registry cannot be reached: {last[:160]}")
    assert done.returncode == 0, text[-3000:]


@pytest.fixture(scope="module")
def schemathesis():
    """The program, installed once for each state of requirements.txt."""
    wanted = (SOURCE / "requirements.txt").read_bytes() + \
        sys.version.encode() + str(HOME).encode()
    digest, stamp = hashlib.sha256(wanted).hexdigest(), HOME / "installed-from"
    HOME.mkdir(exist_ok=True)
    with open(HOME / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            pip_install(HOME / "venv")
            stamp.write_text(digest)
    return HOME / "venv" / "bin" / "schemathesis"


def configuration(town, user):
    """Settings, and words that a stranger would not hit upon."""
    task = town.finished("echo new >c.txt", user=user)
    made = user.post("/api/test-users", {}).json()
    values = {
        "ids": [task, user.project(), 0, 1, 2, 3],
        "repos": [town.repo, f"{town.repo}.git", "git@github.com:o/r.git"],
        "hub_tokens": [TOKEN],
        "emails": [user.email, "a@example.com", "b@example.com"],
        "passwords": [apikit.PASSWORD, "another good password"],
        "users": [user.id],
        "test_users": [made["user"]["id"]],
    }
    text = (SOURCE / "schemathesis.toml").read_text()
    for name, words in values.items():
        text += f"\n[dictionaries.{name}]\nvalues = {json.dumps(words)}\n"
    conf = town.folder / "schemathesis.toml"
    conf.write_text(text)
    return conf


def reached(done):
    """How many operations it came to within its time."""
    found = re.search(r"Tested: (\d+)", done.stdout)
    return int(found.group(1)) if found else 0


def test_no_answer_is_undescribed(schemathesis):
    with Town(SIGN_UP="open", TEST_USERS="yes",
              ENVIRONMENT="development") as town:
        town.reaper()
        user = town.user(apikit.PASSWORD)
        token = apikit.access_token(user.id, exp=int(time.time()) + 3600)
        operations = [o for path in town.seen.doc["paths"].values()
                      for o in path.values()]
        conf = configuration(town, user)
        for seconds in (SECONDS, 4 * SECONDS):  # a slow machine needs more
            done = bounded(
                [schemathesis, f"--config-file={conf}", "run",
                 ROOT / "share" / "openapi.json", "--url", town.url,
                 "--tls-verify", town.ca,
                 "-H", f"Authorization: Bearer {token}",
                 "--checks", ",".join(CHECKS), "--max-time", seconds,
                 "--no-color"], 300 + seconds)
            assert done is not None, "schemathesis did not end"
            print(done.stdout[-20000:], done.stderr[-3000:])
            assert done.returncode == 0
            if reached(done) == len(operations):
                break
        assert reached(done) == len(operations)
        assert town.serve.poll() is None
        assert not re.search(r"worker .*(killed|signal)|Sanitizer",
                             town.log_text())
