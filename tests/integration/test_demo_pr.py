"""script/demo --pr in a copy of the tree: a pull request, and nothing left."""
import json
import re

import pytest

from stack import why_not
from test_demo import PARTS, demo, processes_of, tree  # noqa: F401

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def settings_of(conf):
    lines = [x for x in conf.read_text().splitlines() if "=" in x]
    return dict(x.split("=", 1) for x in lines if not x.startswith("#"))


def is_as_ever(conf, host):
    settings = settings_of(conf)
    assert "GITHUB_API_URL" not in settings
    assert "GITHUB_CA_FILE" not in settings
    hosts = settings["REPO_ALLOWED_HOSTS"].split(",")
    assert hosts and host not in hosts and "" not in hosts
    assert "JWT_SECRET" in settings


def pull_request(tree):  # noqa: F811
    """Of one that is made anew; the host that it is on."""
    done = demo(tree, ["--pr"])
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    task = re.search(r"Making a pull request of task (\d+)", said)[1]
    answer = json.loads(re.search(r'^\{\s+"status".*?^\}', said,
                                  re.MULTILINE | re.DOTALL)[0])
    assert answer["status"] == "success"
    assert answer["branch"] == f"claude-code-{task}"
    assert answer["files_updated"] == 1
    number = answer["pr_number"]
    assert answer["pr_url"].endswith(f"/demo/hello/pull/{number}")
    assert f"({answer['branch']})" in said  # by git, on the other side
    host = answer["pr_url"].split("/")[2]
    settings = settings_of(tree / "var" / "taskmill.conf")
    assert settings["GITHUB_API_URL"] == f"https://{host}/api/v3"
    assert settings["REPO_ALLOWED_HOSTS"].split(",").count(host) == 1
    return host


def test_pull_request_and_afterwards_none_of_its_settings(tree):  # noqa: F811
    conf = tree / "var" / "taskmill.conf"
    host = pull_request(tree)
    done = demo(tree, [])  # the usual one again, on the running stack
    assert done.returncode == 0, done.stdout + done.stderr
    is_as_ever(conf, host)
    assert not [p for p in processes_of(tree) if b"github-server" in p[1]]
    host = pull_request(tree)
    done = demo(tree, ["stop"])
    assert done.returncode == 0, done.stderr
    is_as_ever(conf, host)
    assert not processes_of(tree)
    assert not [p for p in tree.rglob("*") if p.is_socket()]
    assert sorted(p.name for p in tree.iterdir()) == sorted([*PARTS, "var"])
