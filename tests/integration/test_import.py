"""taskmill import: the old tables and the old file, row by row."""
import csv
import io
import json
import subprocess
import uuid

import pytest

import apikit
import stack as stackkit

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

USER_COLUMNS = ["id", "email", "full_name", "avatar_url", "github_username",
                "github_token", "preferences", "created_at", "updated_at",
                "is_test_user", "expires_at"]
PROJECT_COLUMNS = ["id", "user_id", "repo_url", "repo_name", "repo_owner",
                   "name", "description", "is_active", "settings", "created_at",
                   "updated_at", "is_test_data"]
TASK_COLUMNS = ["id", "user_id", "project_id", "status", "agent", "repo_url",
                "target_branch", "pr_branch", "container_id", "commit_hash",
                "pr_number", "pr_url", "git_diff", "git_patch", "changed_files",
                "error", "chat_messages", "execution_metadata", "created_at",
                "updated_at", "started_at", "completed_at", "is_test_data"]
TIME = "2025-06-14 10:11:12.123456+00"
SHOWN = "2025-06-14T10:11:12.123456+00:00"


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack(SIGN_UP="open") as s:
        yield s


@pytest.fixture(autouse=True)
def clean(stack):
    for table in ("task_queue", "task_secrets", "task_attempts", "task_events",
                  "idempotency_keys", "legacy_imports", "users"):
        stack.sql(f"DELETE FROM {table}")


_ids = iter(range(1000, 10**9))


def next_id():
    return next(_ids)


def a_user(**fields):
    return {"id": str(uuid.uuid4()), "email": f"{apikit.random_text()}@e.org",
            "full_name": "A Näme", "github_token": "ghp_SECRETSECRETSECRET",
            "preferences": {"theme": "dark"}, "created_at": TIME,
            "updated_at": TIME, "is_test_user": False, **fields}


def a_project(user, **fields):
    return {"id": next_id(), "user_id": user["id"],
            "repo_url": f"https://github.com/o/{apikit.random_text()}",
            "repo_name": "r", "repo_owner": "o", "name": "P",
            "description": None, "is_active": True, "settings": {"a": [1]},
            "created_at": TIME, "updated_at": TIME, **fields}


def a_task(user, **fields):
    return {"id": next_id(), "user_id": user["id"], "project_id": None,
            "status": "completed", "agent": "claude",
            "repo_url": "https://github.com/o/r", "target_branch": "main",
            "commit_hash": "0" * 40, "git_diff": "--- a\n+++ b\n",
            "git_patch": "From 0\n,\"quoted\"\n", "changed_files": ["a.txt"],
            "chat_messages": [{"role": "user", "content": "do it",
                               "timestamp": 1749895872.123456}],
            "execution_metadata": {}, "created_at": TIME, "updated_at": TIME,
            "started_at": TIME, "completed_at": TIME, **fields}


def as_csv(columns, rows):
    """As COPY ... WITH (FORMAT csv, HEADER): NULL is nothing, "" is quoted."""
    def cell(value):
        if value is None:
            return ""
        if isinstance(value, bool):
            return "t" if value else "f"
        if isinstance(value, (dict, list)):
            value = json.dumps(value)
        text = str(value)
        if text == "" or any(c in text for c in ',"\r\n') or text == "\\.":
            return '"' + text.replace('"', '""') + '"'
        return text
    lines = [",".join(columns)]
    lines += [",".join(cell(row.get(c)) for c in columns) for row in rows]
    return "\n".join(lines) + "\n"


def write(stack, name, text):
    path = stack.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


FORMS = {
    "csv": lambda columns, rows: as_csv(columns, rows),
    "csv-crlf-bom": lambda columns, rows:
        "\ufeff" + as_csv(columns, rows).replace("\n", "\r\n")
        if not any("\n" in str(v) for r in rows for v in r.values())
        else as_csv(columns, rows),
    "json": lambda columns, rows: json.dumps(rows),
    "json-indented": lambda columns, rows: json.dumps(rows, indent=2),
    "json-by-id": lambda columns, rows: json.dumps(
        {str(r["id"]): r for r in rows}),
}


