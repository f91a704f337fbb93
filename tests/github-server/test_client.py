"""Our client of GitHub's API against the stand-in: each outcome by its name.

TASKMILL_GITHUB_CLIENT names the program tests/programs/github_client.c;
without it the one in build-faults/ is taken, and without that these tests are
skipped ("make github_client" builds it).
"""
import json
import os
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server as stand_in  # noqa: E402
import gitserver  # noqa: E402
import world  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(stand_in.HERE))
CLIENT = os.environ.get("TASKMILL_GITHUB_CLIENT",
                        os.path.join(ROOT, "build-faults", "github_client"))
PULLS = "/repos/octo/hello/pulls"
MAKE = ("pull_create", "octo", "hello")

pytestmark = pytest.mark.skipif(not os.access(CLIENT, os.X_OK),
                                reason=f"{CLIENT} is not built")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("github")


@pytest.fixture(scope="module")
def running(folder):
    with stand_in.serve(str(folder / "repos")) as server:
        world.populate(server, str(folder))
        yield server


@pytest.fixture
def github(running):
    """Without faults, and with nothing yet on its lists."""
    for name in ("faults", "journal", "requests"):
        running.admin("DELETE", name)
    yield running
    running.admin("DELETE", "faults")


@pytest.fixture
def branch(github, folder, request):
    """A new branch with a commit of its own."""
    name = "b-" + re.sub(r"\W", "-", request.node.name)[:60]
    done = world.push_branch(github, "octo/hello", name, str(folder))
    assert done.returncode == 0, done.stderr
    github.admin("DELETE", "journal")
    github.admin("DELETE", "requests")
    return name


