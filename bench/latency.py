"""From start-task's answer to the moment its runner began, and a simulated task's
wall time against a shell script that runs the same git commands."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from gitrepo import Repository
from harness import BENCH, Stack, median, percentile, wait_for

STARTS = 60
TASKS = 15


def runner_latency(s, repo):
    """The answer's arrival by our clock, the runner's start by its process's."""
    taken = []
    for _ in range(STARTS):
        task_id = s.start_task(repo.url)
        answered = time.time()
        begun = None
        end = time.monotonic() + 10
        while begun is None:
            rows = s.sql("SELECT UNIX_TIMESTAMP(created_at) FROM task_events WHERE task_id = %s AND attempt > 0"
                         " AND spool_seq = 1", (task_id,))
            begun = float(rows[0][0]) if rows else None
            if time.monotonic() > end:
                raise RuntimeError(f"task {task_id} was not begun within 10 s")
            time.sleep(0.02)
        taken.append(max(0.0, begun - answered) * 1000)
        s.wait_task(task_id)
    print(f"latency answer to runner's first event: median {median(taken):.1f} ms, p99 {percentile(taken, 99):.1f} ms"
          f"   (aim: median at most 20 ms)")


def task_wall(s, repo):
    wall = []
    for _ in range(TASKS):
        task_id = s.start_task(repo.url)
        s.wait_task(task_id)
        row = s.sql("SELECT UNIX_TIMESTAMP(completed_at) - UNIX_TIMESTAMP(created_at), status FROM tasks"
                    " WHERE id = %s", (task_id,))[0]
        if row[1] != "completed":
            raise RuntimeError(f"task {task_id} {row[1]}")
        wall.append(float(row[0]) * 1000)
    return wall


def script_wall(repo):
    wall = []
    for _ in range(TASKS):
        room = pathlib.Path(tempfile.mkdtemp(prefix="taskmill-bench-sh-"))
        began = time.monotonic()
        subprocess.run(["sh", BENCH / "peers/same_git.sh", repo.url, room], check=True, capture_output=True)
        wall.append((time.monotonic() - began) * 1000)
        shutil.rmtree(room)
    return wall


def main():
    with Repository() as repo, Stack(REPO_ALLOWED_HOSTS=repo.host, REPO_ALLOW_HTTP="yes") as s:
        task_wall(s, repo)
        runner_latency(s, repo)
        ours, script = task_wall(s, repo), script_wall(repo)
        print(f"wall simulated task {median(ours):.0f} ms, shell script with the same git commands "
              f"{median(script):.0f} ms, ratio {median(ours) / median(script):.2f}   (aim: at most 1.2)")


if __name__ == "__main__":
    main()