def run(stack, *argv, status=None):
    done = subprocess.run(
        [apikit.BINARY, "import", "--config", str(stack.conf),
         *(str(a) for a in argv)], text=True, capture_output=True, timeout=60)
    if status is not None:
        assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def import_rows(stack, form="csv", users=(), projects=(), tasks=(), status=0,
                options=()):
    files = []
    for name, columns, rows in (("tasks", TASK_COLUMNS, tasks),
                                ("projects", PROJECT_COLUMNS, projects),
                                ("users", USER_COLUMNS, users)):
        if rows:
            files.append(write(stack, name, FORMS[form](columns, list(rows))))
    return run(stack, *options, *files, status=status)


def count(stack, table):
    return stack.sql(f"SELECT COUNT(*) FROM {table}")[0][0]


def session(stack, user_id):
    return apikit.User(stack, user_id)


# --------------------------------------------------------------- whole tables

@pytest.mark.parametrize("form", FORMS)
def test_three_tables(stack, form):
    user = a_user()
    project = a_project(user)
    tasks = [a_task(user, project_id=project["id"]),
             a_task(user, status="failed", error="it, \"failed\"\nbadly")]
    said = import_rows(stack, form, [user], [project], tasks)
    assert "users: 1 imported" in said and "tasks: 2 imported" in said
    me = session(stack, user["id"])
    shown = me.get(f"/api/projects/{project['id']}").json()["project"]
    for name in ("id", "user_id", "repo_url", "repo_name", "repo_owner", "name",
                 "description", "is_active", "settings"):
        assert shown[name] == project[name], name
    assert shown["created_at"] == shown["updated_at"] == SHOWN
    for task in tasks:
        shown = me.get(f"/api/tasks/{task['id']}").json()["task"]
        for name in ("id", "user_id", "project_id", "status", "agent",
                     "repo_url", "target_branch", "commit_hash", "git_diff",
                     "git_patch", "changed_files", "execution_metadata"):
            assert shown[name] == task[name], name
        assert shown["error"] == task.get("error")
        for name in ("created_at", "updated_at", "started_at", "completed_at"):
            assert shown[name] == SHOWN, name
        assert shown["chat_messages"] == [
            {"role": "user", "content": "do it", "timestamp": SHOWN}]
    assert me.get(f"/api/task-status/{tasks[0]['id']}").json()["task"][
        "prompt"] == "do it"
    assert len(me.get(f"/api/projects/{project['id']}/tasks").json()[
        "tasks"]) == 1


def test_a_second_run_changes_nothing(stack):
    user = a_user()
    project = a_project(user)
    tasks = [a_task(user, project_id=project["id"]) for _ in range(250)]
    assert "tasks: 250 imported, 0 before" in import_rows(
        stack, "csv", [user], [project], tasks)
    before = [stack.sql(f"SELECT * FROM {t} ORDER BY 1")
              for t in ("users", "projects", "tasks", "legacy_imports")]
    for form in ("csv", "json"):
        said = import_rows(stack, form, [user], [project], tasks)
        assert "tasks: 0 imported, 250 before, 0 here already, 0 skipped" in said
    assert before == [stack.sql(f"SELECT * FROM {t} ORDER BY 1")
                      for t in ("users", "projects", "tasks", "legacy_imports")]


def test_a_second_run_does_not_bring_back_what_was_deleted(stack):
    user = a_user()
    project = a_project(user)
    task = a_task(user, project_id=project["id"])
    import_rows(stack, "csv", [user], [project], [task])
    me = session(stack, user["id"])
    assert me.stack.call("DELETE", f"/api/projects/{project['id']}",
                         me.token).status_code == 200
    said = import_rows(stack, "csv", [user], [project], [task])
    assert "projects: 0 imported, 1 before" in said
    assert count(stack, "projects") == count(stack, "tasks") == 0
    late = a_task(user, project_id=project["id"])
    said = import_rows(stack, "csv", tasks=[late], status=65)
    assert "has been deleted here" in said


def test_a_second_run_takes_what_the_first_one_could_not(stack):
    user = a_user()
    project = a_project(user)
    task = a_task(user, project_id=project["id"])
    said = import_rows(stack, "csv", tasks=[task], status=65)
    assert "its user is not here; import the users first" in said
    said = import_rows(stack, "csv", [user], tasks=[task], status=65)
    assert "its project is not here; import the projects first" in said
    assert "tasks: 1 imported" in import_rows(
        stack, "csv", projects=[project], tasks=[task])


