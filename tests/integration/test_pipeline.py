"""The pipeline alone: `taskmill run` against real repositories over HTTPS."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading

import pytest

from apikit import fault_points, room_for, the_only_bomb
from runkit import BINARY, KEY, TOKEN, Result, git, kit, wait_for
from stack import is_stopped

BOTH = pytest.mark.parametrize("isolation", ["bwrap", "none"])
needs_faults = pytest.mark.skipif(
    not fault_points(), reason="this binary was built without fault points")


@pytest.fixture(scope="module")
def shop():
    with kit() as made:
        made.repository("plain", "echo hello >a.txt; mkdir d; echo x >d/b")
        yield made


@pytest.fixture(scope="module")
def private():
    with kit({"x-access-token": TOKEN}) as made:
        made.repository("plain", "echo hello >a.txt")
        yield made


# --- the simulated agent -------------------------------------------------

@BOTH
def test_simulated_task(shop, isolation):
    prompt = "Write the docs\nfor ünïcode, with a prompt of more than fifty"
    r = shop.run("plain", prompt, agent="claude", isolation=isolation)
    assert (r.code, r.outcome, r.failure, r.error) == (0, "completed", None,
                                                      None)
    assert r.message == ("Simulated claude execution completed. Created test "
                         "file: AI_GENERATED.md")
    assert r.changed_files == ["AI_GENERATED.md"]
    clone = shop.fresh_clone("plain")
    assert git("am", cwd=clone, stdin=r.patch).returncode == 0
    text = (clone / "AI_GENERATED.md").read_text(encoding="utf-8")
    assert "claude" in text and prompt in text
    log = git("log", "-1", "--format=%an <%ae>%n%cn <%ce>%n%B", cwd=clone)
    author, _, message = log.stdout.decode().split("\n", 2)
    assert author == "AI Assistant <ai@example.com>"
    flat = prompt.replace("\n", " ")
    assert message.strip() == f"AI: {flat[:50]}..."
    assert len(r.commit_hash) == 40
    assert r.metadata["isolation"] == isolation
    assert r.metadata["file_changes"] == [{
        "filename": "AI_GENERATED.md", "before": "FILE_NOT_EXISTS",
        "after": text}]
    steps = [(e["data"]["step"], e["data"]["state"]) for e in r.events
             if e["kind"] == "step"]
    assert steps == [(s, w) for s in ("sandbox", "clone", "agent", "collect")
                     for w in ("started", "done")]
    assert [e["seq"] for e in r.events] == list(range(1, len(r.events) + 1))
    assert not list(shop.boxes.iterdir())
    assert not shop.leftovers()


# --- patches are exact ---------------------------------------------------

BASE = r"""
echo one >keep; seq 1 100 >long; printf 'no newline' >nonl
printf 'a\r\nb\r\nc\r\n' >crlf; printf '\000\001\377bin' >bin
ln -s keep link; mkdir sub; echo s >sub/s; : >empty
echo x >run.sh; chmod +x run.sh; echo 1 >'sp ace'; echo 2 >'qu"ote'
echo 3 >'ümlaut'; printf 'lat\351in\n' >latin1
"""

# name: (the base, what the agent does)
PATCHES = {
    "edit": (BASE, "echo two >>keep; sed -i s/50/fifty/ long"),
    "binary": (BASE, r"printf '\000\002' >bin; head -c 5000 /dev/zero >z"),
    "rename": (BASE, "mv long longer; mv sub moved"),
    "rename-edit": (BASE, "mv long longer; echo 101 >>longer"),
    "delete": (BASE, "rm keep bin empty; rm -r sub"),
    "delete-all": (BASE, "rm -rf ./*"),
    "modes": (BASE, "chmod -x run.sh; chmod +x keep"),
    "symlinks": (BASE, "ln -sf long link; ln -s /etc/passwd abs; rm keep;"
                       "ln -s long keep"),
    "link-to-file": (BASE, "rm link; echo file >link"),
    "file-to-folder": (BASE, "rm keep; mkdir keep; echo x >keep/x"),
    "type-crlf-edit": (BASE, r"rm keep; ln -s long keep; mv run.sh crlf2;"
                             r"printf 'a\r\nB\r\nc\r\n' >crlf"),
    "type-crlf-before": (BASE, r"rm bin; ln -s long bin; printf 'a\r\n' >crlf"),
    "type-crlf-new": (BASE, r"rm bin; ln -s long bin; printf 'n\r\n' >d.new"),
    "type-to-crlf": (BASE, r"rm link; printf 'n\r\n' >link; echo x >>long"),
    "empty": (BASE, ": >new; : >keep; echo now >empty"),
    "crlf-edit": (BASE, r"printf 'a\r\nB\r\nc\r\n' >crlf"),
    "crlf-new": (BASE, r"printf 'x\r\ny\r\n' >new; echo lf >>keep"),
    "crlf-mixed": (BASE, r"printf 'x\r\ny\nz\r' >'odd [n]*ame?'"),
    "crlf-to-lf": (BASE, r"printf 'a\nb\nc\n' >crlf"),
    "crlf-rename": (BASE, r"mv crlf 'we ird\name'; printf 'd\r\n' >>we*"),
    "cr-only": (BASE, r"printf 'a\rb\r' >cr"),
    "no-final-newline": (BASE, "printf more >>nonl; printf x >n2; echo >>n2"),
    "spaces": (BASE, "echo x >>'sp ace'; echo y >' lead'; echo z >'trail '"),
    "quotes": (BASE, "echo x >>'qu\"ote'; echo y >\"it's\"; echo z >'b\\s'"),
    "newline-in-name": (BASE, "echo x >'a\nb'; printf 'q\\r\\n' >'c\nd'"),
    "tab-in-name": (BASE, "echo x >'a\tb'"),
    "utf8-names": (BASE, "echo x >>'ümlaut'; echo y >'日本'; mv keep 'ä'"),
    "latin1-name": (BASE, r"""echo x >"$(printf 'n\351')" """),
    "latin1-content": (BASE, r"printf 'm\351hr\n' >>latin1"),
    "dash-name": (BASE, "echo x >./-rf; echo y >./--help"),
    "from-lines": (BASE, "printf 'From a Mon Sep 17 00:00:00 2001\\n"
                         "From: x\\n---\\ndiff --git a/x b/x\\n-- \\n' >m"),
    "nul-late": (BASE, r"seq 1 4000 >n; printf 'a\000b\n' >>n; echo q >>keep"),
    "white-space": (BASE, "printf 'trail  \\n\\t \\n\\n\\n' >w"),
    "deep": (BASE, "mkdir -p a/b/c/d/e/f; echo x >a/b/c/d/e/f/g"),
    "attributes-text": (BASE, "echo '* text=auto' >.gitattributes;"
                              r"printf 'q\r\nr\r\n' >new"),
    "attributes-binary": (BASE + "echo '*.dat -diff' >.gitattributes",
                          "echo x >n.dat"),
    "attributes-force-text": (BASE + "echo '*.b diff' >.gitattributes",
                              r"printf 'a\000\r\n' >n.b; echo k >>keep"),
    "ignored": (BASE + "echo '*.o' >.gitignore", "echo x >a.o; echo y >b"),
    "only-mode": (BASE, "chmod +x keep"),
    "long-line": (BASE, "head -c 200000 /dev/zero | tr '\\0' x >w; echo >>w"),
}


@pytest.mark.parametrize("case", sorted(PATCHES))
def test_patch_gives_the_very_tree(shop, case):
    base, script = PATCHES[case]
    shop.repository("p-" + case, base)
    r = shop.run("p-" + case, script)
    assert r.outcome == "completed", r.error
    want = shop.tree_after("p-" + case, script)
    assert shop.tree_of_patch("p-" + case, r.patch) == want
    assert r.diff
    assert r.changed_files
    assert not r.texts("warning")


def test_only_files_with_crlf_are_binary_in_the_patch(shop):
    shop.repository("mixed", BASE)
    r = shop.run("mixed", r"printf 'x\r\n' >new; echo more >>keep")
    assert r.patch.count(b"GIT binary patch") == 1
    assert b"+more" in r.patch
    assert b"+x\r\n" in r.diff
    assert sorted(r.changed_files) == ["keep", "new"]


def test_submodule_in_the_repository(shop):
    shop.repository("with-sub", "echo x >a")
    work = shop.folder / "work" / "with-sub"
    git("update-index", "--add", "--cacheinfo",
        "160000,0123456789012345678901234567890123456789,module", cwd=work)
    (work / ".gitmodules").write_text(
        '[submodule "module"]\n\tpath = module\n\turl = https://x.invalid/m\n')
    git("add", ".gitmodules", cwd=work)
    git("commit", "-q", "-m", "sub", cwd=work)
    git("push", "-q", str(shop.bare("with-sub")), "main", cwd=work)
    r = shop.run("with-sub", "echo y >b")
    assert r.outcome == "completed"
    assert r.changed_files == ["b"]
    want = shop.tree_after("with-sub", "echo y >b; mkdir -p module")
    assert shop.tree_of_patch("with-sub", r.patch) == want
    assert not r.texts("warning")


@pytest.mark.parametrize("name", ["aaa", "crlg"])
def test_nested_repository_beside_crlf(shop, name):
    shop.repository("nest-" + name, BASE)
    edit = r"printf 'a\r\nB\r\nc\r\n' >crlf; printf 'n\r\n' >new"
    nested = (f"mkdir {name}; cd {name}; git init -q .; echo 1 >i; git add i;"
              "git -c user.name=a -c user.email=b commit -qm y; cd ..;")
    r = shop.run("nest-" + name, nested + edit)
    assert r.outcome == "completed", r.error
    want = shop.tree_after("nest-" + name, edit)
    assert shop.tree_of_patch("nest-" + name, r.patch) == want
    assert sorted(r.changed_files) == ["crlf", "new"]
    assert name in " ".join(r.texts("warning"))
    assert b"a/" + name.encode() not in r.diff


def test_nested_repository_alone_is_no_change_of_the_patch(shop):
    r = shop.run("plain", "mkdir n; cd n; git init -q .; echo 1 >i; git add i;"
                          "git -c user.name=a -c user.email=b commit -qm y")
    assert (r.outcome, r.changed_files) == ("completed", [])
    assert "n is a Git repository" in " ".join(r.texts("warning"))
    assert not r.diff and not r.patch
    assert r.commit_hash is None  # there is none to be published


def test_no_change_is_a_success(shop):
    r = shop.run("plain", "echo I looked; touch a.txt")
    assert r.outcome == "completed"
    assert r.commit_hash is None
    assert (r.diff, r.patch, r.changed_files) == (b"", b"", [])
    assert r.message == "I looked"


def test_texts_for_the_side_by_side_view(shop):
    shop.repository("texts", BASE)
    r = shop.run("texts", "echo b >>keep; rm empty; mv long longer; echo n >n;"
                          r"printf '\000' >bin; chmod +x 'sp ace';"
                          "head -c 300000 /dev/zero | tr '\\0' y >big;"
                          r"printf 'lat\351in2' >latin1")
    texts = {f["filename"]: f for f in r.metadata["file_changes"]}
    assert texts["keep"] == {"filename": "keep", "before": "one\n",
                             "after": "one\nb\n"}
    assert texts["empty"]["after"] == "FILE_DELETED"
    assert texts["n"]["before"] == "FILE_NOT_EXISTS"
    assert texts["longer"]["before"] == texts["longer"]["after"]
    assert set(texts) == {"keep", "empty", "n", "longer", "sp ace"}
    assert len(r.changed_files) == 8


# --- secrets -------------------------------------------------------------

def parts(secret, n=6):
    return [secret[i:i + n].encode() for i in range(len(secret) - n + 1)]


@pytest.mark.parametrize("after", [915, 980, 990, 999, 1000])
def test_no_part_of_a_secret_is_left_at_an_edge(shop, after):
    key = "sk-ant-" + "".join("%02x" % (i * 7 % 256) for i in range(40))
    r = shop.run("plain", "printf '%s' \"$ANTHROPIC_API_KEY\" >&2;"
                          f"head -c {after} /dev/zero | tr '\\0' x >&2; exit 1",
                 env={"ANTHROPIC_API_KEY": key})
    assert r.failure == "agent_failed"
    assert "xxxx" in r.error
    assert not [p for p in parts(key) if p in r.everything()]


@pytest.mark.parametrize("key", ['pa"ss\\word-1234567', '","after":"',
                                 '["e.txt"]', '"outcome":"', "filename"])
def test_redaction_knows_what_json_says(shop, key):
    r = shop.run("plain", "printf '%s\\n' \"$ANTHROPIC_API_KEY\" >e.txt;"
                          "echo done", env={"ANTHROPIC_API_KEY": key})
    assert (r.outcome, r.changed_files) == ("completed", ["e.txt"])
    assert r.metadata["file_changes"] == [{
        "filename": "e.txt", "before": "FILE_NOT_EXISTS",
        "after": "[redacted]\n"}]
    assert key.encode() not in r.diff + r.patch


HIDDEN = {
    "text": r"printf 'k=%s\n' $K >f",
    "crlf": r"printf 'k=%s\r\n' $K >f; printf 'x\r\n' >other",
    "binary": r"printf '\000%s\001' $K >f; printf '\000' >other",
    "far-away": r"seq 1 90000 >f; echo $K >>f; printf '\000' >>f",
    "base64": r"printf 'k=%s\r\n' $(printf %s $K | base64 -w0) >f",
}


@pytest.mark.parametrize("case", sorted(HIDDEN))
def test_no_secret_hides_in_a_patch(shop, case):
    """Encoded as a binary file it could not be seen, and would come back."""
    script = HIDDEN[case]
    r = shop.run("plain", "K=$ANTHROPIC_API_KEY;" + script,
                 env={"ANTHROPIC_API_KEY": KEY})
    assert r.outcome == "completed", r.error
    assert "secret" in " ".join(r.texts("warning"))
    assert b"[redacted]" in r.patch and KEY.encode() not in r.everything()
    clone = shop.fresh_clone("plain")
    git("am", "-q", cwd=clone, stdin=r.patch, check=False)
    for path in clone.glob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()
    # Without a secret these files stay whole.
    r = shop.run("plain", "K=something;" + script,
                 env={"ANTHROPIC_API_KEY": KEY})
    assert not r.texts("warning")
    want = shop.tree_after("plain", "K=something;" + script)
    assert shop.tree_of_patch("plain", r.patch) == want


def test_a_secret_that_was_there_before_does_not_leave(shop):
    shop.repository("had-it", f"printf '\\000{KEY}\\n' >f; echo x >g")
    r = shop.run("had-it", r"printf '\000more' >>f; echo y >g",
                 env={"ANTHROPIC_API_KEY": KEY})
    assert r.outcome == "completed", r.error
    assert b"GIT binary patch" not in r.patch and b"+y" in r.patch
    assert KEY.encode() not in r.everything()


# --- clones that fail ----------------------------------------------------

def fails(r, failure, *words):
    assert (r.code, r.outcome, r.failure) == (0, "failed", failure), r.error
    for word in words:
        assert word in r.error
    assert r.patch is None and r.commit_hash is None


def test_empty_repository(shop):
    git("init", "-q", "--bare", str(shop.bare("void")), cwd=shop.folder)
    fails(shop.run("void", "true"), "repo_empty", "no commit")


def test_missing_branch(shop):
    fails(shop.run("plain", "true", branch="nope"), "repo_access",
          'no branch "nope"')


def test_tag_is_no_branch(shop):
    git("tag", "v1", "main", cwd=shop.bare("plain"))
    fails(shop.run("plain", "true", branch="v1"), "repo_access", "a tag")


def test_missing_repository(shop):
    fails(shop.run("nothing-there", "true"), "repo_access", "not found")


def test_wrong_token(private):
    r = private.run("plain", "true", token="ghp_wrong_wrong_wrong")
    fails(r, "github_auth", "rejects the token")
    assert b"ghp_wrong" not in r.everything()


def test_no_token(private):
    fails(private.run("plain", "true"), "github_auth", "without a token")


def test_host_is_away(shop):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"https://localhost:{s.getsockname()[1]}/"
        r = shop.run("plain", "true", clone_url=url + "plain.git",
                     origin_url=url)
    fails(r, "network", "3 tries")
    assert len([t for t in r.texts("note") if "trying again" in t]) == 2


def test_network_comes_back_within_the_attempt(shop):
    shop.server.answers += [(503, []), (503, [])]
    r = shop.run("plain", "echo x >n")
    assert r.outcome == "completed", r.error
    assert not shop.server.answers


def test_untrusted_certificate(shop):
    fails(shop.run("plain", "true", ca_file=""), "network", "certificate")


def test_redirect_is_not_followed_and_gets_no_token(private):
    with kit() as other:
        other.repository("plain", "echo x >a")
        where = other.server.url + "plain.git/info/refs?service=git-upload-pack"
        private.server.answers.append((302, [("Location", where)]))
        r = private.run("plain", "true", token=TOKEN)
        fails(r, "repo_access", "moved")
        assert not other.server.requests


def test_clone_time_limit(shop):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"https://localhost:{deaf.getsockname()[1]}/"
        r = shop.run("plain", "true", clone_url=url + "x.git", origin_url=url,
                     clone_limit_s=1)
    fails(r, "timeout", "Cloning", "1 second", "CLONE_TIMEOUT_S")


# --- secrets -------------------------------------------------------------

def ours(seconds):
    """A time to sleep that no other run of these tests asks for."""
    return f"{seconds}.{os.getpid()}"


def sleepers(seconds):
    """How many processes sleep for ours(seconds)."""
    return processes_text().count(b"sleep\0%s\0" % ours(seconds).encode())


def wake(seconds):
    """Ends those that sleep for ours(seconds), so that their shell goes on."""
    wanted = b"sleep\0%s\0" % ours(seconds).encode()
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == wanted:
                os.kill(int(path.parent.name), signal.SIGTERM)


def processes_text():
    """All command lines of the machine, and environments of sandboxes."""
    found = b""
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                found += f.read()
        except OSError:
            pass
    return found


@BOTH
def test_token_is_nowhere(private, isolation):
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(TOKEN.encode() in processes_text())

    watcher = threading.Thread(target=watch)
    watcher.start()
    look = ("env; cat .git/config; grep -r ghp_ $HOME 2>/dev/null;"
            "sleep 0.3; echo done")
    if isolation == "bwrap":  # without it, runs of one user see each other
        look = "cat /proc/*/environ 2>/dev/null; grep -r ghp_ /tmp;" + look
    try:
        with private.started("plain", look, token=TOKEN,
                             isolation=isolation) as (p, spool):
            wait_for(lambda: (spool / "events.ndjson").exists() and b"done" in
                     (spool / "events.ndjson").read_bytes() or p.poll()
                     is not None)
            boxes = subprocess.run(
                ["grep", "-rlf", "-", str(private.boxes)],
                input=TOKEN.encode(), capture_output=True, check=False)
            assert p.wait(60) == 0
    finally:
        stop.set()
        watcher.join()
    result = json.loads((spool / "result.json").read_text())
    assert result["outcome"] == "completed", result
    assert b"done" in (spool / "events.ndjson").read_bytes()
    assert boxes.stdout == b""
    assert seen and not any(seen)
    for file in spool.iterdir():
        assert TOKEN.encode() not in file.read_bytes()
    # Nor is it in the agent's environment, where it would be redacted.
    assert b"[redacted]" not in (spool / "events.ndjson").read_bytes()


def test_agent_gets_its_key_and_it_is_redacted(shop):
    script = ("echo key=$ANTHROPIC_API_KEY; echo other=$OPENAI_API_KEY.;"
              "printf '%s' $ANTHROPIC_API_KEY | base64;"
              "echo $ANTHROPIC_API_KEY >leak.txt; echo oops >&2; "
              "test -n \"$ANTHROPIC_API_KEY\"")
    r = shop.run("plain", script, env={"ANTHROPIC_API_KEY": KEY,
                                       "OPENAI_API_KEY": "sk-other-key-0001"})
    assert r.outcome == "completed"
    assert "key=[redacted]" in r.output and "other=." in r.output
    assert KEY.encode() not in r.everything()
    assert b"sk-other" not in r.everything()
    assert b"+[redacted]" in r.patch


# --- agents that fail, flood and misbehave -------------------------------

def test_agent_failure(shop):
    r = shop.run("plain", "echo working; echo 'quota exceeded' >&2; exit 3")
    fails(r, "agent_failed", "status 3", "quota exceeded")
    assert r.message == "working"


def test_agent_killed_by_a_signal(shop):
    fails(shop.run("plain", "kill -9 $$"), "agent_failed", "137")


def test_unknown_agent(shop):
    fails(shop.run("plain", "x", agent="nobody-here"), "agent_missing")


def test_real_agent_that_is_not_installed(shop):
    r = shop.run("plain", "x", agent="claude", agent_kind="cli",
                 env={"ANTHROPIC_API_KEY": KEY})
    fails(r, "agent_missing", "claude is not installed",
          "SIMULATION_AGENT_PATH")


def test_real_agent_without_a_key(shop):
    r = shop.run("plain", "x", agent="claude", agent_kind="cli",
                 env={"OPENAI_API_KEY": KEY})
    fails(r, "agent_key", "ANTHROPIC_API_KEY")


@BOTH
def test_agent_time_limit(shop, isolation):
    r = shop.run("plain", "echo hi; trap '' TERM; sleep 300", agent_limit_s=1,
                 isolation=isolation)
    fails(r, "timeout", "The agent", "AGENT_TIMEOUT_S")
    assert not shop.leftovers()


def test_life_of_the_sandbox_ends_all(shop):
    r = shop.run("plain", "sleep 300", life_s=2, agent_limit_s=300)
    fails(r, "timeout")


@BOTH
def test_row57_escapes_are_ended(shop, isolation):
    escape = (f"(setsid sh -c 'exec >/dev/null 2>&1; sleep {ours(300)}' &) ;"
              f"(setsid setsid sleep {ours(301)} &);"
              f"nohup sleep {ours(302)} >/dev/null 2>&1 & echo out")
    r = shop.run("plain", escape, isolation=isolation)
    assert r.outcome == "completed", r.error
    assert not shop.leftovers()
    assert not any(sleepers(seconds) for seconds in (300, 301, 302))


@BOTH
@the_only_bomb()
def test_row57_fork_bomb(shop, isolation):
    bomb = "f() { f | f & }; trap '' TERM; while :; do f; done"
    room = 100 if isolation == "bwrap" else room_for(300)
    r = shop.run("plain", bomb, agent_limit_s=2, processes=room,
                 isolation=isolation)
    assert r.failure in ("timeout", "agent_failed"), r.error
    assert not shop.leftovers()


def test_processes_are_counted_in_each_sandbox(shop):
    """One task's processes take no room of another's, and have a bound."""
    # The shell ends itself when it cannot fork.
    bomb = "for i in $(seq 300); do sleep %s & done" % ours(1717)
    hold = f"sh -c '{bomb}'; sleep {ours(300)} || :"
    with shop.started("plain", hold, processes=64) as (process, spool):
        wait_for(lambda: sleepers(1717) > 20 and sleepers(300))
        assert sleepers(1717) <= 64
        r = shop.run("plain", "echo z >z; " + bomb.replace("300", "30"),
                     processes=50)
        assert (r.code, r.outcome) == (0, "completed"), r.error
        wake(300)
        assert process.wait(60) == 0
    assert not shop.leftovers()


def test_a_clone_that_cannot_fork_is_tried_again(shop):
    r = shop.run("plain", "true", processes=3)
    assert (r.code, r.outcome) == (75, None), r.error


@BOTH
def test_row56_agent_that_takes_more_memory_than_it_may(shop, isolation):
    """That is its own failure. A runner which the kernel kills for it is one
    that is killed, row 23."""
    eat = "head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null"
    r = shop.run("plain", f"{eat}; echo x >n", isolation=isolation)
    assert (r.outcome, r.changed_files) == ("completed", ["n"]), r.error
    r = shop.run("plain", eat, isolation=isolation, memory_mb=64)
    fails(r, "agent_failed", "memory")
    assert not shop.leftovers()
    assert not list(shop.boxes.iterdir())


def test_row29_output_flood(shop):
    r = shop.run("plain", "yes | head -c 1000000000; echo x >n",
                 output_max_bytes=100000)
    assert r.outcome == "completed", r.error
    assert len(r.output) == 100000
    assert len([e for e in r.events if e["kind"] == "truncated"]) == 1
    assert (r.spool / "events.ndjson").stat().st_size < 300000
    assert r.changed_files == ["n"]


def test_row30_hostile_output(shop):
    script = (r"printf 'a\000b\377\300\257\n';"
              r"""printf '\n{"seq":3,"at":"2026-11-23 10:11:12.123456","""
              r""""kind":"step","data":{}}\n';"""
              "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end")
    r = shop.run("plain", script, output_max_bytes=20 << 20)
    assert r.outcome == "completed"
    assert r.output.startswith("a\ufffdb\ufffd")
    assert r.output.endswith("x\nend\n")
    assert r.message.endswith("end")
    assert len([e for e in r.events if e["kind"] == "step"]) == 8
    assert [e["seq"] for e in r.events] == list(range(1, len(r.events) + 1))


