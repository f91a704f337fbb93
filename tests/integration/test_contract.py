"""The HTTP contract, row by row: each test is named after the row it holds to."""
import concurrent.futures
import http.client
import json
import re
import socket
import ssl
import subprocess
import time

import pytest
import requests

import apikit
from apikit import NO_TASK, RE_TIME, error_of, malformed, refused

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture
def user(stack):
    return stack.user()


@pytest.fixture(scope="module")
def member(stack):
    """A user who can sign in."""
    return stack.user(apikit.PASSWORD)


# ------------------------------------------------------------ 1.1 paths

GETS = ["/", "/ping", "/healthz", "/api/mode", "/api/openapi.json"]


@pytest.mark.parametrize("path", GETS)
def test_head_wherever_get(stack, path):
    head = stack.call("HEAD", path)
    assert head.status_code == 200
    assert head.content == b""


def test_head_of_an_error_has_no_body(user):
    head = user.stack.call("HEAD", f"/api/tasks/{NO_TASK}", user.token)
    assert head.status_code == 404 and head.content == b""


@pytest.mark.parametrize("path", [
    "/ping/", "/api/tasks/", "/api/start-task/", "/api/auth/token/",
    "/api/task-status/1/"])
def test_trailing_slash_is_unknown(user, path):
    refused(user.get(path), 404, "Not found")


@pytest.mark.parametrize("segment", [
    "-1", "+1", "1.0", "abc", "%20", "1%20", "0x1", "1e3", "%D9%A1", "1;x"])
@pytest.mark.parametrize("path", [
    "/api/tasks/{}", "/api/task-status/{}", "/api/git-diff/{}",
    "/api/tasks/{}/events", "/api/tasks/{}/patch"])
def test_segment_that_is_no_id(user, path, segment):
    refused(user.get(path.format(segment)), 404, "Not found")


def test_leading_zeros_are_accepted(user):
    task = user.task()
    assert user.get(f"/api/tasks/00{task}").json()["task"]["id"] == task


@pytest.mark.parametrize("number", [
    2**63 - 1, 2**63, 2**64, 2**64 + 1, 10**30])
@pytest.mark.parametrize("path", [
    "/api/tasks/{}", "/api/task-status/{}", "/api/git-diff/{}",
    "/api/tasks/{}/events", "/api/tasks/{}/patch"])
def test_id_beyond_64_bits(user, path, number):
    refused(user.get(path.format(number)), 404, "Task not found")


# ---------------------------------------------- 1.2 bodies, D1

BODY_PATHS = ["/api/start-task", "/api/auth/token", "/api/auth/refresh"]


@pytest.mark.parametrize("path", BODY_PATHS)
def test_body_absent(user, path):
    refused(user.post(path), 415, "Content-Type must be application/json")


@pytest.mark.parametrize("kind", [
    "text/plain", "application/x-www-form-urlencoded", "text/json", "",
    "multipart/form-data; boundary=x", "application/jsonx"])
@pytest.mark.parametrize("path", BODY_PATHS)
def test_body_of_other_content_type(user, path, kind):
    answer = user.post(path, data=json.dumps(apikit.GOOD_TASK),
                       headers={"Content-Type": kind})
    refused(answer, 415, "Content-Type must be application/json")


@pytest.mark.parametrize("kind", [
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
    "application/vnd.x+json", "application/problem+json;v=1"])
def test_body_of_a_json_content_type(user, kind):
    answer = user.post("/api/start-task", data=json.dumps(apikit.GOOD_TASK),
                       headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize("body,place", [
    (b"", "line 1, column 1"),
    (b"{", "line 1, column 2"),
    (b'{"a":1,}', "line 1, column 8"),
    (b'{"prompt":\n x}', "line 2, column 2"),
    (b"{'a':1}", "line 1, column 2"),
    (b'{"a":NaN}', "line 1, column 6"),
    (b'{} x', "line 1, column 4"),
])
@pytest.mark.parametrize("path", BODY_PATHS)
def test_body_malformed(user, path, body, place):
    answer = user.post(path, data=body,
                       headers={"Content-Type": "application/json"})
    malformed(answer, place)


@pytest.mark.parametrize("body", ["{}", "[]", '""', "0", "false", "null", "0.0"])
@pytest.mark.parametrize("path,text", [
    ("/api/start-task", "No data provided"),
    ("/api/auth/token", "user_id is required"),
    ("/api/auth/refresh", "refresh_token is required")])
def test_body_empty(user, path, text, body):
    refused(user.post(path, data=body,
                      headers={"Content-Type": "application/json"}), 400, text)


@pytest.mark.parametrize("body", ["[1]", '"x"', "1", "true", "-0.5"])
@pytest.mark.parametrize("path", BODY_PATHS)
def test_body_not_an_object(user, path, body):
    refused(user.post(path, data=body,
                      headers={"Content-Type": "application/json"}),
            400, "Request body must be a JSON object")


@pytest.mark.parametrize("value", [5, 0.5, True, ["x"], {"x": 1}])
@pytest.mark.parametrize("field", [
    "prompt", "repo_url", "github_token", "branch", "model", "agent_model"])
def test_field_of_wrong_type(user, field, value):
    refused(user.start(**{field: value}), 400, f"{field} must be a string")


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}])
@pytest.mark.parametrize("field", ["prompt", "repo_url", "github_token"])
def test_missing_is_python_truthiness(user, field, value):
    refused(user.start(**{field: value}), 400,
            "prompt, repo_url, and github_token are required")