def test_tokens_are_never_imported(stack):
    user = a_user()
    said = import_rows(stack, "csv", [user])
    assert "the column github_token is not imported" in said
    assert "SECRET" not in said
    assert stack.sql("SELECT github_token FROM users") == ((None,),)
    assert count(stack, "user_credentials") == 0


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_import_is_in_the_audit_log(stack, form):
    stack.sql("DELETE FROM audit_log")
    user = a_user()
    import_rows(stack, form, [user], [a_project(user)], options=["--dry-run"])
    assert count(stack, "audit_log") == 0
    for _ in range(2):
        import_rows(stack, form, [user], [a_project(user, id=7, repo_url="u")])
    assert stack.sql("SELECT kind, actor, detail FROM audit_log") == (
        ("import", "admin", "users 1, projects 1, tasks 0, backups 0"),)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_dry_run_writes_nothing_and_says_the_same(stack, form):
    user, other = a_user(), a_user()
    project = a_project(user)
    tasks = [a_task(user, project_id=project["id"]), a_task(user, id="x"),
             a_task(other, project_id=project["id"]),
             a_task(a_user())]
    rows = ([user, other], [project], tasks)
    dry = import_rows(stack, form, *rows, status=65, options=["--dry-run"])
    assert [count(stack, t) for t in ("users", "projects", "tasks",
                                      "legacy_imports")] == [0] * 4
    wet = import_rows(stack, form, *rows, status=65)
    assert dry.replace("would be imported", "imported") == wet
    assert "tasks: 1 imported, 0 before, 0 here already, 3 skipped" in wet
    again = import_rows(stack, form, *rows, status=65, options=["--dry-run"])
    assert "tasks: 0 would be imported, 1 before" in again


# ----------------------------------------------------------- ids and owners

def test_an_id_that_is_taken_becomes_another(stack):
    user = a_user()
    import_rows(stack, "csv", [user])
    me = session(stack, user["id"])
    project = a_project(user, id=me.project())
    task = a_task(user, id=me.task(), project_id=project["id"])
    said = import_rows(stack, "csv", projects=[project], tasks=[task])
    assert f"task {task['id']} has the id " in said
    new = dict(stack.sql("SELECT kind, new_id FROM legacy_imports"))
    assert int(new["task"]) != task["id"]
    shown = me.get(f"/api/tasks/{new['task']}").json()["task"]
    assert shown["project_id"] == int(new["project"]) != project["id"]
    assert shown["git_patch"] == task["git_patch"]


def test_an_account_with_the_same_address_stands_for_the_user(stack):
    here = stack.user(apikit.PASSWORD)
    user = a_user(email=here.email.upper())
    project = a_project(user)
    task = a_task(user, project_id=project["id"])
    said = import_rows(stack, "csv", [user], [project], [task])
    assert f"user {user['id']} is {here.id} here" in said
    assert count(stack, "users") == 1
    assert here.get(f"/api/tasks/{task['id']}").status_code == 200


@pytest.mark.parametrize("known", [False, True])
def test_two_users_with_one_address_stay_two(stack, known):
    """Addresses were not unique: what was one's does not become the other's."""
    email = "Twin@example.org"
    users = [a_user(email=email), a_user(email=email.lower())]
    if known:  # and an account here that only the first of them can be
        stack.taskmill("user", "add", "--email", email, "--generate")
    projects = [a_project(user) for user in users]
    tasks = [a_task(user, project_id=project["id"])
             for user, project in zip(users, projects)]
    for _ in range(2):
        import_rows(stack, "csv", users, projects, tasks)
        owners = [stack.sql("SELECT user_id FROM tasks WHERE id = %s",
                            task["id"])[0][0] for task in tasks]
        assert len(set(owners)) == 2
        assert count(stack, "users") == 2


def test_nobody_signs_up_with_the_address_of_an_imported_user(stack):
    user = a_user()
    import_rows(stack, "csv", [user], [], [])
    answer = stack.post("/auth/v1/signup", {
        "email": user["email"].upper(), "password": apikit.PASSWORD})
    assert answer.status_code == 422
    assert count(stack, "users") == 1


