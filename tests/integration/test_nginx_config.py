"""The configurations that nginx/generate writes, in a real nginx.

Behind it stands a small FastCGI responder that tells what it was sent, so
that nothing but nginx is tested here; git is real.
"""
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from apikit import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATE = ROOT / "nginx" / "generate"
SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
NGINX = shutil.which("nginx", path=SBIN)
FCGIWRAP = shutil.which("fcgiwrap", path=SBIN)
STARTED_S = 60

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


# ---------------------------------------------------------------- stand-in

def pairs(data):
    """FastCGI name-value pairs."""
    out, at = [], 0

    def length():
        nonlocal at
        n = data[at]
        at += 1
        if n & 0x80:
            n = (n & 0x7F) << 24 | int.from_bytes(data[at:at + 3], "big")
            at += 3
        return n

    while at < len(data):
        name_len = length()
        value_len = length()
        out.append((data[at:at + name_len].decode(),
                    data[at + name_len:at + name_len + value_len].decode()))
        at += name_len + value_len
    return out


class Pool:
    """Answers every request with its own parameters, as JSON."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(511)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(peer,),
                             daemon=True).start()

    def answer(self, peer):
        params, body = b"", b""
        with peer, peer.makefile("rb") as stream:
            while True:
                head = stream.read(8)
                if len(head) < 8:
                    return
                _, kind, _, size, pad = struct.unpack(">BBHHBx", head)
                data = stream.read(size + pad)[:size]
                if kind == 4:
                    params += data
                elif kind == 5:
                    body += data
                    if size == 0:
                        break
            text = json.dumps({"params": pairs(params), "body": len(body)})
            reply = ("Status: 200 OK\r\nContent-Type: application/json\r\n"
                     "X-Request-Id: from-the-pool\r\nX-Powered-By: x\r\n\r\n"
                     + text).encode()
            peer.sendall(b"".join(
                struct.pack(">BBHHBx", 1, kind, 1, len(part), 0) + part
                for kind, part in ((6, reply), (6, b""), (3, bytes(8)))))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()


# ----------------------------------------------------------------- helpers

def generate(*args):
    return subprocess.run([str(GENERATE), *map(str, args)], check=True,
                          capture_output=True, text=True, timeout=60).stdout


def install(folder, site):
    """An nginx.conf for the text of a server's site, and the ports it got in
    place of 80 and 443, which not everybody may have. IPv6 may be off."""
    ports = free_port(), free_port()
    site = re.sub(r"listen \[::\].*\n", "", site)
    for wanted, port in zip(("80", "443"), ports):
        site = site.replace(f"listen {wanted}", f"listen 127.0.0.1:{port}")
    (folder / "site").write_text(site)
    # Or its workers would not be let in to the pool's socket.
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{user} pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ client_body_temp_path {folder}/t1; proxy_temp_path "
        f"{folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path "
        f"{folder}/t4; scgi_temp_path {folder}/t5; include {folder}/site; }}\n")
    return conf, *ports


class Web:
    """An nginx with a laptop's configuration."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.port = free_port()
        generate("laptop", "--out", folder, "--port", self.port, *options)
        self.start(folder / "tls" / "ca.crt")

    def start(self, ca):
        self.ca = ca
        self.process = subprocess.Popen(
            [NGINX, "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"])
        self.await_port()

    def await_port(self):
        deadline = time.monotonic() + STARTED_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None, "nginx ended at once"
                time.sleep(0.02)
        raise AssertionError("nginx does not listen")

    def connect(self, source="127.0.0.1"):
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=context,
            source_address=(source, 0))

    def ask(self, method, path, body=None, headers=None, **where):
        link = self.connect(**where)
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer, answer.read()
        finally:
            link.close()

    def raw(self, request, tls=True):
        """Bytes as they are; the status and the body that come back."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as plain:
            link = plain
            if tls:
                context = ssl.create_default_context(cafile=str(self.ca))
                link = context.wrap_socket(plain, server_hostname="localhost")
            link.sendall(request)
            answer = http.client.HTTPResponse(link)
            answer.begin()
            return answer, answer.read()

    def log(self):
        return (self.folder / "log" / "access.log").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def params_of(body):
    return dict(json.loads(body)["params"])


def assert_error(answer, body, status, text):
    """The API's shape, from nginx itself."""
    assert answer.status == status
    assert json.loads(body) == {"error": text}
    assert answer.headers.get_all("Content-Type") == ["application/json"]
    assert len(answer.headers.get_all("X-Request-Id")) == 1
    assert answer.headers["Server"] == "nginx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def pool(folder):
    p = Pool(folder / "pool.sock")
    yield p
    p.close()


