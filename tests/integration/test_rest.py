"""/rest/v1/tasks of contract 8.3: two queries, and nothing else."""
import urllib.parse
import uuid

import pytest

import apikit
from apikit import NO_TASK

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

SELECT = "*,project:projects(id,name,repo_name,repo_owner)"
ONE = {"Accept": "application/vnd.pgrst.object+json", "apikey": "anon"}


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture
def user(stack):
    return stack.user()


def path(**query):
    return "/rest/v1/tasks?" + urllib.parse.urlencode(query)


def of_user(user, **more):
    return path(select=SELECT, user_id=f"eq.{user.id}",
                order="created_at.desc", **more)


def of_task(task):
    return path(select=SELECT, id=f"eq.{task}")


def refused(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert set(body) == {"code", "details", "hint", "message"}
    return body


def test_rest_tasks_of_the_user(user):
    project = user.project()
    ids = [user.task(), user.task(project_id=project), user.ended_task()]
    user.stack.user().task()
    answer = user.get(of_user(user))
    assert answer.status_code == 200
    assert answer.headers["Content-Range"] == "0-2/*"
    rows = answer.json()
    assert [r["id"] for r in rows] == ids[::-1]
    whole = user.get(f"/api/projects/{project}").json()["project"]
    for row in rows:
        names = row.pop("project")
        assert row == user.get(f"/api/tasks/{row['id']}").json()["task"]
        if row["project_id"] is None:
            assert names is None
        else:
            assert names == {k: whole[k] for k in
                             ("id", "name", "repo_name", "repo_owner")}


def test_rest_no_tasks(user):
    answer = user.get(of_user(user))
    assert answer.status_code == 200 and answer.json() == []
    assert answer.headers["Content-Range"] == "*/*"


def test_rest_order_may_be_left_out(user):
    task = user.task()
    answer = user.get(path(select=SELECT, user_id=f"eq.{user.id}"))
    assert [r["id"] for r in answer.json()] == [task]


def test_rest_one_task_as_object(user):
    task = user.task(project_id=user.project())
    answer = user.get(of_task(task), headers=ONE)
    assert answer.status_code == 200
    row = answer.json()
    assert row.pop("project")["name"] == "P"
    assert row == user.get(f"/api/tasks/{task}").json()["task"]


def test_rest_one_task_as_array(user):
    task = user.task()
    assert [r["id"] for r in user.get(of_task(task)).json()] == [task]


def test_rest_none_is_406(user):
    body = refused(user.get(of_task(NO_TASK), headers=ONE), 406, "PGRST116")
    assert body == {
        "code": "PGRST116", "details": "The result contains 0 rows",
        "hint": None,
        "message": "JSON object requested, multiple (or no) rows returned"}


def test_rest_several_are_406(user):
    user.task(), user.task(), user.task()
    body = refused(user.get(of_user(user), headers=ONE), 406, "PGRST116")
    assert body["details"] == "The result contains 3 rows"


def test_rest_none_as_array(user):
    assert user.get(of_task(NO_TASK)).json() == []
    assert user.get(of_task(0)).json() == []
    assert user.get(of_task(2**63 - 1)).json() == []


@pytest.mark.parametrize("accept", ["array", "object"])
def test_rest_head(user, accept):
    task = user.task()
    answer = user.stack.call("HEAD", of_task(task), user.token,
                             headers=ONE if accept == "object" else {})
    assert answer.status_code == 200 and answer.content == b""


# ------------------------------------------------------------ isolation

def test_rest_another_user_is_empty(user):
    other = user.stack.user()
    task = other.task()
    assert user.get(of_user(other)).json() == []
    assert user.get(of_task(task)).json() == []
    refused(user.get(of_task(task), headers=ONE), 406, "PGRST116")


def test_rest_user_id_in_upper_case(user):
    task = user.task()
    answer = user.get(path(select=SELECT, user_id=f"eq.{user.id.upper()}"))
    assert [r["id"] for r in answer.json()] == [task]


def test_rest_foreign_project_has_no_names(user):
    """A row of the old tables may point into somebody else's project."""
    project = user.stack.user().project()
    task = user.task()
    user.stack.sql("UPDATE tasks SET project_id = %s WHERE id = %s", project,
                   task)
    assert user.get(of_task(task)).json()[0]["project"] is None


@pytest.mark.parametrize("headers,text", [
    ({}, "Missing authorization header"),
    ({"apikey": "x"}, "Missing authorization header"),
    ({"Authorization": "Bearer anon"}, "Not enough segments")])
def test_rest_without_a_good_token(stack, headers, text):
    answer = stack.get(path(select=SELECT, id="eq.1"), headers=headers)
    assert refused(answer, 401, "PGRST301")["message"] == text


def test_rest_of_a_user_who_is_gone(stack):
    user = apikit.User(stack, str(uuid.uuid4()))
    answer = user.get(of_user(user))
    assert refused(answer, 401, "PGRST301")["message"] == "User not found"


# ---------------------------------------------------------- other queries

@pytest.mark.parametrize("query", [
    {}, {"select": "*"}, {"select": SELECT},
    {"user_id": "eq.{}"}, {"id": "eq.1"},
    {"select": "*", "user_id": "eq.{}"},
    {"select": "id,git_patch", "user_id": "eq.{}"},
    {"select": SELECT + ",users(*)", "user_id": "eq.{}"},
    {"select": SELECT, "user_id": "neq.{}"},
    {"select": SELECT, "user_id": "in.({})"},
    {"select": SELECT, "user_id": "{}"},
    {"select": SELECT, "user_id": "eq.{}", "order": "id"},
    {"select": SELECT, "user_id": "eq.{}", "order": "created_at.asc"},
    {"select": SELECT, "user_id": "eq.{}", "id": "eq.1"},
    {"select": SELECT, "id": "eq.1", "order": "created_at.desc"},
    {"select": SELECT, "id": "gt.1"}, {"select": SELECT, "id": "1"},
    {"select": SELECT, "user_id": "eq.{}", "limit": "1"},
    {"select": SELECT, "user_id": "eq.{}", "or": "(id.gt.0)"},
    {"select": SELECT, "user_id": "eq.{}", "user_i": "x"}])
def test_rest_other_query(user, query):
    query = {k: v.replace("{}", user.id) for k, v in query.items()}
    refused(user.get(path(**query)), 400, "PGRST100")


def test_rest_name_twice(user):
    refused(user.get(of_user(user) + f"&user_id=eq.{uuid.uuid4()}"), 400,
            "PGRST100")


@pytest.mark.parametrize("tail", ["&", "&&", "&=", "&x", "&select", "&%69d=eq.1"])
def test_rest_odd_query(user, tail):
    refused(user.get(of_user(user) + tail), 400, "PGRST100")


@pytest.mark.parametrize("text", ["", "x", "1 or 1=1", "' OR ''='", "null",
                                  "00000000-0000-0000-0000-00000000000g"])
def test_rest_user_id_that_is_none(user, text):
    answer = user.get(path(select=SELECT, user_id=f"eq.{text}"))
    refused(answer, 400, "22P02")


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "1;x", "1 or 1=1",
                                  "0x1", str(2**63), "9" * 40])
def test_rest_id_that_is_none(user, text):
    refused(user.get(path(select=SELECT, id=f"eq.{text}")), 400, "22P02")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_rest_writes_nothing(user, method):
    task = user.task()
    answer = user.stack.call(method, of_task(task), user.token,
                             json={"status": "completed"})
    assert answer.status_code == 405
    assert user.get(of_task(task)).json()[0]["status"] == "pending"


@pytest.mark.parametrize("name", ["users", "projects", "", "rpc/x", "tasks/"])
def test_rest_other_tables(user, name):
    assert user.get(f"/rest/v1/{name}").status_code == 404
