"""The stand-in's HTTP: the REST API, git's smart HTTP, and the tests' switches.

    with serve(folder) as github:
        github.url, github.api_url, github.admin("POST", "users", {...})
"""
import argparse
import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import select
import signal
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

import admin as admins  # noqa: E402
import api as apis  # noqa: E402
import faults as all_faults  # noqa: E402
import gitserver  # noqa: E402
import model as models  # noqa: E402

BODY_MAX = 64 * 1024 * 1024
HANG_S, KEEP = 60, 2000
GIT = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?/"
                 r"(info/refs|git-upload-pack|git-receive-pack)")


class Handler(gitserver.Handler):
    server_version = "github.com"
    sys_version = ""
    timeout = 120

    def do_GET(self):
        self.take(b"")

    def do_POST(self):
        self.take(self.read_body())

    do_PATCH = do_PUT = do_DELETE = do_POST

    def read_body(self):
        if int(self.headers.get("Content-Length", 0)) > BODY_MAX:
            raise ConnectionError("a body that is too large")
        return super().read_body()

    def take(self, body):
        parts = urllib.parse.urlsplit(self.path)
        if parts.path.startswith("/_test/"):
            return self.take_admin(parts.path, body)
        self.server.requests.append(
            {"method": self.command, "path": self.path, "at": time.time()})
        fault = self.server.take_fault(self.command, parts.path)
        if fault is not None and self.fail_before(fault):
            return None
        if GIT.fullmatch(parts.path):
            return self.take_git(parts, body)
        return self.take_api(parts, body, fault)

    def take_admin(self, path, body):
        with self.server.lock:
            try:
                status, said = self.server.admin_part.handle(
                    self.command, path, body)
            except models.Refused as e:
                status, said = 400, {"message": str(e)}
        return self.answer_json(status, said)

    def answer_json(self, status, said, headers=()):
        self.answer(status, [
            ("Content-Type", "application/json; charset=utf-8"), *headers],
            json.dumps(said).encode())

    def token_text(self):
        """The token of a request, however it is given; None without one."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() in ("bearer", "token"):
            return value
        if kind.lower() == "basic":
            return base64.b64decode(value).decode().partition(":")[2]
        return None

    # The REST API

    def take_api(self, parts, body, fault):
        server, path = self.server, parts.path
        enterprise = path.startswith("/api/v3/")
        path = path.removeprefix("/api/v3") if enterprise else path
        request = apis.Request(self.command, path, parts.query, self.headers,
                               body)
        api = server.enterprise if enterprise else server.api
        with server.lock:
            if fault is not None and fault.kind == "exists_race":
                api.handle(request, self.token_text())
            answer = api.handle(request, self.token_text())
            server.answers.append({
                "method": self.command, "route": answer.route,
                "status": answer.status, "body": answer.body})
        text = json.dumps(answer.body).encode()
        headers = [("Content-Type", "application/json; charset=utf-8"),
                   *answer.headers]
        if fault is None or not self.fail_after(fault, answer, text):
            self.answer(answer.status, headers, text)

    def close(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)

    def fail_before(self, fault):
        """True if that was the answer."""
        kind = fault.kind
        if kind == "delay":
            fault.over.wait(fault.get("seconds", 1))
            return False
        if kind == "change":
            self.server.admin(*fault.get("ask", ()))
            return False
        if kind == "hang":
            # Until the client has had enough, too.
            end = time.monotonic() + fault.get("seconds", HANG_S)
            while time.monotonic() < end and not fault.over.is_set() and \
                    not select.select([self.connection], [], [], 0.05)[0]:
                pass
            self.close()
        elif kind == "drop":
            self.close()
        elif kind == "status":
            self.answer(fault.get("status", 500), [
                ("Content-Type", "text/html")], b"<html>Unicorn!</html>")
        elif kind == "stale":
            self.answer_json(200, [], [])
        elif kind in ("rate_limit", "secondary"):
            status, headers, message = all_faults.limit_headers(fault)
            self.answer_json(status, {"message": message,
                                      "documentation_url": apis.DOCS},
                             headers)
        elif kind == "location":
            self.answer_json(301, {"message": "Moved Permanently"},
                             [("Location", fault.get("url", ""))])
        else:
            return False
        return True

    def fail_after(self, fault, answer, text):
        """True if that was the answer."""
        kind = fault.kind
        if kind == "drop_after":
            self.close()
        elif kind == "status_after":
            self.answer(fault.get("status", 502), [
                ("Content-Type", "text/html")], b"<html>Unicorn!</html>")
        elif kind == "cut":
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text[:len(text) // 2])
            self.close()
        elif kind == "garbage":
            self.answer(answer.status, [], b"{\"number\": ")
        elif kind == "large":
            self.answer(answer.status, [], b" " * (3 << 20) + text)
        else:
            return False
        return True

    # git over HTTP

    def take_git(self, parts, body):
        owner, name, service = GIT.fullmatch(parts.path).groups()
        push = "git-receive-pack" in (
            service, urllib.parse.parse_qs(parts.query).get(
                "service", [""])[0])
        with self.server.lock:
            repo, refusal, login = self.check_git(owner, name, push)
        if refusal is not None:
            status, text, headers = refusal
            return self.answer(status, [("Content-Type", "text/plain"),
                                        *headers], text.encode() + b"\n")
        before = refs_of(repo) if push else None
        self.path = f"/{os.path.basename(repo.path)}/{service}" + (
            f"?{parts.query}" if parts.query else "")
        answer = gitserver.run_backend(os.path.dirname(repo.path), self, body,
                                       login if push else None)
        if push:
            self.note_push(repo, login, before, refs_of(repo))
        return self.answer(*answer)

    def check_git(self, owner, name, push):
        """(repository, None or why not, login)"""
        server, text = self.server, self.token_text()
        token = server.model.tokens.get(text)
        ask = [("WWW-Authenticate", 'Basic realm="GitHub"')]
        if text is not None and (token is None or token.revoked):
            return None, (401, "Invalid username or token. Password "
                          "authentication is not supported for Git "
                          "operations.", ask), None
        repo = server.model.find(owner, name)
        sees = repo is not None and server.model.sees(token, repo)
        if token is None and (push or not sees):
            return None, (401, "No anonymous write access.", ask), None
        if not sees:
            return None, (404, "Repository not found.", ()), None
        if server.model.named(owner, name) is None:
            to = f"{server.url}/{repo.full_name}.git/info/refs?" \
                + urllib.parse.urlsplit(self.path).query
            return None, (301, "", [("Location", to)]), None
        return repo, self.git_refusal(repo, token, push), \
            token.login if token else None

    def git_refusal(self, repo, token, push):
        if repo.blocked:
            return 403, "Repository access blocked.", ()
        if repo.private and self.server.model.needs_sso(token, repo):
            return 403, f"The '{repo.owner}' organization has enabled or " \
                "enforced SAML SSO.", ()
        if push and repo.archived:
            return 403, "This repository was archived so it is read-only.", ()
        if push and not self.server.model.writes(token, repo):
            if token.permissions is not None:
                return 403, "Write access to repository not granted.", ()
            return 403, f"Permission to {repo.full_name}.git denied to " \
                f"{token.login}.", ()
        if repo.private and not token.may("contents", "read"):
            return 403, "Write access to repository not granted.", ()
        return None

    def note_push(self, repo, login, before, after):
        for ref in sorted(before.keys() | after.keys()):
            if before.get(ref) != after.get(ref):
                self.server.journal.append({
                    "what": "push", "repo": repo.full_name, "by": login,
                    "ref": ref, "from": before.get(ref),
                    "to": after.get(ref)})


def refs_of(repo):
    lines = repo.git("for-each-ref", "--format=%(refname) %(objectname)")[1]
    return dict(line.split(" ") for line in lines.splitlines())


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, folder, tls=None):
        super().__init__(("127.0.0.1", port), Handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False)
        host = "localhost" if tls is not None else "127.0.0.1"
        self.url = f"http{'s' if tls else ''}://{host}:" \
            f"{self.server_address[1]}"
        self.api_url = self.url
        self.lock = threading.RLock()
        self.faults = all_faults.Faults()
        self.journal, self.requests, self.answers = [], [], []
        self.model = models.Model(folder)
        self.api = apis.Api(self.model, self.url, self.url, self.journal)
        self.enterprise = apis.Api(self.model, self.url, self.url + "/api/v3",
                                   self.journal)
        self.admin_part = admins.Admin(self.model, self.faults, self.journal,
                                       self.requests, self.answers)

    def handle_error(self, request, client_address):
        kind = sys.exc_info()[0]
        # Clients of tests break off at will; all else is a fault of ours.
        if not issubclass(kind, (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)

    def take_fault(self, method, path):
        with self.lock:
            del self.requests[:-KEEP], self.answers[:-KEEP]
            return self.faults.take(method, path)

    def admin(self, method, name, values=None):
        """The same as over HTTP, for tests in this process."""
        with self.lock:
            body = json.dumps(values).encode() if values is not None else b""
            status, said = self.admin_part.handle(method, f"/_test/{name}",
                                                  body)
        if status != http.client.OK:
            raise ValueError(said)
        return said


@contextlib.contextmanager
def serve(folder, tls=None):
    server = Server(0, folder, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stop(*_):
    raise KeyboardInterrupt


def main(usage):
    parser = argparse.ArgumentParser(description=usage)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--ready-file", help="gets the address, once it is up")
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    server = Server(args.port, args.dir, args.tls)
    if args.ready_file:
        with open(args.ready_file + ".new", "w", encoding="ascii") as f:
            f.write(server.url + "\n")
        os.rename(args.ready_file + ".new", args.ready_file)
    print(server.url, flush=True)
    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(0.2)
    server.server_close()
    return 0