def sign_up(stack, email):
    answer = stack.post("/auth/v1/signup", {"email": email,
                                            "password": apikit.PASSWORD})
    assert answer.status_code == 200
    return answer.json()


def test_who_signed_up_with_anothers_address_gets_nothing_of_his(stack):
    """SIGN_UP=open sends no mail: an address is what somebody has typed."""
    user = a_user()
    squatter = sign_up(stack, user["email"].upper())
    project = a_project(user)
    task = a_task(user, project_id=project["id"])
    for options in (["--dry-run"], [], []):
        said = import_rows(stack, "csv", [user], [project], [task],
                           status=65, options=options)
        assert f"skipped: the account {squatter['user']['id']} made itself " \
            "with this address" in said
        assert count(stack, "tasks") == 0
    listed = stack.get("/api/tasks", squatter["access_token"]).json()
    assert listed["total_tasks"] == 0
    # He is not who he says: away with him, and the owner has his own.
    stack.taskmill("user", "delete", squatter["user"]["id"])
    import_rows(stack, "csv", [user], [project], [task])
    stack.taskmill("user", "passwd", user["id"], input=apikit.PASSWORD + "\n")
    assert session(stack, user["id"]).get(
        f"/api/tasks/{task['id']}").status_code == 200


def test_who_signed_up_is_confirmed_and_gets_what_is_his(stack):
    user = a_user()
    here = sign_up(stack, user["email"])
    task = a_task(user)
    import_rows(stack, "csv", [user], [], [task], status=65)
    stack.taskmill("user", "confirm", user["email"])
    said = import_rows(stack, "csv", [user], [], [task])
    assert f"user {user['id']} is {here['user']['id']} here" in said
    assert stack.get(f"/api/tasks/{task['id']}",
                     here["access_token"]).status_code == 200


def test_a_user_who_is_here_already(stack):
    here = stack.user()
    said = import_rows(stack, "csv", [a_user(id=here.id, email="x@y.z")])
    assert "users: 0 imported, 0 before, 1 here already" in said
    assert stack.sql("SELECT email FROM users") == ((here.email,),)


def test_a_project_of_the_same_repository_is_joined(stack):
    user = a_user()
    import_rows(stack, "csv", [user])
    me = session(stack, user["id"])
    url = "https://github.com/o/same"
    mine = me.post("/api/projects", {"name": "N", "repo_url": url}).json()
    project = a_project(user, repo_url=url)
    task = a_task(user, project_id=project["id"])
    said = import_rows(stack, "csv", projects=[project], tasks=[task])
    assert "1 here already" in said
    shown = me.get(f"/api/tasks/{task['id']}").json()["task"]
    assert shown["project_id"] == mine["project"]["id"]


def test_D13_a_foreign_project(stack):
    user, other = a_user(), a_user()
    project = a_project(other)
    task = a_task(user, project_id=project["id"])
    said = import_rows(stack, "csv", [user, other], [project], [task], status=65)
    assert "its project belongs to another user" in said
    assert count(stack, "tasks") == 0


def test_imported_ids_do_not_stand_in_the_way_of_new_tasks(stack):
    user = a_user()
    top = stack.sql("SELECT COALESCE(MAX(id), 0) FROM tasks")[0][0] + 500000
    import_rows(stack, "csv", [user], tasks=[a_task(user, id=top)])
    assert session(stack, user["id"]).task() > top


def test_an_id_that_javascript_cannot_hold_is_given_anew(stack):
    user = a_user()
    import_rows(stack, "csv", [user], tasks=[a_task(user, id=2**62)])
    assert stack.sql("SELECT MAX(id) FROM tasks")[0][0] < 2**53


# ------------------------------------------------------------------- states

@pytest.mark.parametrize("status", ["pending", "running", None])
def test_what_had_not_ended_becomes_failed(stack, status):
    user = a_user()
    task = a_task(user, status=status, completed_at=None)
    import_rows(stack, "csv", [user], tasks=[task])
    shown = session(stack, user["id"]).get(f"/api/tasks/{task['id']}") \
        .json()["task"]
    assert shown["status"] == "failed"
    assert "had not ended" in shown["error"]
    assert shown["completed_at"] == SHOWN
    assert count(stack, "task_queue") == 0