@pytest.fixture(scope="module")
def web(folder, pool):
    w = Web(folder / "on a laptop", "--socket", pool.path,
            "--auth-rate", "1", "--auth-burst", "3",
            "--start-rate", "1r/m", "--start-burst", "2",
            "--address-conns", "30", "--user-conns", "2",
            "--outbound-socket", pool.path)
    yield w
    w.stop()


@pytest.fixture
def guarded(folder, pool, tmp_path):
    """nginx asks for passwords by itself."""
    users = tmp_path / "htpasswd"
    users.write_text("ada:{PLAIN}right\n")
    users.chmod(0o644)
    tmp_path.chmod(0o755)
    w = Web(folder / "guarded", "--socket", pool.path, "--remote-user", users,
            "--token-rate", "1", "--token-burst", "2",
            "--outbound-socket", pool.path)
    yield w
    w.stop()


# ------------------------------------------------------------------- tests

def test_both_kinds_pass_nginx_t(folder, web):
    site = folder / "site"
    generate("server", "--name", "tasks.example.org", "--socket",
             "/run/taskmill/api.sock", "--cert",
             web.folder / "tls" / "server.crt", "--key",
             web.folder / "tls" / "server.key", "--log-dir", folder,
             "--out", site)
    text = site.read_text()
    for needed in ("Strict-Transport-Security", "TLSv1.2 TLSv1.3", "http2",
                   "return 308 https://", "client_max_body_size 1m",
                   "rate=10r/m", "rate=60r/m", "rate=600r/m",
                   "limit_conn taskmill_address_conns 200;",
                   "limit_conn taskmill_user_conns 3;", "deny all"):
        assert needed in text
    assert "keep_conn" not in text  # F4
    assert re.search(r"@[A-Z]|@include", text) is None
    conf, *_ = install(folder, text)  # nginx -t binds
    for path in (conf, web.folder / "nginx.conf"):
        subprocess.run([NGINX, "-t", "-c", str(path)], check=True,
                       capture_output=True, timeout=60)


@pytest.mark.parametrize("args", [
    ["laptop", "--out", "x", "--port", "0", "--socket", "s"],
    ["laptop", "--out", "x", "--port", "65536", "--socket", "s"],
    ["laptop", "--out", "x;y", "--port", "1", "--socket", "s"],
    ["laptop", "--out", "$HOME", "--port", "1", "--socket", "s"],
    ["laptop", "--out", "x", "--port", "1", "--socket", "s" * 200],
    ["laptop", "--out", "x", "--port", "1"],
    ["laptop", "--out", "x", "--port", "1", "--socket", "s",
     "--git-root", "g"],
    ["laptop", "--out", "x", "--port", "1", "--socket", "s",
     "--auth-rate", "1r/m;"],
    ["server", "--name", "a b;", "--cert", "c", "--key", "k",
     "--socket", "s"],
    ["server", "--name", "a", "--cert", "c", "--socket", "s"],
    ["cloud"], [],
])
def test_nonsense_is_refused(args, tmp_path):
    done = subprocess.run([str(GENERATE), *args], cwd=tmp_path,
                          capture_output=True, timeout=60)
    assert done.returncode == 2 and done.stderr
    assert list(tmp_path.iterdir()) == []


