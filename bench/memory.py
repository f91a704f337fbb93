"""Proportional set size (PSS) of an idle API worker and of a runner, as the kernel
counts them in smaps_rollup. The runner is looked at while its agent works."""
import os
import pathlib
import time

from gitrepo import Repository
from harness import Stack, median, wait_for, wrk

AGENT_S = 8


def may_measure():
    """Says so when not: no process of ours shows its memory to its equals."""
    if os.geteuid() == 0:
        return True
    print("memory is not measured: only root may look at it")
    return False


def field(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} for {pid}")


def descendants(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def named(root, name):
    pids = []
    for pid in descendants(root):
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                pids.append(pid)
        except OSError:
            continue
    return pids


def show(what, pids, aim):
    pss = [field(p, "Pss") for p in pids]
    own = [field(p, "Private_Dirty") for p in pids]
    print(f"memory {what}: PSS {median(pss):.2f} MB (largest {max(pss):.2f}), private dirty {median(own):.2f} MB, of {len(pids)}"
          f"   (aim: PSS at most {aim} MB)")


def main():
    if not may_measure():
        return
    with Repository() as repo, Stack(REPO_ALLOWED_HOSTS=repo.host, REPO_ALLOW_HTTP="yes", TASKS_PER_USER=100,
                                     TASKS_PER_MACHINE=100, SHARE_DIR=repo.share(AGENT_S)) as s:
        s.add_tasks(100)
        wrk(s.url + "/api/task-status/7", s.token, 2)
        time.sleep(1)
        # Workers are copies of the master; all others of its children were executed.
        shown = pathlib.Path(f"/proc/{s.serve.pid}/cmdline").read_bytes()
        show("idle api worker", [p for p in descendants(s.serve.pid)
                                 if pathlib.Path(f"/proc/{p}/cmdline").read_bytes() == shown], 3)
        for count in (1, 8):
            for _ in range(count):
                s.start_task(repo.url, agent="slow")
            wait_for(lambda n=count: len(named(s.serve.pid, "taskmill-run")) == n
                     and s.sql("SELECT COUNT(*) FROM task_events WHERE data LIKE '%\"agent\"%started%'")[0][0] >= n,
                     f"{count} runners", 60)
            time.sleep(1)
            show(f"runner, {count} at work", named(s.serve.pid, "taskmill-run"), 2)
            wait_for(lambda: not named(s.serve.pid, "taskmill-run"), "the end of the runs", 60)


if __name__ == "__main__":
    main()
