"""Contract 3.5 and 3.8, row by row: chat, and the import that is none."""
import concurrent.futures
import threading

import pytest

import apikit
from apikit import NO_TASK, RE_TIME, refused
from hubkit import Town
from stack import why_not

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture
def user(stack):
    return stack.user()


def chat(user, task, **body):
    return user.post(f"/api/tasks/{task}/chat", body)


def messages(user, task):
    return user.get(f"/api/tasks/{task}").json()["task"]["chat_messages"]


def test_chat_success(user):
    task = user.task()
    answer = chat(user, task, content=" please go on ")
    assert answer.status_code == 200
    assert answer.json()["status"] == "success"
    whole = answer.json()["task"]
    assert whole == user.get(f"/api/tasks/{task}").json()["task"]
    first, second = whole["chat_messages"]
    assert first["content"] == "do it"
    assert (second["role"], second["content"]) == ("user", " please go on ")
    assert RE_TIME.fullmatch(second["timestamp"])  # D5
    assert set(second) == {"role", "content", "timestamp"}


@pytest.mark.parametrize("role", ["user", "assistant", None])
def test_chat_role(user, role):
    task = user.task()
    assert chat(user, task, content="x", role=role).status_code == 200
    assert messages(user, task)[1]["role"] == (role or "user")


@pytest.mark.parametrize("role", ["system", "", "User", "user "])
def test_chat_other_role(user, role):
    refused(chat(user, user.task(), content="x", role=role), 400,
            'role must be either "user" or "assistant"')


@pytest.mark.parametrize("role", [1, True, ["user"], {"a": 1}])
def test_chat_role_of_wrong_type(user, role):
    refused(chat(user, user.task(), content="x", role=role), 400,
            "role must be a string")


@pytest.mark.parametrize("body", ["{}", "[]", "null", '""', "0", "false"])
def test_chat_empty_body(user, body):
    answer = user.post(f"/api/tasks/{user.task()}/chat", data=body,
                       headers={"Content-Type": "application/json"})
    refused(answer, 400, "No data provided")


@pytest.mark.parametrize("missing", [None, "", 0, False, [], {}])
def test_chat_content_missing(user, missing):
    task = user.task()
    refused(chat(user, task, content=missing), 400, "content is required")
    refused(chat(user, task, role="user"), 400, "content is required")


@pytest.mark.parametrize("wrong", [1, True, ["x"], {"a": 1}])
def test_D1_chat_content_of_wrong_type(user, wrong):
    refused(chat(user, user.task(), content=wrong), 400,
            "content must be a string")


def test_chat_content_of_10000_characters(user):
    task = user.task()
    assert chat(user, task, content="ü" * 10000).status_code == 200
    refused(chat(user, task, content="ü" * 10001), 400,
            "content must be at most 10000 characters")
    assert len(messages(user, task)) == 2


def test_chat_no_such_task(user):
    refused(chat(user, NO_TASK, content="x"), 404, "Task not found")


def test_chat_another_users_task(user):
    other = user.stack.user()
    task = other.task()
    refused(chat(user, task, content="x"), 404, "Task not found")
    assert len(messages(other, task)) == 1


@pytest.mark.parametrize("state", ["pending", "running", "completed", "failed",
                                   "cancelled"])
def test_chat_in_every_state(user, state):
    task = user.ended_task(status=state)
    before = user.get(f"/api/tasks/{task}").json()["task"]
    assert chat(user, task, content="x").status_code == 200
    after = user.get(f"/api/tasks/{task}").json()["task"]
    assert len(after["chat_messages"]) == 2
    for name in set(after) - {"chat_messages", "updated_at"}:
        assert after[name] == before[name], name


def test_chat_starts_nothing(user):
    task = user.ended_task()
    chat(user, task, content="x")
    assert user.stack.sql("SELECT 1 FROM task_queue WHERE task_id = %s",
                          task) == ()


def test_D15_fifty_writers_lose_nothing(user):
    task = user.task()
    words = [f"message {i} \"{'x' * (i * 37)}\"" for i in range(50)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        codes = {f.status_code for f in pool.map(
            lambda w: chat(user, task, content=w), words)}
    assert codes == {200}
    said = [m["content"] for m in messages(user, task)]
    assert said[0] == "do it" and sorted(said[1:]) == sorted(words)


def talk_until(town, task, over, name):
    """Posts one message after the other; what was said."""
    said = []
    while not over.is_set() or len(said) < 5:
        said.append(f"{name} {len(said)}")
        answer = town.client.post(f"/api/tasks/{task}/chat",
                                  {"content": said[-1]})
        assert answer.status_code == 200, answer.text
    return said


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_D15_writers_and_the_end_of_the_task():
    """The engine adds the agent's words while users go on to write."""
    with Town() as town:
        town.reaper()
        for turn in range(2):
            task = town.new_task("sleep 300; echo done", model="shell")
            over = threading.Event()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                writers = [pool.submit(talk_until, town, task, over, f"w{i}")
                           for i in range(4)]
                try:
                    town.wake(task)
                    assert town.wait_status(task, seconds=60) == "completed"
                finally:
                    over.set()
                said = [text for w in writers for text in w.result()]
            found = messages(town.client, task)
            theirs = [m["content"] for m in found if m["role"] == "user"]
            assert sorted(theirs) == sorted(["sleep 300; echo done", *said])
            assert [m["role"] for m in found].count("assistant") == 1, turn


def test_chat_is_full(user):
    """A conversation has an end, and says so."""
    task = user.task()
    user.stack.sql("UPDATE tasks SET chat_messages = JSON_ARRAY(JSON_OBJECT("
                   "'role', 'user', 'content', REPEAT('x', 8388600),"
                   " 'timestamp', 't')) WHERE id = %s", task)
    refused(chat(user, task, content="x"), 403,
            "The conversation is full: start another task")


@pytest.mark.parametrize("text", [
    '"}],"x":[{"', "'; DROP TABLE tasks; --", "\\", "\\u0000", "$[0]", "\u2028",
    "a\x7fb", "\U0001f600 \t\n\r", "%s %n", "<script>"])
def test_content_is_only_text(user, text):
    task = user.task()
    assert chat(user, task, content=text).status_code == 200
    said = messages(user, task)
    assert len(said) == 2 and said[1]["content"] == text


# ----------------------------------------------------------- 3.8, D20

def test_D20_migrate_legacy_tasks(user):
    before = user.get("/api/tasks").json()
    for body in (None, {}, {"user_id": "x"}):
        answer = user.post("/api/migrate-legacy-tasks", body)
        assert answer.json() == {
            "status": "success", "message": "No legacy tasks file found",
            "migrated": 0}
    assert user.get("/api/tasks").json() == before