def test_certificate_is_kept_and_its_ca_has_no_key(folder, web):
    before = (web.folder / "tls" / "server.crt").read_bytes()
    generate("laptop", "--out", folder / "again", "--port", 1, "--socket", "s",
             "--tls-dir", web.folder / "tls")
    assert (web.folder / "tls" / "server.crt").read_bytes() == before
    assert sorted(p.name for p in (web.folder / "tls").iterdir()) == [
        "ca.crt", "server.crt", "server.key"]
    assert (web.folder / "tls" / "server.key").stat().st_mode & 0o077 == 0


def test_a_request_arrives(web):
    answer, body = web.ask("POST", "/ping?a=1", b"{}", {
        "Content-Type": "application/json", "Proxy": "http://evil.example",
        "X-Request-Id": "mine", "Idempotency-Key": "k",
        "Authorization": "Basic " + base64.b64encode(b"root:x").decode()})
    params = params_of(body)
    names = [name for name, _ in json.loads(body)["params"]]
    assert answer.status == 200 and json.loads(body)["body"] == 2
    assert len(names) == len(set(names))  # N5
    assert params["REQUEST_METHOD"] == "POST"
    assert params["REQUEST_URI"] == "/ping?a=1"
    assert params["SCRIPT_NAME"] == "/ping"
    assert params["QUERY_STRING"] == "a=1"
    assert params["CONTENT_LENGTH"] == "2"
    assert params["CONTENT_TYPE"] == "application/json"
    assert params["REMOTE_ADDR"] == "127.0.0.1"
    assert params["HTTP_AUTHORIZATION"].startswith("Basic ")
    assert params["HTTP_IDEMPOTENCY_KEY"] == "k"
    assert "HTTP_PROXY" not in params  # N6
    assert "REMOTE_USER" not in params  # nobody has checked that name
    assert "HTTP_X_REQUEST_ID" not in params
    assert answer.headers.get_all("X-Request-Id") == [params["REQUEST_ID"]]
    assert answer.headers["X-Powered-By"] is None
    assert answer.headers["Server"] == "nginx"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Strict-Transport-Security"] is None


def test_http2_and_tls_versions(web):
    def curl(*options):
        return subprocess.run(
            ["curl", "-sS", "--cacert", str(web.ca), "-o", os.devnull, "-w",
             "%{http_version} %{http_code}", *options,
             f"https://localhost:{web.port}/ping"],
            capture_output=True, text=True, timeout=60)

    (web.folder / "big").write_bytes(bytes(1100000))
    assert curl("--http2").stdout == "2 200"
    # too large over HTTP/2 as well, where it need not be announced
    big = curl("--http2", "-X", "POST", "-H", "Content-Length:",
               "--data-binary", "@" + str(web.folder / "big"))
    assert big.stdout == "2 413"
    assert curl("--tlsv1.2", "--tls-max", "1.2").stdout.endswith("200")
    assert curl("--tlsv1.0", "--tls-max", "1.1").returncode != 0


def test_chunked_bodies_arrive_whole(web):
    answer, body = web.ask("POST", "/api/x", iter([b"a" * 5000] * 4))
    assert answer.status == 200 and json.loads(body)["body"] == 20000
    assert params_of(body)["CONTENT_LENGTH"] == "20000"


def test_bodies_have_a_limit_and_touch_no_disk(web):
    answer, body = web.ask("POST", "/api/x", b"a" * (1 << 20))
    assert answer.status == 200 and json.loads(body)["body"] == 1 << 20
    assert list((web.folder / "tmp" / "body").iterdir()) == []
    assert_error(*web.raw(b"POST /api/x HTTP/1.1\r\nHost: localhost\r\n"
                          b"Content-Length: 1048577\r\n\r\n"),
                 413, "Request body is too large")


SIGN_IN = "/auth/v1/token?grant_type=password"
DEVICE = "__Host-taskmill-device=" + "aB3-_" * 8 + "xyz"