# Each names itself when git starts it, in a folder that is kept to the end.
EVIL = r"""
evil() {
	printf '#!/bin/sh\n>"%s/owned/%s"\n[ $# -eq 0 ] || exit 0\nexec cat\n' \
		"$HOME" "$1" >"$HOME/evil-$1"
	chmod +x "$HOME/evil-$1"
}
obey() {
	evil "$1"
	git config "$1" "$HOME/evil-$1"; git config --global "$1" "$HOME/evil-$1"
}
mkdir "$HOME/owned"
for k in core.fsmonitor core.pager diff.external core.editor core.sshCommand \
	filter.x.clean filter.x.smudge filter.y.process diff.x.textconv \
	diff.y.command alias.add gpg.program core.askpass credential.helper; do
	obey $k
done
for h in pre-commit post-commit post-index-change prepare-commit-msg \
	commit-msg fsmonitor-watchman post-checkout reference-transaction; do
	evil $h; mkdir -p .git/hooks hooks
	cp "$HOME/evil-$h" .git/hooks/$h; cp "$HOME/evil-$h" hooks/$h
done
printf '%s\n' '*.txt filter=x diff=x' '*.y filter=y diff=y' >.gitattributes
mkdir -p .git/info; cp .gitattributes .git/info/attributes
"""
# And each is obeyed by a git that is not ours: else it would prove nothing.
OBEYED = {
    "core.fsmonitor", "diff.external", "filter.x.clean", "filter.x.smudge",
    "filter.y.process", "diff.x.textconv", "diff.y.command", "gpg.program",
    "pre-commit", "post-commit", "post-index-change", "prepare-commit-msg",
    "commit-msg", "post-checkout", "reference-transaction"}
