"""The front end's own Supabase client, unmodified, must believe this server.

The official npm package of a pinned version; without node, npm or the registry
the test is skipped.
"""
import re
import uuid

import pytest

import apikit
import nodekit

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))


@pytest.fixture(scope="module")
def node():
    return nodekit.install()


def test_supabase_js(node):
    with apikit.Stack(SIGN_UP="open") as stack:
        user = stack.user(apikit.PASSWORD)
        done = nodekit.run(
            node / "run.mjs", stack, EMAIL=user.email,
            PASSWORD=apikit.PASSWORD, USER_ID=user.id,
            NEW_EMAIL=f"{uuid.uuid4().hex}@example.com",
            OTHER_ID=stack.user().id)
        bad = [line for line in done.stdout.splitlines()
               if line.startswith("not ok")]
        assert not bad, done.stdout
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^done (\d+) of \1$", done.stdout, re.M)
