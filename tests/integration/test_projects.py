"""Contract 5, row by row: projects; and what a deletion leaves behind."""
import concurrent.futures
import json
import uuid

import pytest

import apikit
import stack as stackkit
from apikit import RE_TIME, refused

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

NO_PROJECT = 987654321
REQUIRED = "name and repo_url are required"
TAKEN = "A project for this repository already exists"


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture
def user(stack):
    return stack.user()


def put(user, project, body):
    return user.stack.call("PUT", f"/api/projects/{project}", user.token,
                           json=body)


def delete(user, project):
    return user.stack.call("DELETE", f"/api/projects/{project}", user.token)


def repo():
    return f"https://github.com/o/{uuid.uuid4()}"


def made(user, **fields):
    answer = user.post("/api/projects",
                       {"name": "P", "repo_url": repo(), **fields})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["project"]


def row(stack, project):
    """The row as it is in the table."""
    names = ("id", "user_id", "repo_url", "repo_owner", "repo_name", "name",
             "description", "is_active", "settings", "created_at")
    rows = stack.sql(f"SELECT {', '.join(names)} FROM projects WHERE id = %s",
                     project)
    return dict(zip(names, rows[0])) if rows else None


# --------------------------------------------------------- 5.1 and 5.2

def test_post_projects_success(user):
    url = repo() + ".git"
    project = made(user, repo_url=url)
    assert RE_TIME.fullmatch(project.pop("created_at"))
    assert RE_TIME.fullmatch(project.pop("updated_at"))
    assert isinstance(project.pop("id"), int)
    assert project == {
        "user_id": user.id, "repo_url": url, "repo_owner": "o",
        "repo_name": url.rsplit("/", 1)[1][:-len(".git")], "name": "P",
        "description": "", "is_active": True, "settings": {},
        "is_test_data": False}


def test_post_projects_all_fields(user):
    settings = {"a": [1, 2.5, None, {"ü": "\U0001f600"}], "b": False}
    project = made(user, name="Nämé", description="words\nof two lines",
                   settings=settings)
    assert project["name"] == "Nämé"
    assert project["description"] == "words\nof two lines"
    assert project["settings"] == settings
    again = user.get(f"/api/projects/{project['id']}").json()["project"]
    assert again == project


def test_get_projects_newest_first(user):
    assert user.get("/api/projects").json() == {"status": "success",
                                                "projects": []}
    ids = [made(user)["id"] for _ in range(4)]
    user.stack.sql("UPDATE projects SET created_at = '2030-01-01' WHERE id = %s",
                   ids[1])
    listed = user.get("/api/projects").json()["projects"]
    assert [p["id"] for p in listed] == [ids[1], ids[3], ids[2], ids[0]]


@pytest.mark.parametrize("path", ["/api/projects", "/api/projects/{}",
                                  "/api/projects/{}/tasks"])
def test_head_of_projects(user, path):
    answer = user.stack.call("HEAD", path.format(made(user)["id"]), user.token)
    assert answer.status_code == 200 and answer.content == b""