OBEY = r"""
git config user.name a; git config user.email b
echo 1 >a.txt; echo 1 >b.y; echo 1 >c
git add -A; git commit -qm 1 -S || :; git commit -qm 1 --no-gpg-sign
echo 2 >a.txt; echo 2 >b.y; echo 2 >c
git diff --ext-diff; git diff --no-ext-diff --textconv; git checkout -q -f .
git checkout -q -b other
echo "obeyed:" $(ls "$HOME/owned"); rm -f "$HOME"/owned/*
git config commit.gpgsign true; echo '*' >.git/info/exclude
"""


@needs_faults
@BOTH
@pytest.mark.parametrize("hooks", [".git/hooks", "hooks"])
def test_row58_git_configuration_is_not_obeyed(shop, isolation, hooks):
    """The run stands still with all collected and its workspace there."""
    path = "" if hooks == ".git/hooks" else \
        'git config core.hooksPath "$PWD/hooks"\n'
    script = EVIL + path + OBEY + "echo changed >a.txt\n" + \
        "[ -z \"$(ls \"$HOME/owned\")\" ] || echo still owned"
    with shop.started("plain", script, isolation=isolation,
                      faults="run.before_close:1:stop") as (p, spool):
        wait_for(lambda: is_stopped(p.pid) or p.poll() is not None)
        was_there = list(shop.boxes.rglob("owned"))
        seen = [name.name for name in shop.boxes.rglob("owned/*")]
        p.send_signal(signal.SIGCONT)
        r = Result(spool, p.wait(60), 0)
    assert was_there and not seen
    assert r.outcome == "completed", r.error
    obeyed = re.search("^obeyed:(.*)$", r.output, re.M).group(1).split()
    assert OBEYED <= set(obeyed), OBEYED - set(obeyed)
    assert "still owned" not in r.output
    assert {"a.txt", "c"} <= set(r.changed_files)
    assert b"+changed" in r.patch
    assert shop.tree_of_patch("plain", r.patch)