@pytest.mark.parametrize("stamp,shown", [
    (1749895872.123456, SHOWN), (1749895872, "2025-06-14T10:11:12+00:00"),
    ("2025-06-14T10:11:12.123456", SHOWN),
    ("2025-06-14T10:11:12.123456+00:00", SHOWN),
    ("2025-06-14T12:11:12.1+02:00", "2025-06-14T10:11:12.1+00:00"),
    ("2025-06-14T10:11:12Z", "2025-06-14T10:11:12+00:00"),
    (None, SHOWN), ("yesterday", SHOWN), ({}, SHOWN)])
def test_D5_chat_timestamps(stack, stamp, shown):
    user = a_user()
    task = a_task(user, chat_messages=[
        {"role": "user", "content": "ü", "timestamp": stamp, "more": 1},
        {"role": "assistant", "content": {"a": 1}, "timestamp": stamp}])
    import_rows(stack, "csv", [user], tasks=[task])
    said = session(stack, user["id"]).get(f"/api/tasks/{task['id']}") \
        .json()["task"]["chat_messages"]
    assert said == [
        {"role": "user", "content": "ü", "timestamp": shown},
        {"role": "assistant", "content": '{"a":1}', "timestamp": shown}]


def test_null_is_not_the_empty_string(stack):
    user = a_user()
    task = a_task(user, git_diff="", git_patch=None, error=None,
                  changed_files=None, execution_metadata=None)
    import_rows(stack, "csv", [user], tasks=[task])
    shown = session(stack, user["id"]).get(f"/api/tasks/{task['id']}") \
        .json()["task"]
    assert (shown["git_diff"], shown["git_patch"]) == ("", None)
    assert (shown["changed_files"], shown["execution_metadata"]) == ([], {})


# ------------------------------------------------------- what is skipped

@pytest.mark.parametrize("field,value,why", [
    ("id", "x", "id is no number"), ("id", None, "id is no number"),
    ("id", "-1", "id is no number"), ("id", "9" * 30, "id is no number"),
    ("user_id", "me", "user_id is no UUID"),
    ("user_id", None, "it names no user"),
    ("status", "done", "there is no status done"),
    ("project_id", "x", "project_id is no number"),
    ("pr_number", "x", "pr_number is no number"),
    ("pr_number", 2**31, "pr_number is no number"),
    ("created_at", "soon", "created_at is no time: soon"),
    ("created_at", "2025-02-30 00:00:00+00", "created_at is no time"),
    ("target_branch", "b" * 256, "target_branch is longer than 255"),
    ("agent", "a" * 65, "agent is longer than 64"),
    ("repo_url", "u" * 65536, "repo_url is longer than 65535 bytes"),
    ("changed_files", "[", "changed_files: line 1"),
    ("changed_files", {}, "changed_files is no JSON array"),
    ("changed_files", [1], "holds something that is no string"),
    ("execution_metadata", [], "execution_metadata is no JSON object"),
    ("chat_messages", {}, "chat_messages is no array"),
    ("chat_messages", [1], "message 1 is no object"),
    ("chat_messages", [{"role": "root", "content": "x"}], "neither user nor"),
    ("chat_messages", '[{"role":"user","content":"\\u0000"}]', "chat_messages:"),
    ("is_test_data", "maybe", "is_test_data is neither true nor false")])
@pytest.mark.parametrize("form", ["csv", "json-indented"])
def test_a_bad_task_is_skipped_with_its_line(stack, form, field, value, why):
    user = a_user()
    good = a_task(user)
    bad = a_task(user, **{field: value})
    said = import_rows(stack, form, [user], tasks=[good, bad, a_task(user)],
                       status=65)
    line = next(x for x in said.splitlines() if "skipped: " in x)
    assert why in line
    assert int(line.split(":")[1]) > 1
    if form == "csv":  # the header is line 1, the good task takes 5
        assert line.split(":")[1] == "7"
    assert "tasks: 2 imported" in said and "1 skipped" in said


@pytest.mark.parametrize("field,value,why", [
    ("id", "x", "id is no UUID"), ("preferences", "[1]", "no JSON object"),
    ("email", "e" * 321, "email is longer than 320 characters"),
    ("expires_at", "never", "expires_at is no time")])
