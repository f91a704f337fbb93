"""A small real repository over git's smart HTTP, on loopback: git http-backend under
a threading server, so that clones are what they are in life."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

from harness import TOP

ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
       "GIT_AUTHOR_NAME": "B", "GIT_AUTHOR_EMAIL": "b@example.com",
       "GIT_COMMITTER_NAME": "B", "GIT_COMMITTER_EMAIL": "b@example.com"}


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = ""

    def serve(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {**ENV, "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
               "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(lines.pop("Status", "200").split()[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


class Repository:
    """Context manager; url is what a task is given, host what must be allowed."""

    def __init__(self, files=200):
        self.files = files
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="taskmill-bench-git-"))
        self.dir.chmod(0o755)

    def git(self, *argv, cwd):
        subprocess.run(["git", *argv], cwd=cwd, env=ENV, check=True, capture_output=True)

    def __enter__(self):
        work = self.dir / "work"
        work.mkdir()
        self.git("init", "-q", "-b", "main", cwd=work)
        for i in range(self.files):
            path = work / f"dir{i % 10}" / f"file{i}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"line of file {i}\n" * 50)
        self.git("add", "-A", cwd=work)
        self.git("commit", "-qm", "first", cwd=work)
        bare = self.dir / "root/bench/repo.git"
        bare.parent.mkdir(parents=True)
        self.git("clone", "-q", "--bare", str(work), str(bare), cwd=self.dir)
        handler = type("Handler", (Backend,), {"root": str(self.dir / "root")})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/bench/repo.git"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.dir)

    def share(self, sleep_s):
        """A share folder with one more agent, "slow", that works for a while."""
        share = self.dir / "share"
        shutil.copytree(TOP / "share", share)
        agent = share / "agents/slow"
        agent.mkdir()
        (agent / "agent.json").write_text(json.dumps(
            {"title": "Slow", "script": "run", "env": [], "output": "text", "network": False}))
        (agent / "run").write_text(f"echo working\nsleep {sleep_s}\necho done > slow.txt\n")
        return share
