"""One user never sees, changes or learns of another's task."""
import json
import re

import pytest

import apikit
from apikit import NO_TASK

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

# Every endpoint that names a task.
READS = ["/api/tasks/{}", "/api/task-status/{}", "/api/git-diff/{}",
         "/api/tasks/{}/events", "/api/tasks/{}/events?after=1",
         "/api/tasks/{}/patch"]
WRITES = ["/api/tasks/{}/cancel"]
STATES = ["pending", "running", "completed", "failed", "cancelled"]
SECRET = "what only its user knows"


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture(scope="module")
def owner(stack):
    return stack.user()


@pytest.fixture(scope="module")
def other(stack):
    return stack.user()


def make_task(owner, state):
    if state == "pending":
        return owner.task(prompt=SECRET)
    if state == "running":
        task = owner.task(prompt=SECRET)
        owner.stack.sql("UPDATE task_queue SET state = 'running', attempt = 1"
                        " WHERE task_id = %s", task)
        owner.stack.sql("UPDATE tasks SET status = 'running' WHERE id = %s", task)
        return task
    return owner.ended_task(state, git_diff=SECRET, git_patch=SECRET,
                            patch_bytes=len(SECRET), error=SECRET,
                            prompt=SECRET)


@pytest.fixture(scope="module")
def tasks(owner):
    return {state: make_task(owner, state) for state in STATES}


def seen(answer):
    """All of an answer that may tell something, but what changes each time."""
    headers = {k.lower(): v for k, v in answer.headers.items()
               if k.lower() not in ("date", "x-request-id")}
    return answer.status_code, headers, answer.content


def row_of(stack, task):
    return (stack.sql("SELECT * FROM tasks WHERE id = %s", task),
            stack.sql("SELECT * FROM task_queue WHERE task_id = %s", task),
            stack.sql("SELECT * FROM task_events WHERE task_id = %s", task),
            stack.sql("SELECT * FROM task_secrets WHERE task_id = %s", task))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("path", READS)
def test_read_is_as_if_it_were_not_there(other, tasks, path, state):
    foreign = other.get(path.format(tasks[state]))
    absent = other.get(path.format(NO_TASK))
    assert foreign.status_code == 404
    assert foreign.json() == {"error": "Task not found"}
    assert seen(foreign) == seen(absent)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("path", WRITES)
def test_write_changes_nothing(stack, other, tasks, path, state):
    before = row_of(stack, tasks[state])
    foreign = other.post(path.format(tasks[state]))
    absent = other.post(path.format(NO_TASK))
    assert foreign.json() == {"error": "Task not found"}
    assert seen(foreign) == seen(absent)
    assert row_of(stack, tasks[state]) == before


@pytest.mark.parametrize("path", READS)
def test_head_is_as_if_it_were_not_there(other, tasks, path):
    stack = other.stack
    foreign = stack.call("HEAD", path.format(tasks["completed"]), other.token)
    absent = stack.call("HEAD", path.format(NO_TASK), other.token)
    assert seen(foreign) == seen(absent)


def test_own_ones_are_there(owner, tasks):
    """The other tests would pass too if nothing were ever found."""
    for state, task in tasks.items():
        for path in READS:
            if path.endswith("/patch") and state in ("pending", "running"):
                continue
            assert owner.get(path.format(task)).status_code == 200


@pytest.mark.parametrize("query", [
    "", "?limit=1000", "?status=pending", "?status=completed", "?project_id=0",
    "?before=9223372036854775807"])
def test_lists_hold_own_tasks_only(other, tasks, query):
    body = other.get(f"/api/tasks{query}").json()
    assert (body["tasks"], body["total_tasks"]) == ({}, 0)


def test_a_page_behind_a_foreign_task_tells_nothing(stack, tasks):
    """Neither where it stands nor that it is there."""
    mine = stack.user()
    mine.task()
    foreign = mine.get(f"/api/tasks?limit=5&before={tasks['pending']}")
    absent = mine.get(f"/api/tasks?limit=5&before={NO_TASK}")
    assert foreign.json() == absent.json()


def test_projects_of_others(owner, other, tasks):
    project = owner.project()
    task = owner.task(project_id=project)
    assert str(task) in owner.get(f"/api/tasks?project_id={project}").text
    assert other.get(f"/api/tasks?project_id={project}").json()["tasks"] == {}
    foreign = other.start(project_id=project)
    absent = other.start(project_id=NO_TASK)
    assert foreign.json() == {"error": "Project not found"}
    assert seen(foreign) == seen(absent)


def test_a_key_of_another_user_is_free(owner, other):
    """Whether a key was used tells nobody else anything."""
    key = apikit.random_text()
    first = owner.start(key=key)
    second = other.start(key=key)
    assert first.json()["task_id"] != second.json()["task_id"]
    assert "Idempotency-Replayed" not in second.headers


def test_limit_of_one_user_is_not_anothers():
    with apikit.Stack(TASKS_LIVE_PER_USER=2) as stack:
        greedy, other = stack.user(), stack.user()
        key = apikit.random_text()
        tasks = [greedy.start(key=key).json()["task_id"], greedy.task()]
        full = greedy.start()
        assert full.status_code == 429
        assert full.headers["Retry-After"] == "30"
        error = apikit.error_of(full)
        assert error.startswith("Too many tasks: ")
        assert "TASKS_LIVE_PER_USER" in error
        assert other.start().status_code == 200
        # What was accepted before is still answered as it was.
        assert greedy.start(key=key).json()["task_id"] == tasks[0]
        greedy.post(f"/api/tasks/{tasks[1]}/cancel")
        assert greedy.start().status_code == 200


def test_no_answer_ever_held_the_secret(stack, other, tasks):
    for state, task in tasks.items():
        for path in READS + ["/api/tasks"]:
            assert SECRET not in other.get(path.format(task)).text
    assert SECRET not in json.dumps(other.get("/status").json())
    assert SECRET not in other.get("/metrics").text


def work_for(stack, other, path, task):
    """What the database was asked for one answer, whatever the numbers are."""
    stack.sql("TRUNCATE mysql.general_log")
    other.get(path.format(task))
    rows = stack.sql("SELECT command_type, argument FROM mysql.general_log"
                     " WHERE argument NOT LIKE '%%general_log%%'")
    return [(kind, re.sub(r"\b\d+\b", "N", str(words))) for kind, words in rows]


@pytest.mark.parametrize("path", READS)
def test_no_difference_in_time(stack, other, tasks, path):
    """The same is done for both: a clock would only measure the machine."""
    stack.sql("SET GLOBAL log_output = 'TABLE'")
    stack.sql("SET GLOBAL general_log = 1")
    try:
        for _ in range(20):  # a worker that was not asked before prepares itself
            foreign = work_for(stack, other, path, tasks["completed"])
            absent = work_for(stack, other, path, NO_TASK)
            if foreign == absent:
                break
    finally:
        stack.sql("SET GLOBAL general_log = 0")
    assert foreign and foreign == absent
