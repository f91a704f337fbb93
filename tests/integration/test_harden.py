"""None of our processes leaves a core file, or lets another look inside."""
import contextlib
import os
import pathlib
import re
import subprocess

import pytest

import e2bkit
import stack
from e2bkit import API_KEY
from stack import BINARY, descendants, wait_for

# The rights of an equal: the same user, but none of root's over processes.
EQUAL = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"] \
    if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def full():
    if stack.why_not() is not None:
        pytest.skip(str(stack.why_not()))
    with e2bkit.server() as e2b:
        with stack.Full(E2B_API_KEY=API_KEY, E2B_API_URL=e2b.url,
                        E2B_SANDBOX_URL=e2b.url, ANTHROPIC_API_KEY="sk-x",
                        IDP_JWKS_URL="https://127.0.0.1:1/", IDP_ISSUER="i",
                        IDP_AUDIENCE="a") as made:
            (made.folder / "share/agents/claude/run").write_text(
                "#!/bin/sh\necho here >&2; sleep 1000\n")
            made.stop_serve()
            made.start_serve(reaper=True, before=EQUAL)
            yield made
            made.print_logs()


def shows_itself(pid):
    """Whether its equals may read its memory, as they may of any program
    that can be dumped."""
    return subprocess.run(
        [*EQUAL, "readlink", f"/proc/{pid}/exe"], check=False,
        capture_output=True, timeout=60).returncode == 0


def core_limits(pid):
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(r"^Max core file size +(\S+) +(\S+)", limits, re.M).groups()


def is_hard(pid):
    return core_limits(pid) == ("0", "0") and not shows_itself(pid)


def kinds(pids):
    """{pid: (its name, its sub-command)}; a fork may have its own name."""
    found = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            found[pid] = (name, *stack.command(pid)[1:2])
    return found


@contextlib.contextmanager
def waiting(*argv):
    """A program that waits for its input."""
    process = subprocess.Popen(
        [*EQUAL, *map(str, argv)], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: stack.command(process.pid)[:1] == [str(argv[0])], 60,
                 "the program")
        yield process.pid
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_another_program_shows_itself():
    """Or the other tests would see nothing."""
    with waiting("cat") as pid:
        assert shows_itself(pid)


def test_all_that_serves(full):
    """With a runner at work, which the spawner has forked."""
    full.wait_event(full.new_task("x"), "here", seconds=60)
    wanted = {("taskmill", "serve"), ("taskmill-out", "serve"),
              ("taskmill", "jwks"), ("taskmill", "reaper"),
              ("taskmill", "janitor"), ("taskmill", "spawner"),
              ("taskmill-run", "spawner")}

    def all_of_them():
        found = kinds([full.serve.pid, *descendants(full.serve.pid)])
        return set(found.values()) == wanted and found
    for pid, what in wait_for(all_of_them, 60, f"all of {wanted}").items():
        wait_for(lambda p=pid: is_hard(p), 60, f"{what} to be hard")


def test_a_command_of_the_administrator(full):
    with waiting(BINARY, "user", "add", "--email", "x@example.org",
                 "--config", full.conf) as pid:
        wait_for(lambda: is_hard(pid), 60, "the command to be hard")