def test_passwords_are_limited(web):
    for _ in range(4):
        answer, body = web.ask("POST", SIGN_IN, b"{}")
        assert answer.status == 200
    for path in (SIGN_IN, "/auth/v1/token", "/auth/v1/signup?redirect_to=x",
                 "/auth/v1/signup?grant_type=refresh_token",
                 "/auth/v1/%74oken?grant_type=password",
                 "/a/../auth/v1/token?grant_type=password",
                 "/auth/v1/token?grant%5Ftype=password",
                 "/auth/v1/token?grant_type=refresh_token&grant_type=password",
                 "/auth/v1/token?grant_type=password&grant_type=refresh_token",
                 "/auth/v1/token?x=grant_type=refresh_token"):
        answer, body = web.ask("POST", path, b"{}")
        assert_error(answer, body, 429, "Rate limit exceeded")
        assert int(answer.headers["Retry-After"]) == 60
    # only POST counts, and only by its address
    assert web.ask("GET", SIGN_IN)[0].status == 200
    assert web.ask("POST", SIGN_IN, b"{}", source="127.0.0.2"
                   )[0].status == 200


def test_a_known_browser_is_not_kept_out_by_its_neighbours(folder, pool):
    """At the rates that are shipped. Whether it is known the API looks at."""
    w = Web(folder / "office", "--socket", pool.path,
            "--outbound-socket", pool.path)

    def status(path, cookie):
        return w.ask("POST", path, b"{}", {"Cookie": cookie})[0].status

    def over(path, cookie):  # one place comes back each 6 s
        return any(status(path, cookie) == 429 for _ in range(60))
    try:
        assert over(SIGN_IN, "a=b")
        for cookie in (DEVICE, "a=b; " + DEVICE, DEVICE + "; a=b"):
            assert {status(SIGN_IN, cookie) for _ in range(10)} == {200}
        for none in (DEVICE[:-1], DEVICE + "x", "x" + DEVICE,
                     DEVICE.replace("-_", "!!"), "x=" + DEVICE):
            assert over(SIGN_IN, none), none
        # Whoever signs up has no business with a browser that is known.
        assert over("/auth/v1/signup", DEVICE)
    finally:
        w.stop()


@pytest.mark.parametrize("path", [
    "/api/auth/token", "/api/auth/refresh",
    "/auth/v1/token?grant_type=refresh_token"])
def test_pages_that_load_and_renew_their_tokens_are_not(web, path):
    """Also when passwords from there are over their limit."""
    for _ in range(6):
        web.ask("POST", SIGN_IN, b"{}")
    assert {web.ask("POST", path, b"{}")[0].status for _ in range(40)} == {200}


def start(web, token, path="/api/start-task", **more):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return web.ask("POST", path, b"{}", headers, **more)[0].status


def test_work_is_limited_by_user(web):
    assert [start(web, "ada's") for _ in range(4)] == [200, 200, 200, 429]
    for path in ("/api/create-pr/7", "/api/validate-token"):
        assert start(web, "ada's", path) == 429
        assert start(web, "ada's", path, source="127.0.0.3") == 429
    assert start(web, "eve's") == 200
    assert start(web, "ada's", "/api/tasks/7/cancel") == 200
    # A long token's end tells it, and the end of one is not another's.
    assert [start(web, "x" * 500 + "a") for _ in range(4)][-1] == 429
    assert start(web, "x" * 500 + "b") == 200


def test_work_is_limited_by_address_for_who_makes_tokens_up(web):
    got = [start(web, f"made up {i}", source="127.0.0.4") for i in range(40)]
    assert got[:20] == [200] * 20 and got[-1] == 429
    assert start(web, None, source="127.0.0.4") == 429


def trickle(web, path, headers=b"", source="127.0.0.5"):
    """A POST whose body does not come; nginx has read its head."""
    context = ssl.create_default_context(cafile=str(web.ca))
    plain = socket.create_connection(("127.0.0.1", web.port), 60,
                                     source_address=(source, 0))
    link = context.wrap_socket(plain, server_hostname="localhost")
    link.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\n" +
                 headers + b"Content-Length: 10\r\n\r\n{")
    return link


