"""Many tasks in flight in the mode "e2b": nginx, the pool, MariaDB, the reaper and a
runner for each task, against tests/e2b-server in its light mode.

Real: the HTTP (or TLS) connection of each runner, its sandbox's life, the clone, the
commit and the diff, by git. Played by the server, without a process each: the agents,
which print a line every four seconds until they are told to finish (light.py).
"""
import argparse
import contextlib
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import time

from gitrepo import Repository
from harness import TOP, Stack
from memory import descendants, field, may_measure, named

AT_ONCE = 8      # tasks that clone, or are collected, at the same time
SETTLE_S = 12    # from the last start to the measurement
LIFE_S = 7200
PSS_AIM_MB = 1.0
CPU_AIM = 10.0   # percent of a core
DB_AIM = 32
LINE = re.compile(r"^(\d+): looking at file number \1 of the repository$")


def e2b_harness():
    """tests/e2b-server/harness.py; its folder's name is no module's."""
    spec = importlib.util.spec_from_file_location("e2b_harness", TOP / "tests/e2b-server/harness.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Deadline:
    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.seconds = seconds

    def check(self, what):
        if time.monotonic() > self.end:
            raise RuntimeError(f"{what} has not come about within {self.seconds} s of the whole run")


# --- places --------------------------------------------------------------

def add_agent(share):
    """An agent whose command the server plays: what it is does not matter."""
    agent = share / "agents/played"
    agent.mkdir()
    (agent / "agent.json").write_text(json.dumps(
        {"title": "Played", "script": "run", "env": [], "output": "text", "network": True}))
    (agent / "run").write_text("exit 1\n")


def make_certificate(folder):
    """A CA's bundle as a machine has it, with one more; and a certificate by that one."""
    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)

    (folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=bench CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "req.pem")
    openssl("x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "cert.pem")
    system = pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    (folder / "bundle.pem").write_text(system + (folder / "ca.pem").read_text())
    # The chain as a server sends it; its own tests trust what is in this file.
    (folder / "chain.pem").write_text((folder / "cert.pem").read_text() + (folder / "ca.pem").read_text())
    return folder / "bundle.pem", (str(folder / "chain.pem"), str(folder / "key.pem"))


class Place:
    """The server, a repository and a stack that belong together."""

    def __init__(self, count, tls):
        self.count, self.tls = count, tls

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.repo = stack.enter_context(Repository(files=20))
            share = self.repo.share(0)
            add_agent(share)
            bundle, pair = make_certificate(self.repo.dir) if self.tls else ("", None)
            module = e2b_harness()
            self.e2b = stack.enter_context(module.Server(
                self.repo.dir / "e2b", "--light", "--max-sandboxes", "100000", tls=pair))
            url = self.e2b.url if not self.tls else f"https://localhost:{self.e2b.port}"
            settings = {
                "E2B_API_KEY": module.KEY, "E2B_API_URL": url, "E2B_SANDBOX_URL": url, "E2B_CA_FILE": bundle,
                "REPO_ALLOWED_HOSTS": self.repo.host, "REPO_ALLOW_HTTP": "yes", "SHARE_DIR": share,
                "TASKS_PER_USER": 10000, "TASKS_PER_MACHINE": 10000, "SANDBOX_LIFE_S": LIFE_S,
                "AGENT_TIMEOUT_S": LIFE_S - 600}
            self.stack = stack.enter_context(Stack(**settings))
            self.close = stack.pop_all().close
        return self

    def __exit__(self, *_):
        self.close()

    # --- what stands where -----------------------------------------------

    def working(self):
        return self.e2b.admin("GET", "/agents")["working"]

    def ended(self):
        return self.stack.sql("SELECT COUNT(*) FROM tasks WHERE status NOT IN ('pending', 'running')")[0][0]

    def runners(self):
        return named(self.stack.serve.pid, "taskmill-run")

    def process(self, word):
        """A child of the service by a word of its command line."""
        return [p for p in descendants(self.stack.serve.pid)
                if word in pathlib.Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")
                and pathlib.Path(f"/proc/{p}/comm").read_text().strip() != "taskmill-run"]


# --- measuring -----------------------------------------------------------

def cpu_s(pid):
    """By schedstat, in nanoseconds: ticks of 10 ms say nothing of a process that uses less in all."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def wakes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE).group(1))


def percent(pids, before, seconds):
    return sum(cpu_s(p) - before[p] for p in pids) / seconds * 100


def weigh(runners, reaper, spawner):
    pss = [field(p, "Pss") for p in runners]
    own = [field(p, "Private_Dirty") for p in runners]
    print(f"inflight {len(runners)} runners: PSS {sum(pss) / len(pss):.2f} MB on average (largest {max(pss):.2f}), "
          f"private dirty {sum(own) / len(own):.2f} MB   (aim: PSS at most {PSS_AIM_MB} MB)")
    print(f"inflight beside them: reaper PSS {field(reaper, 'Pss'):.1f} MB, spawner PSS {field(spawner, 'Pss'):.1f} MB")


def measure(place, seconds):
    """Prints the figures of tasks at work."""
    runners = place.runners()
    reaper, spawner = place.process(b"reaper"), place.process(b"spawner")
    database = [int((place.stack.dir / "db/pid").read_text())]
    everybody = [*runners, *reaper, *spawner, *database, place.e2b.process.pid]
    before = {p: cpu_s(p) for p in everybody}
    woken, began = {p: wakes(p) for p in runners}, time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    runner_cpu, reaper_cpu = percent(runners, before, took), percent([*reaper, *spawner], before, took)
    per_s = sum(wakes(p) - woken[p] for p in runners) / took / len(runners)
    peak = int(place.stack.sql("SHOW GLOBAL STATUS LIKE 'Max_used_connections'")[0][1])
    now = int(place.stack.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1]) - 1  # without ours
    if may_measure():
        weigh(runners, reaper[0], spawner[0])
    print(f"inflight CPU at rest: runners {runner_cpu:.1f} % + reaper {reaper_cpu:.1f} % = "
          f"{runner_cpu + reaper_cpu:.1f} % of a core; a runner wakes {per_s:.2f} times a second   (aim: below {CPU_AIM:.0f} %)")
    print(f"inflight beside them: MariaDB {percent(database, before, took):.1f} %, the test server "
          f"{percent([place.e2b.process.pid], before, took):.1f} %")
    print(f"inflight database connections: {now}, at most {peak} with the benchmark's own   (aim: at most {DB_AIM})",
          flush=True)


# --- the tasks -----------------------------------------------------------

def prompt_of(number):
    return f"Task number {number} of the benchmark"


def start_all(place, limit):
    """Some at a time: a thousand clones at once would only time out together."""
    began = time.monotonic()
    numbers, look = {}, 0
    while (working := place.working()) < place.count:
        while len(numbers) < min(place.count, working + AT_ONCE):
            number = len(numbers) + 1
            numbers[place.stack.start_task(place.repo.url, "played", prompt_of(number))] = number
        look += 1
        if look % 50 == 0 and place.ended() > 0:
            row = place.stack.sql("SELECT id, status, error FROM tasks WHERE status NOT IN ('pending', 'running')")[0]
            raise RuntimeError(f"a task ended before its time: {row}")
        limit.check("the start of all agents")
        time.sleep(0.1)
    print(f"inflight {place.count} tasks started in {time.monotonic() - began:.0f} s", flush=True)
    return numbers


def finish_all(place, limit):
    began = time.monotonic()
    told = 0
    while (ended := place.ended()) < place.count:
        if told < place.count and told - ended < AT_ONCE:
            told += place.e2b.admin("POST", "/agents/finish", {"count": AT_ONCE - (told - ended)})["finished"]
        limit.check("the end of all tasks")
        time.sleep(0.1)
    while place.e2b.admin("GET", "/status")["sandboxes"] > 0 or place.runners():
        limit.check("the end of all sandboxes and runners")
        time.sleep(0.1)
    print(f"inflight {place.count} tasks ended in {time.monotonic() - began:.0f} s", flush=True)


def lines_of(place, task_id):
    """What the agent printed, as the events tell it."""
    rows = place.stack.sql("SELECT data FROM task_events WHERE task_id = %s AND kind = 'output' ORDER BY seq", (task_id,))
    return "".join(json.loads(data)["text"] for data, in rows).splitlines()


def fault_of(place, task_id, number):
    """What is wrong with a task that has ended; None: nothing."""
    status, error, diff = place.stack.sql("SELECT status, error, git_diff FROM tasks WHERE id = %s", (task_id,))[0]
    attempts = place.stack.sql("SELECT COUNT(*) FROM task_attempts WHERE task_id = %s", (task_id,))[0][0]
    diff = diff.decode() if isinstance(diff, bytes) else diff or ""
    added = [line for line in diff.splitlines() if re.match(r"[+-](?!\+\+ |-- )", line)]
    lines = lines_of(place, task_id)
    if status != "completed":
        return f"{status}: {error}"
    if attempts != 1:
        return f"{attempts} attempts"
    if added != ["+" + prompt_of(number)] or diff.count("diff --git") != 1:
        return f"its diff is {diff!r}"
    if lines[-1:] != ["done"] or [int(LINE.match(x).group(1)) for x in lines[:-1]] != list(range(1, len(lines))):
        return f"an event was lost or doubled: {lines}"
    return None


def check_all(place, numbers):
    """True if every task ended right, and no sandbox was made twice or left behind."""
    faults = {i: f for i, n in numbers.items() if (f := fault_of(place, i, n))}
    journal = pathlib.Path(place.e2b.admin("GET", "/status")["journal"]).read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in journal if '"http"' not in line]
    made, killed = kinds.count("sandbox.create"), kinds.count("sandbox.kill")
    for task_id, fault in list(faults.items())[:10]:
        print(f"inflight task {task_id}: {fault}")
    well = not faults and made == killed == place.count and "server.error" not in kinds
    print(f"inflight {place.count - len(faults)} of {place.count} tasks completed with their own diff in one attempt, "
          f"every line told once; {made} sandboxes made, {killed} ended, 0 left")
    return well


def main():
    parser = argparse.ArgumentParser(prog="bench/inflight")
    parser.add_argument("tasks", nargs="?", type=int, default=1000)
    parser.add_argument("--tls", action="store_true", help="the sandboxes' server speaks TLS")
    parser.add_argument("--seconds", type=int, default=40, help="how long CPU use is measured")
    options = parser.parse_args()
    if not 1 <= options.tasks <= 5000:
        parser.error("1 to 5000 tasks")
    limit = Deadline(120 + options.seconds + 2 * options.tasks)
    print(f"inflight {options.tasks} tasks, sandboxes over {'TLS' if options.tls else 'plain HTTP'}", flush=True)
    with Place(options.tasks, options.tls) as place:
        numbers = start_all(place, limit)
        time.sleep(min(SETTLE_S, options.seconds))
        measure(place, options.seconds)
        finish_all(place, limit)
        well = check_all(place, numbers)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
