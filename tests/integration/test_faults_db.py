"""The database is killed at each step of a task.

Whoever takes the step stands still while the database is killed, recovers and
answers again; what he then finds is a connection that is lost at this very
place. Row 45 in test_faults.py kills it at no place in particular.
"""
import concurrent.futures
import contextlib
import os
import signal

import pytest

import invariants
from stack import TOKEN, is_stopped, wait_for, why_not
from test_faults import TASK_POINTS, full, shared  # noqa: F401

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

# How many attempts a task has; 1 where none is said.
ATTEMPTS = {
    # The runner waits for its secrets for some seconds only.
    "spawn.after_fork": (1, 2), "spawn.mid_pipe": (1, 2),
}


@contextlib.contextmanager
def faulty_pool(full, fault):
    full.stop_serve()
    full.start_serve(fault=fault)
    try:
        yield
    finally:
        full.stop_serve()
        full.start_serve()


@contextlib.contextmanager
def one_stands_still(full):
    """Until the end of the block."""
    def stopped():
        return [pid for pid in [*full.workers(), *full.processes(),
                                *(r.pid for r in full.reapers)]
                if is_stopped(pid)]
    pids = wait_for(stopped, 60, "somebody to come to the point")
    try:
        assert len(pids) == 1, pids
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("point,process", [
    pytest.param(name, process, id=f"row45-{name}")
    for name, process in TASK_POINTS if process != "master"])
def test_database_is_killed_at_each_point(full, point, process):
    fault = f"{point}:1:stop"
    of_api = process == "api"
    with faulty_pool(full, fault) if of_api else contextlib.nullcontext(), \
            concurrent.futures.ThreadPoolExecutor(1) as client:
        full.reaper(fault=None if of_api else fault)
        asked = client.submit(full.new_task, "lines 5 sleep 0.2 lines 3")
        with one_stands_still(full):
            full.stop_db("kill")
            full.start_db()
        task = asked.result()
        assert full.wait_status(task) == "completed"
    assert len(full.client.get("/api/tasks").json()["tasks"]) == 1
    invariants.all_hold(full, task, attempts=ATTEMPTS.get(point, 1),
                        token=TOKEN)
