"""The push of a pull request alone: `taskmill run` of the job "publish".

The branch that comes of a stored patch has the very tree of the sandbox, for
all cases that the pipeline is tested with.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import types

import pytest

import gitserver
from runkit import BINARY, LIMIT_S, TOKEN, Kit, git
from stack import wait_for
from test_nginx_config import FCGIWRAP, NGINX, Web
from test_pipeline import BASE, PATCHES, needs_faults

HEAD = "claude-code-7"


@contextlib.contextmanager
def place():
    """A folder that sandboxes can get to, with one for repositories."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-push-"))
    folder.chmod(0o711)
    (folder / "srv").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shop():
    with place() as folder, gitserver.serve(
            folder / "srv", {"x-access-token": TOKEN}, push=True) as server:
        yield Kit(folder, server)


class Push:
    """What a run of this job left."""

    def __init__(self, kit, repo, patch, base, token=TOKEN, fault="", **more):
        spec = kit.spec(repo, "x", job="publish", attempt=1000001,
                        base_commit=base, head_branch=HEAD,
                        completed_s=1700000000, **more)
        self.folder = kit.folder / f"push{kit.count}"
        self.spool = self.folder / "spool"
        self.spool.mkdir(parents=True)
        (self.spool / "input.patch").write_bytes(patch)
        (self.folder / "spec").write_text(json.dumps(spec))
        self.code = self.run(token, fault)
        path = self.spool / "result.json"
        self.result = json.loads(path.read_text()) if path.exists() else {}

    def run(self, token=TOKEN, fault=""):
        read_fd, write_fd = os.pipe()
        os.write(write_fd, json.dumps(
            {"github_token": token, "env": {}}).encode())
        os.close(write_fd)
        with open(self.folder / "log", "ab") as log:
            code = subprocess.run(
                [BINARY, "run", "--spec", str(self.folder / "spec"),
                 "--spool", str(self.spool), "--secrets-fd", str(read_fd)],
                pass_fds=[read_fd], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, timeout=LIMIT_S, check=False,
                env={"PATH": "/usr/bin:/bin",
                     "TASKMILL_FAULT": fault}).returncode
        os.close(read_fd)
        return code

    @property
    def branch(self):
        return json.loads(
            (self.spool / "metadata.json").read_text()).get("branch")

    def fails(self, failure, *words):
        assert (self.code, self.result["outcome"]) == (0, "failed")
        assert self.result["failure"] == failure, self.result
        for word in words:
            assert word in self.result["error"]

    def succeeds(self, branch=HEAD):
        assert self.result.get("outcome") == "completed", (
            self.code, self.result, (self.folder / "log").read_text())
        assert self.branch == branch
        return self.result["commit_hash"]


def made(kit, name, script, base=BASE):
    """(repository, what a task's run left)"""
    kit.repository(name, base)
    r = kit.run(name, script, token=TOKEN)
    assert r.outcome == "completed", r.error
    return r, r.metadata["base_commit"]


def rev(kit, repo, what):
    return git("rev-parse", what, cwd=kit.bare(repo)).stdout.decode().strip()


@pytest.mark.parametrize("case", sorted(PATCHES))
def test_branch_has_the_very_tree(shop, case):
    base, script = PATCHES[case]
    name = "p-" + case
    r, commit = made(shop, name, script, base)
    p = Push(shop, name, r.patch, commit)
    assert p.succeeds() == rev(shop, name, HEAD)
    assert rev(shop, name, HEAD + "^{tree}") == \
        shop.tree_after(name, script).decode()
    assert rev(shop, name, HEAD + "^") == rev(shop, name, "main")
    assert p.result["commit_hash"] == r.commit_hash
    assert not list(shop.boxes.iterdir())
    assert not shop.leftovers()


def test_plain_subprocess(shop):
    r, commit = made(shop, "plain", "echo x >x")
    p = Push(shop, "plain", r.patch, commit, isolation="none")
    assert p.succeeds() == r.commit_hash


