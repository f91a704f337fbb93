"""Listing, polling and claiming with 10 thousand and with a million tasks in the
table: the p99 must not grow with it. Listing and polling go through nginx;
claiming is timed as the reaper does it, from start-task to the claim's event."""
import time

from gitrepo import Repository
from harness import Stack, median, percentile, wait_for

SIZES = (10_000, 1_000_000)
CALLS = 4000
CLAIMS = 40
SETTLE_S = 20  # the server still writes out what was just loaded
OTHERS = "00000000-0000-4000-8000-000000000001"


def timed(s, path):
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        s.call("GET", path)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def claims(s, repo):
    taken = []
    for _ in range(CLAIMS):
        task_id = s.start_task(repo.url)
        s.wait_task(task_id)
        row = s.sql("SELECT UNIX_TIMESTAMP(a.claimed_at) - UNIX_TIMESTAMP(t.created_at) FROM task_attempts a"
                    " JOIN tasks t ON t.id = a.task_id WHERE t.id = %s AND a.attempt = 1", (task_id,))
        taken.append(float(row[0][0]) * 1000)
    return taken


def main():
    found = {}
    with Repository(files=5) as repo, Stack(REPO_ALLOWED_HOSTS=repo.host, REPO_ALLOW_HTTP="yes") as s:
        s.sql("INSERT INTO users (id, email) VALUES (%s, 'others@example.com')", (OTHERS,))
        s.add_tasks(1000)
        have = 1000
        for size in SIZES:
            s.add_tasks(size - have, user=OTHERS)
            have = size
            s.sql("ANALYZE TABLE tasks")
            time.sleep(SETTLE_S)
            timed(s, "/api/task-status/500")  # warms what a fresh server has not read yet
            found[size] = {
                "polling": timed(s, "/api/task-status/500"),
                "listing 100 of 1000": timed(s, "/api/tasks?limit=100"),
                "claiming": claims(s, repo),
            }
            for what, taken in found[size].items():
                print(f"scale {size:>9,} tasks, {what}: median {median(taken):.2f} ms, "
                      f"p99 {percentile(taken, 99):.2f} ms", flush=True)
    small, large = (found[size] for size in SIZES)
    for what in small:
        ratio = percentile(large[what], 99) / percentile(small[what], 99)
        print(f"scale {what}: p99 at a million / p99 at ten thousand = {ratio:.2f}   (aim: at most 1.3)")


if __name__ == "__main__":
    main()
