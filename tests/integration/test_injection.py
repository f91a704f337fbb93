"""Input that tries to be more than data: SQL, arguments, paths, headers, JSON."""
import json
import re
import uuid

import pytest

import apikit
from apikit import NO_TASK, error_of, malformed, refused

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack() as s:
        yield s


@pytest.fixture(scope="module")
def user(stack):
    return stack.user()


def alive(stack):
    """Nothing of what was sent has killed a worker."""
    body = stack.get("/status").json()["pool"]
    assert (body["deaths"], body["killed"]) == (0, 0)


@pytest.fixture(autouse=True)
def nobody_dies(stack):
    yield
    alive(stack)


# -------------------------------------------------------------------- SQL

SQL = ["' OR '1'='1", "1; DROP TABLE tasks; --", "\\'; SELECT 1 #", "%", "_",
       "\" OR 1=1 --", "?", "%s%n%x", "1 UNION SELECT password_hash FROM"
       " user_credentials", "/*!50000 DROP TABLE users */", "\u02bc OR 1=1",
       "\\", "'", "`", "x'41'", "0x41"]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_prompt(user, text):
    task = user.task(prompt=text)
    got = user.get(f"/api/task-status/{task}").json()["task"]
    assert got["prompt"] == text
    [message] = user.get(f"/api/tasks/{task}").json()["task"]["chat_messages"]
    assert message["content"] == text


@pytest.mark.parametrize("text", SQL)
def test_sql_in_fields_with_a_grammar(user, text):
    fields = ["repo_url", "model"]
    if not re.fullmatch("[A-Za-z0-9_]+", text):  # a good name of a branch
        fields.append("branch")
    for field in fields:
        assert user.start(**{field: text}).status_code == 400


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_query(user, text):
    assert user.stack.call("GET", "/api/tasks", user.token, params={
        "project_id": text}).status_code == 200
    for name in ("limit", "before", "status"):
        answer = user.stack.call("GET", "/api/tasks", user.token,
                                 params={name: text})
        assert answer.status_code == 400


@pytest.mark.parametrize("text", [t for t in SQL if t.isascii()])
def test_sql_in_an_idempotency_key(user, text):
    key = text.replace(" ", "/**/")
    first = user.start(key=key, prompt=uuid.uuid4().hex)
    assert first.status_code == 200
    assert user.start(key=key + "x").json() != first.json()


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_sign_in(stack, text):
    for name in ("user_id", "email"):
        answer = stack.post("/api/auth/token", {name: text, "password": text})
        assert answer.status_code == 401
        assert error_of(answer) == "Invalid login credentials"


# ---------------------------------------------------------------- arguments

@pytest.mark.parametrize("text", [
    "--upload-pack=touch /tmp/x", "-c core.sshCommand=id", "-oProxyCommand=id",
    "--", "-", "$(id)", "`id`", "a;id", "a|id", "a&&id", "a\nid", "a\0id",
    "HEAD", "@", "refs/heads/../../x", "main:refs/heads/x", "+main", "^main",
    "main~1", "main^{}", "*", "?", "[a]", "~", "a b"])
def test_argument_as_a_branch(user, text):
    answer = user.start(branch=text)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("Invalid branch name", "Invalid JSON")


@pytest.mark.parametrize("url", [
    "--upload-pack=id", "-oProxyCommand=id", "ext::sh -c 'id'", "file:///etc/passwd",
    "https://github.com/o/r --upload-pack=id", "https://github.com/--x/r",
    "https://github.com/o/r;id", "https://github.com/o/$(id)",
    "https://github.com@evil.com/o/r", "https://github.com\\@evil.com/o/r",
    "https://github.com%2f@evil.com/o/r", "https://github.com:x@evil.com/o/r",
    "https://GITHUB.com.evil.com/o/r", "https://github.com./o/r",
    "https://[::1]/o/r", "https://169.254.169.254/latest/meta-data",
    "https://github.com/o/r\r\nHost: evil", "https://github.com/o/r\u2028",
    "https://g\u0131thub.com/o/r", "git@github.com:o/r --x", "git@-oX:o/r",
    "git@github.com:../../etc/passwd", "x" * 5000])
def test_argument_as_a_repository(user, url):
    assert user.start(repo_url=url).status_code == 400


# -------------------------------------------------------------------- paths

@pytest.mark.parametrize("path", [
    "/api/../api/tasks", "/api/./tasks", "/api/tasks/1/..", "/%2e%2e/etc/passwd",
    "/api/%2e%2e/ping", "/..%2f..%2fetc%2fpasswd", "/api/tasks/1%00",
    "/api/tasks/1%0d%0a", "/%00", "/%zz", "/%", "/api/tasks/1%", "/%ff%fe",
    "/%c0%ae%c0%ae/x", "/\\..\\x"])
