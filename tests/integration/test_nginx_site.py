"""The two kinds of configurations at work: what every answer must have, whoever
makes it, the pool or nginx itself. A lost add_header, or one too many, in some
location takes all others along there (N12)."""
import http.client
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from test_nginx_config import (NGINX, Pool, Web, assert_error, generate,
                               install)

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
HSTS = "Strict-Transport-Security"


class Site(Web):
    """The distribution's nginx, with a server's site and its certificate."""

    def __init__(self, folder, *options):
        self.folder = folder
        folder.mkdir()
        key, certificate = folder / "site.key", folder / "site.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=60)
        _, self.plain_port, self.port = install(folder, generate(
            "server", "--name", "localhost", "--cert", certificate, "--key",
            key, "--log-dir", folder, *options))
        self.start(certificate)


@pytest.fixture(scope="module")
def folder():
    made = pathlib.Path(tempfile.mkdtemp(prefix="tm-site."))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def sockets(folder):
    """A pool, one that takes requests and says nothing, and none at all."""
    pool = Pool(folder / "pool.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "silent.sock"))
        silent.listen(16)
        yield pool.path, folder / "silent.sock", folder / "nobody.sock"
    pool.close()


@pytest.fixture(scope="module", params=[Site, Web])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def web(kind, folder, sockets):
    pool, silent, _ = sockets
    w = kind(folder / kind.__name__, "--socket", pool, "--outbound-socket",
             silent, "--outbound-timeout", "1", "--start-rate", "1",
             "--start-burst", "1")
    yield w
    w.stop()


@pytest.fixture(scope="module")
def alone(kind, folder, sockets):
    """An nginx whose pool is not there; that of calls to GitHub is."""
    pool, _, nobody = sockets
    w = kind(folder / f"{kind.__name__}-alone", "--socket", nobody,
             "--outbound-socket", pool)
    yield w
    w.stop()


def assert_headers(web, answer):
    wanted = {**SECURITY}
    if isinstance(web, Site):
        wanted[HSTS] = "max-age=31536000"
    for name, value in wanted.items():
        assert answer.headers.get_all(name) == [value], name
    assert (HSTS in answer.headers) == isinstance(web, Site)
    request_id, = answer.headers.get_all("X-Request-Id")
    assert re.fullmatch("[0-9a-f]{32}", request_id)


def start_task(web):
    return web.ask("POST", "/api/start-task", b"{}",
                   {"Authorization": "Bearer x"})


def test_an_answer_of_the_pool(web):
    for path in ("/api/tasks", "/healthz", "/metrics", "/status",
                 "/rest/v1/tasks", "/auth/v1/user"):
        answer, _ = web.ask("GET", path)
        assert answer.status == 200
        assert_headers(web, answer)


def test_an_answer_of_the_outbound_pool(alone):
    for path in ("/api/validate-token", "/api/create-pr/7"):
        answer, _ = alone.ask("POST", path, b"{}")
        assert answer.status == 200
        assert_headers(alone, answer)


def test_what_is_too_large_is_413(web):
    answer, body = web.raw(b"POST /api/x HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: 1048577\r\n\r\n")
    assert_error(answer, body, 413, "Request body is too large")
    assert_headers(web, answer)


def test_what_comes_too_often_is_429(web):
    answers = [start_task(web) for _ in range(3)]
    assert answers[0][0].status == 200
    assert_headers(web, answers[0][0])
    assert_error(*answers[2], 429, "Rate limit exceeded")
    assert_headers(web, answers[2][0])
    assert int(answers[2][0].headers["Retry-After"]) > 0


def test_a_pool_that_is_not_there_is_502(alone):
    answer, body = alone.ask("GET", "/api/tasks")
    assert_error(answer, body, 502, "Service unavailable")
    assert_headers(alone, answer)


def test_a_pool_that_says_nothing_is_504(web):
    answer, body = web.ask("POST", "/api/validate-token", b"{}")
    assert_error(answer, body, 504, "The request took too long")
    assert_headers(web, answer)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind", [Site], indirect=True)
def test_a_request_without_tls_is_sent_on(web):
    link = http.client.HTTPConnection("127.0.0.1", web.plain_port, timeout=60)
    link.request("GET", "/api/tasks?limit=1", headers={"Host": "evil.example"})
    answer = link.getresponse()
    assert answer.status == 308
    assert answer.headers["Location"] == "https://localhost/api/tasks?limit=1"
    link.close()