def test_the_same_input_gives_the_same_commit(shop):
    r, commit = made(shop, "same", "echo x >x")
    first = Push(shop, "same", r.patch, commit).succeeds()
    assert Push(shop, "same", r.patch, commit).succeeds() == first
    refs = git("for-each-ref", cwd=shop.bare("same")).stdout
    assert len(refs.splitlines()) == 2


OTHER_COMMIT = ("cd module; git init -q .; echo 1 >i; git add i;"
                "git -c user.name=a -c user.email=b commit -qm y; cd ..;")


@pytest.mark.parametrize("before", ["", "rmdir module;", OTHER_COMMIT])
def test_submodule_stays(shop, before):
    """Whatever becomes of its folder: the patch has no submodules."""
    name = f"with-sub{shop.count}"
    shop.repository(name, "echo x >a")
    work = shop.folder / "work" / name
    git("update-index", "--add", "--cacheinfo",
        "160000,0123456789012345678901234567890123456789,module", cwd=work)
    git("commit", "-q", "-m", "sub", cwd=work)
    git("push", "-q", str(shop.bare(name)), "main", cwd=work)
    r = shop.run(name, before + "echo y >b", token=TOKEN)
    assert r.outcome == "completed", r.error
    assert r.changed_files == ["b"]
    p = Push(shop, name, r.patch, r.metadata["base_commit"])
    assert p.succeeds() == r.commit_hash
    listed = git("ls-tree", HEAD, cwd=shop.bare(name)).stdout.decode()
    assert "160000 commit 0123456789012345678901234567890123456789\tmodule" \
        in listed.splitlines()


def test_nested_repository_stays_out(shop):
    edit = r"printf 'a\r\nB\r\nc\r\n' >crlf; printf 'n\r\n' >new"
    r, commit = made(
        shop, "nest", "mkdir n; cd n; git init -q .; echo 1 >i; git add i;"
        "git -c user.name=a -c user.email=b commit -qm y; cd ..;" + edit)
    assert Push(shop, "nest", r.patch, commit).succeeds() == r.commit_hash
    assert rev(shop, "nest", HEAD + "^{tree}") == \
        shop.tree_after("nest", edit).decode()


def move_base(kit, repo, script):
    clone = kit.fresh_clone(repo)
    subprocess.run(["/bin/sh", "-ec", script], cwd=clone, check=True)
    git("add", "-A", cwd=clone)
    git("commit", "-q", "-m", "meanwhile", cwd=clone)
    git("push", "-q", str(kit.bare(repo)), "main", cwd=clone)


@pytest.mark.parametrize("theirs,ours", [
    ("seq 0 100 >long", "sed -i s/50/fifty/ long"),
    ("echo theirs >theirs; rm sub/s", "mv long longer; chmod +x keep"),
    ("printf 'a\\r\\nb\\r\\nc\\r\\nd\\r\\n' >other",
     "printf 'a\\r\\nB\\r\\nc\\r\\n' >crlf; printf '\\000x' >bin"),
])
def test_base_moved(shop, theirs, ours):
    name = f"moved{shop.count}"
    r, commit = made(shop, name, ours)
    move_base(shop, name, theirs)
    Push(shop, name, r.patch, commit).succeeds()
    want = shop.fresh_clone(name)
    subprocess.run(["/bin/sh", "-ec", ours], cwd=want, check=True)
    git("add", "-A", cwd=want)
    assert rev(shop, name, HEAD + "^{tree}") == \
        git("write-tree", cwd=want).stdout.decode().strip()


def test_lines_that_are_there_twice(shop):
    """The right one of two equal places, though both have moved."""
    base = "for i in 1 2; do seq 1 9; done >twice"
    name = "twice"
    r, commit = made(shop, name, "sed -i '14s/.*/five/' twice", base)
    move_base(shop, name, "{ seq 101 109; cat twice; } >t; mv t twice")
    Push(shop, name, r.patch, commit).succeeds()
    text = git("show", f"{HEAD}:twice", cwd=shop.bare(name)).stdout.decode()
    assert [i for i, line in enumerate(text.split(), 1)
            if line == "five"] == [23]


