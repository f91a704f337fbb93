"""The reaper at work: claims, limits, leases, cancellation, recovery.

Tasks come by SQL; everything behind the table is real, down to the sandbox.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import invariants
from stack import (BINARY, QUICK, Engine, alive, parent, proxied, wait_for,
                   why_not)

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def shared():
    """One database for all; each test has its own reaper and user."""
    with Engine() as engine:
        yield engine


@pytest.fixture
def engine(shared):
    shared.user_id = None
    yield shared
    shared.print_logs()  # shown when the test has failed
    shared.drain()


@contextlib.contextmanager
def changed(engine, **settings):
    """Other settings, for reapers that are started inside."""
    before = {name: engine.settings[name] for name in settings}
    engine.write_conf(**settings)
    try:
        yield
    finally:
        engine.write_conf(**before)


def test_a_task_runs_to_its_end(engine):
    engine.reaper()
    task = engine.new_task("lines 3")
    assert engine.wait_status(task) == "completed"
    invariants.all_hold(engine, task, attempts=1)
    kinds = [e["kind"] for e in engine.events(task)]
    assert kinds[:2] == ["queued", "claimed"] and kinds[-1] == "end"
    text = "".join(e["data"].get("text", "") for e in engine.events(task)
                   if e["kind"] == "output")
    assert "line 1\nline 2\nline 3\n" in text
    diff, patch, files = engine.sql(
        "SELECT git_diff, git_patch, changed_files FROM tasks WHERE id = %s",
        task)[0]
    assert "AI_GENERATED.md" in diff and b"AI_GENERATED.md" in patch
    assert "AI_GENERATED.md" in files


def test_a_poke_starts_a_runner_at_once(engine):
    """Six tasks one after the other; the poll would take minutes for them."""
    engine.write_conf(POLL_MS=60000)
    try:
        engine.reaper()
        end = time.monotonic() + 120
        for _ in range(6):
            task = engine.new_task("lines 1")
            wait_for(lambda t=task: engine.status(t) == "completed",
                     end - time.monotonic(), "six pokes to be heard")
        assert time.monotonic() < end
    finally:
        engine.write_conf(POLL_MS=QUICK["POLL_MS"])


def test_without_a_poke_the_poll_finds_it(engine):
    engine.reaper()
    task = engine.new_task("lines 1", run_in_s=1)
    assert engine.wait_status(task) == "completed"


def most_at_once(engine, tasks):
    """How many of these tasks' attempts there were at the same time."""
    moments = []
    for begun, ended in engine.sql(
            "SELECT claimed_at, ended_at FROM task_attempts WHERE task_id IN"
            f" ({', '.join(map(str, tasks))})"):
        moments += [(begun, 1), (ended, -1)]
    count = most = 0
    for _, change in sorted(moments):  # who ends goes before who begins
        count += change
        most = max(most, count)
    return most


def test_limits_of_user_and_machine(engine):
    engine.write_conf(TASKS_PER_USER=2, TASKS_PER_MACHINE=3)
    try:
        mine = [engine.new_task("sleep 2") for _ in range(4)]
        engine.user_id = None
        others = [engine.new_task("sleep 2") for _ in range(2)]
        engine.reaper()
        for task in mine + others:
            assert engine.wait_status(task, seconds=60) == "completed"
            invariants.i3_attempts(engine, task, at_most=1)
        assert most_at_once(engine, mine) == 2
        assert most_at_once(engine, mine + others) == 3
    finally:
        engine.write_conf(TASKS_PER_USER=100, TASKS_PER_MACHINE=20)


def test_once_leaves_when_all_is_done(engine):
    tasks = [engine.new_task("lines 1") for _ in range(3)]
    reaper = engine.reaper("--once", ready=False)
    assert reaper.wait(60) == 0
    for task in tasks:
        assert engine.status(task) == "completed"
        invariants.all_hold(engine, task, attempts=1)


def test_drain_claims_nothing_and_leaves_after_the_last(engine):
    first = engine.reaper()
    running = engine.new_task("sleep 300")
    engine.wait_event(running, "sleeping")
    engine.end(first)
    waiting = engine.new_task("lines 1")
    drain = engine.reaper("--drain")
    assert drain.poll() is None
    engine.wake(running)
    assert drain.wait(60) == 0
    assert engine.status(running) == "completed"
    assert engine.status(waiting) == "pending"
    engine.reaper()
    assert engine.wait_status(waiting) == "completed"
    invariants.all_hold(engine, running, attempts=1)


