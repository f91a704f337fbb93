"""A whole visit, as a browser makes it, through the whole of taskmill.

Node drives it: @supabase/supabase-js for what the front end asks of Supabase,
fetch and the session's cookie for /api. Behind nginx and the pool there are a
real reaper, runner and git, and for GitHub tests/github-server, where the pull
request has to arrive.
"""
import re

import pytest

import apikit
import nodekit
from hubkit import TOKEN, Town, name_of
from stack import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def node():
    return nodekit.install()


def test_a_whole_visit(node):
    with Town() as town:
        town.reaper()
        user = town.user(apikit.PASSWORD)
        done = nodekit.run(
            node / "visit.mjs", town, EMAIL=user.email,
            PASSWORD=apikit.PASSWORD, USER_ID=user.id, REPO_URL=town.repo,
            GITHUB_TOKEN=TOKEN)
        print(done.stdout, done.stderr, town.log_text()[-5000:])
        assert done.returncode == 0
        assert re.search(r"^done \d+ steps$", done.stdout, re.M)
        assert "not ok" not in done.stdout
        repo = name_of(town.repo)
        number, branch = re.search(r"^pull request (\d+) of (.+)$",
                                   done.stdout, re.M).groups()
        assert number == "1"
        assert town.hub.branches(repo) == sorted(["main", branch])
        assert town.hub.git(repo, "show", f"{branch}:AI_GENERATED.md") == \
            "prompt: lines 3"
        for text in (done.stdout, town.log_text()):
            assert TOKEN not in text and apikit.PASSWORD not in text