@pytest.mark.parametrize("theirs,ours,named", [
    ("sed -i s/50/L/ long", "sed -i s/50/fifty/ long", "long"),
    ("rm long", "sed -i s/50/fifty/ long", "long"),
    ("echo q >'n w'", "echo x >'n w'", "n w"),
    (r"printf '\000y' >bin", r"printf '\000x' >bin", "bin"),
    ("mv long other", "mv long longer; echo 1 >>longer", "long"),
])
def test_conflicts_name_their_files(shop, theirs, ours, named):
    name = f"conflict{shop.count}"
    r, commit = made(shop, name, ours)
    move_base(shop, name, theirs)
    p = Push(shop, name, r.patch, commit)
    p.fails("conflict", named)
    refs = git("for-each-ref", cwd=shop.bare(name)).stdout
    assert len(refs.splitlines()) == 1


def test_base_has_it_already(shop):
    r, commit = made(shop, "has-it", "sed -i s/50/fifty/ long")
    move_base(shop, "has-it", "sed -i s/50/fifty/ long; echo more >more")
    Push(shop, "has-it", r.patch, commit).fails("same")


def test_base_commit_is_not_known(shop):
    r, _ = made(shop, "unknown", "sed -i s/50/fifty/ long")
    assert Push(shop, "unknown", r.patch, "").succeeds() == r.commit_hash


def test_patch_of_another_author_without_a_date(shop):
    """As old ones may be that were imported."""
    shop.repository("old", BASE)
    patch = (b"From: Jos\xc3\xa9 <j@example.com>\nSubject: [PATCH] Old one\n"
             b"\nWith words.\n\ndiff --git a/new b/new\nnew file mode 100644\n"
             b"--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n")
    Push(shop, "old", patch, "").succeeds()
    log = git("log", "-1", "--format=%an <%ae> %at %ct%n%B", HEAD,
              cwd=shop.bare("old")).stdout.decode()
    assert log == ("José <j@example.com> 1700000000 1700000000\nOld one\n\n"
                   "With words.\n\n")


@pytest.mark.parametrize("patch", [
    b"", b"nothing of a patch\n", b"diff --git a/x b/x\n@@ -1 +1 @@\n"])
def test_what_is_no_patch(shop, patch):
    name = f"none{shop.count}"
    shop.repository(name, BASE)
    Push(shop, name, patch, "").fails("no_files")


@pytest.mark.parametrize("path", ["../out", ".git/config", "/etc/x",
                                  "a/../../x", ".GIT/hooks/x"])
def test_paths_that_lead_out(shop, path):
    name = f"out{shop.count}"
    shop.repository(name, BASE)
    patch = (f"From: a <a@b>\nSubject: x\n\ndiff --git a/{path} b/{path}\n"
             f"new file mode 100644\n--- /dev/null\n+++ b/{path}\n"
             "@@ -0,0 +1 @@\n+new\n").encode()
    p = Push(shop, name, patch, "")
    assert p.result["outcome"] == "failed"
    assert not list(shop.boxes.iterdir())


# --- hosts that refuse ---------------------------------------------------

def test_base_branch_is_gone(shop):
    r, commit = made(shop, "no-base", "echo x >x")
    Push(shop, "no-base", r.patch, commit, branch="gone").fails(
        "no_base", "gone")


def test_tag_is_no_base(shop):
    r, commit = made(shop, "tagged", "echo x >x")
    git("tag", "v1", "main", cwd=shop.bare("tagged"))
    Push(shop, "tagged", r.patch, commit, branch="v1").fails("no_base")