def test_a_bad_user_is_skipped(stack, field, value, why):
    said = import_rows(stack, "csv", [a_user(**{field: value}), a_user()],
                       status=65)
    assert why in said and "users: 1 imported" in said


@pytest.mark.parametrize("field,value,why", [
    ("name", None, "name, repo_url, repo_owner or repo_name is missing"),
    ("repo_url", "", "is missing"), ("settings", "x", "settings: line 1"),
    ("repo_url", "u" * 701, "repo_url is longer than 700 characters"),
    ("is_active", "y", "is_active is neither true nor false")])
def test_a_bad_project_is_skipped(stack, field, value, why):
    user = a_user()
    said = import_rows(stack, "csv", [user],
                       [a_project(user, **{field: value}), a_project(user)],
                       status=65)
    assert why in said and "projects: 1 imported" in said


def test_bytes_that_are_no_utf8(stack):
    user = a_user()
    text = as_csv(TASK_COLUMNS, [a_task(user, error="XX"), a_task(user)])
    path = write(stack, "bad", text.encode().replace(b"XX", b"\xff\xfe"))
    import_rows(stack, "csv", [user])
    said = run(stack, path, status=65)
    assert "bad:2: skipped: error is not UTF-8 text" in said
    assert "tasks: 1 imported" in said


@pytest.mark.parametrize("text,why", [
    ('id,email\n"never closed', "the quote is never closed"),
    ('id,email\na"b,c\n', "a quote inside a field without quotes"),
    ('id,email\n"a"b,c\n', "text behind a closing quote"),
    ("[{}", "line 1: the text ends"), ('[{"email":1,"id":2},]', "expected"),
    ('[{"email":1,"id":2}] x', "text behind the end")])
def test_a_broken_file(stack, text, why):
    said = run(stack, write(stack, "broken", text))
    assert why in said


def test_a_row_of_another_length(stack):
    text = f"id,email\n{uuid.uuid4()},a@b,c\n{uuid.uuid4()},d@e\n"
    said = run(stack, write(stack, "short", text), status=65)
    assert "short:2: skipped: 3 fields, but the header has 2" in said
    assert "users: 1 imported" in said


def test_files_that_are_not_ours(stack):
    assert "columns are not those" in run(
        stack, write(stack, "other", "a,b\n1,2\n"), status=65)
    assert "columns are not those" in run(
        stack, write(stack, "other", '[{"a":1}]'), status=65)
    assert "No such file" in run(stack, stack.folder / "nowhere", status=65)
    assert "no ordinary file" in run(stack, stack.folder, status=65)
    assert run(stack, write(stack, "empty", ""), status=0) == ""
    assert run(stack, write(stack, "head", "id,email\n"), status=0) == ""
    assert "usage:" in run(stack, status=64)


def test_text_is_only_text(stack):
    nasty = "'; DROP TABLE users; -- \\ \" %s %n \u2028 <script> \U0001f600"
    user = a_user(full_name=nasty, github_username=nasty)
    task = a_task(user, error=nasty, git_patch=nasty, chat_messages=[
        {"role": "user", "content": nasty, "timestamp": 0}])
    import_rows(stack, "csv", [user], tasks=[task])
    shown = session(stack, user["id"]).get(f"/api/tasks/{task['id']}") \
        .json()["task"]
    assert (shown["error"], shown["git_patch"]) == (nasty, nasty)
    assert shown["chat_messages"][0]["content"] == nasty


def test_a_large_diff(stack):
    user = a_user()
    packet = stack.sql("SELECT @@max_allowed_packet")[0][0]
    tasks = [a_task(user, git_diff="d" * (packet - 2**17), git_patch="p" * 2**20),
             a_task(user, git_diff="d" * packet)]
    said = import_rows(stack, "csv", [user], tasks=tasks, status=65)
    assert "larger than the database takes" in said
    assert "tasks: 1 imported" in said
    assert stack.sql("SELECT LENGTH(git_diff), LENGTH(git_patch), patch_bytes"
                     " FROM tasks") == ((packet - 2**17, 2**20, 2**20),)


# ------------------------------------------------------------ the old file