def test_the_end_of_the_lifeline_stops_it_and_no_runner(engine):
    ours, theirs = os.pipe()
    log = open(engine.folder / "reaper.log", "ab")
    reaper = subprocess.Popen(
        [BINARY, "reaper", "--config", str(engine.conf), "--lifeline",
         str(ours)], pass_fds=[ours], stdout=log, stderr=log,
        start_new_session=True, env=engine.environment())
    log.close()
    engine.reapers.append(reaper)
    os.close(ours)
    task = engine.new_task("sleep 300")
    runner = engine.runner(task)
    engine.wait_event(task, "sleeping")
    os.close(theirs)
    assert reaper.wait(60) == 0
    assert alive(runner)
    engine.reaper()
    engine.wake(task)
    assert engine.wait_status(task) == "completed"
    invariants.all_hold(engine, task, attempts=1)


def test_usr1_opens_the_log_again(engine):
    log = engine.folder / "own.log"
    engine.write_conf(LOG_FILE=log)
    try:
        reaper = engine.reaper(ready=False)
        wait_for(lambda: log.exists() and b"reaper ready" in log.read_bytes(),
                 10, "the log")
        log.rename(log.with_suffix(".old"))
        reaper.send_signal(signal.SIGUSR1)
        wait_for(log.exists, 10, "the log to be opened")
        task = engine.new_task("lines 1")
        engine.wait_status(task)
        wait_for(lambda: log.exists() and
                 f"run={task}.1".encode() in log.read_bytes(), 10,
                 "the new log")
        # Nobody keeps the old file open; the spawner is a new one.
        old = str(log.with_suffix(".old"))
        for pid in engine.processes():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                assert os.readlink(f"/proc/{pid}/fd/2") != old
        assert b"spawner started" in log.read_bytes()
    finally:
        engine.write_conf(LOG_FILE="")


def test_the_spawner_is_started_again(engine):
    reaper = engine.reaper()
    engine.wait_status(engine.new_task("lines 1"))

    children = pathlib.Path(
        f"/proc/{reaper.pid}/task/{reaper.pid}/children")
    spawner = int(children.read_text().split()[0])
    assert b"\0spawner\0" in pathlib.Path(
        f"/proc/{spawner}/cmdline").read_bytes()
    os.kill(spawner, signal.SIGKILL)
    task = engine.new_task("lines 1")
    assert engine.wait_status(task) == "completed"
    invariants.all_hold(engine, task)


def test_who_is_left_behind_is_seen(engine):
    """By the invariants: they could not fail, if they took a runner for its
    spawner, and a spawner for that of a reaper which lives."""
    reaper = engine.reaper()
    task = engine.new_task("sleep 300")
    engine.wait_event(task, "sleeping")
    runner = engine.runner(task)
    spawner = parent(runner)
    assert not {runner, spawner} & {pid for pid, _ in
                                    invariants.strangers(engine)}
    for pid in (runner, spawner):
        os.kill(pid, signal.SIGSTOP)
    engine.end(reaper, signal.SIGKILL)
    shutil.rmtree(engine.state / "spool" / f"{task}.1")
    seen = {pid for pid, _ in invariants.strangers(engine)}
    assert {runner, spawner} <= seen, seen


def test_repository_that_is_not_allowed_fails_clearly(engine):
    engine.reaper()
    task = engine.new_task(repo="https://elsewhere.example/o/r.git")
    assert engine.wait_status(task) == "failed"
    code, text = engine.sql("SELECT failure_code, error FROM tasks"
                            " WHERE id = %s", task)[0]
    assert code == "repo_access" and "REPO_ALLOWED_HOSTS" in text
    invariants.all_hold(engine, task, attempts=1)


def test_a_workspace_nobody_knows_is_removed_when_it_is_old(engine):
    old, young, other = (engine.state / "box" / n for n in
                         ("987654.1.aaaaaa", "987654.2.bbbbbb", "keep-me"))
    for folder in (old, young, other):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    long_ago = time.time() - 600
    os.utime(old, (long_ago, long_ago))
    try:
        engine.reaper()
        wait_for(lambda: not old.exists(), 10, "the old one to go")
        assert young.exists() and other.exists()
    finally:
        for folder in (young, other):
            shutil.rmtree(folder)


