"""validate-token and create-pr through the whole of taskmill, row by row.

Contract 4.1, 4.2 and D21 to D25, reliability 12 and row 67. The code host is
tests/github-server; git clones and pushes over HTTPS with the user's token.
"""
import concurrent.futures
import os
import pathlib
import re
import signal
import socket
import threading

import pymysql
import pytest

import invariants
from apikit import access_token, fault_points
from hubkit import OTHER, TOKEN, Town, name_of, wait_for
from stack import why_not
from test_pool import answer as fcgi_answer
from test_pool import head, stdin

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

EDIT = "sed -i s/^20$/twenty/ a.txt; echo new >c.txt"


@pytest.fixture(scope="module")
def shared():
    with Town() as town:
        town.reaper()
        yield town


@pytest.fixture
def town(shared):
    """With a reaper and a pool at work, and no fault ordered."""
    if shared.serve.poll() is not None:
        shared.start_serve()
    if not shared.reapers or shared.reapers[-1].poll() is not None:
        shared.reaper()
    try:
        yield shared
    finally:
        print(shared.log_text()[-5000:])  # shown when the test has failed
        shared.hub.calm()


def error(answer, status, text=None):
    assert answer.status_code == status, answer.text
    said = answer.json()["error"]
    if text is not None:
        assert text in said, said
    return said


def token_of(town, name, **values):
    """A token of its own, with these rights, of octocat's or somebody's."""
    text = f"ghp_{name}_0123456789abcdefghij"
    town.hub.ask("POST", "tokens",
                 {"token": text, "login": "octocat", **values})
    return text


# ------------------------------------------------------------ validate-token

def validate(town, token=TOKEN, **fields):
    return town.client.post("/api/validate-token",
                            {"github_token": token, **fields}, timeout=60)


def test_4_1_success_with_a_repository(town):
    answer = validate(town, repo_url=town.repo)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success", "user": "octocat",
        "repo": {"name": f"octocat/{name_of(town.repo)}", "private": False,
                 "default_branch": "main",
                 "permissions": {"read": True, "write": True, "admin": True,
                                 "read_branches": True,
                                 "create_branches": True}},
        "message": "Token is valid and has repository access"}


@pytest.mark.parametrize("repo_url", [None, ""])
def test_4_1_success_without_a_repository(town, repo_url):
    answer = validate(town, repo_url=repo_url)
    assert answer.status_code == 200
    assert answer.json()["repo"] == {}


def test_d21_nothing_is_written(town):
    town.hub.calm()
    before = town.hub.branches(name_of(town.repo))
    assert validate(town, repo_url=town.repo).status_code == 200
    assert {r["method"] for r in town.hub.ask("GET", "requests")} == {"GET"}
    assert town.hub.branches(name_of(town.repo)) == before
    assert not town.hub.journal("push")


@pytest.mark.parametrize("body", [{}, {"github_token": ""},
                                  {"github_token": None}])
def test_4_1_token_missing(town, body):
    error(town.client.post("/api/validate-token", body), 400,
          "github_token is required")


@pytest.mark.parametrize("body", [{"github_token": 7},
                                  {"github_token": "t", "repo_url": 7}])
def test_d1_of_the_wrong_type(town, body):
    error(town.client.post("/api/validate-token", body), 400,
          "must be a string")


@pytest.mark.parametrize("repo_url", [
    "https://gitlab.com/o/r", "file:///etc", "https://github.com/o/r"])
def test_d22_repository_of_another_host(town, repo_url):
    assert validate(town, repo_url=repo_url).status_code == 400


@pytest.mark.parametrize("token", ["ghp_wrong", "with blank",
                                   "new\nline", "x" * 5000])
def test_4_1_bad_token(town, token):
    said = error(validate(town, token), 401, "Token validation failed: ")
    assert token not in said


def test_4_1_repository_not_readable(town):
    answer = validate(town, repo_url=town.hub.url + "/octocat/nowhere")
    error(answer, 403, "Cannot access repository: ")
    assert answer.json()["user"] == "octocat"


def test_4_1_saml_and_blocked(town):
    town.hub.ask("POST", "users", {"login": "corp", "organization": True,
                                   "saml": True})
    repo = town.make_repo(owner="corp", private=True,
                          collaborators={"octocat": "write"})
    error(validate(town, repo_url=repo), 403, "single sign-on")
    blocked = town.make_repo(blocked=True)
    error(validate(town, repo_url=blocked), 403, "disabled")