def test_row58_nothing_runs_while_collecting(shop):
    """A hook that ran would be seen: no command may take as long as it."""
    shop.repository("subs", "echo x >a")
    work = shop.folder / "work" / "subs"
    git("update-index", "--add", "--cacheinfo",
        "160000,0123456789012345678901234567890123456789,m", cwd=work)
    git("commit", "-q", "-m", "sub", cwd=work)
    git("push", "-q", str(shop.bare("subs")), "main", cwd=work)
    script = r"""
printf '#!/bin/sh\nsleep 300\n' >$HOME/evil; chmod +x $HOME/evil
for d in . m new; do
	mkdir -p $d; [ -d $d/.git ] || git init -q $d
	git -C $d config core.fsmonitor $HOME/evil
	git -C $d config core.hooksPath $HOME/hooks
	git -C $d config filter.x.clean $HOME/evil
done
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsmonitor
export GIT_CONFIG_VALUE_0=false
for d in m new; do
	echo z >$d/z
	git -C $d -c user.name=a -c user.email=b -c core.hooksPath= add z
	git -C $d -c user.name=a -c user.email=b -c core.hooksPath= commit -qm x
	echo dirty >>$d/z
done
mkdir -p $HOME/hooks; cp $HOME/evil $HOME/hooks/post-index-change
echo '* filter=x' >.gitattributes
echo y >b
"""
    r = shop.run("subs", script)
    assert r.outcome == "completed", r.error
    assert any("new" in text for text in r.texts("warning"))


