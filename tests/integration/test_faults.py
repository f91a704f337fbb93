"""Every fault point once, and the rows of the fault matrix by their number.

After each: the task has ended once, its events have no gap, and nothing is
left (invariants.py). Rows that are not here: 8 and F-traps are in test_pool.py;
45 at each point in test_faults_db.py; 30, 56, 58 and 59, which are a runner's
alone, in test_pipeline.py; 18, 21, 33, 38, 51 and 53 in test_engine.py; 6, 7 and
9 of the pool behind nginx, and 46, 49, 50, 55 and 63, which each need a stack of
their own kind, in test_fault_rows.py; those of cloud sandboxes in
test_e2b_resume.py and test_e2b_faults.py.
"""
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import pymysql
import pytest

import apikit
import invariants
from apikit import fault_points
from stack import (BINARY, ENDED, QUICK, TOKEN, Full, alive, command, name_of,
                   proxied, wait_for, why_not)
from test_pool import answer as fcgi_answer
from test_pool import head, record, stdin, taken

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def shared():
    with Full() as full:
        yield full


@pytest.fixture
def full(shared):
    try:
        yield shared
    finally:
        shared.print_logs()  # shown when the test has failed
        shared.drain()


# ---------------------------------------------------------- each fault point

# Rows of the matrix that a point is.
ROWS = {
    "start.after_commit": "row02", "start.mid_tx": "row03",
    "claim.before_commit": "row13", "claim.after_commit": "row14",
    "spawn.before_folder": "row14", "spawn.before_fork": "row14",
    "spawn.after_fork": "row15", "spawn.mid_pipe": "row15",
    "spool.after_rename": "row34", "complete.before_commit": "row35",
    "complete.after_commit": "row35", "master.after_fork": "row05",
}

# How many attempts a task has that was hit at a point; 1 where none is said.
TWO = 2
ATTEMPTS = {
    "claim.after_commit": TWO, "spawn.before_folder": TWO,
    "spawn.before_fork": TWO, "spawn.after_fork": TWO, "spawn.mid_pipe": TWO,
    "run.start": TWO, "run.after_open": TWO, "run.after_clone": TWO,
    "run.in_agent": TWO, "run.after_agent": TWO, "run.after_collect": TWO,
    "spool.mid_line": TWO, "spool.before_rename": TWO,
    # The sandbox is closed before or after the result: both are right.
    "run.before_close": (1, TWO),
}

# The others are in test_pr.py and test_e2b_resume.py.
TASK_POINTS = [(name, process) for name, process in fault_points()
               if not name.startswith(("publish.", "e2b.", "resume."))]
POINTS = [pytest.param(name, process, id=f"{ROWS.get(name, 'row69')}-{name}")
          for name, process in TASK_POINTS]


def look_after(full, task, seconds=60):
    """As a supervisor does: starts again what has died, until it has ended."""
    def step():
        if full.serve.poll() is not None:
            full.start_serve()
        if all(r.poll() is not None for r in full.reapers):
            full.reaper()
        return full.status(task) in ENDED
    wait_for(step, seconds, f"task {task} to end", every=0.05)
    return full.status(task)


@pytest.mark.parametrize("point,process", POINTS)
def test_each_point_is_survived(full, point, process):
    fault = f"{point}:1:kill"
    if process in ("api", "master"):
        full.stop_serve()
        full.start_serve(fault=fault, reaper=process == "master")
        if process == "master":
            full.serve.wait(60)  # it listens before it comes to the point
            full.start_serve()
    task = full.new_task("lines 5 sleep 0.2 lines 3")
    hit = full.reaper(fault=fault, ready=False)
    assert look_after(full, task) == "completed"
    wait_for((full.fault_folder / point).exists, 60,
             f"{point} to be passed")  # some are passed after the end
    if process == "reaper":  # it may still be dying
        wait_for(lambda: hit.poll() is not None, 60, "the reaper to die")
    if process in ("api", "master"):
        full.stop_serve()
        full.start_serve()
    wait_for(lambda: any(r.poll() is None for r in full.reapers) or
             full.reaper(), 10, "a reaper")
    invariants.all_hold(full, task, attempts=ATTEMPTS.get(point, 1),
                        token=TOKEN)


