"""create-pr in the mode "e2b": the push too is made in a sandbox of E2B's.

Each way in which E2B fails is answered with what the user can do about it.
"""
import pytest

import e2bkit
from hubkit import Town, name_of
from stack import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

PATCH = """From: Ada <ada@example.com>
Subject: [PATCH] New one

diff --git a/new b/new
new file mode 100644
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
"""


@pytest.fixture(scope="module")
def shared():
    with e2bkit.server() as e2b, Town(
            E2B_API_KEY=e2bkit.API_KEY, E2B_API_URL=e2b.url,
            E2B_SANDBOX_URL=e2b.url, E2B_BUSY_WAIT_S=1,
            E2B_QUOTA_WAIT_S=1, E2B_CREATE_TIMEOUT_S=10) as town:
        town.e2b = e2b
        town.reaper()
        yield town


@pytest.fixture
def town(shared):
    shared.e2b.admin("POST", "/reset")
    yield shared
    print(shared.log_text()[-5000:])  # shown when the test has failed


def stored(town, repo):
    """A task that has ended with PATCH."""
    return town.sql(
        "INSERT INTO tasks (user_id, status, agent, repo_url, target_branch,"
        " prompt, git_patch, patch_bytes, changed_files, completed_at)"
        " VALUES (%s, 'completed', 'claude', %s, 'main', 'do it', %s, %s,"
        " '[\"new\"]', UTC_TIMESTAMP(6))",
        town.client.id, repo, PATCH, len(PATCH))


def test_branch_comes_from_the_cloud(town):
    repo = town.make_repo()
    task = stored(town, repo)
    seen = town.e2b.journal()
    answer = town.create_pr(task)
    assert answer.status_code == 200, answer.text
    assert town.hub.git(name_of(repo), "show", f"claude-code-{task}:new") == \
        "new"
    made = town.e2b.journal("sandbox.create",
                            after=seen[-1]["seq"] if seen else 0)
    assert [m["metadata"]["task"] for m in made] == [str(task)]


FOR_EVER = 0


def answers(status, message="", **more):
    return {"match": e2bkit.CREATE, "times": FOR_EVER,
            "answer": {"status": status, "message": message, **more}}


@pytest.mark.parametrize("fault,status,later,words", [
    pytest.param(answers(401, "Invalid API key"), 502, False,
                 "E2B_API_KEY", id="key"),
    pytest.param(answers(403, "team is banned"), 502, False,
                 "blocked the team", id="blocked"),
    pytest.param(answers(404, "template 'base' not found"), 502, False,
                 "E2B_TEMPLATE_ID", id="template"),
    pytest.param(answers(400, "no such thing"), 502, False,
                 "refused", id="refused"),
    pytest.param(answers(429, "maximum number of concurrent sandboxes"), 503,
                 True, "as many sandboxes", id="quota"),
    pytest.param(answers(429, "slow down", headers={"Retry-After": "1"}), 503,
                 True, "no more requests", id="rate"),
    pytest.param(answers(503, "no node"), 503, True, "no room", id="capacity"),
    pytest.param(answers(500, "oh"), 502, True, "could not be reached",
                 id="away"),
    pytest.param({"match": e2bkit.CREATE, "times": FOR_EVER,
                  "answer": {"status": 201, "text": "{}",
                             "content_type": "application/json"}}, 502, False,
                 "does not understand", id="protocol"),
    pytest.param({"match": {"method": "POST", "path": "Start$"},
                  "times": FOR_EVER, "die": {"seconds": 0}}, 502, True,
                 "lost 3 times", id="sandbox_lost"),
])
def test_d25_e2b_fails(town, fault, status, later, words):
    task = stored(town, town.repo)
    town.e2b.admin("POST", "/faults", fault)
    answer = town.create_pr(task)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert ("Retry-After" in answer.headers) == later
    assert town.pull_row(task)["sealed"] is None


def test_same_call_when_that_is_over(town):
    task = stored(town, town.repo)
    town.e2b.admin("POST", "/faults", answers(401, "Invalid API key"))
    assert town.create_pr(task).status_code == 502
    town.e2b.admin("POST", "/reset")
    assert town.create_pr(task).status_code == 200
