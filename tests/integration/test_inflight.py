"""bench/inflight with few tasks: that it works, not what it measures."""
import os
import pathlib
import subprocess
import tempfile

import e2bkit
from runkit import BINARY, ROOT


def test_every_task_ends_right():
    with e2bkit.server():
        pass  # skips where bubblewrap does not work
    # Not a folder of pytest's: the paths of sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="tm-") as place:
        done = subprocess.run(
            [ROOT / "bench/inflight", "--seconds", "3", "--tls", "12"],
            env={**os.environ, "TASKMILL_BIN": BINARY, "TMPDIR": place},
            text=True, capture_output=True, timeout=300, check=False)
        left = list(pathlib.Path(place).iterdir())
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not left, "it leaves its folders behind"
    assert ("inflight 12 runners: PSS " in said) == (os.geteuid() == 0)
    assert "12 of 12 tasks completed with their own diff" in said
    assert "12 sandboxes made, 12 ended, 0 left" in said