def test_row59_commits_of_the_agent(shop):
    script = ("git config user.name a; git config user.email b;"
              "echo 1 >c1; git add -A; git commit -qm one;"
              "echo 2 >c2; git add -A; git commit -qm two;"
              "git checkout -q --orphan lost; echo 3 >c3;"
              "git commit -q --amend --allow-empty -m x || true; echo 4 >c4")
    r = shop.run("plain", script)
    assert r.outcome == "completed", r.error
    assert sorted(r.changed_files) == ["c1", "c2", "c3", "c4"]
    want = shop.tree_after("plain", "echo 1 >c1; echo 2 >c2; echo 3 >c3;"
                                    "echo 4 >c4")
    assert shop.tree_of_patch("plain", r.patch) == want


def test_row59_reset_and_removed_git_folder(shop):
    r = shop.run("plain", "rm -rf .git; echo 1 >n; git init -q .; echo 2 >m")
    assert sorted(r.changed_files) == ["m", "n"]


def test_row59_nested_repositories_are_reported(shop):
    script = ("git init -q inner; echo x >inner/x; git init -q full;"
              "cd full; echo y >y; git add y;"
              "git -c user.name=a -c user.email=b commit -qm y; cd ..;"
              "echo z >z")
    r = shop.run("plain", script)
    assert r.outcome == "completed", r.error
    warnings = " ".join(r.texts("warning"))
    assert "full" in warnings and "inner" in warnings
    assert "z" in r.changed_files


