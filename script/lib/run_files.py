#!/usr/bin/python3
"""Runs files of tests side by side, the longest first.

    run_files.py --jobs N --weights FILE --out OUT --scratch SCRATCH <jobs

A job is a line of four words with tabs between: SUITE BINARY STAMP FILE. BINARY
is what its tests find in TASKMILL_BIN. STAMP is "-", or a file without which the
job may not begin yet: who builds the binary makes it, with the word "ok" in it,
or with another one when there will be no such binary.

Each file is a pytest of its own, so that one that crashes or hangs takes nothing
else along. A file that WEIGHTS calls long (lines "NAME SECONDS") is run in parts,
which share nothing, unless a third word there is "whole"; one that is not named
begins before all others. A part that takes longer than FILE_LIMIT seconds (900) is
ended.

In the folder OUT are SUITE/NAME.xml and .log, and in results.tsv a line for each part:
SUITE, the path of its report without an ending, pytest's exit status. What tests
write for themselves goes to SCRATCH. The status is 1 if a process was left behind.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time

LIB = pathlib.Path(__file__).resolve().parent
LIMIT_S = float(os.environ.get("FILE_LIMIT") or 900)
PART_S = 60  # a file that takes longer is divided
UNKNOWN_S = 10000
LEAVE_S = 30  # for processes that are just ending
PR_SET_CHILD_SUBREAPER = 36


class Job:
    def __init__(self, line, weights):
        self.suite, self.binary, self.stamp, self.file = line.split("\t")
        self.weight, self.whole = weights.get(self.name, (UNKNOWN_S, True))
        self.part, self.parts = 1, 1
        self.process = self.began = self.log = None

    @property
    def name(self):
        path = pathlib.Path(self.file)
        return path.name if path.parent.name == "integration" else \
            f"{path.parent.name}/{path.name}"

    def divided(self):
        """The job in as many parts as its length asks for."""
        parts = 1 if self.whole else -(-self.weight // PART_S)
        for part in range(1, parts + 1):
            one = Job("\t".join((self.suite, self.binary, self.stamp, self.file)), {})
            one.weight, one.part, one.parts = self.weight / parts, part, parts
            yield one

    @property
    def report(self):
        which = f".{self.part}" if self.parts > 1 else ""
        return f"{self.suite}/{self.name.replace('/', '.')}{which}"

    def may_begin(self):
        """True, False for not yet, None for never."""
        if self.stamp == "-":
            return True
        try:
            return True if pathlib.Path(self.stamp).read_text() == "ok\n" else None
        except FileNotFoundError:
            return False

    def begin(self, out, scratch):
        report = out / self.report
        report.parent.mkdir(exist_ok=True)
        self.log = open(f"{report}.log", "wb")
        env = {**os.environ, "TASKMILL_BIN": self.binary, "PYTHONDONTWRITEBYTECODE": "1",
               "PYTHONPATH": str(LIB)}
        if self.suite.endswith("-sanitized"):
            env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "parts",
             f"--part={self.part}/{self.parts}", f"--junit-xml={report}.xml",
             f"--basetemp={scratch / self.report.replace('/', '-')}", self.file],
            env=env, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT, start_new_session=True)

    def end(self, sig):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, sig)


def read_weights(path):
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: (int(words[1]), words[2:] == ["whole"])
            for words in lines if words and words[0] != "#"}


def children():
    """Pids of all that descends from us: of what has lost its parent we are it."""
    found = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in found.split()]


def command_of(pid):
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return line.replace(b"\0", b" ").decode(errors="replace").strip()


class Runner:
    def __init__(self, jobs, at_once, out, scratch):
        self.waiting = sorted(jobs, key=lambda job: -job.weight)
        self.at_once, self.out, self.scratch = at_once, out, scratch
        self.running, self.total, self.done = {}, len(jobs), 0
        self.results = open(out / "results.tsv", "w", encoding="utf-8")

    def begin_next(self):
        for job in self.waiting:
            may = job.may_begin()
            if may is None:
                self.waiting.remove(job)
                self.total -= 1
                return True
            if may:
                self.waiting.remove(job)
                job.begin(self.out, self.scratch)
                self.running[job.process.pid] = job
                return True
        return False

    def reap(self):
        """Takes notice of all that has ended: files, and what they left."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid in self.running:
                    self.ended(self.running.pop(pid), os.waitstatus_to_exitcode(status))

    def ended(self, job, status):
        job.log.close()
        self.done += 1
        last = pathlib.Path(job.log.name).read_text(errors="replace").splitlines()[-1:]
        said = last[0] if last and " in " in last[0] else f"status {status}"
        print(f"    [{self.done}/{self.total}] {job.report}: {said}", flush=True)
        self.results.write(f"{job.suite}\t{self.out / job.report}\t{status}\n")
        self.results.flush()

    def end_late(self):
        for job in self.running.values():
            late = time.monotonic() - job.began - LIMIT_S
            if late > 0:
                job.end(signal.SIGKILL if late > 30 else signal.SIGINT)

    def run(self):
        while self.waiting or self.running:
            while len(self.running) < self.at_once and self.begin_next():
                pass
            time.sleep(0.1)
            self.reap()
            self.end_late()
        self.results.close()

    def stop(self):
        """Lets the tests tidy up, and waits for them."""
        self.waiting.clear()
        end = time.monotonic() + LEAVE_S
        for job in self.running.values():
            job.end(signal.SIGINT)
        while self.running and time.monotonic() < end:
            time.sleep(0.1)
            self.reap()

    def nothing_left(self):
        """Whether all that was started has ended by itself."""
        end = time.monotonic() + LEAVE_S
        while children() and time.monotonic() < end:
            time.sleep(0.1)
            self.reap()
        left = children()
        for pid in left:
            print(f"FAILED left running: {pid} {command_of(pid)}", flush=True)
        while children():
            for pid in children():
                os.kill(pid, signal.SIGKILL)
            self.reap()
            time.sleep(0.05)
        return not left


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--scratch", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    # A shell has those whom it puts into the background ignore SIGINT, and so
    # would those whom they start.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    weights = read_weights(options.weights)
    jobs = [part for line in sys.stdin.read().splitlines()
            for part in Job(line, weights).divided()]
    runner = Runner(jobs, options.jobs, options.out, options.scratch)
    try:
        runner.run()
    except KeyboardInterrupt:
        runner.stop()
        sys.exit("interrupted")
    finally:
        tidy = runner.nothing_left()
    sys.exit(0 if tidy else 1)


if __name__ == "__main__":
    main()