def test_path_that_leads_elsewhere(stack, user, path):
    """As it is on the wire: a client library would tidy it up."""
    status, got = stack.raw(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {user.token}\r\n\r\n".encode())
    assert status in (400, 404), got
    assert b'{"error":' in got and b"root:" not in got


@pytest.mark.parametrize("path,status", [
    ("/pin%67", 200), ("/%70ing", 200), ("/ping?x=%00", 200), ("/ping%2f", 404),
    ("/api%2ftasks", None), ("/ping#x", None), ("/ping;x=1", 404),
    ("/ping%3fx", 404), ("/PING", 404)])
def test_path_is_decoded_once(stack, path, status):
    got, _ = stack.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                       f"Connection: close\r\n\r\n".encode())
    assert got == status if status else got in (200, 400, 401, 404)


def test_long_path(stack):
    status, got = stack.raw(b"GET /" + b"a" * 7000 + b" HTTP/1.1\r\nHost:"
                            b" localhost\r\nConnection: close\r\n\r\n")
    assert status in (404, 414) and b'{"error":' in got


# ------------------------------------------------------------------ headers

def request_with(user, headers, body=b"", path="/api/start-task"):
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: localhost",
             b"Connection: close", b"Content-Length: %d" % len(body),
             b"Authorization: Bearer " + user.token.encode()]
    return user.stack.raw(b"\r\n".join(lines + headers) + b"\r\n\r\n" + body)


TASK = json.dumps(apikit.GOOD_TASK).encode()
JSON_TYPE = b"Content-Type: application/json"


@pytest.mark.parametrize("name", [
    b"Idempotency-Key", b"Authorization", b"Origin"])
def test_header_given_twice(user, name):
    """F8: neither the first nor the last wins. (nginx itself takes one of
    several Content-Type lines; the body is strict JSON or nothing.)"""
    headers = [JSON_TYPE, name + b": a", name + b": b"]
    status, got = request_with(user, headers, TASK)
    assert status == 400 and b'{"error":' in got


def test_content_length_given_twice(user):
    status, _ = request_with(user, [JSON_TYPE, b"Content-Length: 5"], TASK)
    assert status == 400