def wait_status(expected, ask, seconds=60):
    deadline = time.monotonic() + seconds
    while (got := ask()) != expected:
        assert time.monotonic() < deadline, got
        time.sleep(0.02)


def test_requests_at_a_time_are_limited_by_address(web):
    """Those that trickle in fill one address's share, not the pool."""
    links = [trickle(web, b"/api/tasks/1/chat") for _ in range(30)]
    try:
        wait_status(429, lambda: web.ask("GET", "/api/tasks",
                                         source="127.0.0.5")[0].status)
        answer, body = web.ask("GET", "/api/tasks", source="127.0.0.5")
        assert_error(answer, body, 429, "Rate limit exceeded")
        assert "Retry-After" in answer.headers
        assert web.ask("GET", "/api/tasks")[0].status == 200
    finally:
        for link in links:
            link.close()
    wait_status(200, lambda: web.ask("GET", "/api/tasks",
                                     source="127.0.0.5")[0].status)


def test_calls_to_github_at_a_time_are_limited_by_user(web):
    """Each source its own address: the user is who is limited."""
    token = b"Authorization: Bearer many at once\r\n"
    links = [trickle(web, b"/api/create-pr/7", token, f"127.0.0.{i}")
             for i in (6, 7)]

    def status(path, who="many at once"):  # a GET is under no other limit
        return web.ask("GET", path, source="127.0.0.8", headers={
            "Authorization": f"Bearer {who}"})[0].status
    try:
        wait_status(429, lambda: status("/api/validate-token"))
        assert status("/api/validate-token", "somebody else") == 200
        assert status("/api/task-status/7") == 200
    finally:
        for link in links:
            link.close()
    wait_status(200, lambda: status("/api/validate-token"))


def test_polling_is_never_limited(web):
    link = web.connect()
    for _ in range(300):
        link.request("GET", "/api/task-status/7")
        answer = link.getresponse()
        answer.read()
        assert answer.status == 200
    link.close()


def test_what_cannot_be_read_is_answered_in_json(web):
    host = b"Host: localhost\r\n"
    assert_error(*web.raw(b"NONSENSE\r\n\r\n"), 400, "Bad request")
    assert_error(*web.raw(b"GET / HTTP/1.1\r\n\r\n"), 400, "Bad request")
    assert_error(*web.raw(b"GET / HTTP/1.1\r\n" + host +
                          b"Content-Length: x\r\n\r\n"), 400, "Bad request")
    assert_error(*web.raw(b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\n" + host +
                          b"\r\n"), 414, "Request path is too long")
    assert_error(*web.raw(b"GET / HTTP/1.1\r\n" + host + b"Authorization: " +
                          b"a" * 17000 + b"\r\n\r\n"),
                 431, "Request headers are too large")
    assert_error(*web.raw(b"GET / HTTP/1.1\r\n" + host + b"\r\n", tls=False),
                 400, "This port speaks HTTPS only")
    assert_error(*web.raw(b"TRACE / HTTP/1.1\r\n" + host + b"\r\n"),
                 405, "Method not allowed")
    assert_error(*web.ask("GET", "/.error/413"), 404, "Not found")


def test_long_tokens_reach_the_pool(web):
    answer, body = web.ask("GET", "/api/tasks", headers={
        "Authorization": "Bearer " + "a" * 12000})
    assert answer.status == 200
    assert len(params_of(body)["HTTP_AUTHORIZATION"]) == 12007


def test_metrics_are_for_loopback(web):
    for path in ("/metrics", "/status"):
        assert web.ask("GET", path)[0].status == 200
        answer, body = web.ask("GET", path, source="127.0.0.2")
        assert_error(answer, body, 404, "Not found")