def test_4_1_rights_are_those_of_token_and_repository(town):
    def rights(repo, token=TOKEN):
        answer = validate(town, token, repo_url=repo)
        assert answer.status_code == 200, answer.text
        p = answer.json()["repo"]["permissions"]
        return p["write"], p["create_branches"]
    read = town.make_repo(owner="else", collaborators={"octocat": "read"})
    assert rights(read) == (False, False)
    archived = town.make_repo(archived=True)
    assert rights(archived) == (True, False)
    private = town.make_repo(private=True)
    assert rights(private) == (True, True)
    public_only = token_of(town, "publiconly", scopes=["public_repo"])
    assert rights(town.repo, public_only) == (True, True)
    error(validate(town, public_only, repo_url=private), 403)


def test_d22_github_is_away(town):
    for kind, more in (("drop", {}), ("status", {"status": 503}),
                       ("status", {"status": 404}),  # that is no GitHub
                       ("garbage", {})):
        town.hub.calm()
        town.hub.fault(kind, path=".*/user", times=-1, **more)
        answer = validate(town)
        assert error(answer, 502) == \
            "Token validation failed: GitHub is not reachable"


@pytest.mark.parametrize("kind", ["rate_limit", "secondary"])
def test_d22_over_the_limit(town, kind):
    town.hub.fault(kind, path=".*/user", seconds=77)
    answer = validate(town)
    error(answer, 502, "rate limit")
    assert 1 <= int(answer.headers["Retry-After"]) <= 78


def test_4_1_renamed_repository(town):
    repo = town.make_repo()
    town.hub.ask("PATCH", f"repos/octocat/{name_of(repo)}",
                 {"rename": f"octocat/{name_of(repo)}-new"})
    answer = validate(town, repo_url=repo)
    assert answer.json()["repo"]["name"] == f"octocat/{name_of(repo)}-new"


def test_both_need_a_signed_in_user(town):
    for path in ("/api/validate-token", "/api/create-pr/1"):
        answer = town.call("POST", path, json={"github_token": TOKEN})
        error(answer, 401, "Missing authorization header")


# ----------------------------------------------------------------- create-pr

