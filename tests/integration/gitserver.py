"""A small Git server over smart HTTP(S) for tests, on loopback.

    with serve(folder, users={"x-access-token": "secret"}) as server:
        clone(server.url + "repo.git", ca=server.ca_file)

It hands requests to `git http-backend`, checks basic authentication where
users are given, and counts and keeps what was asked for.
"""
import base64
import contextlib
import http.server
import os
import shutil
import socketserver
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

BACKEND = "/usr/lib/git-core/git-http-backend"


def make_certificate(folder):
    """A CA and a certificate for localhost; returns (ca, certificate, key)."""
    def path(name):
        return os.path.join(folder, name)

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    with open(path("ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=test CA", "-keyout", path("ca.key"), "-out", path("ca.pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=localhost", "-keyout", path("key.pem"),
            "-out", path("req.pem"))
    openssl("x509", "-req", "-in", path("req.pem"), "-CA", path("ca.pem"),
            "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2",
            "-extfile", path("ext"), "-out", path("cert.pem"))
    return path("ca.pem"), path("cert.pem"), path("key.pem")


def run_backend(folder, request, body, user=None):
    """What git http-backend says: (status, headers, body).

    request has .command, .path and .headers. With a user it takes pushes.
    """
    parts = urllib.parse.urlsplit(request.path)
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": folder,
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.command,
        "PATH_INFO": urllib.parse.unquote(parts.path),
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
        # Served as whoever owns the repositories.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    if user is not None:
        env["REMOTE_USER"] = user
    done = subprocess.run([BACKEND], input=body, env=env,
                          capture_output=True, check=False)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    status, headers = 200, []
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name == "Status":
            status = int(value.split()[0])
        elif name:
            headers.append((name, value))
    return status, headers, rest


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.handle_git(b"")

    def do_POST(self):
        self.handle_git(self.read_body())

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def user(self):
        """The user's name, None when it is nobody who may come in."""
        words = self.headers.get("Authorization", "").split(" ", 1)
        if words[0] != "Basic" or len(words) != 2:
            return None
        name, _, password = base64.b64decode(words[1]).decode().partition(":")
        return name if self.server.users.get(name) == password else None

    def handle_git(self, body):
        server = self.server
        server.requests.append((self.command, self.path))
        if server.answers:
            status, headers = server.answers.pop(0)
            return self.answer(status, headers)
        user = self.user() if server.users else None
        if server.users and user is None:
            return self.answer(
                401, [("WWW-Authenticate", 'Basic realm="git"')])
        return self.answer(*run_backend(server.folder, self, body,
                                        user if server.push else None))


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # clients of tests break off at will


@contextlib.contextmanager
def serve(folder, users=None, tls=True, push=False):
    """Serves the repositories below folder; .url ends with a slash.

    With push every user may push; without users nobody may.

    .requests is what was asked, .answers a list of (status, headers) that are
    given first, in place of what was asked for.
    """
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.users = os.path.abspath(folder), users or {}
    server.push, server.requests, server.answers = push, [], []
    server.ca_file = ""
    secrets = tempfile.mkdtemp(prefix="tm-gitserver-")
    if tls:
        server.ca_file, cert, key = make_certificate(secrets)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "https" if tls else "http"
    server.url = f"{scheme}://localhost:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(secrets, ignore_errors=True)
