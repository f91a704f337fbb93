"""The whole of taskmill, with the stand-in for GitHub as its code host.

Clone and push are git's own, over HTTPS with a token; the REST API is that of
tests/github-server, at the path that GitHub Enterprise Server has.
"""
import contextlib
import http.client
import json
import pathlib
import shutil
import signal
import ssl
import subprocess
import types

import requests

import gitserver
from stack import ENDED, PATH, ROOT, TOKEN, Full, wait_for  # noqa: F401

OTHER = "ghp_anotherOneOfTheSameUser0123456789012"
HUB = ROOT / "tests" / "github-server" / "run"


class Hub:
    """The stand-in as a process; what tests order goes to /_test/."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        secrets = self.folder / "tls"
        secrets.mkdir()
        self.ca, cert, key = gitserver.make_certificate(str(secrets))
        ready = self.folder / "ready"
        self.process = subprocess.Popen(
            [str(HUB), "--port", "0", "--dir", str(self.folder / "srv"),
             "--tls", cert, key, "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL, start_new_session=True,
            env={"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"})
        wait_for(ready.exists, 20, "the stand-in")
        self.url = ready.read_text().strip()
        self.host = self.url.split("//")[1]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, method, name, values=None):
        answer = requests.request(method, f"{self.url}/_test/{name}",
                                  json=values, verify=self.ca, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, kind, method=".*", path=".*", **more):
        self.ask("POST", "faults", {"kind": kind, "method": method,
                                    "path": path, **more})

    def calm(self):
        for name in ("faults", "journal", "requests", "answers"):
            self.ask("DELETE", name)

    def journal(self, what):
        return [j for j in self.ask("GET", "journal") if j["what"] == what]

    def bare(self, repo, owner="octocat"):
        return self.folder / "srv" / owner / f"{repo}.git"

    def git(self, repo, *args, text=None, owner="octocat"):
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "--git-dir",
             str(self.bare(repo, owner)), *args], input=text, check=True,
            capture_output=True, text=True,
            env={"PATH": PATH, "HOME": "/nonexistent",
                 "GIT_CONFIG_NOSYSTEM": "1",
                 "GIT_AUTHOR_NAME": "M", "GIT_AUTHOR_EMAIL": "m@m",
                 "GIT_COMMITTER_NAME": "M", "GIT_COMMITTER_EMAIL": "m@m"})
        return done.stdout.strip()

    def commit(self, repo, files, branch="main", message="meanwhile"):
        """Somebody else's commit on a branch (made if it is not there)."""
        heads = self.git(repo, "for-each-ref", "--format=%(refname)")
        ref = f"refs/heads/{branch}"
        parent = ref if ref in heads.split() else "refs/heads/main"
        text = (f"commit {ref}\ncommitter M <m@m> 1700000100 +0000\n"
                f"data {len(message)}\n{message}\n"
                f"from {self.git(repo, 'rev-parse', parent)}\n")
        for path, content in files.items():
            if content is None:
                text += f"D {path}\n"
            else:
                text += (f"M 100644 inline {path}\n"
                         f"data {len(content.encode())}\n{content}\n")
        self.git(repo, "fast-import", "--quiet", text=text)

    def branches(self, repo):
        return sorted(self.git(repo, "for-each-ref", "--format="
                               "%(refname:lstrip=2)", "refs/heads").split())


class Town(Full):
    """Full, with a hub in the place of its own little Git server."""

    def __init__(self, **settings):
        super().__init__(**{"OUTBOUND_WORKERS": 4, **settings})
        self.hub = None
        self.repos = 0

    def start_git(self):
        self.hub = Hub(self.folder / "hub")
        self.opened.callback(self.hub.stop)
        self.settings["REPO_ALLOWED_HOSTS"] = f"github.com,{self.hub.host}"
        self.settings["REPO_CA_FILE"] = self.hub.ca
        self.settings["GITHUB_API_URL"] = self.hub.url + "/api/v3"
        self.settings["GITHUB_CA_FILE"] = self.hub.ca
        for token in (TOKEN, OTHER):
            self.hub.ask("POST", "tokens", {
                "token": token, "login": "octocat", "scopes": ["repo"]})
        self.git = types.SimpleNamespace(users={}, url=self.hub.url)
        self.repo = self.make_repo()

    def make_share(self):
        super().make_share()
        shutil.copytree(ROOT / "tests" / "agents",
                        pathlib.Path(self.settings["SHARE_DIR"]) / "agents",
                        dirs_exist_ok=True)

    def stop(self):
        if self.hub is not None:
            self.hub.calm()
        super().stop()

    def make_repo(self, files=None, owner="octocat", **values):
        """The URL of a new repository with one commit."""
        self.repos += 1
        name = f"r{self.repos}"
        if files is None:
            files = {"a.txt": "".join(f"{i}\n" for i in range(1, 41)),
                     "b.txt": "b\n"}
        self.hub.ask("POST", "repos", {"owner": owner, "name": name,
                                       "files": files, **values})
        return f"{self.hub.url}/{owner}/{name}"

    def finished(self, script, repo=None, **fields):
        """A completed task whose agent ran script."""
        task = self.new_task(script, repo_url=repo or self.repo,
                             model="shell", **fields)
        assert self.wait_status(task, seconds=60) == "completed", \
            self.sql("SELECT error FROM tasks WHERE id = %s", task)
        return task

    def begin(self, method, path, body):
        """A request of our user that is sent, and whose answer nobody awaits."""
        context = ssl.create_default_context(cafile=str(self.ca))
        link = http.client.HTTPSConnection("localhost", self.port, timeout=60,
                                           context=context)
        link.request(method, path, json.dumps(body), {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.client.token}"})
        return link

    def create_pr(self, task, token=TOKEN, user=None, **fields):
        body = {"github_token": token, **fields}
        return (user or self.client).post(
            f"/api/create-pr/{task}",
            {k: v for k, v in body.items() if v is not ...}, timeout=120)

    def patient_pr(self, task, seconds=90, **fields):
        """As a user who clicks again when nothing came of it."""
        last = []

        def click():
            with contextlib.suppress(requests.ConnectionError,
                                     requests.Timeout):
                last[:] = [self.create_pr(task, **fields)]
                return last[0].status_code not in (502, 503, 504)
            return False
        wait_for(click, seconds, "an answer to create-pr", every=0.3)
        return last[0]

    def pull_row(self, task):
        names = ("state", "attempt", "sealed", "failure", "head_branch")
        rows = self.sql(f"SELECT {', '.join(names)} FROM pull_requests"
                        " WHERE task_id = %s", task)
        return dict(zip(names, rows[0])) if rows else None

    def outbound(self):
        """Pids of the workers of the slow pool."""
        found = []
        for pid in self.workers():
            with contextlib.suppress(OSError):
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                if name == "taskmill-out":
                    found.append(pid)
        return found


def name_of(repo_url):
    return repo_url.rsplit("/", 1)[1]


__all__ = ["ENDED", "OTHER", "TOKEN", "Hub", "Town", "name_of", "signal",
           "json", "wait_for"]
