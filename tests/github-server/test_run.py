"""The program `run`: how it starts and ends, and its switches over HTTP."""
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server as stand_in  # noqa: E402
import gitserver  # noqa: E402
import world  # noqa: E402


def start(folder, *args):
    ready = folder / "ready"
    process = subprocess.Popen(
        [os.path.join(stand_in.HERE, "run"), "--port", "0", "--dir",
         str(folder / "repos"), "--ready-file", str(ready), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 60
    while not ready.exists() and process.poll() is None and \
            time.monotonic() < limit:
        time.sleep(0.05)
    assert ready.exists(), process.communicate(timeout=60)
    return process, ready.read_text().strip()


def stop(process):
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


def ask(url, method="GET", values=None, token=None, context=None):
    body = None if values is None else json.dumps(values).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60,
                                    context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def test_it_starts_serves_and_ends(tmp_path):
    process, url = start(tmp_path)
    try:
        switch = url + "/_test/"
        for name, values in (
                ("users", {"login": "octo"}),
                ("tokens", {"token": "ghp_1", "login": "octo",
                            "scopes": ["repo"]}),
                ("repos", {"owner": "octo", "name": "r", "private": True,
                           "files": {"a": "b\n"}})):
            assert ask(switch + name, "POST", values)[0] == 200
        assert ask(url + "/repos/octo/r")[0] == 404
        assert ask(url + "/repos/octo/r", token="ghp_1")[0] == 200
        assert ask(url + "/user")[0] == 401
        assert ask(url + "/nowhere", token="ghp_1")[0] == 404
        done = world.git("clone", "-q", f"{url}/octo/r.git",
                         str(tmp_path / "clone"), token="ghp_1")
        assert (tmp_path / "clone" / "a").read_text() == "b\n", done.stderr
        assert ask(switch + "tokens", "DELETE", {"token": "ghp_1"})[0] == 200
        assert ask(url + "/user", token="ghp_1")[0] == 401
        assert [r["path"] for r in ask(switch + "requests")[1]][:2] == [
            "/repos/octo/r", "/repos/octo/r"]
    finally:
        out = stop(process)
    assert out == url + "\n"


def test_over_tls(tmp_path):
    secrets = tmp_path / "tls"
    secrets.mkdir()
    ca, cert, key = gitserver.make_certificate(str(secrets))
    process, url = start(tmp_path, "--tls", cert, key)
    try:
        assert url.startswith("https://localhost:")
        context = ssl.create_default_context(cafile=ca)
        assert ask(url + "/_test/journal", context=context) == (200, [])
    finally:
        stop(process)


@pytest.mark.parametrize("method, name, values", [
    ("POST", "faults", {"kind": "none"}),
    ("POST", "users", {"login": "../x"}),
    ("POST", "repos", {"owner": "octo", "name": ".."}),
    ("POST", "repos", {"owner": "octo", "name": "a", "what": 1}),
    ("POST", "tokens", {"token": "t", "login": "octo"}),
    ("PATCH", "repos/octo/none", {"archived": True}),
    ("DELETE", "tokens", {"token": "none"}),
])
def test_a_switch_that_makes_no_sense(tmp_path, method, name, values):
    with stand_in.serve(str(tmp_path)) as github:
        code, said = ask(f"{github.url}/_test/{name}", method, values)
        assert code == 400
        assert said["message"]