def test_wrong_token(shop):
    r, commit = made(shop, "private", "echo x >x")
    p = Push(shop, "private", r.patch, commit, token="ghp_wrong_wrong_wrong")
    p.fails("refused", "Authentication failed")
    for file in p.spool.iterdir():
        assert b"ghp_wrong" not in file.read_bytes()


def test_push_is_refused(shop):
    r, commit = made(shop, "hooked", "echo x >x")
    hook = shop.bare("hooked") / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch' >&2\nexit 1\n")
    hook.chmod(0o755)
    Push(shop, "hooked", r.patch, commit).fails("refused", "GH006")


# --- names that are taken ------------------------------------------------

def test_next_free_name(shop):
    r, commit = made(shop, "taken", "echo x >x")
    for taken in (HEAD, HEAD + "-2"):
        git("branch", taken, "main", cwd=shop.bare("taken"))
    assert Push(shop, "taken", r.patch, commit).succeeds(HEAD + "-3")
    assert rev(shop, "taken", HEAD) == rev(shop, "taken", "main")


def test_all_names_taken(shop):
    r, commit = made(shop, "full", "echo x >x")
    for i in range(1, 21):
        git("branch", HEAD + (f"-{i}" if i > 1 else ""), "main",
            cwd=shop.bare("full"))
    Push(shop, "full", r.patch, commit).fails("taken", HEAD)


# --- pushed before, and nobody was told ------------------------------------

def branches(kit, repo):
    refs = git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads",
               cwd=kit.bare(repo)).stdout.decode()
    return sorted(refs.split())


@pytest.mark.parametrize("theirs", [
    "seq 0 100 >long",                # merges with ours
    "sed -i s/50/L/ long",            # would conflict with it
    "sed -i s/50/fifty/ long",        # has it already
])
def test_base_moved_after_a_push(shop, theirs):
    """The first push got through, its answer did not."""
    name = f"twice{shop.count}"
    r, commit = made(shop, name, "sed -i s/50/fifty/ long; echo n >new")
    assert Push(shop, name, r.patch, commit).succeeds() == r.commit_hash
    move_base(shop, name, theirs)
    assert Push(shop, name, r.patch, commit).succeeds() == r.commit_hash
    assert branches(shop, name) == [HEAD, "main"]


def test_base_moved_before_and_after_a_push(shop):
    """The commit that is there was made by a merge; it is known again."""
    r, commit = made(shop, "between", "sed -i s/50/fifty/ long")
    move_base(shop, "between", "sed -i s/47/F/ long")
    git("branch", HEAD, "main", cwd=shop.bare("between"))  # somebody else's
    first = Push(shop, "between", r.patch, commit).succeeds(HEAD + "-2")
    move_base(shop, "between", "echo more >more")
    assert Push(shop, "between", r.patch, commit).succeeds(HEAD + "-2") == \
        first
    assert branches(shop, "between") == [HEAD, HEAD + "-2", "main"]


@pytest.mark.parametrize("change", [
    "echo more >more; git add more; git commit -q --amend --no-edit",
    "git commit -q --amend -m other",
    "echo more >more; git add more; git commit -q -m more",
])
def test_branch_that_only_looks_like_ours(shop, change):
    """The same author, the same second: what is in it decides."""
    name = f"alike{shop.count}"
    r, commit = made(shop, name, "sed -i s/50/fifty/ long")
    Push(shop, name, r.patch, commit).succeeds()
    clone = shop.fresh_clone(name)
    git("fetch", "-q", str(shop.bare(name)), HEAD, cwd=clone)
    git("checkout", "-q", "FETCH_HEAD", cwd=clone)
    when = git("log", "-1", "--format=%ad", cwd=clone).stdout.decode().strip()
    subprocess.run(["/bin/sh", "-ec", change], cwd=clone, check=True, env={
        **os.environ, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": "AI Assistant", "GIT_AUTHOR_NAME": "AI Assistant",
        "GIT_COMMITTER_EMAIL": "ai@example.com",
        "GIT_AUTHOR_EMAIL": "ai@example.com"})
    git("push", "-q", "-f", str(shop.bare(name)), f"HEAD:refs/heads/{HEAD}",
        cwd=clone)
    theirs = rev(shop, name, HEAD)
    move_base(shop, name, "echo moved >moved")
    Push(shop, name, r.patch, commit).succeeds(HEAD + "-2")
    assert rev(shop, name, HEAD) == theirs
    assert rev(shop, name, HEAD + "-2^") == rev(shop, name, "main")