def test_smuggled_request(user):
    """Both lengths: one request or none, never two."""
    status, got = request_with(
        user, [JSON_TYPE, b"Transfer-Encoding: chunked"],
        b"0\r\n\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status in (400, None, 401)
    assert b"pong" not in got


@pytest.mark.parametrize("text", [
    b"a\rSet-Cookie: x", b"a\x00b", b"a\x0bb", b"a\x7fb", b"\x01"])
def test_control_character_in_a_header(user, text):
    status, got = request_with(user, [JSON_TYPE, b"Idempotency-Key: " + text],
                               TASK)
    assert status in (400, None)
    assert b"Set-Cookie" not in got


@pytest.mark.parametrize("text", [
    "a\r\nSet-Cookie: x=1", "%0d%0aSet-Cookie:%20x=1", "\u560a\u560dSet-Cookie: x"])
def test_nothing_of_a_request_becomes_a_header(user, text):
    """Where an error's text repeats what came, it stays in the body."""
    answer = user.start(repo_url=text)
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers
    answer = user.stack.get("/ping", headers={
        "X-Request-Id": text.replace("\r\n", "").encode()})
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers


def test_headers_that_are_too_many(user):
    headers = [b"X-%d: y" % i for i in range(300)]
    status, got = request_with(user, [JSON_TYPE] + headers, TASK)
    assert status == 431 and b'{"error":' in got


def test_proxy_headers_make_nobody_else(stack, user):
    status, _ = stack.raw(
        b"GET /api/auth/verify HTTP/1.1\r\nHost: localhost\r\nConnection: close"
        b"\r\nREMOTE_USER: x\r\nRemote-User: x\r\nX-Remote-User: x\r\n"
        b"X-User-ID: " + user.id.encode() + b"\r\n\r\n")
    assert status == 401


def test_log_lines_cannot_be_forged(stack, user):
    user.get("/api/x%0a2026-01-01T00:00:00Z%20info%20forged")
    user.get("/api/y%22%20status=200")
    text = stack.log.read_text()
    assert "\n2026-01-01T00:00:00Z" not in text
    assert 'path="/api/y" status=200' not in text


# --------------------------------------------------------------------- JSON

def post_bytes(user, body, path="/api/start-task"):
    return user.post(path, data=body,
                     headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("depth", [31, 32, 33, 1000, 100000])
@pytest.mark.parametrize("opening,closing", [("[", "]"), ('{"a":', "}")])
def test_depth(user, opening, closing, depth):
    """K5, M14: at most 31 levels; the unknown member itself is no fault."""
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    body = json.dumps(apikit.GOOD_TASK)[:-1] + f',"x":{inner}}}'
    answer = post_bytes(user, body.encode())
    if depth <= 31:
        assert answer.status_code == 200
    else:
        malformed(answer, "line 1, column ")


def test_unclosed_depth(user):
    for body in (b"[" * MIB, b'{"a":' * (MIB // 5), b'"' + b"\\" * (MIB - 8)):
        answer = post_bytes(user, body)
        assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/api/start-task", "/api/auth/token",
                                  "/api/auth/refresh"])
def test_body_at_the_limit_and_beyond(user, path):
    def padded(n):
        return b'{"x":"' + b"a" * (n - 8) + b'"}'
    assert post_bytes(user, padded(MIB), path).status_code == 400
    for size in (MIB + 1, 3 * MIB):
        answer = user.post(path, data=padded(size),
                           headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert isinstance(error_of(answer), str)


def test_body_larger_than_the_pool_takes():
    """The pool's own limit, BODY_MAX_BYTES, below nginx's."""
    with apikit.Stack(BODY_MAX_BYTES=2048) as stack:
        user = stack.user()
        assert user.start(prompt="x" * 1000).status_code == 200
        answer = user.start(prompt="x" * 3000)
        assert answer.status_code == 413
        assert isinstance(error_of(answer), str)
        assert user.start().status_code == 200


@pytest.mark.parametrize("body", [
    b'{"prompt":"a","prompt":"b"}', b'{"a":{"b":1,"b":2}}',
    b'{"prompt":"a","\\u0070rompt":"b"}', b'{"a":1,"a":1}'])
def test_duplicate_members(user, body):
    """K1: the one that is checked must be the one that is used."""
    answer = post_bytes(user, body)
    malformed(answer)


@pytest.mark.parametrize("body", [
    b'{"a":"\x00"}', b'{"a":"\\u0000"}', b'{"a\\u0000b":1}', b'{"a":1}\x00',
    b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xf5\x80\x80\x80"}', b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}',
    b'{"a":"\\ud800x"}', b'{"a":"\n"}', b'{"a":"\x01"}', b'\xef\xbb\xbf{"a":1}',
    '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32")])
def test_text_that_is_no_text(user, body):
    """K2, K3."""
    answer = post_bytes(user, body)
    malformed(answer)


@pytest.mark.parametrize("number", [
    "18446744073709551616", "-9223372036854775809", "1e999999", "01", "+1", ".5",
    "5.", "0x10", "Infinity", "-NaN", "1_000", "--1", "1e", "9" * 5000])
def test_numbers_that_are_none(user, number):
    """K1, K7."""
    body = json.dumps(apikit.GOOD_TASK)[:-1] + f',"project_id":{number}}}'
    assert post_bytes(user, body.encode()).status_code == 400


def test_many_members(user):
    """The table of names neither grows without end nor slows down."""
    body = json.dumps({**apikit.GOOD_TASK,
                       **{f"k{i}": i for i in range(60000)}})
    assert len(body) < MIB
    answer = post_bytes(user, body.encode())
    assert answer.status_code in (200, 400)


def test_markup_stays_text(user):
    """An answer is never a page, and an error repeats markup as JSON only."""
    answer = user.start(repo_url="<script>alert(1)</script>")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert error_of(answer) == (
        "Invalid GitHub URL format: <script>alert(1)</script>")


def test_text_of_an_error_is_bounded(user):
    answer = user.start(repo_url="\U0001f600" * 10000)
    assert answer.status_code == 400
    assert len(answer.content) < 2000


# ------------------------------------------------------- nothing comes back

def test_inner_errors_tell_nothing(stack, user):
    """D3: what failed is in the log under the id, and only there."""
    stack.sql("RENAME TABLE task_events TO task_events_away")
    try:
        answer = user.start()
    finally:
        stack.sql("RENAME TABLE task_events_away TO task_events")
    refused(answer, 500, "Internal server error")
    log = [l for l in stack.log.read_text().splitlines()
           if answer.headers["X-Request-Id"] in l]
    assert any("request-failed" in l and "task_events" in l for l in log)


def test_database_away():
    """D8: nobody is logged out, and nothing waits for long."""
    with apikit.Stack() as stack:
        user = stack.user()
        task = user.task()
        stack.stop_db()
        for answer in (user.get(f"/api/task-status/{task}"), user.start(),
                       user.get("/api/tasks"), user.get("/api/auth/verify"),
                       user.get(f"/api/tasks/{NO_TASK}"),
                       stack.post("/api/auth/token", {"user_id": user.id,
                                                      "password": "x" * 10})):
            refused(answer, 503, "Service unavailable")
            assert answer.headers["Retry-After"] == "5"
            assert answer.elapsed.total_seconds() < 30  # REQUEST_LIMIT_S
        assert stack.get("/healthz").status_code == 200
        ready = stack.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] == {
            "ok": False, "detail": "not reachable"}
        assert "taskmill_database_up 0" in stack.get("/metrics").text
        assert stack.get("/status").json()["queue"] is None
        stack.start_db()
        assert user.get(f"/api/task-status/{task}").status_code == 200
        assert user.start().status_code == 200