@BOTH
@pytest.mark.parametrize("what", ["$HOME", "$HOME/workspace",
                                  "$HOME/workspace/repo"])
def test_modes_of_our_folders_are_ours(shop, what, isolation):
    """Else the changes could not be had, and the agent would run again."""
    r = shop.run("plain", f"echo z >z; chmod 000 {what}", isolation=isolation)
    assert (r.code, r.outcome) == (0, "completed"), r.error
    assert r.changed_files == ["z"]
    assert not list(shop.boxes.iterdir())


def test_what_cannot_start_after_the_agent_has_failed(shop):
    script = f"echo z >z; echo ready; sleep {ours(314)} || :"
    with shop.started("plain", script) as (process, spool):
        wait_for(lambda: (spool / "events.ndjson").exists() and b"ready" in
                 (spool / "events.ndjson").read_bytes() and sleepers(314))
        next(shop.boxes.iterdir()).joinpath("etc", "passwd").unlink()
        wake(314)
        assert process.wait(60) == 0
    result = json.loads((spool / "result.json").read_bytes())
    assert (result["outcome"], result["failure"]) == ("failed", "internal")
    assert "after the agent had run: bubblewrap" in result["error"]


def test_attributes_that_no_file_can_keep(shop):
    r = shop.run("plain", "echo '* working-tree-encoding=UTF-16' "
                          ">.gitattributes; echo hello >h.txt")
    fails(r, "agent_failed", ".gitattributes", "UTF-16")


def test_attributes_with_an_encoding(shop):
    script = ("echo '*.u working-tree-encoding=UTF-16' >.gitattributes;"
              r"printf '\376\377\000h\000i\000\n' >h.u")
    r = shop.run("plain", script)
    assert r.outcome == "completed", r.error
    assert shop.tree_of_patch("plain", r.patch) == shop.tree_after("plain",
                                                                   script)


