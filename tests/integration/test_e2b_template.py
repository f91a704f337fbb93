"""share/e2b-template, as far as it can be seen without E2B: what goes into the
image, that its agents are the pinned ones, and that these were tested."""
import base64
import json
import pathlib
import re
import subprocess

import pytest

import test_agent_run

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "share" / "e2b-template"
AGENTS = ROOT / "share" / "agents"
registry = test_agent_run.registry


def manifest(agent):
    return json.loads((AGENTS / agent / "agent.json").read_text())


INSTALLED = sorted(p.parent.name for p in AGENTS.glob("*/install"))


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], text=True, check=False,
                          capture_output=True, timeout=60, **more)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template") / "context"
    done = run(TEMPLATE / "build", "--context", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_context_has_what_the_image_copies(context):
    text = (context / "e2b.Dockerfile").read_text().replace("\\\n", " ")
    copied = [word for line in re.findall(r"^COPY (.*)$", text, re.M)
              for word in line.split()[:-1]]
    assert copied and all((context / name).exists() for name in copied)
    assert sorted(p.name for p in (context / "agents").iterdir()) == INSTALLED
    assert re.search(r"apt-get install .*\bgit\b", text)
    assert re.findall(r"^USER (\S+)$", text, re.M)[-1] == "user"


def test_its_agents_are_those_of_the_manifests(context):
    for agent in INSTALLED:
        for name in ("agent.json", "install"):
            assert (context / "agents" / agent / name).read_bytes() == \
                (AGENTS / agent / name).read_bytes()


def test_the_tested_versions_are_the_installed_ones():
    """Of the lock file that the real programs of the tests come from."""
    lock = json.loads((ROOT / "tests/model-server/node/package-lock.json"
                       ).read_text())["packages"]
    machines = {"claude": "@anthropic-ai/claude-code-linux-{}",
                "codex": "@openai/codex-linux-{}",
                "opencode": "opencode-linux-{}"}
    assert sorted(machines) == INSTALLED
    for agent, package in machines.items():
        script = (AGENTS / agent / "install").read_text()
        hashes = set(re.findall(r"\b[0-9a-f]{128}\b", script))
        assert hashes
        known = set()
        for machine in ("x64", "arm64"):
            entry = lock.get("node_modules/" + package.format(machine))
            if entry is None:
                continue
            assert entry["version"].startswith(manifest(agent)["version"])
            kind, _, value = entry["integrity"].partition("-")
            assert kind == "sha512"
            known.add(base64.b64decode(value).hex())
        assert hashes == known


def make_agents(folder, version):
    digest = test_agent_run.hashlib.sha512(
        test_agent_run.Registry.content).hexdigest()
    tool = folder / "agents" / "tool"
    tool.mkdir(parents=True)
    (tool / "agent.json").write_text(f'{{"version": "{version}"}}\n')
    (tool / "install").write_text(
        "#!/bin/sh\nset -eu\nexec /bin/sh \"$TASKMILL_FETCH\" tool "
        f"@acme/tool-linux \"$TASKMILL_AGENT_VERSION\" {digest} bin/tool\n")
    return folder / "agents"


@pytest.mark.parametrize("version,works", [("1.2.3", True), ("1.2.4", False)])
def test_installing(tmp_path, registry, version, works):
    """What the image runs, with a package and a registry of ours."""
    done = run("/bin/sh", TEMPLATE / "install-agents",
               make_agents(tmp_path, version),
               ROOT / "share" / "sandbox" / "fetch-npm.sh",
               env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
                    "TASKMILL_PREFIX": str(tmp_path / "prefix"),
                    "TASKMILL_REGISTRY": registry})
    program = tmp_path / "prefix" / "bin" / "tool"
    assert (done.returncode == 0) == works == program.exists(), done.stderr
    if works:
        assert program.stat().st_mode & 0o111 == 0o111
        assert program.resolve().is_file()
    else:
        assert "1.2.4 cannot be installed" in done.stderr
    # Nothing half done is left.
    assert not list((tmp_path / "prefix").rglob(".new-*"))


def test_a_name_is_no_option():
    done = run(TEMPLATE / "build", "--context", "/nonexistent/x", "-x")
    assert done.returncode == 64