def test_unknown_fields_are_ignored(user):
    assert user.start(unknown={"x": [1]}, status="completed").status_code == 200


# ---------------------------------------------- 1.3 and 1.4 answers

def test_json_without_charset(stack):
    assert stack.get("/ping").headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [
    "/nope", "/api", "/api/", "/api/nope", "/health", "/api/ping", "/API/tasks",
    "/v1/api/tasks", "/api/tasks/1/nope", "//ping", "/ping//"])
def test_unknown_path(stack, method, path):
    refused(stack.call(method, path), 404, "Not found")


@pytest.mark.parametrize("method,path,allow", [
    ("POST", "/ping", "GET, HEAD, OPTIONS"),
    ("POST", "/", "GET, HEAD, OPTIONS"),
    ("DELETE", "/api/tasks/1", "GET, HEAD, OPTIONS"),
    ("PUT", "/api/tasks", "GET, HEAD, OPTIONS"),
    ("POST", "/api/task-status/1", "GET, HEAD, OPTIONS"),
    ("POST", "/api/git-diff/1", "GET, HEAD, OPTIONS"),
    ("POST", "/api/auth/verify", "GET, HEAD, OPTIONS"),
    ("GET", "/api/start-task", "POST, OPTIONS"),
    ("HEAD", "/api/start-task", "POST, OPTIONS"),
    ("GET", "/api/auth/token", "POST, OPTIONS"),
    ("GET", "/api/auth/refresh", "POST, OPTIONS"),
    ("GET", "/api/tasks/1/cancel", "POST, OPTIONS"),
    ("PATCH", "/api/tasks/1", "GET, HEAD, OPTIONS"),
    ("TRACK", "/ping", "GET, HEAD, OPTIONS"),
])
def test_wrong_method(stack, method, path, allow):
    """D2: JSON, without a look at the token."""
    answer = stack.call(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow
    if method != "HEAD":
        assert error_of(answer) == "Method not allowed"


def test_every_answer_has_a_request_id(stack):
    ids = {stack.get("/ping").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


def test_answers_are_not_cached(user):
    assert user.get("/api/tasks").headers["Cache-Control"] == "no-store"


# ------------------------------------------------- 1.5 timestamps, D5

def test_row_timestamps(user):
    task = user.ended_task(created_at="2025-06-14 10:11:12.123400",
                           started_at="2025-06-14 10:11:12",
                           completed_at=None)
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert row["created_at"] == "2025-06-14T10:11:12.1234+00:00"
    assert row["started_at"] == "2025-06-14T10:11:12+00:00"
    assert row["completed_at"] is None
    status = user.get(f"/api/task-status/{task}").json()["task"]
    assert status["created_at"] == row["created_at"]


def test_chat_timestamps_are_strings_with_an_offset(user):
    """D5."""
    row = user.get(f"/api/tasks/{user.task()}").json()["task"]
    [message] = row["chat_messages"]
    assert RE_TIME.fullmatch(message["timestamp"])


def test_timestamps_are_now(user):
    row = user.get(f"/api/tasks/{user.task()}").json()["task"]
    made = time.mktime(time.strptime(row["created_at"][:19],
                                     "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(made - time.time()) < 30


# ------------------------------------------------------------ 1.6, 1.7

def test_polling_is_never_limited(user):
    """D4: more than the original's 200 an hour, by one user."""
    path = f"/api/task-status/{user.task()}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = [a.status_code for a in pool.map(lambda _: user.get(path),
                                               range(210))]
    assert got == [200] * 210


@pytest.mark.parametrize("origin", [
    "http://localhost:3000", "https://xvercel.app.evil.com", "null"])
def test_no_other_origin_is_let_in(stack, origin):
    """D6: preflights are answered, and nobody is allowed."""
    answer = stack.call("OPTIONS", "/api/tasks", headers={
        "Origin": origin, "Access-Control-Request-Method": "GET"})
    assert answer.status_code == 204 and answer.content == b""
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert not [h for h in answer.headers if h.lower().startswith("access-c")]
    answer = stack.get("/ping", headers={"Origin": origin})
    assert not [h for h in answer.headers if h.lower().startswith("access-c")]


def test_options_of_an_unknown_path(stack):
    refused(stack.call("OPTIONS", "/nope"), 404, "Not found")


def test_x_user_id_is_never_read(user):
    other = user.stack.user()
    task = other.task()
    refused(user.get(f"/api/tasks/{task}", headers={"X-User-ID": other.id}),
            404, "Task not found")


# -------------------------------------------------------- 2.3 auth/token

def test_token(stack, member):
    answer = stack.post("/api/auth/token", {"user_id": member.id,
                                            "password": apikit.PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert body["expires_in"] == 3600
    verify = stack.get("/api/auth/verify", body["access_token"])
    assert verify.json() == {"valid": True, "user_id": member.id}


def test_token_user_id_missing(stack):
    for body in ({"password": "x"}, {"user_id": None, "password": "x"},
                 {"user_id": "", "email": "", "password": "x"}):
        refused(stack.post("/api/auth/token", body), 400, "user_id is required")


def test_token_user_id_of_wrong_type(stack):
    refused(stack.post("/api/auth/token", {"user_id": 5, "password": "x"}),
            400, "user_id must be a string")


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": None}])
def test_token_without_proof(stack, member, body):
    """D9: to know a user id proves nothing."""
    refused(stack.post("/api/auth/token", {"user_id": member.id, **body}),
            401, "Authentication required")


# ------------------------------------------------------ 2.4 auth/refresh

@pytest.fixture(scope="module")
def tokens(stack, member):
    return stack.post("/api/auth/token", {
        "user_id": member.id, "password": apikit.PASSWORD}).json()


def test_refresh(stack, member, tokens):
    answer = stack.post("/api/auth/refresh",
                        {"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 200
    assert sorted(answer.json()) == ["access_token", "expires_in"]
    verify = stack.get("/api/auth/verify", answer.json()["access_token"])
    assert verify.json()["user_id"] == member.id


def test_refresh_token_stays_good(stack, tokens):
    """D10: the front end stores the same one again."""
    for _ in range(3):
        assert stack.post("/api/auth/refresh", {
            "refresh_token": tokens["refresh_token"]}).status_code == 200


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}])
def test_refresh_missing(stack, value):
    refused(stack.post("/api/auth/refresh", {"refresh_token": value, "x": 1}),
            400, "refresh_token is required")


def test_refresh_of_wrong_type(stack):
    refused(stack.post("/api/auth/refresh", {"refresh_token": 5}), 400,
            "refresh_token must be a string")


def test_refresh_with_an_access_token(stack, tokens):
    refused(stack.post("/api/auth/refresh",
                       {"refresh_token": tokens["access_token"]}), 401,
            "Invalid token type. Expected refresh")


# ------------------------------------------------------- 2.5 auth/verify

def test_verify(user):
    assert user.get("/api/auth/verify").json() == {"valid": True,
                                                   "user_id": user.id}


# -------------------------------------------------------- 3.1 start-task

def test_start_task(user):
    answer = user.start()
    assert answer.status_code == 200
    body = answer.json()
    assert body == {"status": "success", "task_id": body["task_id"],
                    "message": "Task started successfully"}


def test_start_task_without_a_token(stack):
    refused(stack.post("/api/start-task", apikit.GOOD_TASK), 401,
            "Missing authorization header")


def test_start_task_row(user):
    task = user.start(prompt=" do it \n", branch="dev", model="codex",
                      repo_url=" https://github.com/o/r/ ").json()["task_id"]
    row = user.get(f"/api/tasks/{task}").json()["task"]
    [message] = row.pop("chat_messages")
    assert (message["role"], message["content"]) == ("user", "do it")
    assert {k: row[k] for k in (
        "status", "agent", "target_branch", "repo_url", "execution_metadata",
        "user_id", "project_id", "error", "git_diff", "git_patch",
        "changed_files", "commit_hash", "started_at", "completed_at")} == {
            "status": "pending", "agent": "codex", "target_branch": "dev",
            "repo_url": "https://github.com/o/r/", "execution_metadata": {},
            "user_id": user.id, "project_id": None, "error": None,
            "git_diff": None, "git_patch": None, "changed_files": [],
            "commit_hash": None, "started_at": None, "completed_at": None}


def test_start_task_order_of_checks(user):
    refused(user.start(prompt="", model="gpt", branch=".."), 400,
            "prompt, repo_url, and github_token are required")
    refused(user.start(repo_url="u", model="gpt", branch=".."), 400,
            'model must be either "claude" or "codex"')


@pytest.mark.parametrize("prompt", ["   ", "\n\t", "\u00a0\u2003"])
def test_start_task_blank_prompt(user, prompt):
    """D11."""
    refused(user.start(prompt=prompt), 400,
            "prompt, repo_url, and github_token are required")


def test_start_task_longest_prompt(user):
    """D11: counted in characters, after stripping."""
    assert user.start(prompt=" " + "\U0001f600" * 10000 + " ").status_code == 200
    answer = user.start(prompt="x" * 10001)
    assert answer.status_code == 400
    assert "PROMPT_MAX_CHARS" in error_of(answer)


@pytest.mark.parametrize("url", [
    "https://github.com/o/r", "https://github.com/o/r.git",
    "https://github.com/o/r/", "https://github.com/O-x/r._-",
    "git@github.com:o/r.git", "git@github.com:o/r"])
def test_start_task_good_repo_url(user, url):
    task = user.task(repo_url=url)
    assert user.get(f"/api/task-status/{task}").json()["task"]["repo_url"] == url


@pytest.mark.parametrize("url", [
    "u", "file:///etc", "/etc", "../x", "ext::sh -c id", "-u", "--upload-pack=x",
    "ssh://git@github.com/o/r", "http://github.com/o/r", "ftp://github.com/o/r",
    "https://github.com/o", "https://github.com/o/r/x", "https://github.com//r",
    "https://github.com/o/..", "https://github.com/./r",
    "https://u:p@github.com/o/r", "https://github.com/o/r?x", "https://github.com/o/r#x",
    "https://github.com/o/%72", "https://github.com/o/r\\x", "https://github.com/-o/r",
    "https://github.com/o/r\nx", "git@github.com:-o/r", "javascript:alert(1)"])
def test_start_task_bad_repo_url(user, url):
    """D12."""
    answer = user.start(repo_url=url)
    assert answer.status_code == 400
    assert error_of(answer).startswith("Invalid GitHub URL format: ")


@pytest.mark.parametrize("url", [
    "https://gitlab.com/o/r", "https://github.com.evil.com/o/r",
    "https://127.0.0.1/o/r", "https://evil.com/github.com/r",
    "https://github.com:8443/o/r", "git@evil.com:o/r"])
def test_start_task_other_host(user, url):
    """D12: further hosts only by configuration."""
    answer = user.start(repo_url=url)
    assert answer.status_code == 400
    assert error_of(answer) == f"Invalid GitHub URL format: {url}"


@pytest.mark.parametrize("branch", [
    "main", "feature/x", "v1.2", "a-b_c", "x" * 255])
def test_start_task_good_branch(user, branch):
    task = user.task(branch=branch)
    assert user.get(f"/api/task-status/{task}").json()["task"]["branch"] == branch


@pytest.mark.parametrize("branch", [None, "", 0, False])
def test_start_task_default_branch(user, branch):
    task = user.task(branch=branch)
    assert user.get(f"/api/task-status/{task}").json()["task"]["branch"] == "main"


@pytest.mark.parametrize("branch", [
    "a..b", "-x", "/x", "~x", ".x", "x/", "x.", "x.lock", "a b", "a;id", "a$(id)",
    "a\nb", "\u00e4", "x" * 256, "a:b", "a\\b", "@{x}", "a/.b"])
def test_start_task_bad_branch(user, branch):
    """D12."""
    refused(user.start(branch=branch), 400, "Invalid branch name")


def test_start_task_default_model(user):
    task = user.task()
    assert user.get(f"/api/task-status/{task}").json()["task"]["model"] == "claude"


@pytest.mark.parametrize("model", [
    "gpt", "", "Claude", "claude ", "simulated", "../claude", "claude/../codex"])
def test_start_task_other_model(user, model):
    refused(user.start(model=model), 400,
            'model must be either "claude" or "codex"')


@pytest.mark.parametrize("name", [
    "-m", "--settings", "a b", "a\nb", "a'b", 'a"b', "a$(id)", "a;b", "\u00e4",
    "x" * 101, "/a", "[a", " a"])
def test_start_task_bad_agent_model(user, name):
    """It ends on a command line: a name, and nothing that means anything."""
    answer = user.start(agent_model=name)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("agent_model must be 1 to 100")


@pytest.mark.parametrize("name,stored", [
    ("sonnet", "sonnet"), ("sonnet[1m]", "sonnet[1m]"), ("", None),
    ("anthropic/claude-x.5:free@eu", "anthropic/claude-x.5:free@eu"),
    (None, None), ("x" * 100, "x" * 100)])
def test_start_task_agent_model(user, name, stored):
    task = user.task(agent_model=name)
    assert user.stack.sql("SELECT agent_model FROM tasks WHERE id = %s",
                          task) == ((stored,),)


def test_start_task_own_project(user):
    project = user.project()
    task = user.task(project_id=project)
    status = user.get(f"/api/task-status/{task}").json()["task"]
    assert status["project_id"] == project


def test_start_task_foreign_project(user):
    """D13."""
    project = user.stack.user().project()
    refused(user.start(project_id=project), 404, "Project not found")


@pytest.mark.parametrize("project", [NO_TASK, -1, 2**63 - 1])
def test_start_task_unknown_project(user, project):
    refused(user.start(project_id=project), 404, "Project not found")


@pytest.mark.parametrize("project", ["1", 1.5, True, [1]])
def test_start_task_project_of_wrong_type(user, project):
    refused(user.start(project_id=project), 400,
            "project_id must be an integer")


@pytest.mark.parametrize("token", ["a b", "x\n", "\u00e4", "x" * 1025, " "])
def test_start_task_token_that_is_none(user, token):
    answer = user.start(github_token=token)
    assert answer.status_code == 400
    assert error_of(answer).startswith("github_token must be ")


def test_start_task_shortest_token(user):
    assert user.start(github_token="t").status_code == 200


def test_start_task_keeps_the_token_sealed(user):
    secret = "ghp_" + apikit.random_text(20)
    task = user.task(github_token=secret)
    [(sealed,)] = user.stack.sql(
        "SELECT sealed FROM task_secrets WHERE task_id = %s", task)
    assert secret.encode() not in sealed and len(sealed) > len(secret)
    assert secret not in json.dumps(user.get(f"/api/tasks/{task}").json())
    assert secret not in user.stack.log.read_text()


def test_start_task_pokes_the_reaper(user):
    path = user.stack.state / "reaper.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reaper:
        reaper.bind(str(path))
        reaper.settimeout(60)
        try:
            user.task()
            assert len(reaper.recv(16)) <= 1
        finally:
            path.unlink()


# ------------------------------------------------- Idempotency-Key

def count_tasks(user):
    return user.stack.sql("SELECT COUNT(*) FROM tasks WHERE user_id = %s",
                          user.id)[0][0]


def test_key_replayed(user):
    key = apikit.random_text()
    first = user.start(key=key)
    again = user.start(key=key)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count_tasks(user) == 1


def test_key_with_the_same_meaning(user):
    key = apikit.random_text()
    first = user.start(key=key)
    again = user.start(key=key, prompt=" do it ", branch="main",
                       model="claude", unknown=1, project_id=None)
    assert again.json() == first.json()


@pytest.mark.parametrize("change", [
    {"prompt": "other"}, {"branch": "dev"}, {"model": "codex"},
    {"agent_model": "sonnet"},
    {"repo_url": "https://github.com/o/other"}])
def test_key_of_another_request(user, change):
    key = apikit.random_text()
    assert user.start(key=key).status_code == 200
    refused(user.start(key=key, **change), 422,
            "Idempotency-Key was used with a different request")
    assert count_tasks(user) == 1


def test_key_belongs_to_its_user(user):
    key, other = apikit.random_text(), user.stack.user()
    mine = user.start(key=key).json()["task_id"]
    theirs = other.start(key=key, prompt="other").json()["task_id"]
    assert mine != theirs


def test_key_at_the_same_moment(user):
    """Twins wait for each other and are one task."""
    key = apikit.random_text()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        got = list(pool.map(lambda _: user.start(key=key), range(6)))
    assert {a.status_code for a in got} == {200}
    assert len({a.json()["task_id"] for a in got}) == 1
    assert count_tasks(user) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e4".encode()])
def test_key_that_is_none(user, key):
    answer = user.start(key=key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in error_of(answer)


def test_key_of_greatest_length(user):
    assert user.start(key="!" * 255).status_code == 200


def test_key_survives_an_error(user):
    """What was refused has used up no key."""
    key = apikit.random_text()
    assert user.start(key=key, branch="..").status_code == 400
    assert user.start(key=key).status_code == 200


# ------------------------------------------------------- 3.2 task-status

STATUS_FIELDS = {"id", "status", "prompt", "repo_url", "branch", "model",
                 "commit_hash", "changed_files", "error", "created_at",
                 "project_id"}


def test_task_status_pending(user):
    task = user.task()
    body = user.get(f"/api/task-status/{task}").json()
    assert body["status"] == "success"
    assert set(body["task"]) == STATUS_FIELDS | {"queue_position"}
    created = body["task"].pop("created_at")
    assert RE_TIME.fullmatch(created)
    assert body["task"].pop("queue_position") >= 1
    assert body["task"] == {
        "id": task, "status": "pending", "prompt": "do it",
        "repo_url": apikit.GOOD_TASK["repo_url"], "branch": "main",
        "model": "claude", "commit_hash": None, "changed_files": [],
        "error": None, "project_id": None}


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_task_status_ended(user, status):
    task = user.ended_task(status, commit_hash="a" * 40, error="why \u00e4",
                           changed_files='["a.txt", "b \\"c\\""]')
    got = user.get(f"/api/task-status/{task}").json()["task"]
    assert set(got) == STATUS_FIELDS
    assert (got["status"], got["commit_hash"], got["error"],
            got["changed_files"]) == (status, "a" * 40, "why \u00e4",
                                      ["a.txt", 'b "c"'])


def test_task_status_not_found(user):
    refused(user.get(f"/api/task-status/{NO_TASK}"), 404, "Task not found")


def test_task_status_shows_odd_prompts_as_they_are(user):
    prompt = 'a "b" \\ \u00e4 \U0001f600 \u2028 \t</script>\x7f\x01\n%s %n \''
    task = user.task(prompt=prompt)
    assert user.get(f"/api/task-status/{task}").json()["task"]["prompt"] == prompt


def test_queue_position_counts_from_one(stack):
    stack.sql("DELETE FROM task_queue")
    users = [stack.user() for _ in range(3)]
    tasks = [(u, u.task()) for u in users]
    got = [u.get(f"/api/task-status/{t}").json()["task"]["queue_position"]
           for u, t in tasks]
    assert got == [1, 2, 3]


# ------------------------------------------------------------- 3.3 tasks

def test_tasks(user):
    ids = [user.task(), user.ended_task(git_patch="x", patch_bytes=1)]
    body = user.get("/api/tasks").json()
    assert body["status"] == "success"
    assert set(body["tasks"]) == {str(i) for i in ids}
    assert body["total_tasks"] == 2
    assert "next_before" not in body
    first, second = (body["tasks"][str(i)] for i in ids)
    assert (first["has_patch"], second["has_patch"]) == (False, True)
    assert (first["status"], second["status"]) == ("pending", "completed")
    assert first["chat_messages"][0]["content"] == "do it"


def test_tasks_of_nobody(user):
    assert user.get("/api/tasks").json() == {
        "status": "success", "tasks": {}, "total_tasks": 0}


@pytest.mark.parametrize("prompt,shown", [
    ("x" * 50, "x" * 50), ("x" * 51, "x" * 50 + "..."),
    ("\U0001f600" * 51, "\U0001f600" * 50 + "..."), ("\u00e4" * 50, "\u00e4" * 50)])
def test_tasks_prompt_is_cut_to_50_characters(user, prompt, shown):
    task = user.task(prompt=prompt)
    [row] = user.get("/api/tasks").json()["tasks"].values()
    assert row["prompt"] == shown
    assert row["chat_messages"][0]["content"] == prompt
    assert user.get(f"/api/task-status/{task}").json()["task"]["prompt"] == prompt


def test_tasks_of_a_project(user):
    project = user.project()
    mine, _ = user.task(project_id=project), user.task()
    body = user.get(f"/api/tasks?project_id={project}").json()
    assert list(body["tasks"]) == [str(mine)]
    assert body["total_tasks"] == 1


@pytest.mark.parametrize("value", ["", "0", "abc", "1.5", "0x1", "%ff"])
def test_tasks_project_id_that_is_ignored(user, value):
    user.task()
    body = user.get(f"/api/tasks?project_id={value}").json()
    assert body["total_tasks"] == 1


@pytest.mark.parametrize("value", ["987654321", "-1", "9" * 30])
def test_tasks_of_an_unknown_project(user, value):
    user.task()
    body = user.get(f"/api/tasks?project_id={value}").json()
    assert (body["tasks"], body["total_tasks"]) == ({}, 0)


def test_tasks_of_a_foreign_project(user):
    other = user.stack.user()
    project = other.project()
    other.task(project_id=project)
    user.task()
    body = user.get(f"/api/tasks?project_id={project}").json()
    assert (body["tasks"], body["total_tasks"]) == ({}, 0)


def test_tasks_in_pages(user):
    ids = [user.task() for _ in range(5)]
    seen, before = [], ""
    while True:
        body = user.get(f"/api/tasks?limit=2{before}").json()
        seen.append([int(i) for i in body["tasks"]])
        if body["next_before"] is None:
            break
        before = f"&before={body['next_before']}"
    assert seen == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


def test_tasks_without_limit_are_all(user):
    for i in range(60):
        user.stack.sql("INSERT INTO tasks (user_id, prompt) VALUES (%s, 'x')",
                       user.id)
    assert user.get("/api/tasks").json()["total_tasks"] == 60


def test_tasks_before_a_task_of_nobody(user):
    user.task()
    assert user.get(f"/api/tasks?before={NO_TASK}").json()["total_tasks"] == 0


def test_tasks_by_status(user):
    pending, failed = user.task(), user.ended_task("failed")
    for status, ids in (("pending", [pending]), ("failed", [failed]),
                        ("completed", [])):
        body = user.get(f"/api/tasks?status={status}").json()
        assert [int(i) for i in body["tasks"]] == ids


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.0",
    "before=0", "before=x", "before=-1", "status=", "status=x", "status=PENDING",
    "limit=%00", "before=%ff"])
def test_tasks_page_that_is_none(user, query):
    answer = user.get(f"/api/tasks?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in error_of(answer)


# ---------------------------------------------------------- 3.4 tasks/<id>

TASK_FIELDS = {
    "id", "user_id", "project_id", "status", "agent", "repo_url",
    "target_branch", "pr_branch", "container_id", "commit_hash", "pr_number",
    "pr_url", "git_diff", "git_patch", "changed_files", "error",
    "chat_messages", "execution_metadata", "created_at", "updated_at",
    "started_at", "completed_at", "is_test_data"}


def test_task_has_every_column_and_no_internal_one(user):
    row = user.get(f"/api/tasks/{user.task()}").json()["task"]
    assert set(row) == TASK_FIELDS


def test_task_full(user):
    files = {"file_changes": [{"filename": "a", "before": "b", "after": "c"}]}
    task = user.ended_task(
        commit_hash="b" * 40, pr_number=7, pr_url="https://x/7", pr_branch="p",
        container_id="c1", git_diff="+a\n", git_patch=b"From b\n",
        changed_files='["a.txt"]', execution_metadata=json.dumps(files))
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert {k: row[k] for k in ("commit_hash", "pr_number", "pr_url",
                                "pr_branch", "container_id", "git_diff",
                                "git_patch", "changed_files",
                                "execution_metadata")} == {
        "commit_hash": "b" * 40, "pr_number": 7, "pr_url": "https://x/7",
        "pr_branch": "p", "container_id": "c1", "git_diff": "+a\n",
        "git_patch": "From b\n", "changed_files": ["a.txt"],
        "execution_metadata": files}


def test_task_not_found(user):
    refused(user.get(f"/api/tasks/{NO_TASK}"), 404, "Task not found")


def test_task_of_columns_that_are_null(user):
    """As an imported table may have them."""
    task = user.ended_task(agent=None, repo_url=None, target_branch=None,
                           changed_files=None, execution_metadata=None,
                           created_at=None, updated_at=None, status=None)
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert row["status"] == "pending" and row["created_at"] is None
    status = user.get(f"/api/task-status/{task}").json()["task"]
    assert status["changed_files"] == [] and status["model"] is None
    assert user.get("/api/tasks").json()["total_tasks"] == 1


# -------------------------------------------------- patch, an addition

PATCH = b"From x\n+latin \xe4\xf6\n\x00\xff binary\r\n-- \n"


def test_patch_that_is_not_utf8(user):
    task = user.ended_task(git_patch=PATCH, patch_bytes=len(PATCH))
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert row["git_patch"] == (
        "From x\n+latin \ufffd\ufffd\n\ufffd\ufffd binary\r\n-- \n")


def test_patch_byte_for_byte(user):
    task = user.ended_task(git_patch=PATCH, patch_bytes=len(PATCH))
    answer = user.get(f"/api/tasks/{task}/patch")
    assert answer.content == PATCH
    assert answer.headers["Content-Type"] == "text/x-patch"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="task-{task}.patch"')


def test_patch_of_no_changes(user):
    answer = user.get(f"/api/tasks/{user.ended_task(git_patch=b'')}/patch")
    assert (answer.status_code, answer.content) == (200, b"")


def test_patch_that_is_not_there_yet(user):
    refused(user.get(f"/api/tasks/{user.task()}/patch"), 404,
            "Task has no patch")


def test_patch_not_found(user):
    refused(user.get(f"/api/tasks/{NO_TASK}/patch"), 404, "Task not found")


def test_large_diff_and_patch(user):
    """5 MiB of each go through whole, and the next answer is small again."""
    text = ("+" + "x" * 62 + "\n") * (5 * 2**14)
    task = user.ended_task(git_diff=text, git_patch=text.encode(),
                           patch_bytes=len(text))
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert row["git_diff"] == text and row["git_patch"] == text
    assert user.get("/ping").status_code == 200


# ---------------------------------------------------------- 3.6 git-diff

@pytest.mark.parametrize("diff", [None, "", "+a\n", "+\u00e4 \"q\" \\ \t\x01\n"])
def test_git_diff(user, diff):
    task = user.ended_task(git_diff=diff)
    assert user.get(f"/api/git-diff/{task}").json() == {
        "status": "success", "git_diff": diff, "task_id": task}


def test_git_diff_not_found(user):
    refused(user.get(f"/api/git-diff/{NO_TASK}"), 404, "Task not found")


# ---------------------------------------------------------------- cancel

def test_cancel_pending(user):
    task = user.task()
    answer = user.post(f"/api/tasks/{task}/cancel")
    assert answer.json() == {"status": "success", "task": {
        "id": task, "status": "cancelled", "cancel_requested": True}}
    row = user.get(f"/api/tasks/{task}").json()["task"]
    assert row["status"] == "cancelled" and row["completed_at"] is not None
    assert not user.stack.sql("SELECT 1 FROM task_secrets WHERE task_id = %s",
                              task)


def test_cancel_running(user):
    task = user.task()
    user.stack.sql("UPDATE task_queue SET state = 'running', attempt = 1,"
                   " owner = 'x' WHERE task_id = %s", task)
    user.stack.sql("UPDATE tasks SET status = 'running' WHERE id = %s", task)
    for _ in range(2):
        answer = user.post(f"/api/tasks/{task}/cancel")
        assert answer.json()["task"] == {
            "id": task, "status": "running", "cancel_requested": True}
    [(asked,)] = user.stack.sql("SELECT cancel_requested_at IS NOT NULL"
                                " FROM task_queue WHERE task_id = %s", task)
    assert asked == 1


def test_cancel_cancelled(user):
    task = user.task()
    for _ in range(2):
        assert user.post(f"/api/tasks/{task}/cancel").status_code == 200


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_cancel_ended(user, status):
    refused(user.post(f"/api/tasks/{user.ended_task(status)}/cancel"), 409,
            f"Task has already ended: {status}")


def test_cancel_not_found(user):
    refused(user.post(f"/api/tasks/{NO_TASK}/cancel"), 404, "Task not found")


# ---------------------------------------------------------------- events

def test_events(user):
    task = user.task()
    body = user.get(f"/api/tasks/{task}/events").json()
    assert [e["kind"] for e in body["events"]] == ["queued"]
    assert (body["last_seq"], body["task_status"]) == (1, "pending")
    user.post(f"/api/tasks/{task}/cancel")
    body = user.get(f"/api/tasks/{task}/events?after=1").json()
    assert [(e["seq"], e["kind"]) for e in body["events"]] == [(2, "end")]
    assert (body["last_seq"], body["task_status"]) == (2, "cancelled")


def test_events_beyond_the_last(user):
    body = user.get(f"/api/tasks/{user.task()}/events?after=99").json()
    assert (body["events"], body["last_seq"]) == ([], 99)
    answer = user.get(f"/api/tasks/{user.task()}/events?after={'9' * 30}")
    assert answer.json()["events"] == []


def test_events_in_pages(user):
    task = user.task()
    for seq in range(2, 8):
        user.stack.sql("INSERT INTO task_events (task_id, seq, attempt, kind,"
                       " created_at, data) VALUES (%s, %s, 1, 'step',"
                       " '2025-06-14 10:11:12', %s)", task, seq,
                       json.dumps({"n": seq, "t": "\u00e4"}))
    body = user.get(f"/api/tasks/{task}/events?after=2&limit=3").json()
    assert [e["seq"] for e in body["events"]] == [3, 4, 5]
    assert body["last_seq"] == 5
    assert body["events"][0]["data"] == {"n": 3, "t": "\u00e4"}
    assert body["events"][0]["created_at"] == "2025-06-14T10:11:12+00:00"


@pytest.mark.parametrize("query", [
    "after=-1", "after=x", "after=", "after=1.0", "after=%00", "after=1x",
    "limit=0", "limit=1001", "limit=x"])
def test_events_that_are_asked_for_wrongly(user, query):
    answer = user.get(f"/api/tasks/{user.task()}/events?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in error_of(answer)


def test_events_not_found(user):
    refused(user.get(f"/api/tasks/{NO_TASK}/events"), 404, "Task not found")


# ------------------------------------------------------- 6 health and so on

def test_root(stack):
    assert stack.get("/").json() == {
        "status": "success", "message": "Claude Code Automation API",
        "endpoints": ["/ping", "/start-task", "/task-status", "/git-diff",
                      "/create-pr"]}


def test_ping(stack):
    body = stack.get("/ping").json()
    assert (body["status"], body["message"]) == ("success", "pong")
    assert abs(body["timestamp"] - time.time()) < 30
    assert isinstance(body["timestamp"], float)


def test_healthz(stack):
    assert stack.get("/healthz").json() == {"status": "alive"}


def test_mode(stack):
    assert stack.get("/api/mode").json() == {
        "status": "success", "mode": "simulation",
        "agents": ["claude", "codex"]}


def test_readyz_names_what_is_missing(stack):
    stack.sql("DELETE FROM machines")
    answer = stack.get("/readyz")
    assert answer.status_code == 503
    body = answer.json()
    assert body["ready"] is False
    assert {k: v["ok"] for k, v in body["checks"].items()} == {
        "database": True, "schema": True, "reaper": False, "pool": True}
    assert body["checks"]["reaper"]["detail"] == "never seen"


def test_readyz_with_a_reaper(stack):
    stack.sql("INSERT INTO machines (id, boot_id, seen_at)"
              " VALUES ('m', 'b', UTC_TIMESTAMP(6))")
    answer = stack.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    stack.sql("UPDATE machines SET seen_at = UTC_TIMESTAMP(6)"
              " - INTERVAL 10 MINUTE")
    answer = stack.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["reaper"]["detail"].startswith("seen 60")
    stack.sql("DELETE FROM machines")


@pytest.mark.parametrize("command", [["serve"], ["api"], ["reaper", "--once"]],
                         ids=lambda words: words[0])
def test_nothing_begins_on_an_older_schema(stack, command):
    """Its statements would fail one by one; and it says what to do."""
    stack.sql("UPDATE schema_migrations SET applied_at = NULL"
              " ORDER BY version DESC LIMIT 1")
    try:
        done = subprocess.run(
            [apikit.BINARY, *command, "--config", stack.conf], text=True,
            capture_output=True, timeout=120, check=False)
    finally:
        stack.sql("UPDATE schema_migrations SET applied_at = begun_at"
                  " WHERE applied_at IS NULL")
    assert done.returncode in (65, 78)
    assert 'run "taskmill migrate" first' in done.stderr


@pytest.mark.parametrize("applied", [-1, 1], ids=["older", "newer"])
def test_readyz_and_check_agree_about_the_schema(stack, applied):
    newest = int(stack.sql("SELECT MAX(version) FROM schema_migrations")[0][0])
    if applied == 1:
        change = ("INSERT INTO schema_migrations SELECT version + 1, name,"
                  " sha256, begun_at, statement, applied_at"
                  f" FROM schema_migrations WHERE version = {newest}")
        back = f"DELETE FROM schema_migrations WHERE version = {newest + 1}"
    else:
        change = ("UPDATE schema_migrations SET applied_at = NULL"
                  f" WHERE version = {newest}")
        back = ("UPDATE schema_migrations SET applied_at = begun_at"
                f" WHERE version = {newest}")
    stack.sql(change)
    try:
        ready = stack.get("/readyz").json()["checks"]["schema"]
        done = subprocess.run(
            [apikit.BINARY, "check", "--json", "--config", stack.conf],
            text=True, capture_output=True, timeout=120, check=False)
    finally:
        stack.sql(back)
    assert ready == {"ok": applied == 1, "detail":
                     f"version {newest + applied}, needed {newest}"}
    verdict = json.loads(done.stdout)["checks"]["schema"]["verdict"]
    assert (verdict == "ok") == ready["ok"]


def test_status(stack):
    body = stack.get("/status").json()
    assert len(body["pool"]["workers"]) == stack.settings["API_WORKERS"]
    assert body["pool"]["requests"] > 0
    assert set(body["queue"]) == {"pending", "running", "oldest_pending_s"}


def test_metrics(stack):
    answer = stack.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = [l for l in answer.text.splitlines() if not l.startswith("#")]
    assert all(re.fullmatch(
        r'taskmill_[a-z_]+(\{[a-z]+="[a-z0-9]+"\})? [0-9.]+', l)
        for l in lines), lines
    got = dict(l.rsplit(" ", 1) for l in lines)
    assert got["taskmill_database_up"] == "1"
    assert int(got["taskmill_requests_total"]) > 0
    assert {'taskmill_tasks{status="pending"}',
            'taskmill_workers{state="busy"}'} <= set(got)


def test_openapi(stack):
    body = stack.get("/api/openapi.json").json()
    assert body["openapi"] == "3.1.0"
    assert body == stack.seen.doc


@pytest.mark.parametrize("change", [
    lambda ping: ping["responses"].pop("200"),
    lambda ping: ping["responses"]["200"].pop("content"),
    lambda ping: ping["responses"]["200"]["content"].update(
        {"application/json": {"schema": {"required": ["pang"]}}})])
def test_an_answer_that_is_not_described_fails_its_test(stack, change):
    other = apikit.Description()
    change(other.doc["paths"]["/ping"]["get"])
    apikit.DESCRIBED[stack.url] = other
    try:
        with pytest.raises(AssertionError):
            stack.get("/ping")
        with pytest.raises(AssertionError):
            requests.get(stack.url + "/ping", verify=str(stack.ca), timeout=30)
    finally:
        apikit.DESCRIBED[stack.url] = stack.seen
    stack.get("/ping")


NO_USER = "00000000-0000-4000-8000-000000000000"


def test_every_described_path_is_there(stack):
    for path, methods in stack.seen.doc["paths"].items():
        if path.startswith("/api/test-users"):
            continue  # not in production: test_accounts.py
        path = path.replace("{id}", "1").replace("{uuid}", NO_USER)
        answer = stack.call("OPTIONS", path)
        assert answer.status_code == 204
        offered = set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"}
        assert offered == {m.upper() for m in methods}


def test_a_body_that_is_too_large_is_described_everywhere(stack):
    """nginx refuses it before it looks where it is for."""
    for path, methods in stack.seen.doc["paths"].items():
        path = path.replace("{id}", "1").replace("{uuid}", NO_USER)
        for method in map(str.upper, methods):
            link = http.client.HTTPSConnection(
                "localhost", stack.port, timeout=60,
                context=ssl.create_default_context(cafile=str(stack.ca)))
            link.putrequest(method, path)
            link.putheader("Content-Length", "1048577")
            link.endheaders()  # nginx does not wait for the body
            got = link.getresponse()
            answer = apikit.Answer(got.status, got.getheaders(), got.read())
            link.close()
            assert answer.status_code == 413, (method, path)
            stack.seen.check(answer, method, path)


# ------------------------------------------------------------ the log

def test_log_has_a_line_for_each_request(user):
    answer = user.get(f"/api/tasks/{NO_TASK}")
    line = [l for l in user.stack.log.read_text().splitlines()
            if answer.headers["X-Request-Id"] in l]
    assert len(line) == 1
    assert re.search(rf'method=GET path="/api/tasks/{NO_TASK}" status=404'
                     rf' ms=[0-9.]+ user={user.id}$', line[0])


def test_log_holds_no_tokens(user):
    user.get(f"/api/tasks?limit=1&access_token={user.token}")
    assert user.token not in user.stack.log.read_text()