GONE = {
    "removed": ("cd ..; rm -rf repo", "completed"),
    "emptied": ("rm -rf ./* ./.git", "completed"),
    "link": ("cd ..; mv repo x; ln -s x repo", "agent_failed"),
    "link-out": ("cd ..; rm -rf repo; ln -s /etc repo", "agent_failed"),
    "link-control": ("cd ..; rm -rf repo; ln -s /control/git repo",
                     "agent_failed"),
    "fifo": ("cd ..; rm -rf repo; mkfifo repo", "agent_failed"),
    "file": ("cd ..; rm -rf repo; echo x >repo", "agent_failed"),
    "workspace-link": ("cd $HOME; mv workspace w; ln -s w workspace",
                       "agent_failed"),
    "home-emptied": ("cd /; rm -rf $HOME/* $HOME/.[a-z]*", "completed"),
    "unreadable": ("echo x >n; chmod 000 n; mkdir q; echo y >q/y;"
                   "chmod 000 q", "completed"),
    "pipes": ("mkfifo f; rm a.txt; mkfifo a.txt; echo x >n", "completed"),
    "locked-folder": ("echo x >n; chmod 000 .", "completed"),
    "index-lock": ("touch .git/index.lock; echo x >n", "completed"),
    "git-is-file": ("rm -rf .git; echo 'gitdir: /control/git' >.git; echo x >n",
                    "completed"),
}


@pytest.mark.parametrize("case", sorted(GONE))
def test_agent_breaks_its_folder(shop, case):
    script, want = GONE[case]
    r = shop.run("plain", script)
    assert want in (r.outcome, r.failure), r.error
    assert b"root:x:" not in r.everything().replace(b"+root:x:0:0:root:/:"
                                                    b"/bin/false", b"")
    if case in ("removed", "emptied", "home-emptied"):
        assert sorted(r.changed_files) == ["a.txt", "d/b"]
    if case == "unreadable":
        assert sorted(r.changed_files) == ["n", "q/y"]
    if case == "pipes":
        assert sorted(r.changed_files) == ["a.txt", "n"]
    assert not list(shop.boxes.iterdir())


# --- limits --------------------------------------------------------------

def test_too_many_files(shop):
    r = shop.run("plain", "for i in $(seq 1 300); do echo $i >f$i; done",
                 changed_files_max=200)
    fails(r, "too_large", "200 files", "CHANGED_FILES_MAX")


def test_files_at_the_limit(shop):
    r = shop.run("plain", "for i in $(seq 1 200); do echo $i >f$i; done",
                 changed_files_max=200)
    assert r.outcome == "completed", r.error
    assert len(r.changed_files) == 200


def test_patch_too_large(shop):
    r = shop.run("plain", "head -c 200000 /dev/urandom >blob",
                 patch_max_bytes=100000)
    fails(r, "too_large", "patch", "PATCH_MAX_BYTES")


def test_file_limit_of_the_sandbox(shop):
    r = shop.run("plain", "head -c 20000000 /dev/zero >z; stat -c %s z",
                 file_mb=10)
    assert "10485760" in r.output


# --- cancelling, killing -------------------------------------------------

@BOTH
@pytest.mark.parametrize("polite", [True, False])
def test_row41_cancel(shop, isolation, polite):
    script = "echo ready; " + ("" if polite else "trap '' TERM;")
    script += "while :; do sleep 0.2; done"
    with shop.started("plain", script, isolation=isolation) as (p, spool):
        wait_for(lambda: (spool / "events.ndjson").exists() and b"ready" in
                 (spool / "events.ndjson").read_bytes())
        p.send_signal(signal.SIGTERM)
        assert p.wait(60) == 0
    result = json.loads((spool / "result.json").read_text())
    assert result["outcome"] == "cancelled"
    assert not shop.leftovers()
    assert not list(shop.boxes.iterdir())


def test_cancel_while_cloning(shop):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"https://localhost:{deaf.getsockname()[1]}/"
        with shop.started("plain", "true", clone_url=url + "x.git",
                          origin_url=url, clone_limit_s=600) as (p, spool):
            deaf.settimeout(60)
            connection, _ = deaf.accept()
            p.send_signal(signal.SIGTERM)
            assert p.wait(60) == 0
            connection.close()
    assert json.loads((spool / "result.json").read_text())["outcome"] == \
        "cancelled"


def test_row23_killed_runner_takes_all_with_it(shop):
    script = (f"echo ready; (setsid sleep {ours(311)} &);"
              f"setsid setsid sleep {ours(312)} & sleep {ours(313)}")
    with shop.started("plain", script) as (p, spool):
        wait_for(lambda: (spool / "events.ndjson").exists() and b"ready" in
                 (spool / "events.ndjson").read_bytes())
        p.kill()
        p.wait()
        wait_for(lambda: not any(map(sleepers, (311, 312, 313))))
    assert not (spool / "result.json").exists()
    subprocess.run(["rm", "-rf", str(shop.boxes)], check=True)
    shop.boxes.mkdir(mode=0o711)
    shop.boxes.chmod(0o711)


def test_lock_file_names_the_runner(shop):
    with shop.started("plain", "sleep 30") as (p, spool):
        wait_for(lambda: (spool / "lock").exists() and
                 (spool / "lock").read_text().endswith("\n"))
        pid, start = (spool / "lock").read_text().split()
        assert int(pid) == p.pid
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            assert f.read().rsplit(")", 1)[1].split()[19] == start
        p.terminate()
        assert p.wait(60) == 0


def test_a_second_run_in_the_same_spool_does_nothing(shop):
    r = shop.run("plain", "echo x >n")
    before = r.everything()
    done = subprocess.run(
        [BINARY, "run", "--spec",
         str(r.spool / "spec.json"), "--spool", str(r.spool)],
        check=False, capture_output=True)
    assert done.returncode == 0
    assert r.everything()[:len(before)] == before


FAULTS = [name for name, process in fault_points() if process == "runner" and
          not name.startswith(("publish.", "e2b."))]