def test_what_expired_goes_however_much_it_is(engine):
    """One look an hour takes a thousand rows; more are taken at once."""
    engine.sql("INSERT INTO users (id, email) VALUES (UUID(), UUID())")
    engine.sql("INSERT INTO idempotency_keys"
               " SELECT u.id, CONCAT('old', seq), '', 1,"
               " UTC_TIMESTAMP() - INTERVAL 25 HOUR"
               " FROM (SELECT id FROM users LIMIT 1) u, seq_1_to_2500")
    engine.sql("INSERT INTO audit_log (at, kind, actor)"
               " SELECT UTC_TIMESTAMP() - INTERVAL IF(seq < 3, 399, 401) DAY,"
               " 'sign-in', 'user' FROM seq_1_to_2500")
    engine.reaper()
    wait_for(lambda: not engine.sql(
        "SELECT 1 FROM idempotency_keys LIMIT 1"), 20, "all old keys to go")
    # AUDIT_KEEP_DAYS is 400 unless it is set.
    wait_for(lambda: engine.sql(
        "SELECT COUNT(*) FROM audit_log") == ((2,),), 20,
        "the old part of the audit log to go")


def test_a_spool_that_is_gone_wears_no_task_out(engine):
    """Fault 54: one claim finds out, and then nothing is claimed."""
    engine.reaper()
    (engine.state / "spool").rmdir()
    tasks = [engine.new_task("lines 1") for _ in range(3)]
    wait_for(lambda: "runs cannot be started" in engine.trouble(), 10,
             "the reaper to say so")
    for _ in range(20):
        engine.poke()
        time.sleep(0.1)
    assert sum(len(engine.attempts(task)) for task in tasks) == 1
    assert [engine.status(task) for task in tasks] == ["pending"] * 3
    for reaper in engine.reapers:
        engine.end(reaper)
    engine.reaper()
    for task in tasks:
        assert engine.wait_status(task) == "completed"
        invariants.all_hold(engine, task)
    assert engine.trouble() == ""


def test_a_folder_in_the_way_of_one_run_stops_no_other(engine):
    engine.reaper()
    blocked = engine.new_task("lines 1", run_in_s=3600)
    (engine.state / "spool" / f"{blocked}.1").mkdir()
    engine.sql("UPDATE task_queue SET run_at = UTC_TIMESTAMP(6)"
               " WHERE task_id = %s", blocked)
    engine.poke()
    wait_for(lambda: engine.attempts(blocked), 10, "the first attempt")
    other = engine.new_task("lines 1")
    assert engine.wait_status(other) == "completed"
    assert engine.wait_status(blocked) == "completed"
    assert engine.attempts(blocked) == ["dead", "completed"]
    assert engine.trouble() == ""
    (engine.state / "spool" / f"{blocked}.1").rmdir()


# ------------------------------------------------------------ other machines

@pytest.fixture
def second(engine):
    """Another machine beside the first: same database, own state folder."""
    with Engine(beside=engine) as other:
        shutil.copytree(engine.state / "keys", other.state / "keys")
        yield other


def test_a_silent_machine_loses_its_tasks(engine, second):
    """Faults 14, 21 and 33: frozen past its lease, it comes back too late."""
    second.write_conf(LEASE_S=60)  # for the first one looks for lost tasks, too
    first = engine.reaper()
    task = engine.new_task("sleep 300")
    runner = engine.runner(task)
    engine.wait_event(task, "sleeping")  # not in the middle of its start
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second.reaper()
        wait_for(lambda: (engine.row(task) or {}).get("attempt") == 2, 30,
                 "the takeover")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    wait_for(lambda: not alive(runner), 20, "the superseded runner to go")
    second.wake(task)
    assert engine.wait_status(task, seconds=40) == "completed"
    invariants.all_hold(engine, task, attempts=2)
    invariants.i9_nothing_left(second)
    assert engine.attempts(task) == ["lost", "completed"]