def ask(github, *words, token=world.CLASSIC, url=None, ca=None, limit_ms=30000):
    env = {"GITHUB_API_URL": url or github.url, "GITHUB_TOKEN": token,
           "TIMEOUT_MS": str(limit_ms), "PATH": os.environ["PATH"]}
    if ca:
        env["GITHUB_CA"] = ca
    done = subprocess.run([CLIENT, *words], env=env, text=True, check=False,
                          capture_output=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    if token:
        assert token not in done.stdout
    said = json.loads(done.stdout)
    assert ("outcome" in said) == (done.returncode == 1)
    return said


def made(github):
    return [j for j in github.admin("GET", "journal") if j["what"] == "pull"]


def asked(github, method):
    return [r for r in github.admin("GET", "requests")
            if r["method"] == method]


# Reading

def test_a_viewer_has_a_login_and_perhaps_scopes(github):
    assert ask(github, "viewer") == {
        "login": "octo", "has_scopes": True, "scopes": "repo, gist"}
    assert ask(github, "viewer", token=world.FINE) == {
        "login": "octo", "has_scopes": False, "scopes": ""}
    assert ask(github, "viewer", token=world.WEAK) == {
        "login": "octo", "has_scopes": True, "scopes": ""}


@pytest.mark.parametrize("token", ["ghp_wrong", world.REVOKED, "", "a b"])
def test_a_bad_token(github, token):
    said = ask(github, "viewer", token=token)
    assert said["outcome"] == "bad_token"


def test_a_repository(github):
    said = ask(github, "repo", "octo", "secret")
    assert said == {
        "owner": "octo", "name": "secret",
        "default_branch": "main", "private": True, "archived": False,
        "disabled": False, "push": True, "admin": True}
    said = ask(github, "repo", "octo", "hello", token=world.READER)
    assert (said["push"], said["admin"], said["private"]) == (
        False, False, False)
    assert ask(github, "repo", "octo", "museum")["archived"]
    assert ask(github, "repo", "octo", "off")["disabled"]
    # Its user may push, but this token may not.
    assert not ask(github, "repo", "octo", "secret",
                   token=world.FINE)["push"]


@pytest.mark.parametrize("owner, name, token, outcome, words", [
    ("octo", "none", world.CLASSIC, "not_found", "Not Found"),
    ("octo", "secret", world.STRANGER, "not_found", "Not Found"),
    ("octo", "secret", world.WEAK, "not_found", "Not Found"),
    ("octo", "gone", world.CLASSIC, "blocked", "access blocked"),
    ("corp", "vault", world.CLASSIC, "sso", "SAML enforcement"),
])
def test_a_repository_out_of_reach(github, owner, name, token, outcome,
                                   words):
    said = ask(github, "repo", owner, name, token=token)
    assert said["outcome"] == outcome
    assert words in said["message"]


def test_a_renamed_repository_is_followed_once(github):
    said = ask(github, "repo", "octo", "older")
    assert said["name"] == "newer"
    assert len(asked(github, "GET")) == 2
    # A second redirect is one too many.
    github.admin("POST", "faults", {
        "kind": "location", "times": 2, "path": "/repos/octo/hello",
        "url": f"{github.url}/repos/octo/hello"})
    assert ask(github, "repo", "octo", "hello")["outcome"] == "conflict"


@pytest.mark.parametrize("url", [
    "https://evil.example/repositories/1", "{0}.evil.example/repos/a/b",
    "{0}/user", "{0}/repos/../user", "{0}/repos/a%2fb", "{0}@evil/repos/a/b",
    "//evil.example/repos/a/b", "{0}/repos/a/b?x=y", "", "/repos/octo/newer"])
def test_a_redirect_to_elsewhere_is_not_followed(github, url):
    github.admin("POST", "faults", {
        "kind": "location", "path": "/repos/.*", "url": url.format(
            github.url)})
    said = ask(github, "repo", "octo", "hello")
    assert said["outcome"] == "conflict"
    assert len(asked(github, "GET")) == 1


def test_a_branch(github, branch):
    at = ("branch", "octo", "hello")
    sha = github.model.find("octo", "hello").sha
    assert ask(github, *at, branch) == {"found": True, "sha": sha(branch)}
    assert ask(github, *at, "feature/one") == {
        "found": True, "sha": sha("feature/one")}
    for absent in ("none", "feature", "a..b", "b?x=y", "x#y", "../../x"):
        assert ask(github, *at, absent) == {"found": False, "sha": ""}
    assert ask(github, "branch", "octo", "empty", "main") == {
        "found": False, "sha": ""}


def test_nothing_that_reads_writes(github):
    ask(github, "viewer")
    ask(github, "repo", "octo", "hello")
    ask(github, "branch", "octo", "hello", "main")
    ask(github, "pull_find", "octo", "hello", "x", "main")
    assert {r["method"] for r in github.admin("GET", "requests")} == {"GET"}
    assert github.admin("GET", "journal") == []


# Faults

@pytest.mark.parametrize("fault, outcome, wait", [
    ({"kind": "rate_limit", "seconds": 300}, "rate_limit", range(290, 301)),
    ({"kind": "secondary"}, "rate_limit", [60]),
    ({"kind": "secondary", "seconds": 17}, "rate_limit", [17]),
    ({"kind": "secondary", "status": 429}, "rate_limit", [60]),
    ({"kind": "status", "status": 500}, "unreachable", [-1]),
    ({"kind": "status", "status": 503}, "unreachable", [-1]),
    ({"kind": "drop"}, "unreachable", [-1]),
    ({"kind": "cut"}, "unreachable", [-1]),
    ({"kind": "garbage"}, "broken", [-1]),
    ({"kind": "large"}, "broken", [-1]),
])
@pytest.mark.parametrize("words", [
    ("viewer",), ("repo", "octo", "hello"),
    ("branch", "octo", "hello", "main"),
    ("pull_find", "octo", "hello", "x", "main")], ids=lambda w: w[0])
def test_a_fault_while_reading(github, fault, outcome, wait, words):
    github.admin("POST", "faults", {**fault, "times": -1})
    said = ask(github, *words)
    assert said["outcome"] == outcome
    assert said["retry_after_s"] in wait


def test_a_hanging_github_is_waited_for_so_long(github):
    github.admin("POST", "faults", {"kind": "hang"})
    began = time.monotonic()
    said = ask(github, "viewer", limit_ms=700)
    assert said["outcome"] == "timeout"
    assert time.monotonic() - began > 0.6


def test_nobody_there(github):
    said = ask(github, "viewer", url="http://127.0.0.1:1")
    assert said["outcome"] == "unreachable"
    assert said["text"] == "GitHub is not reachable"


# Pull requests

def test_a_pull_request_is_opened_once(github, branch):
    first = ask(github, *MAKE, branch, "main", "T \u00fc", "B\nC")
    assert (first["found"], first["existed"], first["state"]) == (
        True, False, "open")
    assert first["url"].endswith(f"/octo/hello/pull/{first['number']}")
    again = ask(github, *MAKE, branch, "main", "other", "")
    assert (again["number"], again["existed"]) == (first["number"], True)
    found = ask(github, "pull_find", "octo", "hello", branch, "main")
    assert found["number"] == first["number"]
    assert [(m["title"], m["body"]) for m in made(github)] == [
        ("T \u00fc", "B\nC")]


def test_another_after_one_that_was_closed(github, branch):
    first = ask(github, *MAKE, branch, "main", "T", "")
    at = f"repos/octo/hello/pulls/{first['number']}"
    github.admin("PATCH", at, {"closed_at": "2026-01-01T00:00:00Z"})
    find = ("pull_find", "octo", "hello", branch, "main")
    assert ask(github, *find)["state"] == "closed"
    second = ask(github, *MAKE, branch, "main", "T", "")
    assert second["number"] != first["number"]
    assert not second["existed"]
    # The open one is found, though it were not the newest.
    github.admin("PATCH", f"repos/octo/hello/pulls/{second['number']}", {
        "closed_at": "2026-01-01T00:00:00Z",
        "merged_at": "2026-01-01T00:00:00Z"})
    assert ask(github, *find)["state"] == "merged"
    github.admin("PATCH", at, {"closed_at": None})
    assert ask(github, *find)["number"] == first["number"]


@pytest.mark.parametrize("kind", [
    "drop_after", "status_after", "cut", "garbage", "large"])
def test_the_answer_was_lost(github, branch, kind):
    github.admin("POST", "faults", {
        "kind": kind, "method": "POST", "path": PULLS})
    said = ask(github, *MAKE, branch, "main", "T", "")
    assert (said["found"], said["state"]) == (True, "open")
    assert len(made(github)) == 1
    assert len(asked(github, "POST")) == 1


def test_the_answer_did_not_come_in_time(github, branch):
    github.admin("POST", "faults", {
        "kind": "hang", "method": "POST", "path": PULLS, "seconds": 20})
    said = ask(github, *MAKE, branch, "main", "T", "", limit_ms=8000)
    assert said["outcome"] == "timeout"
    assert len(asked(github, "POST")) == 1
    assert ask(github, *MAKE, branch, "main", "T", "")["found"]
    assert len(made(github)) == 1


@pytest.mark.parametrize("fault, outcome", [
    ({"kind": "drop"}, "unreachable"),
    ({"kind": "status", "status": 500}, "unreachable"),
    ({"kind": "rate_limit"}, "rate_limit"),
    ({"kind": "secondary", "seconds": 9}, "rate_limit"),
])
def test_nothing_was_done(github, branch, fault, outcome):
    github.admin("POST", "faults", {**fault, "method": "POST"})
    said = ask(github, *MAKE, branch, "main", "T", "")
    assert said["outcome"] == outcome
    assert made(github) == []
    assert len(asked(github, "POST")) == 1


def test_somebody_was_quicker(github, branch):
    github.admin("POST", "faults", {
        "kind": "exists_race", "method": "POST", "path": PULLS})
    said = ask(github, *MAKE, branch, "main", "T", "")
    assert (said["found"], said["existed"]) == (True, True)
    assert len(made(github)) == 1


def test_it_exists_but_does_not_show_yet(github, branch):
    ask(github, *MAKE, branch, "main", "T", "")
    github.admin("POST", "faults", {
        "kind": "drop", "method": "GET", "path": PULLS, "times": 2})
    assert ask(github, *MAKE, branch, "main", "T", "")["existed"]
    github.admin("POST", "faults", {
        "kind": "drop", "method": "GET", "path": PULLS, "times": -1})
    said = ask(github, *MAKE, branch, "main", "T", "")
    assert said["outcome"] == "conflict"
    assert "already exists" in said["message"]


@pytest.mark.parametrize("name, head, base, token, outcome, words", [
    ("hello", "none", "main", world.CLASSIC, "invalid", "head is invalid"),
    ("hello", "feature/one", "none", world.CLASSIC, "invalid",
     "base is invalid"),
    ("hello", "main", "main", world.CLASSIC, "invalid",
     "No commits between main and main"),
    ("hello", "feature/one", "main", world.FINE, "no_permission",
     "Resource not accessible"),
    ("hello", "feature/one", "main", world.READER, "forbidden", "push"),
    ("museum", "x", "main", world.CLASSIC, "archived", "archived"),
    ("none", "x", "main", world.CLASSIC, "not_found", "Not Found"),
    ("hello", "feature/one", "main", "ghp_x", "bad_token",
     "Bad credentials"),
    ("older", "x", "main", world.CLASSIC, "conflict", "Redirect"),
])
def test_a_pull_request_that_is_refused(github, name, head, base, token,
                                        outcome, words):
    said = ask(github, "pull_create", "octo", name, head, base, "T", "",
               token=token)
    assert said["outcome"] == outcome
    assert words in said["message"]
    assert made(github) == []


# Addresses

def test_github_enterprise(github, branch):
    url = github.url + "/api/v3/"
    assert ask(github, "viewer", url=url)["login"] == "octo"
    assert ask(github, "repo", "octo", "older", url=url)["name"] == "newer"
    assert ask(github, *MAKE, branch, "main", "T", "", url=url)["found"]
    assert all(r["path"].startswith("/api/v3/")
               for r in github.admin("GET", "requests"))


def test_over_tls(folder):
    secrets = folder / "tls"
    secrets.mkdir()
    ca, cert, key = gitserver.make_certificate(str(secrets))
    with stand_in.serve(str(folder / "tls-repos"), (cert, key)) as github:
        github.admin("POST", "tokens", {
            "token": "ghp_t", "login": "octo", "scopes": []})
        assert ask(github, "viewer", token="ghp_t", ca=ca)["login"] == "octo"
        said = ask(github, "viewer", token="ghp_t")
        assert said["outcome"] == "broken"
        assert len(asked(github, "GET")) == 1


# Pushes, and what git prints when they are refused

def test_a_push_arrives_and_is_noted(github, folder):
    done = world.push_branch(github, "octo/hello", "pushed", str(folder))
    assert done.returncode == 0, done.stderr
    note, = github.admin("GET", "journal")
    assert (note["what"], note["by"], note["ref"], note["from"]) == (
        "push", "octo", "refs/heads/pushed", None)
    assert note["to"] == github.model.find("octo", "hello").sha("pushed")


@pytest.mark.parametrize("full_name, token, refspec, words", [
    ("octo/hello", world.READER, "HEAD:x", "Permission to octo/hello.git"),
    ("octo/hello", world.FINE, "HEAD:x", "Write access to repository not"),
    ("octo/hello", "ghp_x", "HEAD:x", "Invalid username or token"),
    ("octo/hello", world.CLASSIC, "HEAD:main", "GH006"),
    ("octo/museum", world.CLASSIC, "HEAD:x", "archived so it is read-only"),
    ("octo/gone", world.CLASSIC, "HEAD:x", "access blocked"),
    ("octo/none", world.CLASSIC, "HEAD:x", "not found"),
    ("corp/vault", world.CLASSIC, "HEAD:x", "SAML SSO"),
])
def test_a_push_that_is_refused(github, folder, full_name, token, refspec,
                                words):
    work = folder / "work-pushed"
    if not work.exists():
        world.push_branch(github, "octo/hello", "pushed", str(folder))
        github.admin("DELETE", "journal")
    # Something to push, whatever the branch.
    world.git("commit", "-q", "--allow-empty", "-m", "More", cwd=work)
    done = world.git("push", "-q", f"{github.url}/{full_name}.git", refspec,
                     cwd=work, token=token, check=False)
    assert done.returncode != 0
    assert words in done.stderr
    assert github.admin("GET", "journal") == []