# ------------------------------------------------------------ api, rows 1-12

def half_a_request(full, body):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(str(full.state / "api.sock"))
    s.sendall(head("/api/start-task", len(body), extra=[
        ("CONTENT_TYPE", "application/json"),
        ("HTTP_AUTHORIZATION", f"Bearer {full.client.token}")]) +
        record(5, body[:len(body) // 2]))
    return s


def task_body(full, prompt):
    return json.dumps({"prompt": prompt, "repo_url": full.repo,
                       "github_token": TOKEN}).encode()


def tasks_like(full, prompt):
    return full.sql("SELECT id FROM tasks WHERE prompt = %s", prompt)


def test_row01_worker_killed_in_mid_body(full):
    with half_a_request(full, task_body(full, "row one")) as s:
        taken(s)
        for pid in full.workers():
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(100) == b""
    assert not tasks_like(full, "row one")
    assert full.client.get("/api/tasks").status_code == 200


def test_row02_answer_lost_after_commit_is_replayed(full):
    full.stop_serve()
    full.start_serve(fault="start.after_commit:1:kill")
    answer = full.ask_for_task("row two", key="row-two")
    assert answer.status_code == 200
    assert answer.headers.get("Idempotency-Replayed") == "true"
    assert [(answer.json()["task_id"],)] == list(tasks_like(full, "row two"))


def test_row03_killed_between_two_inserts(full):
    full.stop_serve()
    full.start_serve(fault="start.mid_tx:1:kill")
    answer = full.ask_for_task("row three", key="row-three")
    assert answer.status_code == 200
    assert "Idempotency-Replayed" not in answer.headers
    assert len(tasks_like(full, "row three")) == 1


def test_row04_worker_told_to_stop_in_mid_body(full):
    body = task_body(full, "row four")
    with half_a_request(full, body) as s:
        taken(s)
        for pid in full.workers():
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.3)
        s.sendall(stdin(body[len(body) // 2:]))
        status, data = fcgi_answer(s)
    assert status == 200, data
    assert len(tasks_like(full, "row four")) == 1


def test_row05_master_killed(full):
    full.stop_serve()
    full.start_serve(reaper=True)
    task = full.new_task("sleep 300")
    runner = full.runner(task)
    full.wait_event(task, "sleeping")
    children = full.workers()
    full.end(full.serve, signal.SIGKILL)
    wait_for(lambda: not any(alive(p) for p in children), 15,
             "workers to drain")
    assert alive(runner)
    full.start_serve(reaper=True)
    full.wake(task)
    assert full.wait_status(task) == "completed"
    full.stop_serve()
    invariants.all_hold(full, task, attempts=1, token=TOKEN)


def test_row10_twenty_equal_requests_at_once(full):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(
            lambda _: full.ask_for_task("row ten", key="row-ten"), range(20)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["task_id"] for a in answers}) == 1
    assert len(tasks_like(full, "row ten")) == 1
    invariants.i5_one_task_a_key(full)


def test_row11_same_key_other_request(full):
    full.new_task("row eleven", key="row-eleven")
    answer = full.ask_for_task("another one", key="row-eleven")
    assert answer.status_code == 422
    assert not tasks_like(full, "another one")


def test_row12_answer_to_commit_lost_at_start(full):
    with proxied(full) as tell:
        full.stop_serve()
        full.start_serve()
        tell("drop-reply", 1)
        task = full.new_task("row twelve", key="row-twelve")
        assert "dropped=1" in tell("stat")
        tell("lose", 0.5)
        more = [full.new_task(f"row 12 {i}") for i in range(10)]
        tell("lose", 0)
    full.stop_serve()
    assert list(tasks_like(full, "row twelve")) == [(task,)]
    for i, other in enumerate(more):
        assert list(tasks_like(full, f"row 12 {i}")) == [(other,)]


# ------------------------------------------- claim, ship, complete, rows 16-38

def test_row16_row36_row37_no_answer_to_any_commit(full):
    """Claim, shipment and completion: each finds out what has become of it."""
    with proxied(full) as tell:
        full.reaper()
        tell("lose", 1)
        task = full.new_task("lines 5 sleep 0.3 lines 5")
        assert full.wait_status(task) == "completed"
        tell("lose", 0)
        invariants.all_hold(full, task, attempts=1)


def test_row17_second_reaper(full):
    first = full.reaper()
    assert full.reaper(ready=False).wait(60) == 75
    assert first.poll() is None


def test_row19_restart_with_twenty_runners(full):
    reaper = full.reaper()
    tasks = [full.new_task("sleep 300 lines 2") for _ in range(20)]
    runners = {t: full.runner(t, seconds=20) for t in tasks}
    for task in tasks:
        full.wait_event(task, "sleeping")
    full.end(reaper, signal.SIGKILL)
    full.reaper()
    assert {t: full.runner(t) for t in tasks} == runners
    for task in tasks:
        full.wake(task)
    for task in tasks:
        assert full.wait_status(task, seconds=60) == "completed"
    for task in tasks:
        invariants.all_hold(full, task, attempts=1)


def test_row20_reaper_stopped_longer_than_the_lease(full):
    reaper = full.reaper()
    task = full.new_task("sleep 300 lines 2")
    full.wait_event(task, "sleeping")  # not in the middle of its start
    os.kill(reaper.pid, signal.SIGSTOP)
    time.sleep(full.settings["LEASE_S"] + 3)
    os.kill(reaper.pid, signal.SIGCONT)
    full.wake(task)
    assert full.wait_status(task) == "completed"
    invariants.all_hold(full, task, attempts=1)


@pytest.mark.parametrize("isolation", ["bwrap", "none"])
def test_row23_runner_killed_while_the_agent_works(full, isolation):
    full.write_conf(SIMULATION_ISOLATION=isolation)
    try:
        full.reaper()
        task = full.new_task("escape 1 sleep 300")
        runner = full.runner(task)
        full.wait_event(task, "sleeping")
        before = full.workspaces()
        os.kill(runner, signal.SIGKILL)
        wait_for(lambda: (full.row(task) or {}).get("attempt") == 2, 20,
                 "a second attempt")
        full.wake(task)
        assert full.wait_status(task) == "completed"
        assert len(before) == 1 and before[0].startswith(f"{task}.1.")
        invariants.all_hold(full, task, attempts=2)
    finally:
        full.write_conf(SIMULATION_ISOLATION="bwrap")


def test_a_task_that_is_always_lost_fails_in_the_end(full):
    full.reaper()
    task = full.new_task("sleep 60")
    for attempt in (1, 2, 3):
        wait_for(lambda: (full.row(task) or {}).get("attempt") == attempt and
                 full.row(task)["state"] == "running", 20, "an attempt")
        os.kill(full.runner(task), signal.SIGKILL)
    assert full.wait_status(task) == "failed"
    assert full.sql("SELECT failure_code FROM tasks WHERE id = %s",
                    task)[0][0] == "sandbox_lost"
    invariants.i2_one_end(full, task)
    invariants.i4_events(full, task)
    invariants.i9_nothing_left(full)
    assert len(full.attempts(task)) == 3


def test_row29_flood_of_output(full):
    full.write_conf(OUTPUT_MAX_BYTES=200000)
    try:
        full.reaper()
        task = full.new_task("flood 60")
        assert full.wait_status(task, seconds=60) == "completed"
        invariants.all_hold(full, task, attempts=1)
        kinds = [e["kind"] for e in full.events(task)]
        assert kinds.count("truncated") == 1
        size = sum(len(e["data"]["text"]) for e in full.events(task)
                   if e["kind"] == "output")
        assert 100000 < size <= 200000
    finally:
        full.write_conf(OUTPUT_MAX_BYTES=10485760)


def test_row31_spool_cut_anywhere(full):
    """Power loss: the reader drops half a line, and nothing is said twice."""
    dice = random.Random(31)
    for _ in range(5):
        reaper = full.reaper()
        task = full.new_task("lines 30 sleep 30")
        runner = full.runner(task)
        full.wait_event(task, "sleeping")
        full.end(reaper, signal.SIGKILL)
        os.kill(runner, signal.SIGKILL)
        events = full.state / "spool" / f"{task}.1" / "events.ndjson"
        with open(events, "r+b") as f:
            size = f.seek(0, os.SEEK_END)
            f.truncate(size - dice.randrange(1, size // 2))
        again = full.reaper()
        wait_for(lambda: full.attempts(task)[0] == "dead", 20, "the loss")
        full.cancel(task)
        assert full.wait_status(task) == "cancelled"
        invariants.all_hold(full, task)
        full.end(again)


def test_row32_runner_frozen_longer_than_the_lease(full):
    full.reaper()
    task = full.new_task("sleep 300 lines 2")
    runner = full.runner(task)
    full.wait_event(task, "sleeping")
    os.kill(runner, signal.SIGSTOP)
    time.sleep(full.settings["LEASE_S"] + 3)
    assert full.row(task)["attempt"] == 1
    os.kill(runner, signal.SIGCONT)
    full.wake(task)
    assert full.wait_status(task) == "completed"
    invariants.all_hold(full, task, attempts=1)


# ------------------------------------------------------- cancel, rows 40-43

def test_row40_cancel_while_pending_races_with_claims(full):
    full.write_conf(TASKS_PER_MACHINE=4)
    try:
        full.reaper()
        tasks = []
        for i in range(40):
            task = full.new_task(f"sleep 20 {i}")
            assert full.cancel(task) == 200
            tasks.append(task)
        for task in tasks:
            full.wait_status(task)
            invariants.i8_cancelled(full, task)
            invariants.i2_one_end(full, task)
            invariants.i3_attempts(full, task, at_most=1)
        invariants.i9_nothing_left(full)
    finally:
        full.write_conf(TASKS_PER_MACHINE=20)


@pytest.mark.parametrize("prompt", ["sleep 300", "deaf 300", "escape 1 deaf 300"])
def test_row41_cancel_while_running(full, record_property, prompt):
    """Two seconds on a quiet machine, and never an agent's minutes."""
    full.reaper()
    task = full.new_task(prompt)
    full.wait_event(task, "deaf" if "deaf" in prompt else "sleeping")
    asked = time.time()
    assert full.cancel(task) == 200
    full.wait_status(task)
    invariants.i8_cancelled(full, task)
    invariants.all_hold(full, task, attempts=1)
    # The runner writes its result when nothing of the agent is left.
    ended, = full.sql("SELECT UNIX_TIMESTAMP(CONVERT_TZ(created_at, '+00:00',"
                      " @@session.time_zone)) FROM task_events WHERE task_id"
                      " = %s AND kind = 'end'", task)[0]
    took = float(ended) - asked
    print(f"{took:.2f} s from the wish to the end of the task")
    record_property("seconds", round(took, 2))
    assert took < 20


def test_row42_cancel_and_completion_at_the_same_moment(full):
    full.reaper()
    seen = set()
    for i in range(12):
        # The first wish comes surely before the end.
        task = full.new_task("sleep 300" if i == 0 else "sleep 0.2")
        wait_for(lambda t=task: (full.row(t) or {}).get("state") != "pending",
                 60, "the claim")
        time.sleep(i * 0.05)
        code = full.cancel(task)
        end = full.wait_status(task)
        assert (code, end) in ((200, "cancelled"), (409, "completed"))
        seen.add(end)
        invariants.i2_one_end(full, task)
    assert "cancelled" in seen
    invariants.i9_nothing_left(full)


def test_row43_cancel_when_its_runner_is_dead(full):
    """At once, that is without waiting for the end of its lease."""
    full.write_conf(LEASE_S=300)
    try:
        reaper = full.reaper()
        task = full.new_task("sleep 300")
        runner = full.runner(task)
        full.wait_event(task, "sleeping")

        def cancelled_while_it_stands_still():
            """Not where it has just locked the row."""
            os.kill(reaper.pid, signal.SIGSTOP)
            if full.cancel(task) == 200:
                return True
            os.kill(reaper.pid, signal.SIGCONT)
            return False
        wait_for(cancelled_while_it_stands_still, 60, "the wish to stand")
        os.kill(runner, signal.SIGKILL)
        os.kill(reaper.pid, signal.SIGCONT)
        full.wait_status(task)
        invariants.i8_cancelled(full, task)
        invariants.all_hold(full, task, attempts=1)
    finally:
        full.write_conf(LEASE_S=QUICK["LEASE_S"])


# ----------------------------------------------------- database, rows 44-48

def test_row44_database_stopped_for_longer_than_a_lease(full):
    full.reaper()
    tasks = [full.new_task("lines 20 sleep 300 lines 20") for _ in range(4)]
    for task in tasks:
        full.wait_event(task, "sleeping")
    full.stop_db()
    try:
        for task in tasks:
            full.wake(task)
        answer = full.client.get(f"/api/task-status/{tasks[0]}")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        time.sleep(full.settings["LEASE_S"] + 2)
    finally:
        full.start_db()
    for task in tasks:
        assert full.wait_status(task, seconds=60) == "completed"
        invariants.all_hold(full, task, attempts=1)


def test_row45_database_killed_under_load(full):
    full.reaper()
    tasks = []
    for _ in range(3):
        tasks += [full.new_task("lines 20 sleep 0.5 lines 20")
                  for _ in range(3)]
        full.stop_db("kill")
        full.start_db()
    for task in tasks:
        assert full.wait_status(task, seconds=60) == "completed"
    for task in tasks:
        invariants.all_hold(full, task)


def other_session(full):
    return pymysql.connect(unix_socket=full.settings["DB_SOCKET"],
                           user=full.settings["DB_USER"], database="taskmill",
                           autocommit=False)


def test_row47_locks_in_the_way(full):
    full.reaper()
    task = full.new_task("lines 5 sleep 1 lines 5")
    full.wait_event(task, "sleeping")
    session = other_session(full)
    with session.cursor() as cursor:
        cursor.execute("SELECT * FROM task_queue WHERE task_id = %s"
                       " FOR UPDATE", task)
    time.sleep(7)  # innodb_lock_wait_timeout is 5 s
    session.rollback()
    session.close()
    assert full.wait_status(task) == "completed"
    invariants.all_hold(full, task, attempts=1)


def test_row48_connections_killed_between_statements(full):
    full.reaper()
    stop = threading.Event()

    def nemesis():
        session = other_session(full)
        with session.cursor() as cursor:
            while not stop.wait(0.15):
                cursor.execute("SELECT id FROM information_schema.processlist"
                               " WHERE id <> CONNECTION_ID()")
                for (pid,) in cursor.fetchall():
                    with contextlib.suppress(pymysql.err.MySQLError):
                        cursor.execute(f"KILL {int(pid)}")
        session.close()
    thread = threading.Thread(target=nemesis)
    thread.start()
    try:
        tasks = [full.new_task("lines 10 sleep 1 lines 10")
                 for _ in range(6)]
        time.sleep(3)
    finally:
        stop.set()
        thread.join()
    for task in tasks:
        assert full.wait_status(task, seconds=60) == "completed"
    for task in tasks:
        invariants.all_hold(full, task, attempts=1)


# ------------------------------------------------------- the rest of the rows

def test_row54_disk_full(full):
    full.write_conf(DISK_RESERVE_MB=1048576)
    try:
        reaper = full.reaper()
        task = full.new_task("lines 1")
        wait_for(lambda: "disk low" in reaper_check(full)["detail"], 20,
                 "the reaper to say so")
        assert full.status(task) == "pending"
        assert not full.attempts(task)
        assert "disk low" in full.log_text()
        full.end(reaper)
    finally:
        full.write_conf(DISK_RESERVE_MB=1)
    full.reaper()
    assert full.wait_status(task) == "completed"
    wait_for(lambda: reaper_check(full)["ok"], 20, "the reaper to be well")
    invariants.all_hold(full, task, attempts=1)


def reaper_check(full):
    """What /readyz says of the reaper; a check that fails makes it red."""
    answer = full.get("/readyz")
    check = answer.json()["checks"]["reaper"]
    if not check["ok"]:
        assert answer.status_code == 503
    return check


@contextlib.contextmanager
def small_disk(folder, options):
    """A file system of its own in a folder; yields a function that mounts it
    anew with other options."""
    folder.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs",
                           str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("may not mount")

    def again(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)],
                       check=True)
    try:
        yield again
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("bad,good,why", [
    ("ro", "rw", "read-only"),
    ("nr_inodes=40", "nr_inodes=4000", "inodes"),
])
def test_row54_nothing_can_be_written(full, bad, good, why):
    with small_disk(full.state / "spool", "mode=700,size=64m") as mount:
        mount(bad)
        full.reaper()
        tasks = [full.new_task("lines 1") for _ in range(3)]
        wait_for(lambda: why in reaper_check(full)["detail"], 10,
                 "the reaper to say so")
        for task in tasks:
            assert full.status(task) == "pending" and not full.attempts(task)
        mount(good)
        for task in tasks:
            assert full.wait_status(task) == "completed"
            invariants.all_hold(full, task, attempts=1)
        wait_for(lambda: reaper_check(full)["ok"], 20, "the reaper to be well")
        for reaper in full.reapers:
            full.end(reaper, signal.SIGKILL)


def test_row54_full_to_the_last_byte(full):
    """The numbers look well (no reserve is asked for), and writing fails."""
    full.write_conf(DISK_RESERVE_MB=0)
    try:
        with small_disk(full.state / "spool", "mode=700,size=64k") as mount:
            (full.state / "spool" / "filler").write_bytes(b"x" * 65536)
            full.reaper()
            task = full.new_task("lines 1")
            wait_for(lambda: "cannot be started" in
                     reaper_check(full)["detail"], 10, "the reaper to say so")
            time.sleep(2)
            assert len(full.attempts(task)) == 1
            mount("size=64m")
            assert full.wait_status(task) == "completed"
            (full.state / "spool" / "filler").unlink()
            invariants.all_hold(full, task, attempts=2)
            wait_for(lambda: full.trouble() == "", 20, "no more trouble")
            for reaper in full.reapers:
                full.end(reaper, signal.SIGKILL)
    finally:
        full.write_conf(DISK_RESERVE_MB=1)


@pytest.mark.parametrize("isolation", ["bwrap", "none"])
@apikit.the_only_bomb()
def test_row57_agent_that_escapes_and_its_deadline(full, isolation):
    full.write_conf(AGENT_TIMEOUT_S=2, SIMULATION_ISOLATION=isolation,
                    SANDBOX_PROCESSES=64 if isolation == "bwrap" else
                    apikit.room_for(300))
    try:
        full.reaper()
        task = full.new_task("escape 1 bomb 1 sleep 60")
        assert full.wait_status(task) == "failed"
        # Or its own "sleep" finds no room for a process.
        assert full.sql("SELECT failure_code FROM tasks WHERE id = %s",
                        task)[0][0] in ("timeout", "agent_failed")
        invariants.all_hold(full, task, attempts=1)
    finally:
        full.write_conf(AGENT_TIMEOUT_S=300, SIMULATION_ISOLATION="bwrap",
                        SANDBOX_PROCESSES=QUICK["SANDBOX_PROCESSES"])


def failed_with(full, task, code):
    assert full.wait_status(task) == "failed"
    got, text = full.sql("SELECT failure_code, error FROM tasks"
                         " WHERE id = %s", task)[0]
    assert got == code, text
    assert TOKEN not in text
    invariants.all_hold(full, task)


def test_row64_private_key_missing(full):
    keys = full.state / "keys"
    kept = full.folder / "kept"
    lost = full.new_task("lines 1")
    shutil.copytree(keys, kept)
    for secret in keys.glob("*.secret"):
        secret.unlink()
    try:
        full.reaper()
        failed_with(full, lost, "secret_lost")
    finally:
        shutil.rmtree(keys)
        kept.rename(keys)
    task = full.new_task("lines 1")
    assert full.wait_status(task) == "completed"


def test_row65_sealed_rows_swapped(full):
    a, b = full.new_task("lines 1"), full.new_task("lines 1",
                                                   user=full.user())
    full.sql("UPDATE task_secrets x JOIN task_secrets y ON y.task_id = %s"
             " SET x.sealed = y.sealed WHERE x.task_id = %s", b, a)
    full.reaper()
    failed_with(full, a, "secret_lost")
    assert full.wait_status(b) == "completed"


@pytest.mark.parametrize("secret", ["", "too short"])
@pytest.mark.parametrize("command", ["serve", "reaper"])
def test_row66_key_of_tokens_empty_or_short(full, secret, command):
    conf = full.folder / "bad.conf"
    lines = [line for line in full.conf.read_text().splitlines()
             if not line.startswith("JWT_SECRET")]
    conf.write_text("\n".join([*lines, f"JWT_SECRET={secret}", ""]))
    conf.chmod(0o600)
    done = subprocess.run([BINARY, command, "--config", str(conf)],
                          capture_output=True, text=True, timeout=60,
                          check=False, env=full.environment())
    assert done.returncode == 78
    assert "JWT_SECRET" in done.stderr and "too short" not in done.stderr


def test_row68_result_larger_than_a_packet(full):
    before = full.sql("SELECT @@GLOBAL.max_allowed_packet")[0][0]
    full.sql("SET GLOBAL max_allowed_packet = 1048576")
    try:
        full.reaper()
        large = full.new_task("big 3")
        small = full.new_task("lines 1")
        assert full.wait_status(large, seconds=60) == "failed"
        assert full.sql("SELECT failure_code FROM tasks WHERE id = %s",
                        large)[0][0] == "too_large"
        assert full.wait_status(small) == "completed"
        for task in (large, small):
            invariants.all_hold(full, task, attempts=1)
    finally:
        full.sql(f"SET GLOBAL max_allowed_packet = {int(before)}")


def test_row69_everything_is_killed_again_and_again(full):
    """Any process of ours, and the database, for twenty seconds."""
    seed = int(os.environ.get("TASKMILL_SOAK_SEED") or time.time())
    dice = random.Random(seed)
    print(f"TASKMILL_SOAK_SEED={seed}")
    seconds = float(os.environ.get("TASKMILL_SOAK_SECONDS") or 20)
    full.write_conf(MAX_TRIES=50)
    full.stop_serve()
    full.start_serve(reaper=True)
    tasks, end = [], time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            answer = full.ask_for_task("lines 5 sleep 0.5 lines 5")
            assert answer.status_code == 200, answer.text
            tasks.append(answer.json()["task_id"])
            time.sleep(dice.uniform(0.1, 0.8))
            strike(full, dice)
        for task in tasks:
            wait_for(lambda: revive(full) and full.status(task) in ENDED, 90,
                     f"task {task} to end", every=0.1)
        assert {full.status(t) for t in tasks} == {"completed"}
        for task in tasks:
            invariants.all_hold(full, task, at_most=50, token=TOKEN)
    finally:
        full.write_conf(MAX_TRIES=3)
        full.stop_serve()


def revive(full):
    if full.serve.poll() is not None:
        full.start_serve(reaper=True)
    return True


def strike(full, dice):
    what = dice.choice(["runner", "reaper", "worker", "master", "database"])
    if what == "database":
        full.stop_db("kill")
        full.start_db()
    elif what == "master":
        full.end(full.serve, signal.SIGKILL)
        revive(full)
    else:
        pids = full.workers() if what == "worker" else [
            p for p in full.processes()
            if is_kind(p, what)]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(pids), signal.SIGKILL)


def is_kind(pid, what):
    return name_of(pid) == "taskmill-run" if what == "runner" else \
        "reaper" in command(pid)