def test_a_result_after_the_takeover_but_before_a_claim_counts(engine, second):
    """Fault 38: nobody has claimed it since, so nothing is run again."""
    engine.write_conf(RETRY_DELAYS_S="60")
    second.write_conf(RETRY_DELAYS_S="60")
    try:
        first = engine.reaper()
        task = engine.new_task("sleep 300")
        runner = engine.runner(task)
        engine.wait_event(task, "sleeping")  # not in the middle of its start
        os.kill(first.pid, signal.SIGSTOP)
        second.reaper()
        wait_for(lambda: engine.row(task)["state"] == "pending", 30,
                 "the sweep")
        engine.wake(task)
        wait_for(lambda: not alive(runner), 20, "the runner's end")
        os.kill(first.pid, signal.SIGCONT)
        assert engine.wait_status(task, seconds=30) == "completed"
        invariants.all_hold(engine, task, attempts=1)
    finally:
        os.kill(first.pid, signal.SIGCONT)
        engine.write_conf(RETRY_DELAYS_S="1,1")


def test_a_machine_that_is_cut_off_ends_its_runners(engine, second):
    """Fault 52: it cannot know, so it makes room for the one who can."""
    second.write_conf(LEASE_S=60)  # for the first one looks for lost tasks, too
    with changed(engine, LEASE_S=12), proxied(engine) as tell:
        # Seen before the first one starts, and gone while it claims.
        other = second.reaper()
        second.end(other)
        engine.reaper()
        task = engine.new_task("sleep 300")
        runner = engine.runner(task)
        engine.wait_event(task, "sleeping")
        second.reaper()
        begun = time.monotonic()
        tell("refuse", "on")
        tell("cut")
        wait_for(lambda: not alive(runner), 15, "the runner's end")
        assert time.monotonic() - begun > 2
        wait_for(lambda: (engine.row(task) or {}).get("attempt") == 2, 30,
                 "the takeover")
        tell("refuse", "off")
        second.wake(task)
        assert engine.wait_status(task, seconds=40) == "completed"
        invariants.all_hold(engine, task, attempts=2)
        invariants.i9_nothing_left(second)


def test_a_copied_state_folder_is_refused(engine):
    """Fault 53."""
    engine.reaper()
    with Engine(beside=engine) as copy:
        shutil.copy2(engine.state / "machine-id", copy.state)
        process = copy.reaper(ready=False)
        assert process.wait(60) == 75
        assert "STATE_DIR" in copy.log_text()


def test_after_a_reboot_its_own_rows_come_back_at_once(engine):
    """Fault 51: all processes gone, another boot id."""
    engine.reaper(env={"TASKMILL_TEST_BOOT": "one"})
    task, bare = engine.new_task("sleep 300"), engine.new_task("sleep 300")
    for both in (task, bare):
        engine.wait_event(both, "sleeping")
    engine.kill_all()
    shutil.rmtree(engine.state / "spool" / f"{bare}.1")
    for workspace in (engine.state / "box").glob(f"{bare}.1.*"):
        shutil.rmtree(workspace)
    engine.sql("UPDATE machines SET seen_at = seen_at - INTERVAL 1 HOUR")
    engine.reaper(env={"TASKMILL_TEST_BOOT": "two"})
    for lost in (task, bare):
        wait_for(lambda t=lost: engine.row(t)["attempt"] == 2, 30, "the claim")
        engine.wake(lost)
    for lost in (task, bare):
        assert engine.wait_status(lost, seconds=30) == "completed"
        assert engine.attempts(lost) == ["dead", "completed"]
        invariants.all_hold(engine, lost)


def test_many_reapers_claim_each_task_once(engine, second):
    """Fault 18, with the reapers there is room for."""
    second.write_conf(LEASE_S=60)
    second.reaper()

    def both_work():
        tasks = [engine.new_task("lines 1") for _ in range(30)]
        for task in tasks:
            assert engine.wait_status(task, seconds=90) == "completed"
            invariants.i2_one_end(engine, task)
            assert engine.attempts(task) == ["completed"]
        return len(engine.sql(
            "SELECT DISTINCT owner FROM task_attempts WHERE task_id >= %s",
            tasks[0])) == 2
    with changed(engine, LEASE_S=60):
        engine.reaper()
        # One machine may do all of it while the other stands still.
        wait_for(both_work, 120, "both to have claimed some")


# ------------------------------------------------------------- the database

def test_lost_answers_to_commit(engine):
    """Faults 16, 36 and 37 at random: nothing twice, nothing missing."""
    with proxied(engine) as tell:
        engine.reaper()
        tell("lose", 0.15)
        tasks = [engine.new_task("lines 20") for _ in range(15)]
        for task in tasks:
            assert engine.wait_status(task, seconds=120) == "completed"
        tell("lose", 0)
        for task in tasks:
            invariants.all_hold(engine, task)
        assert "dropped=0" not in tell("stat")
