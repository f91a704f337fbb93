"""Drives `taskmill run` alone: what the tests of the pipeline share."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import apikit
import gitserver

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TASKMILL_BIN",
                        str(ROOT / "build-faults" / "taskmill"))
TOKEN = "ghp_0123456789abcdefTOKEN"
KEY = "sk-test-0123456789abcdef"
LIMIT_S = 120  # for one run; generous, because machines are busy

GIT_ENV = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.com",
}


def git(*args, cwd, stdin=None, check=True):
    return subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow="
         "always", *args], cwd=cwd, env=GIT_ENV, input=stdin, check=check,
        capture_output=True)


def sh(script, cwd):
    subprocess.run(["/bin/sh", "-e"], input=script.encode(), cwd=cwd,
                   env=GIT_ENV, check=True, capture_output=True)


class Result:
    """What a run left in its spool."""

    def __init__(self, spool, code, seconds):
        self.spool, self.code, self.seconds = spool, code, seconds
        self.events = []
        if (spool / "events.ndjson").exists():
            lines = (spool / "events.ndjson").read_bytes().split(b"\n")
            self.events = [json.loads(line) for line in lines if line]
        self.result = {}
        if (spool / "result.json").exists():
            self.result = json.loads((spool / "result.json").read_bytes())

    def __getattr__(self, name):
        return self.result.get(name)

    def bulk(self, name):
        path = self.spool / name
        return path.read_bytes() if path.exists() else None

    @property
    def patch(self):
        return self.bulk("patch")

    @property
    def diff(self):
        return self.bulk("diff")

    @property
    def metadata(self):
        return json.loads(self.bulk("metadata.json"))

    def texts(self, kind):
        return [e["data"].get("text") for e in self.events
                if e["kind"] == kind]

    @property
    def output(self):
        return "".join(self.texts("output"))

    def everything(self):
        return b"".join(p.read_bytes() for p in sorted(self.spool.iterdir())
                        if p.is_file())


class Kit:
    """A folder with repositories, served over HTTPS, and room for runs."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.boxes, self.share = folder / "box", folder / "share"
        shutil.copytree(ROOT / "share", self.share)
        shutil.copytree(ROOT / "tests" / "agents", self.share / "agents",
                        dirs_exist_ok=True)
        self.count = 0

    def repository(self, name, script):
        """A repository whose one branch, main, is what a script made."""
        work = self.folder / "work" / name
        work.mkdir(parents=True)
        git("init", "-q", ".", cwd=work)
        sh(script, work)
        git("add", "-A", cwd=work)
        if git("ls-files", cwd=work).stdout:
            git("commit", "-q", "-m", "base", cwd=work)
        bare = self.folder / "srv" / (name + ".git")
        git("clone", "-q", "--bare", str(work), str(bare), cwd=self.folder)
        return name

    def bare(self, repo):
        return self.folder / "srv" / (repo + ".git")

    def spec(self, repo, prompt, **more):
        self.count += 1
        spec = {
            "version": 1, "task_id": self.count, "attempt": 1,
            "prompt": prompt, "clone_url": f"{self.server.url}{repo}.git",
            "origin_url": self.server.url, "branch": "main", "agent": "shell",
            "mode": "simulation", "share_dir": str(self.share),
            "sandbox_dir": str(self.boxes), "ca_file": self.server.ca_file,
            "isolation": "bwrap", "agent_kind": "simulated",
            "agent_network": False, "sandbox_user": "nobody",
            "memory_mb": 2048, "processes": 200, "open_files": 1024,
            "file_mb": 100, "cpu_s": 600, "life_s": 600, "clone_limit_s": 60,
            "agent_limit_s": 60, "command_limit_s": 30,
            "output_max_bytes": 1 << 20, "patch_max_bytes": 50 << 20,
            "changed_files_max": 10000, "cancel_grace_ms": 2000,
        }
        if more.get("isolation") == "none":
            spec["processes"] = apikit.ROOMY
        spec.update(more)
        return spec

    @contextlib.contextmanager
    def started(self, repo, prompt, token="", env=None, faults="",
                e2b_api_key="", before=None, **more):
        """A run at work: (process, spool folder)."""
        spec = self.spec(repo, prompt, **more)
        folder = self.folder / f"run{self.count}"
        folder.mkdir()
        if before is not None:
            before(folder)
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        with self.begun(folder, token, env, faults, e2b_api_key) as process:
            yield process, folder / "spool"

    @contextlib.contextmanager
    def begun(self, folder, token="", env=None, faults="", e2b_api_key=""):
        """A runner in a folder, which may be that of one that has died."""
        read_fd, write_fd = os.pipe()
        secrets = {"github_token": token, "env": env or {}}
        if e2b_api_key:
            secrets["e2b_api_key"] = e2b_api_key
        os.write(write_fd, json.dumps(secrets).encode())
        os.close(write_fd)
        log = open(folder / "log", "ab")
        process = subprocess.Popen(
            [BINARY, "run", "--spec", str(folder / "spec.json"), "--spool",
             str(folder / "spool"), "--secrets-fd", str(read_fd)],
            pass_fds=[read_fd], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env={"PATH": "/usr/bin:/bin", "TASKMILL_FAULT": faults})
        os.close(read_fd)
        log.close()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, repo, prompt, wait_s=LIMIT_S, **more):
        began = time.monotonic()
        with self.started(repo, prompt, **more) as (process, spool):
            code = process.wait(wait_s)
            seconds = time.monotonic() - began
        return Result(spool, code, seconds)

    def fresh_clone(self, repo):
        path = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "clone"
        git("clone", "-q", str(self.bare(repo)), str(path), cwd=self.folder)
        return path

    def tree_after(self, repo, script):
        """The tree that a script makes of a fresh clone."""
        clone = self.fresh_clone(repo)
        sh(script, clone)
        git("add", "-A", cwd=clone)
        return git("write-tree", cwd=clone).stdout.strip()

    def tree_of_patch(self, repo, patch):
        """The tree that "git am" makes of a fresh clone."""
        clone = self.fresh_clone(repo)
        done = git("am", "-q", cwd=clone, stdin=patch, check=False)
        assert done.returncode == 0, done.stderr
        assert git("status", "--porcelain", cwd=clone).stdout == b""
        return git("rev-parse", "HEAD^{tree}", cwd=clone).stdout.strip()

    def leftovers(self):
        """Processes that still have something of our workspaces, or that are
        about to: a child of a runner that has not yet become another program."""
        found = []
        runs = b"\0--spec\0" + str(self.folder).encode()
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                text = (proc / "cmdline").read_bytes()
                text += (proc / "environ").read_bytes()
                text += os.readlink(proc / "cwd").encode()
            except OSError:
                continue
            if str(self.boxes).encode() in text or runs in text:
                found.append((proc.name, text[:200]))
        return found

    def end_leftovers(self):
        """What the reaper does for a runner that was killed. One may begin
        while it is looked for."""
        def none_left():
            found = self.leftovers()
            for pid, _ in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            return not found
        wait_for(none_left)


def wait_for(what, limit_s=60.0):
    """Waits until what() is true, and returns it."""
    until = time.monotonic() + max(limit_s, 60)
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@contextlib.contextmanager
def kit(users=None):
    # Under /tmp itself: the sandbox's user must get through to it.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-run-"))
    folder.chmod(0o711)
    (folder / "srv").mkdir()
    try:
        with gitserver.serve(folder / "srv", users) as server:
            yield Kit(folder, server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["BINARY", "Kit", "KEY", "TOKEN", "git", "kit", "sh", "signal", "wait_for"]
