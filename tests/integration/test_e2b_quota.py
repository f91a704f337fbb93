"""An account that runs as many sandboxes as it may: tasks wait in the queue."""
import datetime

import pytest

import e2bkit
import stack
from e2bkit import API_KEY
from stack import wait_for

REASON = "The E2B account already runs as many sandboxes as its plan allows"


@pytest.fixture(scope="module")
def cloud():
    if stack.why_not() is not None:
        pytest.skip(str(stack.why_not()))
    with e2bkit.server() as e2b:
        with stack.Full(E2B_API_KEY=API_KEY, E2B_API_URL=e2b.url,
                        E2B_SANDBOX_URL=e2b.url, E2B_JANITOR_S=3600,
                        ANTHROPIC_API_KEY="sk-x") as made:
            made.e2b = e2b
            agent = made.folder / "share/agents/claude/run"
            agent.write_text(
                "#!/bin/sh\nsh \"$TASKMILL_PROMPT_FILE\" >&2 || exit 6\n"
                """echo '{"type":"result","subtype":"success","is_error":"""
                """false,"result":"worked","session_id":"s","num_turns":1}'\n""")
            yield made


@pytest.fixture
def town(cloud):
    cloud.e2b.admin("POST", "/reset")
    room(cloud, 0)
    cloud.reaper()
    yield cloud
    cloud.print_logs()
    cloud.drain()
    cloud.write_conf(E2B_QUOTA_WAIT_S=900)


def room(full, n):
    full.e2b.admin("POST", "/settings", {"max_sandboxes": n})


def shown(full, task, user=None):
    return (user or full.client).get(
        f"/api/task-status/{task}").json()["task"]


def waiting(full, task, user=None):
    """The answer of task-status once it says why the task waits."""
    def look():
        body = shown(full, task, user)  # a claim takes the reason away
        return "waiting_reason" in body and body
    return wait_for(look, 30, "a reason to be shown")


def requests(full, mark=0):
    return [e for e in full.e2b.journal("http", after=mark)
            if (e["method"], e["path"]) == ("POST", "/v2/sandboxes")]


def test_task_waits_its_turn(town):
    """Pending, with the reason; no try is counted; then it goes on."""
    task = town.new_task("echo x >>README.md")
    body = waiting(town, task)
    assert body["status"] == "pending" and body["error"] is None
    assert body["waiting_reason"].startswith(REASON)
    assert body["queue_position"] == 1
    wait_for(lambda: town.attempts(task).count("deferred") >= 2, 30,
             "a second try")
    row = town.row(task)
    assert row is None or row["tries"] == 0
    event = [e for e in town.events(task) if e["kind"] == "waiting"][0]
    assert event["data"]["status"] == "pending"
    assert event["data"]["why"].startswith(REASON)
    assert all(name.startswith(f"{task}.") for name in town.spools())
    room(town, 20)
    assert town.wait_status(task, seconds=60) == "completed"
    assert "waiting_reason" not in shown(town, task)
    wait_for(lambda: not town.e2b.sandboxes(), 20, "sandboxes to go")
    outcomes = town.attempts(task)
    assert outcomes[-1] == "completed"
    assert set(outcomes[:-1]) == {"deferred"}


def test_task_fails_after_a_configured_time(town):
    town.end(town.reapers[-1])
    town.write_conf(E2B_QUOTA_WAIT_S=7)
    town.reaper()
    task = town.new_task("true")
    assert town.wait_status(task, seconds=60) == "failed"
    body = shown(town, task)
    assert body["error"].startswith(REASON)
    assert "waiting_reason" not in body
    assert town.sql("SELECT failure_code FROM tasks WHERE id = %s",
                    task)[0][0] == "quota"
    assert len(town.attempts(task)) >= 2


def test_waiting_task_can_be_cancelled(town):
    task = town.new_task("true")
    waiting(town, task)
    assert town.cancel(task) == 200
    assert town.wait_status(task, seconds=20) == "cancelled"
    mark = town.e2b.journal()[-1]["seq"]
    other = town.new_task("true")  # the queue goes on, without it
    waiting(town, other)
    assert len(requests(town, mark)) >= 1
    assert town.status(task) == "cancelled"


def seconds_of(line):
    return datetime.datetime.fromisoformat(line.split()[0].rstrip("Z"))


def test_full_account_is_not_stormed(town):
    """Many tasks of one user, and one of another: while nobody has room one is
    tried at a time, after a pause; then each gets its turn."""
    tasks = [town.new_task("echo x >>README.md") for _ in range(12)]
    waiting(town, tasks[0])
    wait_for(lambda: not town.spools(), 30, "the first to be refused")
    other = town.new_task("echo x >>README.md", user=town.user())

    def tries(at):
        text = (town.folder / "reaper.log").read_text()[at:]
        return [x for x in text.splitlines()
                if "run deferred" in x or "run started" in x]

    def calm():
        wait_for(lambda: not town.spools(), 60, "nobody to be tried")
        at = len((town.folder / "reaper.log").read_text())
        wait_for(lambda: len(tries(at)) >= 5, 60, "two tries")
        lines = tries(at)
        # After its own refusal, and not two at once.
        return all("run deferred" in before and (
            seconds_of(after) - seconds_of(before)).total_seconds() > 0.5
            for before, after in zip(lines, lines[1:])
            if "run started" in after)
    # When the machine stands still a refusal comes too late to be waited for.
    assert any(calm() for _ in range(3))
    room(town, 1)
    assert town.wait_status(other, seconds=120) == "completed"
    done = town.sql(
        "SELECT COUNT(*) FROM tasks o JOIN tasks t ON t.user_id <> o.user_id"
        " AND t.completed_at < o.completed_at WHERE o.id = %s AND t.id >= %s",
        other, tasks[0])[0][0]
    assert done <= 4, done  # the other's first is not behind all of them
    room(town, 20)
    for task in tasks:
        assert town.wait_status(task, seconds=120) == "completed"