# --- through nginx and git-http-backend -----------------------------------

@contextlib.contextmanager
def served_by_nginx(folder):
    """The repositories in folder/srv/git as the demo's nginx serves them, to
    who has the token alone; like the other server, and with its log."""
    users, path = folder / "users", folder / "git.sock"
    users.write_text(f"x-access-token:{{PLAIN}}{TOKEN}\n")
    users.chmod(0o644)
    with subprocess.Popen([FCGIWRAP, "-c", "2", "-s", f"unix:{path}"],
                          start_new_session=True) as wrap:
        try:
            wait_for(path.exists, 60, "fcgiwrap")
            web = Web(folder / "nginx", "--socket", folder / "none.sock",
                      "--git-root", folder / "srv" / "git", "--git-socket", path,
                      "--git-auth", users, "--git-push-users", users)
            try:
                yield types.SimpleNamespace(
                    url=f"https://127.0.0.1:{web.port}/",
                    ca_file=str(web.ca), log=web.log)
            finally:
                web.stop()
        finally:
            os.killpg(wrap.pid, signal.SIGTERM)  # its children, too


def received(log):
    """The requests that brought the pack; nginx notes each when it has ended."""
    seen = [json.loads(line) for line in log.splitlines()]
    return [s for s in seen if s["status"] == 200 and s["in"] > 6000000 and
            s["path"] == "/git/large.git/git-receive-pack"]


@pytest.mark.skipif(NGINX is None or FCGIWRAP is None,
                    reason="nginx or fcgiwrap is not installed")
def test_megabytes_through_a_real_server():
    """A pack that git sends in pieces, behind a challenge for the password."""
    with place() as folder, served_by_nginx(folder) as server:
        kit = Kit(folder, server)
        r, commit = made(kit, "git/large", "head -c 6000000 /dev/urandom >large")
        p = Push(kit, "git/large", r.patch, commit)
        assert p.succeeds() == r.commit_hash == rev(kit, "git/large", HEAD)
        assert rev(kit, "git/large", f"{HEAD}:large")
        refused = Push(kit, "git/large", r.patch, commit, token="another")
        assert refused.result["outcome"] == "failed"
        wait_for(lambda: received(server.log()), 60, "the push to be logged")
        wait_for(lambda: '"status":401' in server.log(), 60, "the challenge")
        assert TOKEN not in server.log()


# --- killed --------------------------------------------------------------

@needs_faults
@pytest.mark.parametrize("point", [
    "run.start", "publish.after_fetch", "publish.after_apply",
    "publish.after_push", "spool.before_rename", "spool.after_rename"])
def test_killed_and_run_again(shop, point):
    name = f"killed-{point.replace('.', '-')}"
    r, commit = made(shop, name, "echo x >x")
    p = Push(shop, name, r.patch, commit, fault=f"{point}:1:kill")
    assert p.code == -signal.SIGKILL, "the point was not passed"
    shop.end_leftovers()
    assert p.run() == 0
    result = json.loads((p.spool / "result.json").read_text())
    assert result["commit_hash"] == r.commit_hash == rev(shop, name, HEAD)
    refs = git("for-each-ref", cwd=shop.bare(name)).stdout
    assert len(refs.splitlines()) == 2
    subprocess.run(["rm", "-rf", str(shop.boxes)], check=True)
    shop.boxes.mkdir(mode=0o711)
    shop.boxes.chmod(0o711)
