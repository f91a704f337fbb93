"""The contract's rows that need a run: what it leaves (3.6, 3.7), and D16 to
D19 and D23; and the rows of 1.2 for the paths that test_contract.py leaves out.

All through nginx, with a reaper, real git, and an agent that does what its
prompt says.
"""
import concurrent.futures
import json
import signal

import pytest

import apikit
from apikit import NO_TASK, RE_TIME, malformed, refused
from hubkit import TOKEN, Town, name_of, wait_for
from stack import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

FILES = {"long.txt": "".join(f"{i}\n" for i in range(1, 101)),
         "gone.txt": "gone\n", "moved.txt": "".join(f"m{i}\n" for i in range(20)),
         "no newline": "last", "run.sh": "echo hi\n"}
CHANGES = r"""
sed -i s/^50$/fifty/ long.txt; rm gone.txt; mv moved.txt moved-away.txt
printf more >>'no newline'; chmod +x run.sh; printf '\000\001' >new.bin
echo new >'new file.txt'
"""
CHANGED = sorted(["long.txt", "gone.txt", "moved-away.txt", "no newline",
                  "run.sh", "new.bin", "new file.txt"])


@pytest.fixture(scope="module")
def town():
    with Town() as made:
        made.reaper()
        yield made


@pytest.fixture(scope="module")
def changed(town):
    """(task, repository) of a task that changed files in all ways."""
    repo = town.make_repo(FILES)
    return town.finished(CHANGES, repo), repo


def row_of(town, task):
    return town.client.get(f"/api/tasks/{task}").json()["task"]


# ------------------------------------------------- 1.2, of the other paths

BODY_PATHS = [("POST", "/api/projects", "No data provided"),
              ("PUT", f"/api/projects/{NO_TASK}", "No data provided"),
              ("POST", "/api/tasks/{task}/chat", "No data provided"),
              ("POST", "/api/validate-token", "github_token is required"),
              ("POST", "/api/create-pr/{task}", "github_token is required")]
EACH = pytest.mark.parametrize("method,path,missing", BODY_PATHS)


def send(town, task, method, path, data, kind="application/json"):
    return town.call(method, path.format(task=task), town.client.token,
                     data=data, headers={"Content-Type": kind})


@EACH
def test_1_2_body_of_other_content_type(town, changed, method, path, missing):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused(send(town, changed[0], method, path, '{"x":1}', kind), 415,
                "Content-Type must be application/json")


@EACH
def test_1_2_body_malformed(town, changed, method, path, missing):
    for body in ("", "{", '{"a":1,}', "{} x"):
        malformed(send(town, changed[0], method, path, body))


@EACH
@pytest.mark.parametrize("body", ["{}", "[]", '""', "0", "false", "null"])
def test_1_2_body_empty(town, changed, method, path, missing, body):
    refused(send(town, changed[0], method, path, body), 400, missing)


@EACH
@pytest.mark.parametrize("body", ["[1]", '"x"', "1", "true"])
def test_1_2_body_not_an_object(town, changed, method, path, missing, body):
    refused(send(town, changed[0], method, path, body), 400,
            "Request body must be a JSON object")


@pytest.mark.parametrize("field", ["github_token", "title", "body"])
def test_1_2_field_of_wrong_type(town, changed, field):
    refused(town.create_pr(changed[0], **{
        "title": "t", "token": TOKEN, field: 5}
        if field != "github_token" else {"token": 5}), 400,
        f"{field} must be a string")


@pytest.mark.parametrize("path", ["/api/validate-token", "/api/create-pr/1",
                                  "/api/tasks/1/chat",
                                  "/api/migrate-legacy-tasks"])
def test_1_4_wrong_method(town, path):
    """D2."""
    answer = town.call("GET", path)
    refused(answer, 405, "Method not allowed")
    assert answer.headers["Allow"] == "POST, OPTIONS"


# ---------------------------------------------------- 3.6 and 3.7, D16, D19

def test_3_7_completed(town, changed):
    row = row_of(town, changed[0])
    assert row["status"] == "completed" and row["error"] is None
    assert len(row["commit_hash"]) == 40 and int(row["commit_hash"], 16)
    assert row["git_patch"].startswith(f"From {row['commit_hash']} ")
    assert sorted(row["changed_files"]) == CHANGED
    for name in ("created_at", "started_at", "completed_at", "updated_at"):
        assert RE_TIME.fullmatch(row[name]), name
    assert row["created_at"] <= row["started_at"] <= row["completed_at"]


def test_D16_diff_is_of_the_commit(town, changed):
    """3.6: new, deleted, renamed and binary files included."""
    diff = town.client.get(f"/api/git-diff/{changed[0]}").json()["git_diff"]
    for line in ("+++ b/new file.txt", "+new", "--- a/gone.txt", "-gone",
                 "rename from moved.txt", "rename to moved-away.txt",
                 "-50", "+fifty", "new mode 100755",
                 "\\ No newline at end of file"):
        assert any(x.startswith(line) for x in diff.splitlines()), line
    assert "new.bin" in diff


def test_3_6_no_diff_before_the_end(town):
    task = town.new_task("sleep 30", model="shell")
    try:
        assert town.client.get(f"/api/git-diff/{task}").json() == {
            "status": "success", "git_diff": None, "task_id": task}
    finally:
        town.cancel(task)
    town.wait_status(task)