def made(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def pushed_tree(town, repo, branch):
    return town.hub.git(name_of(repo), "rev-parse", f"{branch}^{{tree}}")


def test_4_2_success(town):
    repo = town.make_repo()
    task = town.finished(EDIT, repo)
    said = made(town.create_pr(task))
    name = name_of(repo)
    assert said == {
        "status": "success", "pr_number": 1, "branch": f"claude-code-{task}",
        "pr_url": f"{town.hub.url}/octocat/{name}/pull/1",
        "files_updated": 2}
    row = town.client.get(f"/api/tasks/{task}").json()["task"]
    assert (row["pr_branch"], row["pr_number"], row["pr_url"]) == (
        said["branch"], 1, said["pr_url"])
    (pull,) = town.hub.journal("pull")
    assert pull["title"] == f"Claude Code: {EDIT[:50]}..."
    assert pull["body"].splitlines() == [
        "Automated changes generated by Claude Code.", "",
        f"Prompt: {EDIT}", "", "Changed files:", "- a.txt", "- c.txt"]
    assert (pull["head"], pull["base"]) == (said["branch"], "main")
    # The very commit that the task shows.
    assert pull["sha"] == row["commit_hash"]
    (push,) = town.hub.journal("push")
    assert (push["ref"], push["from"], push["to"]) == (
        f"refs/heads/claude-code-{task}", None, row["commit_hash"])
    left = town.pull_row(task)
    assert left["state"] == "done" and left["sealed"] is None
    invariants.i9_nothing_left(town)


def test_4_2_title_and_body_of_ones_own(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    made(town.create_pr(task, title="Ünïcode title", body="Words\n\nmore"))
    (pull,) = town.hub.journal("pull")
    assert (pull["title"], pull["body"]) == ("Ünïcode title", "Words\n\nmore")


@pytest.mark.parametrize("title", ["", None])
def test_4_2_empty_title_is_none(town, title):
    task = town.finished("echo x >x", town.make_repo())
    made(town.create_pr(task, title=title))
    assert town.hub.journal("pull")[0]["title"] == \
        "Claude Code: echo x >x..."


def test_4_2_title_too_long(town):
    task = town.finished("echo x >x")
    error(town.create_pr(task, title="x" * 257), 400, "256 characters")


def test_4_2_no_such_task(town):
    error(town.create_pr(987654321), 404, "Task not found")
    mine = town.finished("echo x >x")
    error(town.create_pr(mine, user=town.user()), 404, "Task not found")


def test_4_2_not_completed(town):
    task = town.new_task("sleep 60")
    try:
        error(town.create_pr(task), 400, "Task not completed yet")
        error(town.create_pr(task, token=...), 400, "Task not completed yet")
    finally:
        town.cancel(task)
        town.wait_status(task)
    error(town.create_pr(task), 400, "Task not completed yet")


def test_4_2_no_patch(town):
    task = town.finished("true")
    error(town.create_pr(task, token=...), 400,
          "No patch data available for this task")


@pytest.mark.parametrize("token", [..., "", None])
def test_4_2_token_missing(town, token):
    task = town.finished("echo x >x")
    error(town.create_pr(task, token=token), 400, "github_token is required")


def test_d25_bad_token(town):
    task = town.finished("echo x >x", town.make_repo())
    error(town.create_pr(task, token="ghp_no_such_token"), 401)
    assert town.pull_row(task) is None


def test_d25_repository_gone(town):
    task = town.finished("echo x >x", town.make_repo())
    town.sql("UPDATE tasks SET repo_url = %s WHERE id = %s",
             town.hub.url + "/octocat/nowhere", task)
    assert error(town.create_pr(task), 422) == \
        "Repository 'octocat/nowhere' not found"


def test_d25_base_branch_gone(town):
    repo = town.make_repo()
    town.hub.commit(name_of(repo), {"z": "z"}, branch="feature")
    task = town.finished("echo x >x", repo, branch="feature")
    town.hub.git(name_of(repo), "update-ref", "-d", "refs/heads/feature")
    assert error(town.create_pr(task), 422) == \
        "Base branch 'feature' not found"


def test_4_2_another_base_than_the_default(town):
    repo = town.make_repo()
    town.hub.commit(name_of(repo), {"z": "z"}, branch="feature/x")
    task = town.finished("echo x >x", repo, branch="feature/x")
    made(town.create_pr(task))
    assert town.hub.journal("pull")[0]["base"] == "feature/x"


def test_4_2_no_right_to_push(town):
    repo = town.make_repo(owner="else", collaborators={"octocat": "read"})
    task = town.finished("echo x >x", repo)
    said = error(town.create_pr(task), 403)
    assert said.startswith(
        "GitHub token lacks permission to create branches. Please ensure "
        "your token has 'repo' scope (not just 'public_repo'). Error: ")


def test_fine_grained_token_without_contents(town):
    task = town.finished("echo x >x", town.make_repo())
    weak = token_of(town, "weak", permissions={"pull_requests": "write"})
    error(town.create_pr(task, token=weak), 403,
          "GitHub token lacks permission to create branches.")
    assert not town.hub.journal("push")
    made(town.create_pr(task))  # and with another token it goes on


def test_fine_grained_token_without_pull_requests(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    weak = token_of(town, "weaker", permissions={"contents": "write"})
    error(town.create_pr(task, token=weak), 403, "permission")
    assert town.pull_row(task)["state"] == "pushed"
    town.hub.calm()
    made(town.create_pr(task, token=OTHER))
    assert not town.hub.journal("push")  # the branch was there already


@pytest.mark.parametrize("change,words", [
    ({"archived": True}, "archived"), ({"blocked": True}, "disabled")])
def test_archived_and_blocked(town, change, words):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.ask("PATCH", f"repos/octocat/{name_of(repo)}", change)
    error(town.create_pr(task), 403, words)


def test_4_2_protected_branch(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.ask("PATCH", f"repos/octocat/{name_of(repo)}", {
        "protected": [f"claude-code-{task}"]})
    error(town.create_pr(task), 403,
          f"Failed to create branch 'claude-code-{task}': ")
    assert town.hub.branches(name_of(repo)) == ["main"]


def test_saml(town):
    town.hub.ask("POST", "users", {"login": "firm", "organization": True})
    repo = town.make_repo(owner="firm", private=True,
                          collaborators={"octocat": "write"})
    task = town.finished("echo x >x", repo)
    town.hub.ask("POST", "users", {"login": "firm", "organization": True,
                                   "saml": True})
    error(town.create_pr(task), 403, "single sign-on")


def test_renamed_repository(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    name = name_of(repo)
    town.hub.ask("PATCH", f"repos/octocat/{name}",
                 {"rename": f"octocat/{name}-moved"})
    said = made(town.create_pr(task))
    assert f"/octocat/{name}-moved/pull/1" in said["pr_url"]


@pytest.mark.parametrize("kind", ["secondary", "rate_limit"])
@pytest.mark.parametrize("path", [".*/repos/octocat/r[0-9]+", ".*/pulls"])
def test_rate_limits_say_when(town, path, kind):
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault(kind, path=path, seconds=600)
    answer = town.create_pr(task)
    error(answer, 502, "rate limit")
    # One is a time of day, which comes nearer while we look.
    assert 1 <= int(answer.headers["Retry-After"]) <= 601
    if kind == "secondary":
        assert int(answer.headers["Retry-After"]) == 600
    made(town.create_pr(task))


def test_rate_limit_of_git(town):
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault("status", status=429, path=".*info/refs", times=-1)
    answer = town.create_pr(task)
    error(answer, 502, "rate limit")
    assert int(answer.headers["Retry-After"]) > 0
    town.hub.calm()
    made(town.create_pr(task))


def of_firm(town):
    town.hub.ask("POST", "users", {"login": "firm", "organization": True,
                                   "saml": False})
    return town.make_repo(owner="firm", private=True,
                          collaborators={"octocat": "write"})


@pytest.mark.parametrize("change,status,words", [
    ({"archived": True}, 403, "archived"),
    ({"blocked": True}, 403, "disabled"),
    ({"collaborators": {"octocat": "read"}}, 403, "permission"),
    ({"collaborators": {}}, 422, "not found"),
    ("rename", 409, "try again"),
    ("saml", 403, "single sign-on"),
    ("revoke", 401, "does not accept the token"),
])
def test_changes_between_the_look_and_the_push(town, change, status, words):
    """REST had nothing against it; git meets the refusal."""
    repo = of_firm(town)
    task = town.finished("echo x >x", repo)
    secret = token_of(town, "passing", scopes=["repo"])
    place = f"repos/firm/{name_of(repo)}"
    ask = {
        "rename": ["PATCH", place,
                   {"rename": f"firm/{name_of(repo)}-moved"}],
        "saml": ["POST", "users", {"login": "firm", "saml": True}],
        "revoke": ["DELETE", "tokens", {"token": secret}],
    }[change] if isinstance(change, str) else ["PATCH", place, change]
    # A clone, a look for names, another one; then the push.
    town.hub.fault("change", method="GET", path=".*info/refs", skip=3,
                   ask=ask)
    error(town.create_pr(task, token=secret), status, words)
    assert not town.hub.journal("push")
    if change == "rename":  # the next call asks what it is called now
        assert "-moved/pull/1" in made(town.create_pr(task))["pr_url"]


def test_fine_grained_token_that_may_only_read(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    weak = token_of(town, "reader", permissions={
        "contents": "read", "pull_requests": "write"})
    error(town.create_pr(task, token=weak), 403,
          "GitHub token lacks permission to create branches.")
    assert town.hub.branches(name_of(repo)) == ["main"]


def test_redirect_of_the_last_call(town):
    """Renamed just before the pull request is opened."""
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault("location", method="POST", path=".*/pulls",
                   url=town.hub.url + "/api/v3/repositories/1/pulls")
    error(town.create_pr(task), 409, "try again")
    made(town.create_pr(task))


def test_d25_github_is_away(town):
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault("status", status=503, path=".*info/refs.*", times=-1)
    answer = town.create_pr(task)
    error(answer, 502)
    assert int(answer.headers["Retry-After"]) > 0
    town.hub.calm()
    town.hub.fault("drop", path=".*/api/v3/.*", times=-1)
    error(town.create_pr(task), 502, "not reachable")
    town.hub.calm()
    made(town.create_pr(task))


def test_what_is_no_patch(town):
    task = town.finished("echo x >x", town.make_repo())
    town.sql("UPDATE tasks SET git_patch = 'no patch at all' WHERE id = %s",
             task)
    assert error(town.create_pr(task), 500) == \
        "Failed to apply patch - no file changes extracted"


# ------------------------------------------------------- the base has moved

def test_d25_base_moved_three_way(town):
    repo = town.make_repo()
    task = town.finished(EDIT, repo)
    lines = ["zero"] + [str(i) for i in range(1, 40)] + ["forty"]
    town.hub.commit(name_of(repo), {"a.txt": "\n".join(lines) + "\n",
                                    "d.txt": "d\n", "b.txt": None})
    said = made(town.create_pr(task))
    name = name_of(repo)
    got = town.hub.git(name, "show", f"{said['branch']}:a.txt").splitlines()
    assert got == ["twenty" if line == "20" else line for line in lines]
    assert town.hub.git(name, "ls-tree", "--name-only",
                        said["branch"]).split() == ["a.txt", "c.txt", "d.txt"]
    assert town.hub.git(name, "rev-parse", f"{said['branch']}^") == \
        town.hub.git(name, "rev-parse", "main")


@pytest.mark.parametrize("theirs,named", [
    ({"a.txt": "".join(f"{i}\n" if i != 20 else "XX\n"
                       for i in range(1, 41))}, "a.txt"),
    ({"c.txt": "another\n"}, "c.txt"),
    ({"a.txt": None}, "a.txt")])
def test_d25_base_moved_conflict(town, theirs, named):
    repo = town.make_repo()
    task = town.finished(EDIT, repo)
    town.hub.commit(name_of(repo), theirs)
    said = error(town.create_pr(task), 409)
    assert said.startswith("The changes conflict with 'main'")
    assert named in said
    assert town.hub.branches(name_of(repo)) == ["main"]
    assert town.pull_row(task)["sealed"] is None


@pytest.mark.parametrize("times", [1, -1])
def test_d25_fetch_fails_on_the_way(town, times):
    """What could not be fetched for the merge is no conflict."""
    repo = town.make_repo()
    task = town.finished(EDIT, repo)
    lines = [str(i) if i != 18 else "XX" for i in range(1, 41)]
    town.hub.commit(name_of(repo), {"a.txt": "\n".join(lines) + "\n"})
    # The branch's list and its commit come, then there is nobody.
    town.hub.fault("status", status=503, method="POST", skip=3, times=times,
                   path=".*git-upload-pack")
    answer = town.create_pr(task)
    if times == -1:
        error(answer, 502, "not reachable")
        assert int(answer.headers["Retry-After"]) > 0
        town.hub.calm()
        answer = town.create_pr(task)
    said = made(answer)
    lines[19] = "twenty"
    assert town.hub.git(name_of(repo), "show", f"{said['branch']}:a.txt"
                        ).splitlines() == lines


def test_base_has_the_changes_already(town):
    repo = town.make_repo()
    task = town.finished("printf 'c\\n' >c.txt", repo)
    town.hub.commit(name_of(repo), {"c.txt": "c\n"})
    status = town.create_pr(task)
    error(status, 409, "'main'")


def test_base_was_rewritten(town):
    """The commit that the patch was made from is nowhere any more."""
    repo = town.make_repo()
    task = town.finished(EDIT, repo)
    name = name_of(repo)
    town.hub.commit(name, {"other": "x\n"}, branch="orphan")
    commit = town.hub.git(name, "commit-tree", "-m", "anew",
                          "orphan^{tree}")
    town.hub.git(name, "update-ref", "refs/heads/main", commit)
    town.hub.git(name, "update-ref", "-d", "refs/heads/orphan")
    town.hub.git(name, "reflog", "expire", "--expire=now", "--all")
    town.hub.git(name, "gc", "--quiet", "--prune=now")
    said = made(town.create_pr(task))
    assert town.hub.git(name, "show", f"{said['branch']}:c.txt") == "new"


# ---------------------------------------------------------- branches, twice

def test_d24_branch_of_somebody_else(town):
    repo = town.make_repo()
    name = name_of(repo)
    task = town.finished("echo x >x", repo)
    branch = f"claude-code-{task}"
    town.hub.commit(name, {"theirs": "1\n"}, branch=branch)
    town.hub.git(name, "update-ref", f"refs/heads/{branch}-2",
                 "refs/heads/main")  # a push could move this one forward
    before = town.hub.git(name, "for-each-ref")
    said = made(town.create_pr(task))
    assert said["branch"] == f"{branch}-3"
    after = town.hub.git(name, "for-each-ref")
    assert set(before.splitlines()) < set(after.splitlines())


def test_d24_all_names_are_taken(town):
    repo = town.make_repo()
    name = name_of(repo)
    task = town.finished("echo x >x", repo)
    branch = f"claude-code-{task}"
    for suffix in ["", *(f"-{i}" for i in range(2, 21))]:
        town.hub.git(name, "update-ref", f"refs/heads/{branch}{suffix}",
                     "refs/heads/main")
    assert error(town.create_pr(task), 403) == (
        f"Branch '{branch}' already exists. Please try again or use a "
        "different task.")


def test_d24_asked_again(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    first = made(town.create_pr(task))
    town.hub.calm()
    assert made(town.create_pr(task, token="ghp_whatever")) == first
    assert not town.hub.ask("GET", "requests")


def once(town, repo, task):
    """One branch and one pull request, which the task names."""
    branch = f"claude-code-{task}"
    assert town.hub.branches(name_of(repo)) == [branch, "main"]
    assert len(town.hub.journal("pull")) == 1
    assert len(town.hub.journal("push")) == 1
    row = town.pull_row(task)
    assert row["state"] == "done" and row["sealed"] is None
    assert town.sql("SELECT pr_number, pr_branch FROM tasks WHERE id = %s",
                    task) == ((1, branch),)


def test_two_calls_at_once(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = [made(a) for a in pool.map(
            lambda _: town.create_pr(task), range(2))]
    assert said[0] == said[1]
    once(town, repo, task)


@pytest.mark.parametrize("kind", ["drop_after", "status_after", "cut",
                                  "garbage", "exists_race"])
def test_row67_answer_of_the_last_call_lost(town, kind):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.fault(kind, method="POST", path=".*/pulls")
    made(town.patient_pr(task))
    once(town, repo, task)


def lost(town, task):
    """The pull request is opened, and nobody hears of it."""
    town.hub.fault("drop_after", method="POST", path=".*/pulls")
    town.hub.fault("status", method="GET", path=".*/pulls", status=503,
                   times=-1)
    error(town.create_pr(task), 502)
    assert len(town.hub.journal("pull")) == 1
    assert town.pull_row(task)["state"] == "pushed"
    town.hub.ask("DELETE", "faults")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "deleted"])
@pytest.mark.parametrize("end", ["merged", "closed"])
def test_row67_answer_lost_and_then_it_was_ended(town, end, kept):
    """By somebody on GitHub: it is this one all the same."""
    repo = town.make_repo()
    name = name_of(repo)
    task = town.finished("echo x >x", repo)
    branch = f"claude-code-{task}"
    lost(town, task)
    when = "2025-06-14T10:11:12Z"
    if end == "merged":
        town.hub.git(name, "update-ref", "refs/heads/main",
                     f"refs/heads/{branch}")
    town.hub.ask("PATCH", f"repos/octocat/{name}/pulls/1", {
        "closed_at": when, "merged_at": when if end == "merged" else None})
    if not kept:
        town.hub.git(name, "update-ref", "-d", f"refs/heads/{branch}")
    for _ in range(2):
        said = made(town.create_pr(task))
        assert (said["pr_number"], said["branch"]) == (1, branch)
    assert len(town.hub.journal("pull")) == 1
    assert len(town.hub.journal("push")) == 1
    assert town.pull_row(task)["state"] == "done"


def test_row67_merged_while_it_was_opened_again(town):
    """The look before finds nothing; "No commits between" asks for another."""
    repo = town.make_repo()
    name = name_of(repo)
    task = town.finished("echo x >x", repo)
    lost(town, task)
    town.hub.git(name, "update-ref", "refs/heads/main",
                 f"refs/heads/claude-code-{task}")
    when = "2025-06-14T10:11:12Z"
    town.hub.ask("PATCH", f"repos/octocat/{name}/pulls/1", {
        "closed_at": when, "merged_at": when})
    town.hub.fault("stale", method="GET", path=".*/pulls")
    assert made(town.create_pr(task))["pr_number"] == 1
    assert len(town.hub.journal("push")) == 1


def test_row67_github_is_away_when_it_is_looked_for(town):
    """No second one is opened because the first could not be seen."""
    task = town.finished("echo x >x", town.make_repo())
    lost(town, task)
    town.hub.fault("status", method="GET", path=".*/pulls", status=503)
    error(town.create_pr(task), 502, "not reachable")
    assert made(town.create_pr(task))["pr_number"] == 1
    assert len(town.hub.journal("pull")) == 1


def test_row67_answer_of_the_push_lost(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.fault("drop", method="POST", path=".*git-receive-pack")
    made(town.patient_pr(task))
    once(town, repo, task)


@pytest.mark.parametrize("theirs", [{"d.txt": "d\n"}, {"x": "theirs\n"}])
def test_row67_pushed_and_lost_and_the_base_moved(town, theirs):
    """It merges now, or it conflicts: the branch is there all the same."""
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.fault("status", method="POST", path=".*/pulls", status=500)
    assert town.create_pr(task).status_code == 502
    town.sql("UPDATE pull_requests SET state = 'failed', failure = 'lost',"
             " head_branch = NULL, commit_hash = NULL WHERE task_id = %s",
             task)
    town.hub.commit(name_of(repo), theirs)
    made(town.create_pr(task))
    once(town, repo, task)


def logged_status(town, path, offset=0):
    """Of the first request for path that the pool's log has behind offset."""
    found = []

    def look():
        found[:] = re.findall(
            rf"^.* request id=.* path=\"?{re.escape(path)}\"? status=(\d+) ",
            town.log.read_text()[offset:], re.MULTILINE)
        return found
    wait_for(look, 120, f"the end of a request for {path}")
    return found[0]


def test_client_that_leaves(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.fault("delay", path=".*info/refs.*", seconds=300)
    link = town.begin("POST", f"/api/create-pr/{task}", {"github_token": TOKEN})
    wait_for(lambda: town.pull_row(task), 20, "the wish")
    link.close()
    # Its worker waits no longer than it did: 503 would be the end of that.
    assert logged_status(town, f"/api/create-pr/{task}") == "499"
    assert town.pull_row(task)["state"] in ("requested", "running")
    town.hub.ask("DELETE", "faults")
    wait_for(lambda: (town.pull_row(task) or {}).get("state") in
             ("pushed", "done"), 30, "the push all the same")
    made(town.patient_pr(task))
    once(town, repo, task)


def test_branch_removed_before_the_request_was_opened(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.fault("status", method="POST", path=".*/pulls", status=500)
    assert town.create_pr(task).status_code == 502
    assert town.pull_row(task)["state"] == "pushed"
    town.hub.git(name_of(repo), "update-ref", "-d",
                 f"refs/heads/claude-code-{task}")
    error(town.create_pr(task), 422)
    made(town.create_pr(task))


# ------------------------------------------------------ killed at each step

POINTS = [pytest.param(name, process, id=name)
          for name, process in fault_points() if name.startswith("publish.")]


@pytest.mark.parametrize("point,process", POINTS)
def test_row67_killed_at_each_step(town, point, process):
    """Exactly one branch and one pull request, whoever dies where."""
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.hub.calm()
    fault = f"{point}:1:kill"
    if process == "outbound":
        town.stop_serve()
        town.start_serve(fault=fault)
    else:
        town.end(town.reapers[-1], signal.SIGKILL)
        town.reaper(fault=fault)
    hit, stop = town.reapers[-1], threading.Event()

    def look_after():
        while not stop.wait(0.1):
            if town.reapers[-1].poll() is not None:
                town.reaper()
    keeper = threading.Thread(target=look_after)
    keeper.start()
    try:
        made(town.patient_pr(task))
        # Some are passed after the answer.
        wait_for((town.fault_folder / point).exists, 60,
                 f"{point} to be passed")
        if process == "reaper":
            wait_for(lambda: town.reapers[-1] is not hit and
                     town.reapers[-1].poll() is None, 60, "the next reaper")
    finally:
        stop.set()
        keeper.join()
    once(town, repo, task)
    invariants.i9_nothing_left(town)
    invariants.i6_no_secret(town, task, TOKEN)
    if process == "outbound":
        town.stop_serve()
        town.start_serve()


def test_reaper_comes_late(town):
    repo = town.make_repo()
    task = town.finished("echo x >x", repo)
    town.end(town.reapers[-1], signal.SIGTERM)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(town.create_pr, task)
        wait_for(lambda: town.pull_row(task), 20, "the wish")
        row = town.pull_row(task)
        assert row["state"] == "requested"
        assert TOKEN.encode() not in row["sealed"]
        town.reaper()
        made(waiting.result())
    once(town, repo, task)


def test_runner_lost_again_and_again(town):
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault("delay", path=".*info/refs.*", seconds=300, times=-1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(town.create_pr, task)
        for attempt in (1, 2, 3):
            wait_for(lambda: f"{task}.p{attempt}" in town.spools(), 20,
                     "an attempt")
            os.kill(town.runner(task), signal.SIGKILL)
            wait_for(lambda: f"{task}.p{attempt}" not in town.spools(), 20,
                     "its end")
        error(waiting.result(), 502, "lost 3 times")
    assert town.pull_row(task)["sealed"] is None


def test_task_deleted_while_it_is_pushed(town):
    project = town.client.post("/api/projects", {
        "name": "p", "repo_url": town.make_repo()}).json()["project"]
    task = town.finished("echo x >x", project["repo_url"],
                         project_id=project["id"])
    town.hub.fault("delay", path=".*info/refs.*", seconds=60, times=-1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(town.create_pr, task)
        town.runner(task)
        gone = town.call("DELETE", f"/api/projects/{project['id']}",
                         town.client.token)
        assert gone.status_code == 200
        town.hub.calm()
        error(waiting.result(), 404, "Task not found")
    assert town.pull_row(task) is None
    invariants.i9_nothing_left(town, seconds=30)


# -------------------------------------------------------- the token, the pool

def command_lines():
    found = b""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += entry.read_bytes()
        except OSError:
            pass
    return found


def test_the_token_is_nowhere(town):
    task = town.finished("echo x >x", town.make_repo())
    secret = token_of(town, "unseen", scopes=["repo"])
    town.hub.fault("delay", path=".*info/refs.*", seconds=60, times=-1)
    seen, looks, stop = [], [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(secret.encode() in command_lines())
            for path in (town.state / "spool").rglob("*"):
                try:
                    seen.append(secret.encode() in path.read_bytes())
                except OSError:
                    pass
            rows = town_sql("SELECT sealed, error FROM pull_requests"
                            " WHERE task_id = %s")
            seen.extend(secret.encode() in (r[0] or b"") for r in rows)
            looks.extend(rows)
            if len(looks) == 10:
                town.hub.ask("DELETE", "faults")  # enough: let it be pushed
            stop.wait(0.05)

    session = pymysql.connect(
        unix_socket=town.settings["DB_SOCKET"], autocommit=True,
        user=town.settings["DB_USER"], database="taskmill")

    def town_sql(statement):
        with session.cursor() as cursor:
            cursor.execute(statement, (task,))
            return cursor.fetchall()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        made(town.create_pr(task, token=secret))
    finally:
        stop.set()
        watcher.join()
        session.close()
    assert len(looks) >= 10 and not any(seen)
    invariants.i6_no_secret(town, task, secret)


def through(path, socket_path, body=b"{}", token=None):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(socket_path))
        extra = [("CONTENT_TYPE", "application/json")]
        if token is not None:
            extra.append(("HTTP_AUTHORIZATION", f"Bearer {token}"))
        s.sendall(head(path, len(body), extra=extra) + stdin(body))
        return fcgi_answer(s)


def test_each_pool_serves_its_own_routes(town):
    for path in ("/api/validate-token", "/api/create-pr/1"):
        status, _ = through(path, town.state / "api.sock")
        assert status == 421
        status, _ = through(path, town.state / "outbound.sock")
        assert status == 401
    status, _ = through("/api/start-task", town.state / "outbound.sock")
    assert status == 421
    assert "misdirected" in town.log_text()


def test_metrics_of_the_second_pool(town):
    validate(town)
    text = town.get("/metrics").text
    assert 'taskmill_outbound_workers{state="idle"} ' in text
    (line,) = [x for x in text.splitlines()
               if x.startswith("taskmill_outbound_requests_total ")]
    assert int(line.split()[1]) >= 1


def busy_outbound(town):
    (line,) = [x for x in town.get("/metrics").text.splitlines()
               if x.startswith('taskmill_outbound_workers{state="busy"} ')]
    return int(line.split()[1])


def test_fifty_hanging_calls_do_not_slow_a_poll(town):
    """By order and by occupancy: while the small pool is full and most of the
    fifty stand in line for it, polls are answered, one by one."""
    task = town.finished("echo x >x")
    users = [town.user() for _ in range(25)]  # each with two: none has more
    town.hub.fault("hang", path=".*/user", seconds=600, times=-1)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        hanging = [pool.submit(
            user.post, "/api/validate-token", {"github_token": TOKEN},
            timeout=300) for user in users * 2]
        try:
            wait_for(lambda: busy_outbound(town) == 4, 30,
                     "all outbound workers to hang")
            for _ in range(100):
                assert town.client.get(
                    f"/api/task-status/{task}").status_code == 200
            waiting = [f for f in hanging if not f.done()]
            wait_for(lambda: busy_outbound(town) == 4, 30,
                     "the outbound workers to be busy still")
        finally:
            town.hub.calm()
        # A poll in line behind them would have come after most of them.
        assert len(waiting) > 8, len(waiting)
        codes = {f.result().status_code for f in hanging}
    assert codes <= {200, 502, 503, 504}
    assert 200 in codes


def test_one_user_never_has_the_whole_pool(town):
    """Half of it, with whatever tokens; what goes beyond is told to wait."""
    task = town.finished("echo x >x", town.make_repo())
    town.hub.fault("delay", path=".*info/refs.*", seconds=300, times=-1)
    tokens = [access_token(town.client.id) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(
            town.post, f"/api/create-pr/{task}", {"github_token": TOKEN},
            token, timeout=300) for token in tokens]
        try:
            wait_for(lambda: sum(f.done() for f in calls) == 2, 60,
                     "the two that are too many")
            refused = [f.result() for f in calls if f.done()]
            for answer in refused:
                error(answer, 429, "Rate limit exceeded")
                assert int(answer.headers["Retry-After"]) > 0
            # There is a worker for somebody else.
            error(town.user().post("/api/validate-token", {}), 400)
        finally:
            town.hub.calm()
        said = [made(f.result()) for f in calls
                if f.result() not in refused]
    assert len(said) == 2 and said[0] == said[1]
    error(validate(town, ""), 400)  # and there is a place again


def test_who_left_while_he_stood_in_line_costs_nothing(town):
    body = f'{{"github_token": "{TOKEN}"}}'.encode()
    workers = town.outbound()
    assert len(workers) == 4
    offset = len(town.log.read_text())
    town.hub.calm()
    try:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(town.state / "outbound.sock"))
            s.sendall(head("/api/validate-token", len(body), extra=[
                ("CONTENT_TYPE", "application/json"),
                ("HTTP_AUTHORIZATION", f"Bearer {town.client.token}")])
                + stdin(body))
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert logged_status(town, "/api/validate-token", offset) == "499"
    assert not town.hub.ask("GET", "requests")