@pytest.mark.parametrize("point", FAULTS)
def test_killed_at_each_point_the_next_run_ends(shop, point):
    """Row 34 and its kin: what a dead runner left is gone on with."""
    nth = 4 if point == "spool.mid_line" else 1
    spec = {"repo": "plain", "prompt": "echo one; sleep 0.2; echo x >n"}
    with shop.started(**spec, faults=f"{point}:{nth}:kill") as (p, spool):
        code = p.wait(60)
    assert code == -signal.SIGKILL, "the point was not passed"
    # A bubblewrap that was still starting up does not notice: the reaper ends
    # it, by the workspace's name on its command line.
    shop.end_leftovers()
    over = (spool / "result.json").exists()
    assert over == (point in ("run.before_close", "spool.after_rename"))
    done = subprocess.run(
        [BINARY, "run", "--spec", str(spool.parent / "spec.json"), "--spool",
         str(spool)], check=False, capture_output=True)
    assert done.returncode == 0
    assert json.loads((spool / "result.json").read_text())["outcome"] == \
        "completed"
    lines = (spool / "events.ndjson").read_bytes().splitlines()
    assert [json.loads(x)["seq"] for x in lines] == \
        list(range(1, len(lines) + 1))
    subprocess.run(["rm", "-rf", str(shop.boxes)], check=True)


def test_secrets_that_never_come_whole(shop):
    """Row 15: a reaper that died while it wrote them."""
    folder = shop.folder / "half"
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(shop.spec("plain", "true")))
    done = subprocess.run(
        [BINARY, "run", "--spec", str(folder / "spec.json"), "--spool",
         str(folder / "spool"), "--secrets-fd", "0"],
        input=b'{"github_token":"ghp_', check=False, capture_output=True)
    assert done.returncode == 75
    assert not (folder / "spool" / "result.json").exists()
    assert b"ghp_" not in done.stderr


@pytest.mark.parametrize("change", [{"version": 2}, {"agent": None},
                                    {"memory_mb": -1}, {"attempt": "1"}])
def test_broken_specs(shop, change):
    with shop.started("plain", "true", **change) as (p, spool):
        assert p.wait(60) == 70
    assert not (spool / "result.json").exists()


def test_spawner(shop):
    """One runner a request, with its lock, in a session of its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    spawner = subprocess.Popen(
        [BINARY, "spawner"], pass_fds=[3],
        preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
    theirs.close()
    folder = shop.folder / "21.1"
    folder.mkdir()
    spec = shop.spec(  # as long as ours(315), a name that is a socket's here
        "plain", f"echo hi; sleep 315.{os.getpid()} || :; echo x >n")
    (folder / "spec.json").write_text(json.dumps(spec))
    folder_fd = os.open(folder, os.O_RDONLY)
    lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b'{"github_token":"","env":{}}')
    os.close(write_fd)
    fds = [folder_fd, lock_fd, read_fd]
    socket.send_fds(ours, [b"21.1"], fds)
    for fd in fds:
        os.close(fd)
    answer, pidfds, _, _ = socket.recv_fds(ours, 100, 4)
    failure, pid = struct.unpack("ii", answer)
    assert failure == 0 and len(pidfds) == 1
    with open(folder / "lock", "rb") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    wait_for(lambda: (folder / "lock").read_text().startswith(f"{pid} "))
    assert os.getsid(pid) == pid
    if os.getuid() == 0:  # it hides that from its own user
        assert os.readlink(f"/proc/{pid}/cwd") == str(folder)
    with open(f"/proc/{pid}/comm", encoding="ascii") as f:
        assert f.read() == "taskmill-run\n"
    ours.close()  # the reaper dies: the spawner leaves, the runner does not
    assert spawner.wait(60) == 0
    wait_for(lambda: sleepers(315))
    wake(315)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    os.close(pidfds[0])
    assert json.loads((folder / "result.json").read_text())["outcome"] == \
        "completed"
    assert "outcome=completed" in (folder / "runner.log").read_text()


# --- what an agent can see -----------------------------------------------

def test_the_agent_sees_nothing_of_the_host(shop):
    marker = shop.folder / "host-secret"
    marker.write_text("HOSTSECRET")
    marker.chmod(0o644)
    script = f"""
cat {marker}; cat {shop.boxes}/*/control/*; ls /control
ls /root /home /var /run /srv /opt /work 2>/dev/null
echo procs=$(ls /proc | grep -c '^[0-9]')
cat /etc/shadow /etc/machine-id
id; hostname; echo env=$(env | wc -l)
touch /usr/x /etc/x /x /dev/x && echo WROTE
unshare -U true && echo NESTED
mount -t tmpfs x /tmp && echo MOUNTED
ls -l /proc/self/fd; ls /sys /proc/sys/kernel 2>/dev/null | head -3
true
"""
    r = shop.run("plain", script)
    out = r.output
    assert r.outcome == "completed", r.error
    assert "HOSTSECRET" not in out and "git" not in out.split("procs=")[0] \
        .replace("/control", "")
    assert "WROTE" not in out and "NESTED" not in out and "MOUNTED" not in out
    assert "uid=1000(user)" in out and "\nsandbox\n" in out
    assert int(out.split("procs=")[1].split()[0]) < 10
    assert "seccomp" not in out


def test_network_of_an_agent(shop):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = (f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && echo OPEN;"
                  "test -e /etc/resolv.conf && echo RESOLV; true")
        # Simulated: as the setting says. Real: as the manifest says.
        for kind, agent, setting, has in [
                ("simulated", "shell", False, False),
                ("simulated", "netshell", False, False),
                ("simulated", "shell", True, True),
                ("cli", "shell", True, False),
                ("cli", "netshell", False, True)]:
            r = shop.run("plain", script, agent_kind=kind, agent=agent,
                         agent_network=setting)
            assert r.outcome == "completed", r.error
            assert ("OPEN" in r.output) == has, (kind, agent, setting)
            assert has or "RESOLV" not in r.output