def test_3_7_completed_without_changes(town):
    row = row_of(town, town.finished("echo I have looked"))
    assert (row["commit_hash"], row["git_diff"], row["git_patch"],
            row["changed_files"], row["error"]) == (None, "", "", [], None)


def test_3_7_one_message_of_what_the_agent_printed(town):
    row = row_of(town, town.finished("echo I have looked; echo twice"))
    mine, its = row["chat_messages"]
    assert (mine["role"], its["role"]) == ("user", "assistant")
    assert its["content"] == "I have looked\ntwice"
    assert RE_TIME.fullmatch(its["timestamp"])


def test_3_7_no_message_of_a_silent_agent(town):
    row = row_of(town, town.finished("echo x >x"))
    assert len(row["chat_messages"]) == 1


def test_D19_agent_that_fails(town):
    """3.7, failed: the other columns are as they were."""
    task = town.new_task("echo half >done; echo no key >&2; exit 3",
                         model="shell")
    assert town.wait_status(task, seconds=60) == "failed"
    row = row_of(town, task)
    assert row["error"]
    assert (row["commit_hash"], row["git_diff"], row["git_patch"],
            row["changed_files"]) == (None, None, None, [])
    assert RE_TIME.fullmatch(row["completed_at"])
    refused(town.create_pr(task), 400, "Task not completed yet")


# ------------------------------------------------------------- D17 and D18

def test_D17_one_final_state_whatever_goes_down(town):
    """Reaper and pool are killed while a task runs: it ends as it would."""
    task = town.new_task("echo here; sleep 300 || :; echo x >x", model="shell")
    town.wait_event(task, "here")  # not in the middle of its start
    town.end(town.reapers[-1], signal.SIGKILL)
    town.stop_serve(signal.SIGKILL)
    town.start_serve()
    town.reaper()
    town.wake(task)
    seen = []

    def status():
        now = town.client.get(f"/api/task-status/{task}").json()["task"]
        if not seen or seen[-1] != now["status"]:
            seen.append(now["status"])
        return now["status"] not in ("pending", "running")
    wait_for(status, 60, "the end")
    assert seen[-1] == "completed" and set(seen) <= {"running", "completed"}
    events = town.client.get(f"/api/tasks/{task}/events?after=0").json()
    ends = [e for e in events["events"]
            if e["data"].get("status") in ("completed", "failed", "cancelled")]
    assert [e["data"]["status"] for e in ends] == ["completed"], events


def test_D18_no_token_in_an_error(town):
    task = town.new_task("x", model="shell",
                         repo_url=f"{town.hub.url}/octocat/nowhere")
    assert town.wait_status(task, seconds=60) == "failed"
    row = row_of(town, task)
    assert row["error"] and TOKEN not in json.dumps(row)
    assert TOKEN not in town.log_text()


def test_D18_no_token_in_words_and_diff(town):
    task = town.finished(f"echo it is {TOKEN}; echo {TOKEN} >leaked")
    for path in ("tasks/{}", "git-diff/{}", "tasks/{}/events?after=0",
                 "task-status/{}"):
        answer = town.client.get("/api/" + path.format(task))
        shown = answer.json()
        # What the user himself has written stays his.
        if "task" in shown:
            shown["task"]["chat_messages"] = \
                shown["task"].get("chat_messages", [])[1:]
            shown["task"].pop("prompt", None)
        assert TOKEN not in json.dumps(shown), path
    assert TOKEN not in town.log_text()


# ---------------------------------------------------------------------- D23

def test_D23_pull_request_has_exactly_the_commit(town, changed):
    """Nothing is rebuilt from hunks: the very commit, whole."""
    task, repo = changed
    answer = town.create_pr(task)
    assert answer.status_code == 200, answer.text
    said, name = answer.json(), name_of(repo)
    assert said["files_updated"] == len(CHANGED)
    assert town.hub.git(name, "rev-parse", said["branch"]) == \
        row_of(town, task)["commit_hash"]
    listed = town.hub.git(name, "ls-tree", "-r", said["branch"])
    assert [x.split("\t")[1] for x in listed.splitlines()] == sorted(
        set(CHANGED) - {"gone.txt"})
    assert "100755" in next(x for x in listed.splitlines() if "run.sh" in x)
    assert len(town.hub.git(name, "show", f"{said['branch']}:long.txt"
                            ).splitlines()) == 100
    assert len(town.hub.git(name, "rev-list",
                            f"main..{said['branch']}").splitlines()) == 1


# ----------------------------------------------------------------- 7, rows

@pytest.fixture(scope="module")
def development():
    with apikit.Stack(ENVIRONMENT="development") as s:
        yield s


@pytest.mark.parametrize("method,path", [
    ("POST", ""), ("GET", ""), ("DELETE", "/" + "0" * 8 + "-0000" * 3 + "-"
                                + "0" * 12),
    ("POST", "/cleanup"), ("DELETE", "/abc"), ("POST", "/abc/token"),
    ("POST", "/" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12 + "/token")])
def test_7_not_enabled(development, method, path):
    refused(development.call(method, "/api/test-users" + path), 403,
            "Test user endpoints are not enabled")


def test_7_health_when_not_enabled(development):
    assert development.get("/api/test-users/health").json() == {
        "healthy": True, "test_mode_enabled": False,
        "service_initialized": False}
