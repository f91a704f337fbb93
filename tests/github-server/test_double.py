"""The official client, unmodified, must believe the stand-in, and GitHub's own
description of its API must have nothing to say against any of its answers.

Both are npm packages, which are installed below build-github/
(TASKMILL_GITHUB_BUILD says where else); without node, npm or the registry
these tests are skipped.
"""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server as stand_in  # noqa: E402
import world  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(stand_in.HERE))
BUILD = os.environ.get("TASKMILL_GITHUB_BUILD",
                       os.path.join(ROOT, "build-github"))
OFFLINE = re.compile(
    r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|"
    r"E403|network", re.I)


def install(lock):
    digest = hashlib.sha256(lock).hexdigest()
    stamp = os.path.join(BUILD, ".installed-from")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == digest:
                return
    try:
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=BUILD, capture_output=True, text=True, timeout=300,
            check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci took more than 300 s")
    text = done.stdout + done.stderr
    if done.returncode and OFFLINE.search(text):
        pytest.skip("the npm registry cannot be reached")
    assert done.returncode == 0, text[-3000:]
    # Descriptions of other products, half a gigabyte of them.
    for path in glob.glob(os.path.join(
            BUILD, "node_modules/@octokit/openapi/generated/*.json")):
        if os.path.basename(path) != "api.github.com.json":
            os.remove(path)
    with open(stamp, "w", encoding="ascii") as f:
        f.write(digest)


@pytest.fixture(scope="module")
def node():
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True,
                             text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"octokit wants Node.js 20, this is {version}")
    os.makedirs(BUILD, exist_ok=True)
    source = os.path.join(stand_in.HERE, "node")
    for name in ("package.json", "package-lock.json", "run.mjs"):
        shutil.copy(os.path.join(source, name), BUILD)
    with open(os.path.join(source, "package-lock.json"), "rb") as f:
        install(f.read())
    return os.path.join(BUILD, "run.mjs")


@pytest.fixture(scope="module")
def description(node):
    pytest.importorskip("jsonschema")
    import openapi
    return openapi.Description(os.path.join(
        os.path.dirname(node),
        "node_modules/@octokit/openapi/generated/api.github.com.json"))


@pytest.fixture(scope="module")
def github(tmp_path_factory):
    folder = tmp_path_factory.mktemp("github")
    with stand_in.serve(str(folder / "repos")) as running:
        world.populate(running, str(folder))
        yield running


@pytest.fixture(scope="module", params=["", "/api/v3"])
def said(request, github, node):
    """What octokit had to say, by name: of github.com, and of Enterprise."""
    for pull in github.model.find("octo", "hello").pulls:
        github.admin("PATCH", f"repos/octo/hello/pulls/{pull.number}",
                     {"closed_at": "2026-01-01T00:00:00Z"})
    done = subprocess.run(
        ["node", node], capture_output=True, text=True, timeout=120,
        check=False, env={
            "PATH": os.environ["PATH"], "HOME": BUILD,
            "GITHUB_URL": github.url + request.param,
            "TOKEN_CLASSIC": world.CLASSIC, "TOKEN_FINE": world.FINE})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


def test_octokit_gets_what_it_asks_for(said):
    assert said["viewer"]["data"]["login"] == "octo"
    assert said["repo"]["data"]["full_name"] == "octo/hello"
    assert said["renamed repo"]["data"]["full_name"] == "octo/newer"
    assert "/repositories/" in said["renamed repo"]["url"]
    ref = said["ref"]["data"]
    assert ref["ref"] == "refs/heads/feature/one"
    made = said["create"]["data"]
    assert said["create"]["status"] == 201
    assert made["head"]["sha"] == ref["object"]["sha"]
    assert (made["commits"], made["changed_files"], made["additions"]) == (
        1, 1, 1)
    listed = said["list"]["data"]
    assert listed[0]["number"] == made["number"]
    assert said["get"]["data"]["title"] == "A title"
    assert said["all pages"]["count"] == 1


@pytest.mark.parametrize("name, status, words", [
    ("bad token", 401, "Bad credentials"),
    ("absent repo", 404, "Not Found"),
    ("saml repo", 403, "SAML enforcement"),
    ("absent ref", 404, "Not Found"),
    ("empty", 409, "Git Repository is empty"),
    ("create again", 422, "A pull request already exists for octo:feature"),
    ("no commits", 422, "No commits between main and main"),
    ("no base", 422, "invalid"),
    ("no permission", 403, "Resource not accessible by personal access"),
    ("archived", 403, "Repository was archived so is read-only"),
])
def test_octokit_understands_a_refusal(said, name, status, words):
    assert said[name]["error"]
    assert said[name]["status"] == status
    assert words in said[name]["message"]


def test_every_answer_is_as_github_describes_it(said, github, description):
    problems, routes = [], set()
    for answer in github.admin("GET", "answers"):
        if answer["route"] is None:
            continue
        routes.add((answer["method"], answer["route"], answer["status"]))
        problems += description.problems(**answer)
    assert problems == []
    assert len({r[:2] for r in routes}) == 6, routes
    assert {r[2] for r in routes} >= {200, 201, 301, 403, 404, 409, 422}


def test_the_judge_sees_what_is_wrong(said, github, description):
    """That there are no problems must not be for want of looking."""
    for answer in github.admin("GET", "answers"):
        if answer["status"] not in (200, 201) or not answer["body"]:
            continue
        body = answer["body"]
        one = dict(body[0] if isinstance(body, list) else body)
        del one["url"]
        answer["body"] = [one] if isinstance(body, list) else one
        assert description.problems(**answer), answer["route"]
        one["url"] = "no address"
        assert description.problems(**answer), answer["route"]
