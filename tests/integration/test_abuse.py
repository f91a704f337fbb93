"""Clients that are slow on purpose, and what is left of a request afterwards.

A request's head and body are nginx's business until they are whole, and so is
an answer from the moment that the pool has written it: whoever trickles takes
no worker away.
"""
import contextlib
import json
import re
import socket
import ssl
import time

import pytest

import apikit
from apikit import wait_for

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

CLIENTS = 40  # each kind; there are two workers


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack(API_WORKERS=2) as s:
        yield s


@contextlib.contextmanager
def clients(stack, request, count=CLIENTS, room=None):
    """So many connections that have sent this and now say nothing. Little
    room: what they do not read stays with nginx."""
    context = ssl.create_default_context(cafile=str(stack.ca))
    with contextlib.ExitStack() as open_ones:
        made = []
        for _ in range(count):
            plain = open_ones.enter_context(socket.socket())
            if room is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            plain.settimeout(60)
            plain.connect(("localhost", stack.port))
            link = open_ones.enter_context(context.wrap_socket(
                plain, server_hostname="localhost"))
            link.sendall(request)
            made.append(link)
        yield made


def workers(stack):
    """States of the workers, as one of them says: it is at work itself."""
    pool = stack.get("/status").json()["pool"]
    return sorted(w["state"] for w in pool["workers"])


def nobody_is_held(stack, user):
    """One worker answers, the other waits for work; and polls are answered.
    Sooner than nginx gives the slow ones up."""
    task = user.task()
    for _ in range(20):
        assert user.get(f"/api/task-status/{task}").status_code == 200
    wait_for(lambda: workers(stack) == ["busy", "idle"], 10,
             "the other worker to be idle")


@pytest.mark.parametrize("head", [
    b"", b"POST /api/start", b"POST /api/start-task HTTP/1.1\r\nHost: loc",
    b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"])
def test_slow_headers(stack, head):
    with clients(stack, head):
        nobody_is_held(stack, stack.user())


@pytest.mark.parametrize("path", ["/api/start-task", "/api/auth/token",
                                  "/auth/v1/signup", "/api/validate-token"])
@pytest.mark.parametrize("length", [b"Content-Length: 100000\r\n",
                                    b"Transfer-Encoding: chunked\r\n"])
def test_slow_bodies(stack, path, length):
    user = stack.user()
    start = b'{"prompt": "' if b"Content" in length else b'c\r\n{"prompt": "'
    with clients(stack, f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
                 f"Authorization: Bearer {user.token}\r\n"
                 "Content-Type: application/json\r\n".encode() + length +
                 b"\r\n" + start) as links:
        nobody_is_held(stack, user)
        for link in links[:3]:  # a byte now and then is no more
            link.sendall(b"x" if b"Content" in length else b"1\r\nx\r\n")
        nobody_is_held(stack, user)


def test_slow_readers(stack):
    """Answers of 4 MB that nobody takes: nginx has them, and no worker."""
    user = stack.user()
    task = user.ended_task(git_diff="+ a line of a large change\n" * 150000)
    request = (f"GET /api/git-diff/{task} HTTP/1.1\r\nHost: localhost\r\n"
               f"Authorization: Bearer {user.token}\r\n\r\n").encode()
    with clients(stack, request, 12, room=4096) as links:
        begun = [link.recv(1) for link in links]  # all are being answered
        assert begun == [b"H"] * 12
        nobody_is_held(stack, user)
        # And it was all kept for him who takes his time.
        got = b"H"
        while b"\r\n\r\n" not in got or len(got) < 4050000:
            part = links[0].recv(65536)
            assert part
            got += part


# ------------------------------------------------------------- request ids

def lines_of(stack, request_id):
    return [line for line in stack.log.read_text().splitlines()
            if request_id in line]


def access_of(stack, request_id):
    path = stack.folder / "nginx" / "log" / "access.log"
    found = [line for line in path.read_text().splitlines()
             if request_id in line]
    return [json.loads(line) for line in found]


@pytest.mark.parametrize("path,status", [
    ("/api/tasks", 401), ("/api/nothing", 404), ("/ping", 200),
    ("/api/auth/refresh", 405), ("/api/tasks/1/nothing", 404)])
def test_an_answers_id_is_in_both_logs(stack, path, status):
    answer = stack.get(path,
                       headers={"X-Request-Id": "mine-and-forged"})
    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == status and request_id != "mine-and-forged"
    (line,) = lines_of(stack, request_id)
    assert re.search(rf" request id={request_id} method=GET path=\"{path}\" "
                     rf"status={status} ", line)
    wait_for(lambda: access_of(stack, request_id), 10, "nginx's line")
    (line,) = access_of(stack, request_id)
    assert (line["id"], line["status"], line["path"]) == \
        (request_id, status, path)
    assert "mine-and-forged" not in stack.log.read_text()


def test_what_nginx_refuses_has_an_id_too(stack):
    for request, status in (
            (b"NONSENSE\r\n\r\n", 400),
            (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
             414)):
        got_status, got = stack.raw(request)
        assert got_status == status
        (request_id,) = re.findall(rb"\r\nX-Request-Id: ([0-9a-f]{32})\r\n",
                                   got)
        wait_for(lambda: access_of(stack, request_id.decode()), 10,
                 "nginx's line")


def test_inner_errors_are_found_by_their_id(stack):
    user = stack.user()
    stack.sql("RENAME TABLE tasks TO tasks_away")
    try:
        answer = user.get("/api/tasks")
    finally:
        stack.sql("RENAME TABLE tasks_away TO tasks")
    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal server error"}
    lines = lines_of(stack, answer.headers["X-Request-Id"])
    assert any(" request-failed " in line and "tasks" in line
               for line in lines)


