"""What must hold after any fault, as far as one machine can see it.

The numbers are those of the promises that the engine makes: I1 every accepted
task ends, I2 it ends once, I3 attempts, I4 events, I5 keys, I6 secrets,
I8 cancelled means cancelled, I9 nothing is left, I10 one agent a sandbox,
I11 no attempt without a reason. I7 is about cloud sandboxes.
"""
import pathlib

from stack import ENDED, command, name_of, parent, wait_for


def i1_ended(stack, task):
    assert stack.status(task) in ENDED, stack.status(task)
    assert stack.row(task) is None, "an ended task stands in the queue"


def i2_one_end(stack, task):
    events = stack.events(task)
    ends = [e for e in events if e["kind"] == "end"]
    assert len(ends) == 1, ends
    assert events[-1]["kind"] == "end", events[-1]
    assert ends[0]["data"]["status"] == stack.status(task)


def i3_attempts(stack, task, at_most=3):
    rows = stack.sql("SELECT attempt, outcome, ended_at FROM task_attempts"
                     " WHERE task_id = %s ORDER BY attempt", task)
    assert [r[0] for r in rows] == list(range(1, len(rows) + 1)), rows
    assert len(rows) <= at_most, rows
    for attempt, outcome, ended in rows[:-1]:
        assert outcome in ("dead", "lost"), f"attempt {attempt} is {outcome}"
        assert ended is not None
    if rows:
        assert rows[-1][2] is not None, "the last attempt has no end"


def i4_events(stack, task):
    events = stack.events(task)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    for attempt in {e["attempt"] for e in events}:
        numbers = [e["spool_seq"] for e in events
                   if e["attempt"] == attempt and e["spool_seq"] is not None]
        assert numbers == list(range(1, len(numbers) + 1)), \
            f"attempt {attempt}: {numbers}"


def i5_one_task_a_key(stack):
    assert not stack.sql(
        "SELECT user_id, idem_key FROM idempotency_keys"
        " GROUP BY user_id, idem_key HAVING COUNT(*) > 1")


def i6_no_secret(stack, task, token=None):
    assert not stack.sql("SELECT 1 FROM task_secrets WHERE task_id = %s", task)
    if token is None:
        return
    for path in pathlib.Path(stack.folder).rglob("*"):
        # The server's own files hold what is sealed, and no more.
        if path.is_file() and "db" not in path.relative_to(
                stack.folder).parts[0]:
            try:
                assert token.encode() not in path.read_bytes(), path
            except (FileNotFoundError, PermissionError):
                pass


def i8_cancelled(stack, task):
    assert stack.status(task) == "cancelled"


def stands_in(pid):
    """The name of its folder, which a runner shows to root only."""
    try:
        return pathlib.Path(f"/proc/{pid}/cwd").readlink().name
    except PermissionError:
        return None


def is_accounted_for(stack, pid):
    """A runner has its spawner's command line, and only its name tells. It
    belongs to a live attempt as long as the spool that it stands in is there;
    a spawner belongs to the reaper that started it, and to no other."""
    words = command(pid)
    try:
        if name_of(pid) == "taskmill-run":
            spools, folder = stack.spools(), stands_in(pid)
            return bool(spools) if folder is None else folder in spools
        if words[1:2] == ["spawner"]:
            return "reaper" in command(parent(pid))
    except OSError:
        return True  # it has ended meanwhile
    return not words or "nginx" in words[0] or \
        bool({"reaper", "serve", "api"} & set(words))


def strangers(stack):
    """Processes that nobody who still lives needs."""
    return [(pid, command(pid)) for pid in stack.processes()
            if not is_accounted_for(stack, pid)]


def i9_nothing_left(stack, seconds=10):
    wait_for(lambda: not stack.spools(), seconds,
             f"spools to go: {stack.spools()}")
    wait_for(lambda: not stack.workspaces(), seconds,
             f"workspaces to go: {stack.workspaces()}")
    wait_for(lambda: not strangers(stack), seconds,
             f"processes to go: {strangers(stack)}")


def i10_one_agent(stack, task):
    """The agent was begun at most once in each attempt."""
    begun = [(e["attempt"]) for e in stack.events(task)
             if e["kind"] == "step" and e["data"].get("step") == "agent" and
             e["data"].get("state") == "started"]
    assert len(begun) == len(set(begun)), begun


def i11_attempts(stack, task, expected):
    assert len(stack.attempts(task)) in (
        expected if isinstance(expected, tuple) else (expected,)), \
        stack.attempts(task)


def all_hold(stack, task, attempts=None, token=None, at_most=3):
    """Every invariant about a task that has ended, and about what is left."""
    i1_ended(stack, task)
    i2_one_end(stack, task)
    i3_attempts(stack, task, at_most)
    i4_events(stack, task)
    i5_one_task_a_key(stack)
    i9_nothing_left(stack)
    i6_no_secret(stack, task, token)
    i10_one_agent(stack, task)
    if attempts is not None:
        i11_attempts(stack, task, attempts)