@pytest.mark.parametrize("body", ["{}", "[]", "null", '""', "0", "false"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_projects_empty_body(user, method, body):
    path = "/api/projects" + ("/1" if method == "PUT" else "")
    answer = user.stack.call(method, path, user.token, data=body,
                             headers={"Content-Type": "application/json"})
    refused(answer, 400, "No data provided")


@pytest.mark.parametrize("missing", [None, "", 0, False, [], {}])
@pytest.mark.parametrize("field", ["name", "repo_url"])
def test_post_projects_field_missing(user, field, missing):
    body = {"name": "P", "repo_url": repo()}
    refused(user.post("/api/projects", {**body, field: missing}), 400, REQUIRED)
    del body[field]
    refused(user.post("/api/projects", body), 400, REQUIRED)


def test_post_projects_blank_name_is_not_missing(user):
    assert made(user, name="  ")["name"] == "  "


@pytest.mark.parametrize("field", ["name", "repo_url", "description"])
@pytest.mark.parametrize("wrong", [1, True, ["x"], {"a": 1}])
def test_post_projects_field_of_wrong_type(user, field, wrong):
    body = {"name": "P", "repo_url": repo(), field: wrong}
    refused(user.post("/api/projects", body), 400, f"{field} must be a string")


@pytest.mark.parametrize("wrong", [1, True, ["x"], "x"])
def test_post_projects_settings_of_wrong_type(user, wrong):
    refused(user.post("/api/projects", {"name": "P", "repo_url": repo(),
                                        "settings": wrong}),
            400, "settings must be an object")


@pytest.mark.parametrize("fields,text", [
    ({"name": "x" * 256}, "name must be at most 255 characters"),
    ({"description": "x" * 10001},
     "description must be at most 10000 characters"),
    ({"settings": {"x": "y" * 65536}}, "settings must be at most 65536 bytes"),
])
def test_post_projects_field_too_long(user, fields, text):
    body = {"name": "P", "repo_url": repo(), **fields}
    refused(user.post("/api/projects", body), 400, text)


def test_post_projects_fields_of_full_length(user):
    made(user, name="ü" * 255, description="ü" * 10000,
         settings={"x": "y" * 65500})


@pytest.mark.parametrize("url", [
    "https://gitlab.example/o/r", "http://github.com/o/r", "file:///etc/passwd",
    "https://github.com/o", "https://github.com/o/r/tree/main",
    "https://github.com/../r", "https://u:p@github.com/o/r", "git@github.com:o",
    "https://github.com/o/r?x=1", "ext::sh -c id", "o/r", " "])
def test_post_projects_url_not_understood(user, url):
    answer = user.post("/api/projects", {"name": "P", "repo_url": url})
    assert answer.status_code == 400
    assert apikit.error_of(answer) == f"Invalid GitHub URL format: {url.strip()}"


@pytest.mark.parametrize("form", [
    "https://github.com/o/{}", "https://github.com/o/{}.git",
    "https://github.com/o/{}/", "git@github.com:o/{}", "git@github.com:o/{}.git",
    "  https://github.com/o/{}\n"])
def test_post_projects_accepted_urls(user, form):
    name = str(uuid.uuid4())
    project = made(user, repo_url=form.format(name))
    assert (project["repo_owner"], project["repo_name"]) == ("o", name)
    assert project["repo_url"] == form.format(name).strip()


def test_D26_post_projects_duplicate(user):
    url = repo()
    made(user, repo_url=url)
    answer = user.post("/api/projects", {"name": "Q", "repo_url": f" {url} "})
    refused(answer, 409, TAKEN)
    made(user.stack.user(), repo_url=url)  # of somebody else it may be


def test_D26_twenty_at_once_make_one(user):
    url = repo()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = [f.status_code for f in pool.map(
            lambda _: user.post("/api/projects", {"name": "P", "repo_url": url}),
            range(20))]
    assert sorted(codes) == [200] + [409] * 19


# ----------------------------------------------------------------- 5.3

def test_get_project_not_found(user):
    refused(user.get(f"/api/projects/{NO_PROJECT}"), 404, "Project not found")


def test_get_project_segment_that_is_no_id(user):
    refused(user.get("/api/projects/abc"), 404, "Not found")


@pytest.mark.parametrize("number", [0, 2**63 - 1, 2**63, 10**30])
@pytest.mark.parametrize("method,path", [
    ("GET", "/api/projects/{}"), ("PUT", "/api/projects/{}"),
    ("DELETE", "/api/projects/{}"), ("GET", "/api/projects/{}/tasks")])
def test_project_id_out_of_range(user, method, path, number):
    more = {"json": {"name": "x"}} if method == "PUT" else {}
    refused(user.stack.call(method, path.format(number), user.token, **more),
            404, "Project not found")


# ----------------------------------------------------------------- 5.4

@pytest.mark.parametrize("field,value", [
    ("name", "new"), ("description", "new"), ("description", ""),
    ("description", None), ("is_active", False), ("settings", {"a": {"b": 1}}),
    ("settings", {})])
def test_put_project_writes_field(user, field, value):
    before = made(user, description="old", settings={"old": 1})
    answer = put(user, before["id"], {field: value})
    assert answer.status_code == 200, answer.text
    after = answer.json()["project"]
    if field == "description" and value is None:
        value = ""  # missing is the default, as in POST
    assert after[field] == value
    assert after["updated_at"] > before["updated_at"]
    for name in set(before) - {field, "updated_at"}:
        assert after[name] == before[name], name


def test_put_project_repo_url_moves_owner_and_name(user):
    project = made(user)
    answer = put(user, project["id"], {"repo_url": "git@github.com:a/b.git"})
    after = answer.json()["project"]
    assert (after["repo_url"], after["repo_owner"], after["repo_name"]) == \
        ("git@github.com:a/b.git", "a", "b")


def test_put_project_repo_url_not_understood(user):
    project = made(user)
    refused(put(user, project["id"], {"repo_url": "https://github.com/x"}), 400,
            "Invalid GitHub URL format: https://github.com/x")
    assert row(user.stack, project["id"])["repo_url"] == project["repo_url"]


@pytest.mark.parametrize("blank", ["", " ", "\t\n", None])
@pytest.mark.parametrize("field,text", [
    ("name", REQUIRED), ("repo_url", "Invalid GitHub URL format: ")])
def test_put_project_blank(user, field, text, blank):
    refused(put(user, made(user)["id"], {field: blank}), 400, text)


@pytest.mark.parametrize("field,wrong,text", [
    ("name", 1, "name must be a string"),
    ("description", {"x": 1}, "description must be a string"),
    ("is_active", "yes", "is_active must be a boolean"),
    ("is_active", 1, "is_active must be a boolean"),
    ("is_active", None, "is_active must be a boolean"),
    ("settings", [1], "settings must be an object")])
def test_put_project_field_of_wrong_type(user, field, wrong, text):
    refused(put(user, made(user)["id"], {field: wrong}), 400, text)


def test_put_project_duplicate_url(user):
    first, second = made(user), made(user)
    refused(put(user, second["id"], {"repo_url": first["repo_url"]}), 409, TAKEN)


def test_put_project_its_own_url(user):
    project = made(user)
    assert put(user, project["id"],
               {"repo_url": project["repo_url"]}).status_code == 200


def test_put_project_not_found(user):
    refused(put(user, NO_PROJECT, {"name": "x"}), 404, "Project not found")


def test_D27_put_writes_five_columns_only(user):
    other = user.stack.user()
    project = made(user)
    before = row(user.stack, project["id"])
    answer = put(user, project["id"], {
        "id": 5, "user_id": other.id, "created_at": "2001-01-01T00:00:00+00:00",
        "repo_owner": "x", "repo_name": "y", "is_test_data": True,
        "no_such_column": 1, "name": "new"})
    assert answer.status_code == 200
    after = row(user.stack, project["id"])
    assert after == {**before, "name": "new"}
    assert other.get("/api/projects").json()["projects"] == []


def test_D27_a_whole_project_may_be_sent_back(user):
    project = made(user, settings={"a": 1})
    answer = put(user, project["id"], {**project, "name": "new"})
    after = answer.json()["project"]
    assert {**after, "updated_at": 0} == {**project, "name": "new",
                                          "updated_at": 0}


# ------------------------------------------------------- 5.6, and 3.1/3.3

def test_get_project_tasks(user):
    project = made(user)["id"]
    first = user.ended_task(project_id=None)
    assert user.get(f"/api/projects/{project}/tasks").json() == \
        {"status": "success", "tasks": []}
    ids = [user.task(project_id=project) for _ in range(3)]
    answer = user.get(f"/api/projects/{project}/tasks").json()
    assert [t["id"] for t in answer["tasks"]] == ids[::-1]
    assert first not in ids
    for task in answer["tasks"]:
        assert task == user.get(f"/api/tasks/{task['id']}").json()["task"]


def test_get_project_tasks_not_found(user):
    refused(user.get(f"/api/projects/{NO_PROJECT}/tasks"), 404,
            "Project not found")


def test_get_project_tasks_of_many_large_diffs(user):
    """A list must stay a list: behind 32 MiB the bulk is left out."""
    project = made(user)["id"]
    for _ in range(12):
        user.ended_task(project_id=project, git_diff="d" * 2**22)
    tasks = user.get(f"/api/projects/{project}/tasks").json()["tasks"]
    assert len(tasks) == 12
    kept = [t["git_diff"] is not None for t in tasks]
    assert kept == [True] * kept.count(True) + [False] * kept.count(False)
    assert 7 <= kept.count(True) <= 9
    full = user.get(f"/api/tasks/{tasks[-1]['id']}").json()["task"]
    assert len(full["git_diff"]) == 2**22


def test_D13_a_task_for_a_foreign_project(user):
    project = made(user.stack.user())["id"]
    refused(user.start(project_id=project), 404, "Project not found")


def test_tasks_of_a_project_in_the_list(user):
    project = made(user)["id"]
    task = user.task(project_id=project)
    user.task()
    answer = user.get(f"/api/tasks?project_id={project}").json()
    assert list(answer["tasks"]) == [str(task)]
    assert answer["tasks"][str(task)]["project_id"] == project


# ------------------------------------------------------------ isolation

@pytest.mark.parametrize("method,path", [
    ("GET", "/api/projects/{}"), ("PUT", "/api/projects/{}"),
    ("DELETE", "/api/projects/{}"), ("GET", "/api/projects/{}/tasks")])
def test_another_users_project_is_absent(user, method, path):
    other = user.stack.user()
    project = made(other)["id"]
    before = row(user.stack, project)
    more = {"json": {"name": "mine"}} if method == "PUT" else {}
    refused(user.stack.call(method, path.format(project), user.token, **more),
            404, "Project not found")
    assert row(user.stack, project) == before


@pytest.mark.parametrize("method,path", [
    ("GET", "/api/projects"), ("POST", "/api/projects"),
    ("GET", "/api/projects/1"), ("PUT", "/api/projects/1"),
    ("DELETE", "/api/projects/1"), ("GET", "/api/projects/1/tasks"),
    ("POST", "/api/migrate-legacy-tasks"), ("POST", "/api/tasks/1/chat")])
def test_without_a_token(stack, method, path):
    refused(stack.call(method, path, json={"a": 1}), 401,
            "Missing authorization header")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_D2_other_methods(user, method):
    answer = user.stack.call(method, "/api/projects/1", user.token)
    refused(answer, 405, "Method not allowed")
    assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"


@pytest.mark.parametrize("text", [
    "'; DROP TABLE projects; --", "\\' OR 1=1 -- ", '","is_active":false,"x":"',
    "<script>alert(1)</script>", "%s%n${jndi:x}", "a\\u0000b", "\u2028\U0001f600"])
def test_text_is_only_text(user, text):
    project = made(user, name=text, description=text,
                   settings={text: text})
    assert (project["name"], project["description"]) == (text, text)
    assert project["settings"] == {text: text}
    assert put(user, project["id"], {"name": text + "2"}) \
        .json()["project"]["name"] == text + "2"
    assert row(user.stack, project["id"])["name"] == text + "2"


# ------------------------------------------------------------------ 5.5

TABLES = ("task_queue", "task_secrets", "task_attempts", "task_events",
          "idempotency_keys")


def left(stack, tasks):
    """What the tables still hold of these tasks."""
    marks = ", ".join(["%s"] * len(tasks))
    found = {t: stack.sql(f"SELECT COUNT(*) FROM {t} WHERE task_id IN ({marks})",
                          *tasks)[0][0] for t in TABLES}
    found["tasks"] = stack.sql(
        f"SELECT COUNT(*) FROM tasks WHERE id IN ({marks})", *tasks)[0][0]
    return {t: n for t, n in found.items() if n > 0}


def test_delete_project(user):
    project = made(user)["id"]
    answer = delete(user, project)
    assert answer.json() == {"status": "success",
                             "message": "Project deleted successfully"}
    refused(delete(user, project), 404, "Project not found")
    assert row(user.stack, project) is None


def test_delete_project_not_found(user):
    refused(delete(user, NO_PROJECT), 404, "Project not found")


def test_delete_project_takes_its_tasks_and_no_other(user):
    project, other = made(user)["id"], made(user)["id"]
    gone = [user.task(project_id=project, key=f"k{i}") for i in range(3)]
    gone.append(user.ended_task(project_id=project, git_diff="x"))
    kept = [user.task(), user.task(project_id=other),
            user.stack.user().task()]
    before = left(user.stack, kept)
    assert set(left(user.stack, gone)) == \
        {"task_queue", "task_secrets", "task_events", "idempotency_keys",
         "tasks"}
    assert delete(user, project).status_code == 200
    assert left(user.stack, gone) == {}
    assert left(user.stack, kept) == before
    refused(user.get(f"/api/tasks/{gone[0]}"), 404, "Task not found")


def test_delete_project_of_many_tasks(user):
    """More than go into one transaction."""
    stack = user.stack
    project = made(user)["id"]
    stack.sql("INSERT INTO tasks (user_id, project_id, status) SELECT %s, %s,"
              " 'completed' FROM seq_1_to_333", user.id, project)
    stack.sql("INSERT INTO task_events (task_id, seq, attempt, kind, created_at,"
              " data) SELECT t.id, s.seq, 1, 'output', UTC_TIMESTAMP(6), '{}'"
              " FROM tasks t JOIN seq_1_to_20 s WHERE t.project_id = %s", project)
    live = user.task(project_id=project)
    ids = [r[0] for r in stack.sql(
        "SELECT id FROM tasks WHERE project_id = %s", project)]
    assert len(ids) == 334 and live in ids
    assert delete(user, project).status_code == 200
    assert left(stack, ids) == {}


def test_delete_while_tasks_are_started(user):
    """Whoever comes too late is told so, and leaves nothing."""
    stack = user.stack
    for _ in range(5):
        project = made(user)["id"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            starts = [pool.submit(user.start, project_id=project)
                      for _ in range(12)]
            gone = pool.submit(delete, user, project)
        assert gone.result().status_code == 200
        codes = {f.result().status_code for f in starts}
        assert codes <= {200, 404, 429}, codes
        started = [f.result().json()["task_id"] for f in starts
                   if f.result().status_code == 200]
        assert not started or left(stack, started) == {}


# --------------------------------------------- 5.5 with runs, a real reaper

@pytest.fixture(scope="module")
def engine():
    with stackkit.Engine() as e:
        e.start_serve()
        e.start_nginx()
        yield e


def running(engine, user, prompt, project):
    task = engine.new_task(prompt, user=user.id)
    engine.sql("UPDATE tasks SET project_id = %s WHERE id = %s", project, task)
    engine.sql("INSERT INTO task_secrets (task_id, key_id, nonce, sealed)"
               " VALUES (%s, %s, %s, 'x')", task, "0" * 16, "n" * 16)
    return task


@pytest.mark.parametrize("prompt", ["sleep 300", "deaf 300", "escape 1 sleep 300"])
def test_delete_project_ends_what_runs(engine, prompt):
    engine.drain()
    user = engine.user()
    project = made(user)["id"]
    task = engine.new_task(prompt, user=user.id)
    engine.sql("UPDATE tasks SET project_id = %s WHERE id = %s", project, task)
    other = engine.new_task("sleep 300", user=user.id)
    reaper = engine.reaper()
    word = "deaf" if prompt.startswith("deaf") else "sleeping"
    engine.wait_event(task, word)
    engine.wait_event(other, "sleeping")
    pid, pid_other = engine.runner(task), engine.runner(other)
    assert any(s.startswith(f"{task}.") for s in engine.spools())
    assert delete(user, project).status_code == 200
    assert left(engine, [task]) == {}
    stackkit.wait_for(lambda: not stackkit.alive(pid), 20, "the runner's end")
    stackkit.wait_for(lambda: not any(s.startswith(f"{task}.")
                                      for s in engine.spools()), 10,
                      "the spool to go")
    stackkit.wait_for(lambda: len(engine.workspaces()) == 1, 10,
                      "the workspace to go")
    assert left(engine, [task]) == {}
    assert stackkit.alive(pid_other) and engine.status(other) == "running"
    engine.end(reaper)


def test_delete_project_while_no_reaper_is_there(engine):
    """The next one finds a run without a row."""
    engine.drain()
    user = engine.user()
    project = made(user)["id"]
    task = engine.new_task("sleep 300", user=user.id)
    engine.sql("UPDATE tasks SET project_id = %s WHERE id = %s", project, task)
    reaper = engine.reaper()
    engine.wait_event(task, "sleeping")
    pid = engine.runner(task)
    engine.end(reaper)
    assert stackkit.alive(pid)
    assert delete(user, project).status_code == 200
    reaper = engine.reaper()
    stackkit.wait_for(lambda: not stackkit.alive(pid), 20, "the runner's end")
    stackkit.wait_for(lambda: not engine.spools() and not engine.workspaces(),
                      10, "spool and workspace to go")
    assert left(engine, [task]) == {}
    engine.end(reaper)


def test_delete_project_with_pending_tasks(engine):
    engine.drain()
    user = engine.user()
    project = made(user)["id"]
    tasks = [running(engine, user, "lines 1", project) for _ in range(3)]
    assert delete(user, project).status_code == 200
    assert left(engine, tasks) == {}
    reaper = engine.reaper()
    done = engine.new_task("lines 1", user=user.id)
    engine.wait_status(done, "completed")
    stackkit.wait_for(lambda: not engine.spools(), 10, "an empty spool")
    engine.end(reaper)


# ------------------------------------------------------------------ D14

def test_D14_file_changes_in_the_task(engine):
    engine.drain()
    user = engine.user()
    task = engine.new_task("lines 2", user=user.id)
    reaper = engine.reaper()
    engine.wait_status(task, "completed")
    answer = user.get(f"/api/tasks/{task}").json()["task"]
    changes = answer["execution_metadata"]["file_changes"]
    assert changes == [{"filename": "AI_GENERATED.md",
                        "before": "FILE_NOT_EXISTS",
                        "after": "prompt: lines 2\n"}]
    assert json.loads(json.dumps(changes)) == changes
    engine.end(reaper)


# ------------------------------------------- answers that the database loses

@pytest.fixture(scope="module")
def lossy(engine):
    """The API behind a proxy that loses what it is told to."""
    engine.drain()
    with stackkit.proxied(engine) as tell:
        engine.serve.terminate()
        engine.serve.wait(60)
        engine.start_serve()
        yield tell
    engine.serve.terminate()
    engine.serve.wait(60)
    engine.start_serve()


def test_a_lost_commit_of_a_new_project(engine, lossy):
    user = engine.user()
    assert lossy("drop-reply", 1)
    made(user)
    assert "dropped=1" in lossy("stat")
    assert len(user.get("/api/projects").json()["projects"]) == 1


def test_a_lost_commit_of_a_deletion(engine, lossy):
    user = engine.user()
    project = made(user)["id"]
    lossy("drop-reply", 1)
    assert delete(user, project).status_code == 200
    refused(delete(user, project), 404, "Project not found")


@pytest.mark.parametrize("what", ["drop-reply", "drop-request"])
def test_a_lost_commit_of_a_message(engine, lossy, what):
    user = engine.user()
    task = engine.new_task("x", user=user.id)
    user.post(f"/api/tasks/{task}/chat", {"content": "ü first"})
    lossy(what, 1)
    answer = user.post(f"/api/tasks/{task}/chat", {"content": 'ü "second"'})
    said = [m["content"] for m in answer.json()["task"]["chat_messages"]]
    assert said == ["ü first", 'ü "second"']