def test_log_is_json_without_secrets(web):
    web.ask("POST", "/api/logged?token=querysecret", b'{"p":"bodysecret"}', {
        "Authorization": "Bearer headersecret", "Cookie": "c=cookiesecret",
        "Referer": "https://x/?t=referersecret", "User-Agent": 'a "q" \\ \n'
        .strip()})
    deadline = time.monotonic() + STARTED_S
    while "/api/logged" not in web.log() and time.monotonic() < deadline:
        time.sleep(0.02)
    lines = [json.loads(line) for line in web.log().splitlines()]
    line = [x for x in lines if x["path"] == "/api/logged"][0]
    assert line["status"] == 200 and line["method"] == "POST"
    assert line["agent"] == 'a "q" \\'
    assert len(line["id"]) == 32
    assert "secret" not in web.log()
    assert "secret" not in (web.folder / "log" / "error.log").read_text()


def test_a_missing_pool_is_answered_in_json(folder, web):
    other = Web(folder / "alone", "--socket", folder / "nobody.sock",
                "--tls-dir", web.folder / "tls")
    other.ca = web.ca
    try:
        for path in ("/", "/healthz", "/api/tasks", "/metrics"):
            answer, body = other.ask("GET", path)
            assert_error(answer, body, 502, "Service unavailable")
            assert answer.headers["Retry-After"] == "1"
    finally:
        other.stop()


# --------------------------------------------------------------------- git

def git(*args, ca=None, cwd=None):
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
           "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
           "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@localhost",
           "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@localhost"}
    if ca is not None:
        env["GIT_SSL_CAINFO"] = str(ca)
    return subprocess.run(["git", *map(str, args)], env=env, cwd=cwd,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def git_server(folder):
    if FCGIWRAP is None:
        pytest.skip("fcgiwrap is not installed")
    root = folder / "repositories"
    work = folder / "work"
    assert git("init", "-q", "-b", "main", work).returncode == 0
    (work / "big").write_bytes(os.urandom(300000))
    assert git("add", ".", cwd=work).returncode == 0
    assert git("commit", "-q", "-m", "first", cwd=work).returncode == 0
    assert git("clone", "-q", "--bare", work, root / "demo.git"
               ).returncode == 0
    path = folder / "git.sock"
    process = subprocess.Popen([FCGIWRAP, "-c", "2", "-s", f"unix:{path}"],
                               start_new_session=True)
    deadline = time.monotonic() + STARTED_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield ["--git-root", root, "--git-socket", path]
    # its children outlive it otherwise
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)


def serve_git(folder, web, git_server, name, *options):
    w = Web(folder / name, "--socket", folder / "pool.sock", "--tls-dir",
            web.folder / "tls", *git_server, *options)
    w.ca = web.ca
    return w


@pytest.fixture(scope="module")
def site(folder, pool):
    """The laptop's nginx with a front end's files."""
    files = folder / "built"
    (files / "assets").mkdir(parents=True)
    (files / "index.html").write_text("<title>front end</title>")
    (files / "about.html").write_text("<title>about</title>")
    (files / "assets" / "app.js").write_text("let a")
    (files / ".env").write_text("SECRET=1")
    w = Web(folder / "with a front end", "--socket", pool.path, "--web-root", files)
    yield w
    w.stop()


@pytest.mark.parametrize("path, kind, text", [
    ("/", "text/html", b"front end"), ("/tasks/7", "text/html", b"front end"),
    ("/about", "text/html", b"about"), ("/assets/app.js", "text/javascript", b"let a")])
def test_a_front_ends_files_are_served(site, path, kind, text):
    answer, body = site.ask("GET", path)
    assert answer.status == 200 and text in body
    assert answer.headers["Content-Type"] == kind
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/tasks", "/api/nothing", "/api/create-pr/1", "/ping", "/healthz", "/readyz",
                                  "/rest/v1/tasks", "/auth/v1/user"])
def test_beside_a_front_end_the_api_is_the_api(site, path):
    answer, body = site.ask("GET", path)
    assert b"<title>" not in body
    if path != "/api/create-pr/1":  # nobody listens on that pool's socket here
        assert params_of(body)["REQUEST_URI"] == path


@pytest.mark.parametrize("path", ["/.env", "/assets/../.env", "/.git/config", "/assets/.hidden"])
def test_hidden_files_are_not_served(site, path):
    answer, body = site.ask("GET", path)
    assert answer.status == 404 and b"SECRET" not in body
    assert json.loads(body) == {"error": "Not found"}