def backup(**fields):
    return {"id": 1, "status": "completed", "prompt": "do it\n",
            "repo_url": "https://github.com/o/r", "branch": "dev",
            "model": "codex", "created_at": 1749895872.123456,
            "commit_hash": "1" * 40, "git_diff": "d", "git_patch": "p",
            "changed_files": ["a"], "error": None, "container_id": "c",
            **fields}


@pytest.mark.parametrize("shape", [
    lambda rows: {str(r["id"]): {k: v for k, v in r.items() if k != "id"}
                  for r in rows},
    lambda rows: {str(r["id"]): r for r in rows},
    lambda rows: rows,
    lambda rows: {"tasks": {str(r["id"]): r for r in rows}, "next": 3},
    lambda rows: {"version": 1, "tasks": rows}])
def test_the_old_file(stack, shape):
    me = stack.user()
    rows = [backup(), backup(id=2, status="running", prompt="second")]
    path = write(stack, "tasks_backup.json", json.dumps(shape(rows)))
    said = run(stack, path, status=65)
    assert "say whose it is with --user" in said
    said = run(stack, "--user", me.id, path, status=0)
    assert "backups: 2 imported" in said
    tasks = sorted(me.get("/rest/v1/tasks?select=*,project:projects(id,name,"
                          f"repo_name,repo_owner)&user_id=eq.{me.id}").json(),
                   key=lambda t: t["chat_messages"][0]["content"])
    first, second = tasks
    assert (first["agent"], first["target_branch"]) == ("codex", "dev")
    assert first["created_at"] == SHOWN
    assert first["chat_messages"] == [
        {"role": "user", "content": "do it\n", "timestamp": SHOWN}]
    assert (first["status"], second["status"]) == ("completed", "failed")
    assert "backups: 0 imported, 2 before" in run(stack, "--user", me.id, path,
                                                  status=0)


def test_two_old_files_whose_ids_both_begin_at_1(stack):
    me = stack.user()
    for prompt in ("one", "another"):
        path = write(stack, "b.json", json.dumps({"1": backup(prompt=prompt)}))
        assert "backups: 1 imported" in run(stack, "--user", me.id, path,
                                            status=0)
    assert count(stack, "tasks") == 2


def test_user_by_address(stack):
    me = stack.user(apikit.PASSWORD)
    path = write(stack, "b.json", json.dumps([backup()]))
    run(stack, "--user", me.email.upper(), path, status=0)
    assert count(stack, "tasks") == 1
    assert "User not found" in run(stack, "--user", "no@body", path, status=67)


def test_csv_that_pythons_csv_module_wrote(stack):
    user = a_user()
    out = io.StringIO()
    writer = csv.DictWriter(out, USER_COLUMNS, quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerow({**user, "preferences": json.dumps(user["preferences"]),
                     "full_name": 'a "b",\nc'})
    run(stack, write(stack, "u.csv", out.getvalue()), status=0)
    assert stack.sql("SELECT full_name FROM users") == (('a "b",\nc',),)


def test_an_imported_user_gets_a_password_by_address(stack):
    user = a_user()
    import_rows(stack, "csv", [user])
    stack.taskmill("user", "passwd", user["email"],
                   input=apikit.PASSWORD + "\n")
    answer = stack.post("/api/auth/token", {"email": user["email"],
                                            "password": apikit.PASSWORD})
    assert answer.status_code == 200, answer.text


# ------------------------------------------------------- a bad connection

@pytest.fixture(scope="module")
def engine():
    with stackkit.Engine() as e:
        yield e


@pytest.mark.parametrize("what", ["drop-reply", "drop-request"])
def test_lost_commits_import_nothing_twice(engine, what):
    user = a_user()
    tasks = [a_task(user, id=next_id() + 10**6) for _ in range(450)]
    with stackkit.proxied(engine) as tell:
        tell(what, 2)
        said = import_rows(engine, "csv", [user], tasks=tasks)
        assert "dropped=2" in tell("stat")
    assert "users: 1 imported" in said and "tasks: 450 imported" in said
    assert engine.sql("SELECT COUNT(*) FROM tasks WHERE user_id = %s",
                      user["id"]) == ((450,),)
    assert "450 before" in import_rows(engine, "csv", [user], tasks=tasks)