def test_clone_but_no_push(folder, web, pool, git_server):
    w = serve_git(folder, web, git_server, "git-read")
    url = f"https://127.0.0.1:{w.port}/git/demo.git"
    copy = folder / "copy"
    try:
        done = git("clone", "-q", url, copy, ca=w.ca)
        assert done.returncode == 0, done.stderr
        assert (copy / "big").stat().st_size == 300000
        git("commit", "-q", "--allow-empty", "-m", "x", cwd=copy)
        assert git("push", "-q", cwd=copy, ca=w.ca).returncode != 0
        for method, path in (
                ("GET", "/git/demo.git/info/refs?service=git-receive-pack"),
                ("GET", "/git/demo.git/info/refs?service=git%2Dreceive-pack"),
                ("POST", "/git/demo.git/git-receive-pack"),
                ("POST", "/git/demo.git/git-receive%2Dpack")):
            answer, _ = w.ask(method, path, headers={
                "Authorization": "Basic cm9vdDp4"})
            assert answer.status == 403, path
        for path in ("/git/../../etc/passwd", "/git/%2e%2e/%2e%2e/etc/passwd",
                     "/git/demo.git/../../../etc/passwd"):
            # 200 is the pool's: it echoes what is asked.
            answer, body = w.ask("GET", path)
            assert answer.status in (400, 200)
            assert b"root:" not in body
        assert w.ask("GET", "/git/none.git/info/refs?service=git-upload-pack"
                     )[0].status == 404
        assert git("clone", "-q", url, folder / "distrust").returncode != 0
    finally:
        w.stop()


def test_clone_with_a_token_and_push_with_a_password(folder, web, pool,
                                                     git_server):
    readers, writers = folder / "readers", folder / "writers"
    readers.write_text("x-access-token:{PLAIN}tok\n")
    writers.write_text("dev:{PLAIN}pw\n")
    w = serve_git(folder, web, git_server, "git-auth", "--git-auth", readers,
                  "--git-push-users", writers)
    at = f"127.0.0.1:{w.port}/git/demo.git"
    copy = folder / "copy-2"
    try:
        done = git("clone", "-q", f"https://{at}", copy, ca=w.ca)
        assert done.returncode != 0
        answer, body = w.ask(
            "GET", "/git/demo.git/info/refs?service=git-upload-pack")
        assert_error(answer, body, 401, "Authentication required")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        done = git("clone", "-q", f"https://x-access-token:bad@{at}", copy,
                   ca=w.ca)
        assert done.returncode != 0
        done = git("clone", "-q", f"https://x-access-token:tok@{at}", copy,
                   ca=w.ca)
        assert done.returncode == 0, done.stderr
        git("commit", "-q", "--allow-empty", "-m", "pushed", cwd=copy)
        done = git("push", "-q", f"https://x-access-token:tok@{at}", "main",
                   cwd=copy, ca=w.ca)
        assert done.returncode != 0
        done = git("push", "-q", f"https://dev:pw@{at}", "main", cwd=copy,
                   ca=w.ca)
        assert done.returncode == 0, done.stderr
        assert "tok" not in w.log().replace("x-access-token", "")
    finally:
        w.stop()


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_passwords_that_nginx_asks_for_are_counted(guarded, method):
    """By whatever method they are guessed."""
    wrong = {"Authorization": "Basic YWRhOndyb25n"}
    seen = [guarded.ask(method, "/api/auth/token", headers=wrong)[0].status
            for _ in range(6)]
    assert seen[0] == 401 and set(seen[3:]) == {429}, seen


def test_a_cookie_that_is_made_up_is_limited_as_well(guarded):
    """With all that asks for tokens from there."""
    seen = [guarded.ask("POST", SIGN_IN, b"{}", {"Cookie": DEVICE})[0].status
            for _ in range(6)]
    assert seen[0] == 200 and set(seen[3:]) == {429}, seen
