"""Accounts: every way to prove who asks (D9), API tokens, sessions, sign-up,
limits, identity providers, test users (section 7), other origins (D6), and
the audit log."""
import fcntl
import base64
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import uuid

import jwt
import pytest
import requests
from requests.adapters import HTTPAdapter

import apikit
import test_pool
from apikit import PASSWORD, error_of, refused, wait_for

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

NO_PROOF = "Authentication required"
MISMATCH = "user_id does not match the signed-in user"
ISSUER = "https://idp.example/"
AUDIENCE = "taskmill-tests"
IDP_SECRET = "the provider's secret of tests, also long enough"
COOKIE = "__Host-taskmill"
DEVICE = "__Host-taskmill-device"


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack(SIGN_UP="invited", SIGN_IN_TRIES=5,
                      SIGN_IN_TRIES_ADDRESS=20, TASK_STARTS_PER_USER=4,
                      GITHUB_CALLS_PER_USER=3,
                      SIGN_IN_TRIES_ACCOUNT=12, IDP_ISSUER=ISSUER,
                      IDP_AUDIENCE=AUDIENCE, IDP_HS256_SECRET=IDP_SECRET,
                      CORS_ORIGINS="https://a.example,http://b.example:3000"
                      ) as s:
        yield s


@pytest.fixture(autouse=True)
def away_from_an_edge():
    """Counts are exact within a window of the limits, which begins every 15
    minutes; the span that slides over two of them is test_rate.c's."""
    left = 900 - time.time() % 900
    if left < 30:
        time.sleep(left + 1)


@pytest.fixture
def member(stack):
    return stack.user(PASSWORD)


def sign_in(stack, user, password=PASSWORD, source=None, **more):
    """The sign-in of the front end's page; waits for a free seat."""
    body = {"email": user.email, "password": password}
    return post(stack, "/auth/v1/token?grant_type=password", body, source,
                **more)


def post(stack, path, body, source=None, **more):
    """One POST; from another address of this machine when source is given."""
    if source is None:
        return stack.post(path, body, **more)
    session = requests.Session()
    session.mount("https://", From(source))
    with session:
        answer = session.post(stack.url + path, json=body, timeout=30,
                              verify=str(stack.ca), **more)
    return answer


class From(HTTPAdapter):
    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **more):
        super().init_poolmanager(*args, source_address=(self.address, 0),
                                 **more)


def set_cookies(answer):
    """The lines of an answer that set cookies, by name."""
    return {line.split("=")[0]: line
            for line in answer.raw.headers.getlist("Set-Cookie")}


def cookie_of(answer, name=COOKIE):
    assert answer.status_code == 200, answer.text
    return {name: re.match(name + "=([^;]+)",
                           set_cookies(answer)[name]).group(1)}


def ask(stack, user, **more):
    """What the front end asks for after a sign-in."""
    return stack.post("/api/auth/token", {"user_id": user.id}, **more)


def works(stack, answer, user):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "refresh_token", "expires_in"}
    assert stack.get("/api/auth/verify",
                     body["access_token"]).json()["user_id"] == user.id
    return body


def audit(stack, user=None, kind=None):
    more = ["--user", user.id] if user is not None else []
    rows = json.loads(stack.taskmill("audit", "--json", *more))
    return [r for r in rows if kind is None or r["kind"] == kind]


# -------------------------------------------------------------- no proof, D9

def test_nobody_proves_nothing(stack, member):
    refused(ask(stack, member), 401, NO_PROOF)
    refused(stack.post("/api/auth/token", {"user_id": str(uuid.uuid4())}), 401,
            NO_PROOF)


@pytest.mark.parametrize("headers", [
    {"X-User-ID": "{id}"}, {"Remote-User": "{id}"}, {"REMOTE_USER": "{id}"},
    {"X-Remote-User": "{id}"}, {"X-Forwarded-User": "{id}"},
    {"X-Forwarded-For": "127.0.0.1"}, {"Authorization": "Basic YTpi"},
    {"Cookie": COOKIE + "={id}"}, {"Cookie": COOKIE + "="}])
def test_headers_that_prove_nothing(stack, member, headers):
    headers = {k: v.format(id=member.id) for k, v in headers.items()}
    refused(ask(stack, member, headers=headers), 401, NO_PROOF)


def test_our_own_access_token_is_no_proof(stack, member):
    """Or an hour's token could be turned into a week's."""
    answer = ask(stack, member, token=member.token)
    assert answer.status_code == 401


# ------------------------------------------------------------------- session

def test_session(stack, member):
    answer = sign_in(stack, member)
    lines = set_cookies(answer)
    assert set(lines) == {COOKIE, DEVICE}
    for name, life in ((COOKIE, 604800), (DEVICE, 30 * 86400)):
        assert re.fullmatch(
            f"{name}=[A-Za-z0-9_-]{{43}}; Max-Age={life}; Path=/; HttpOnly; "
            "Secure; SameSite=Strict", lines[name])
    body = works(stack, ask(stack, member, cookies=cookie_of(answer)), member)
    claims = jwt.decode(body["access_token"], apikit.SECRET,
                        algorithms=["HS256"])
    assert claims["user_id"] == claims["sub"] == member.id
    assert (claims["role"], claims["email"]) == ("authenticated", member.email)


def test_session_object(stack, member):
    body = sign_in(stack, member).json()
    assert body["user"]["id"] == member.id
    assert body["user"]["email"] == member.email
    claims = jwt.decode(body["access_token"], apikit.SECRET,
                        algorithms=["HS256"])
    assert body["expires_at"] == claims["exp"]
    assert stack.get("/auth/v1/user", body["access_token"]).json() == \
        body["user"]


def test_session_of_another_user(stack, member):
    cookies = cookie_of(sign_in(stack, member))
    for other in (stack.user(), stack.user(PASSWORD)):
        refused(ask(stack, other, cookies=cookies), 403, MISMATCH)
    refused(stack.post("/api/auth/token", {"user_id": "x"}, cookies=cookies),
            403, MISMATCH)


def test_session_is_for_nothing_else(stack, member):
    """A cookie comes by itself: it must not act."""
    cookies = cookie_of(sign_in(stack, member))
    for method, path in (("GET", "/api/tasks"), ("GET", "/api/auth/verify"),
                         ("POST", "/api/start-task"), ("GET", "/auth/v1/user")):
        assert stack.call(method, path, cookies=cookies).status_code == 401


def test_session_twice_in_one_header(stack, member):
    """Which of the two is ours cannot be known."""
    value = cookie_of(sign_in(stack, member))[COOKIE]
    refused(ask(stack, member, headers={
        "Cookie": f"{COOKIE}={'A' * 43}; {COOKIE}={value}"}), 401, NO_PROOF)
    works(stack, ask(stack, member, headers={
        "Cookie": f"a=b; {COOKIE}={value}; c=d"}), member)


def test_session_is_stored_hashed(stack, member):
    value = cookie_of(sign_in(stack, member))[COOKIE]
    dump = stack.sql("SELECT HEX(id_hash) FROM sessions WHERE user_id = %s",
                     member.id)
    assert len(dump) == 1 and value not in str(dump)
    assert value not in stack.log.read_text()


@pytest.mark.parametrize("end", [
    lambda s, m, t: s.post("/auth/v1/logout?scope=global", token=t),
    lambda s, m, t: s.taskmill("user", "passwd", m.id, input="another one 12\n"),
    lambda s, m, t: s.taskmill("user", "disable", m.id),
    lambda s, m, t: s.sql("UPDATE sessions SET expires_at = UTC_TIMESTAMP(6)"
                          " - INTERVAL 1 SECOND WHERE user_id = %s", m.id),
    lambda s, m, t: s.sql("DELETE FROM users WHERE id = %s", m.id),
], ids=["sign-out", "password", "disable", "expired", "deleted"])
def test_session_ends(stack, member, end):
    answer = sign_in(stack, member)
    cookies, token = cookie_of(answer), answer.json()["access_token"]
    works(stack, ask(stack, member, cookies=cookies), member)
    end(stack, member, token)
    refused(ask(stack, member, cookies=cookies), 401, NO_PROOF)


# ------------------------------------------------------------------- /auth/v1

def failed(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert set(body) == {"code", "message"}
    assert answer.headers["X-Supabase-Api-Version"] == "2024-01-01"


def grant(stack, kind, body):
    return stack.post(f"/auth/v1/token?grant_type={kind}", body)


def test_wrong_password(stack, member):
    answer = sign_in(stack, member, "wrong horse battery")
    failed(answer, 400, "invalid_credentials")
    assert answer.json()["message"] == "Invalid login credentials"
    assert "Set-Cookie" not in answer.headers


def test_refresh(stack, member):
    body = sign_in(stack, member).json()
    again = grant(stack, "refresh_token",
                  {"refresh_token": body["refresh_token"]})
    assert again.status_code == 200
    assert again.json()["refresh_token"] == body["refresh_token"]
    assert again.json()["user"] == body["user"]
    # Without a cookie it came from a browser that lost it.
    works(stack, ask(stack, member, cookies=cookie_of(again)), member)


def test_refresh_with_a_session_sets_no_other(stack, member):
    answer = sign_in(stack, member)
    again = stack.post("/auth/v1/token?grant_type=refresh_token",
                       {"refresh_token": answer.json()["refresh_token"]},
                       cookies=cookie_of(answer))
    assert "Set-Cookie" not in again.headers


def test_an_old_refresh_token_is_answered_with_a_new_one(stack, member):
    old = int(time.time()) - 5 * 86400
    jti = str(uuid.uuid4())
    stack.sql("INSERT INTO refresh_tokens (jti_hash, user_id, issued_at,"
              " expires_at) VALUES (UNHEX(SHA2(%s, 256)), %s,"
              " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 DAY)",
              jti, member.id)
    token = jwt.encode(apikit.claims(member.id, "refresh", iat=old, jti=jti,
                                     exp=old + 7 * 86400), apikit.SECRET)
    answer = grant(stack, "refresh_token", {"refresh_token": token})
    fresh = answer.json()["refresh_token"]
    assert fresh != token and "Set-Cookie" in answer.headers
    for good in (token, fresh):  # D10: two pages may refresh at once
        assert grant(stack, "refresh_token",
                     {"refresh_token": good}).status_code == 200


@pytest.mark.parametrize("kind,body,status,code", [
    ("refresh_token", {"refresh_token": "x"}, 400, "refresh_token_not_found"),
    ("refresh_token", {}, 400, "refresh_token_not_found"),
    ("refresh_token", {"refresh_token": 7}, 400, "validation_failed"),
    ("password", {"email": "a@b.c"}, 400, "validation_failed"),
    ("password", {"password": "a"}, 400, "validation_failed"),
    ("password", {"email": 7, "password": "a"}, 400, "validation_failed"),
    ("pkce", {"auth_code": "x"}, 400, "validation_failed"),
    ("id_token", {}, 400, "validation_failed")])
def test_refused_grants(stack, kind, body, status, code):
    failed(grant(stack, kind, body), status, code)


def test_an_access_token_refreshes_nothing(stack, member):
    failed(grant(stack, "refresh_token", {"refresh_token": member.token}),
           400, "refresh_token_not_found")


def test_user_without_a_token(stack):
    failed(stack.get("/auth/v1/user"), 401, "bad_jwt")
    failed(stack.get("/auth/v1/user", "x.y.z"), 401, "bad_jwt")


def test_sign_out(stack, member):
    answer = sign_in(stack, member)
    body = answer.json()
    out = stack.post("/auth/v1/logout?scope=global", token=body["access_token"])
    assert out.status_code == 204
    # It is signed out, and still the browser that it was.
    assert [line[:line.index("Path")] for line in set_cookies(out).values()] \
        == [f"{COOKIE}=; Max-Age=0; "]
    failed(grant(stack, "refresh_token",
                 {"refresh_token": body["refresh_token"]}), 400,
           "refresh_token_not_found")
    refused(stack.post("/api/auth/refresh",
                       {"refresh_token": body["refresh_token"]}), 401,
            "Token has been revoked")


def test_sign_out_by_cookie(stack, member):
    cookies = cookie_of(sign_in(stack, member))
    assert stack.post("/auth/v1/logout", cookies=cookies).status_code == 204
    failed(stack.post("/auth/v1/logout", cookies=cookies), 401, "bad_jwt")


def test_nothing_is_sent(stack):
    for path in ("recover", "otp"):
        answer = stack.post(f"/auth/v1/{path}?redirect_to=x", {"email": "a@b"})
        assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("to,place", [
    ("", "/"), ("?redirect_to=https%3A%2F%2Fevil.example%2Fx", "/x"),
    ("?redirect_to=%2F%2Fevil.example%2F", "/"),
    ("?redirect_to=https%3A%2F%2Fevil.example", "/"),
    ("?redirect_to=javascript%3Aalert(1)", "/"),
    ("?redirect_to=%2F%5Cevil.example", "/"),
    ("?redirect_to=x%3A%2F%2F%2F%2Fevil.example", "/"),
    ("?redirect_to=https%3A%2F%2Fa.example%2Fhome%23x", "https://a.example/home"),
    ("?redirect_to=https%3A%2F%2Fa.example.evil.example%2Fhome", "/home"),
    ("?redirect_to=%2F" + "a" * 300, "/")])
def test_authorize_goes_back_with_an_error(stack, to, place):
    answer = stack.get("/auth/v1/authorize" + to, allow_redirects=False)
    assert answer.status_code == 302
    where, _, error = answer.headers["Location"].partition("#")
    assert where == place
    assert "error_code=provider_disabled" in error


# -------------------------------------------------------------------- sign-up

def sign_up(stack, email, password="a password of mine"):
    return stack.post("/auth/v1/signup?redirect_to=x", {
        "email": email, "password": password, "data": {},
        "gotrue_meta_security": {}, "code_challenge": None,
        "code_challenge_method": None})


def new_email():
    return f"{uuid.uuid4().hex}@example.com"


def test_sign_up_by_invitation(stack):
    email = new_email()
    failed(sign_up(stack, email), 422, "signup_disabled")
    stack.taskmill("user", "invite", email.upper())
    failed(sign_up(stack, email, "short"), 422, "weak_password")
    answer = sign_up(stack, email)
    user = answer.json()["user"]
    assert user["email"] == email
    assert stack.post("/api/auth/token", {"user_id": user["id"]},
                      cookies=cookie_of(answer)).status_code == 200
    # Used up; and no second account of that address by another invitation.
    failed(sign_up(stack, email), 422, "signup_disabled")
    stack.taskmill("user", "invite", email)
    failed(sign_up(stack, email), 422, "user_already_exists")


def test_an_invitation_ends(stack):
    email = new_email()
    stack.taskmill("user", "invite", email)
    stack.sql("UPDATE invitations SET expires_at = UTC_TIMESTAMP(6)"
              " WHERE email = %s", email)
    failed(sign_up(stack, email), 422, "signup_disabled")


@pytest.mark.parametrize("email", ["x", "@", "a@", "@b", "a b@c", "a@b\n",
                                   "a" * 320 + "@b"])
def test_sign_up_with_an_address_that_is_none(stack, email):
    failed(sign_up(stack, email), 400, "email_address_invalid")


# ----------------------------------------------------------------- API tokens

def api_token(stack, user, *more):
    return json.loads(stack.taskmill("token", "add", "--name", "t", "--json",
                                     *more, user.id))


def test_api_token(stack, member):
    made = api_token(stack, member)
    token = made["token"]
    assert re.fullmatch(r"tm_[A-Za-z0-9_-]{43}", token)
    assert stack.get("/api/auth/verify", token).json()["user_id"] == member.id
    assert stack.post("/api/start-task", apikit.GOOD_TASK,
                      token).status_code == 200
    assert stack.get("/auth/v1/user", token).status_code == 200
    works(stack, ask(stack, member, token=token), member)
    refused(ask(stack, stack.user(), token=token), 403, MISMATCH)
    assert token not in stack.log.read_text()
    assert not stack.sql("SELECT 1 FROM api_tokens WHERE token_hash = %s",
                         token.encode())
    listed = json.loads(stack.taskmill("token", "list", "--json", member.id))
    assert [t["id"] for t in listed] == [made["id"]]
    assert re.search(r":\d\d:00\+00:00$", listed[0]["last_used_at"])
    assert [r["kind"] for r in audit(stack, member)][-3:] == \
        ["token-first-use", "token-add", "user-add"]


def test_api_token_for_polling(stack, member):
    token = api_token(stack, member, "--scope", "read")["token"]
    task = member.task()
    assert stack.get(f"/api/task-status/{task}", token).status_code == 200
    assert stack.get(f"/api/tasks/{task}/events", token).status_code == 200
    assert stack.get(f"/api/task-status/{stack.user().task()}",
                     token).status_code == 404


@pytest.mark.parametrize("method,path", [
    ("POST", "/api/start-task"), ("POST", "/api/tasks/1/cancel"),
    ("POST", "/api/projects"), ("PUT", "/api/projects/1"),
    ("DELETE", "/api/projects/1")])
def test_api_token_that_only_reads(stack, member, method, path):
    token = api_token(stack, member, "--scope", "read")["token"]
    for read in ("GET", "HEAD"):
        assert stack.call(read, "/api/tasks", token).status_code == 200
    refused(stack.call(method, path, token, json={}), 403,
            "This token is read-only")


def test_api_token_that_only_reads_gets_no_other(stack, member):
    """Or it would be a way around its scope."""
    token = api_token(stack, member, "--scope", "read")["token"]
    refused(ask(stack, member, token=token), 403, "This token is read-only")


def test_api_token_revoked(stack, member):
    made = api_token(stack, member)
    stack.taskmill("token", "revoke", made["id"])
    refused(stack.get("/api/auth/verify", made["token"]), 401,
            "Token has been revoked")
    refused(ask(stack, member, token=made["token"]), 401,
            "Token has been revoked")
    with pytest.raises(AssertionError, match="revoked before"):
        stack.taskmill("token", "revoke", made["id"])
    assert audit(stack, member, "token-revoke")


def test_api_token_expired(stack, member):
    made = api_token(stack, member, "--expires", 1)
    assert stack.get("/api/auth/verify", made["token"]).status_code == 200
    stack.sql("UPDATE api_tokens SET expires_at = UTC_TIMESTAMP(6)"
              " WHERE id = %s", made["id"])
    refused(stack.get("/api/auth/verify", made["token"]), 401,
            "Token has expired")


def test_api_token_of_a_disabled_user(stack, member):
    token = api_token(stack, member)["token"]
    stack.taskmill("user", "disable", member.id)
    for path in ("/api/auth/verify", "/api/task-status/1"):
        refused(stack.get(path, token), 401, "User not found")


@pytest.mark.parametrize("change", [
    lambda t: t[:-1], lambda t: t + "A", lambda t: "tm_", lambda t: t + "=",
    lambda t: "tm_" + "A" * 43, lambda t: t[:-1] + "!",
    lambda t: t[:20] + "%" + t[21:]])
def test_api_token_of_another_spelling(stack, member, change):
    token = api_token(stack, member)["token"]
    refused(stack.get("/api/auth/verify", change(token)), 401,
            "Invalid API token")


@pytest.mark.parametrize("argv", [
    ["add", "USER"], ["add", "--name", "", "USER"],
    ["add", "--name", "x" * 101, "USER"],
    ["add", "--name", "x", "--scope", "admin", "USER"],
    ["add", "--name", "x", "--expires", "0", "USER"], ["revoke"],
    ["revoke", "x"], ["revoke", "--refresh", "7"], ["list"]])
def test_token_command_refuses(stack, member, argv):
    argv = [member.id if a == "USER" else a for a in argv]
    with pytest.raises(AssertionError):
        stack.taskmill("token", *argv)


# ------------------------------------- what was bought falls with its proof

def refreshes(stack, body):
    """Whether both ways take a refresh token: the statuses."""
    token = {"refresh_token": body["refresh_token"]}
    return (stack.post("/api/auth/refresh", token).status_code,
            grant(stack, "refresh_token", token).status_code)


def cookie_by_refresh(stack, body):
    return cookie_of(grant(stack, "refresh_token",
                           {"refresh_token": body["refresh_token"]}))


@pytest.mark.parametrize("end", [
    lambda s, made: s.taskmill("token", "revoke", made["id"]),
    lambda s, made: s.sql("UPDATE api_tokens SET expires_at ="
                          " UTC_TIMESTAMP(6) WHERE id = %s", made["id"])],
    ids=["revoked", "expired"])
def test_what_an_api_token_bought_falls_with_it(stack, member, end):
    made = api_token(stack, member)
    body = works(stack, ask(stack, member, token=made["token"]), member)
    cookies = cookie_by_refresh(stack, body)
    works(stack, ask(stack, member, cookies=cookies), member)
    assert refreshes(stack, body) == (200, 200)
    end(stack, made)
    assert refreshes(stack, body) == (401, 400)
    refused(ask(stack, member, cookies=cookies), 401, NO_PROOF)


def test_what_a_short_lived_proof_bought_is_as_short_lived(stack, member):
    made = api_token(stack, member, "--expires", 1)
    body = works(stack, ask(stack, member, token=made["token"]), member)
    life = jwt.decode(body["refresh_token"], apikit.SECRET, ["HS256"])
    assert life["exp"] - life["iat"] <= 86400
    body = works(stack, ask(stack, member, token=idp_token(
        sub=member.id, exp=int(time.time()) + 200)), member)
    assert 1 <= body["expires_in"] <= 200
    for name in ("access_token", "refresh_token"):
        claims = jwt.decode(body[name], apikit.SECRET, ["HS256"])
        assert claims["exp"] - time.time() <= 201
    # Neither a cookie nor a fresh token is a way around it.
    again = grant(stack, "refresh_token",
                  {"refresh_token": body["refresh_token"]})
    assert 1 <= again.json()["expires_in"] <= 200
    assert int(re.search(r"Max-Age=(\d+)",
                         set_cookies(again)[COOKIE]).group(1)) <= 200
    stack.sql("UPDATE refresh_tokens SET ends_at = UTC_TIMESTAMP()"
              " WHERE user_id = %s", member.id)
    assert refreshes(stack, body) == (401, 400)


def test_what_a_link_bought_falls_with_it(stack, member):
    subject = f"auth0|{uuid.uuid4()}"
    stack.taskmill("user", "link", "--subject", subject, member.id)
    body = works(stack, ask(stack, member, token=idp_token(sub=subject)),
                 member)
    stack.taskmill("user", "unlink", "--subject", subject, member.id)
    assert refreshes(stack, body) == (401, 400)


def test_a_refresh_token_is_revoked_with_all_that_came_of_it(stack, member):
    first, other = (sign_in(stack, member) for _ in range(2))
    child = works(stack, ask(stack, member, cookies=cookie_of(first)), member)
    stack.taskmill("token", "revoke", "--refresh",
                   input=child["refresh_token"] + "\n")
    for body in (first.json(), child):
        assert refreshes(stack, body) == (401, 400)
    refused(ask(stack, member, cookies=cookie_of(first)), 401, NO_PROOF)
    assert refreshes(stack, other.json()) == (200, 200)
    works(stack, ask(stack, member, cookies=cookie_of(other)), member)


# -------------------------------------------------------- identity providers

def idp_token(secret=IDP_SECRET, algorithm="HS256", headers=None, **changes):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now,
              "exp": now + 300, **changes}
    return jwt.encode({k: v for k, v in claims.items() if v is not None},
                      secret, algorithm=algorithm, headers=headers)


def test_provider_names_a_user_by_his_id(stack, member):
    works(stack, ask(stack, member, token=idp_token(sub=member.id)), member)
    refused(ask(stack, stack.user(), token=idp_token(sub=member.id)), 403,
            MISMATCH)


def test_provider_names_a_user_by_a_link(stack, member):
    subject = f"auth0|{uuid.uuid4()}"
    token = idp_token(sub=subject)
    refused(ask(stack, member, token=token), 401, "User not found")
    stack.taskmill("user", "link", "--subject", subject, member.id)
    works(stack, ask(stack, member, token=token), member)
    with pytest.raises(AssertionError, match="linked to user"):
        stack.taskmill("user", "link", "--subject", subject, stack.user().id)
    stack.taskmill("user", "unlink", "--subject", subject, member.id)
    refused(ask(stack, member, token=token), 401, "User not found")


@pytest.mark.parametrize("changes,text", [
    ({"iss": "https://other.example/"}, "Invalid issuer"),
    ({"iss": None}, "Invalid issuer"), ({"aud": "x"}, "Invalid audience"),
    ({"aud": None}, "Invalid audience"), ({"sub": None}, "Invalid subject"),
    ({"exp": 1}, "Token has expired"), ({"exp": None}, None),
    ({"nbf": 2**33}, "The token is not yet valid (nbf)")])
def test_provider_claims(stack, member, changes, text):
    token = idp_token(**{"sub": member.id, **changes})
    answer = ask(stack, member, token=token)
    assert answer.status_code == 401
    assert text is None or error_of(answer) == text


def test_provider_signature(stack, member):
    for secret in (apikit.SECRET, "x" * 40, IDP_SECRET + "x"):
        refused(ask(stack, member, token=idp_token(secret, sub=member.id)),
                401, "Signature verification failed")
    refused(ask(stack, member, token=idp_token(algorithm="HS512",
                                               sub=member.id)), 401,
            "The specified alg value is not allowed")


def test_providers_token_is_no_access_token(stack, member):
    refused(stack.get("/api/auth/verify", idp_token(
        sub=member.id, user_id=member.id, type="access")), 401,
        "Signature verification failed")


# --------------------------------------------------------------------- limits

def test_a_guesser_is_stopped_and_locks_nobody_out(stack, member):
    attacker, home = "127.0.0.66", "127.0.0.7"
    for _ in range(5):
        failed(sign_in(stack, member, "a wrong guess", attacker), 400,
               "invalid_credentials")
    for password in ("a wrong guess", PASSWORD):
        answer = sign_in(stack, member, password, attacker)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 900
    assert sign_in(stack, member, source=home).status_code == 200
    assert sign_in(stack, stack.user(PASSWORD),
                   source=attacker).status_code == 200


def test_what_is_refused_uses_up_nothing(stack, member):
    """Else one account's guesser would shut out all who share his address."""
    for _ in range(9):
        sign_in(stack, member, "a wrong guess", "127.0.0.12")
    hits = stack.sql(
        "SELECT hits FROM rate_windows WHERE kind = 'address' AND key_hash ="
        " UNHEX(SHA2(CONCAT(CHAR(0), '127.0.0.12'), 256))")
    assert hits == ((5,),)


def guess(stack, source, path="/api/auth/token", **who):
    return post(stack, path, {"password": "a wrong guess", **who},
                source).status_code


def test_both_sign_ins_count_as_one(stack, member):
    for i in range(5):
        guess(stack, "127.0.0.8", "/api/auth/token" if i % 2 else
              "/auth/v1/token?grant_type=password", email=member.email)
    answer = post(stack, "/api/auth/token", {
        "email": member.email, "password": PASSWORD}, "127.0.0.8")
    refused(answer, 429, "Rate limit exceeded")


@pytest.mark.parametrize("typed", ["id", "email", "both"])
def test_limits_do_not_tell_which_accounts_there_are(stack, member, typed):
    """Who is there and who is not counts by what was typed, and by no more."""
    source = {"id": "127.0.0.9", "email": "127.0.0.13",
              "both": "127.0.0.14"}[typed]
    ghost = apikit.User(stack, str(uuid.uuid4()))

    def answers(user):
        names = {"id": {"user_id": user.id}, "email": {"email": user.email},
                 "both": {"user_id": user.id, "email": user.email}}
        got = [guess(stack, source, **names[typed]) for _ in range(6)]
        other = {"id": "email", "email": "id", "both": "id"}[typed]
        return got + [guess(stack, source, **names[other])]
    assert answers(member) == answers(ghost) == [401] * 5 + [429, 401]


@pytest.mark.parametrize("user", [True, False], ids=["known", "unknown"])
def test_all_spellings_of_a_name_are_one(stack, user):
    name = f"\xc0da-{uuid.uuid4().hex[:8]}@example.com"
    if user:
        stack.taskmill("user", "add", "--email", name, "--generate")
    spellings = [name, name.lower(), name.upper(), name.title(), name,
                 name.swapcase()]
    assert [guess(stack, "127.0.0.15", email=s) for s in spellings] == \
        [401] * 5 + [429]


def test_a_known_browser_is_kept_out_by_nobody(stack, member):
    """F13: the right password is let in beside whoever shares the address."""
    street = "127.0.0.21"
    device = cookie_of(sign_in(stack, member, source=street), DEVICE)
    for _ in range(5):
        guess(stack, street, email=member.email)
    assert sign_in(stack, member, source=street).status_code == 429
    answer = sign_in(stack, member, source=street, cookies=device)
    assert answer.status_code == 200
    assert cookie_of(answer, DEVICE) == device
    # It is known for this account only, and guesses with it are counted, too.
    other = stack.user(PASSWORD)
    for _ in range(5):
        guess(stack, street, email=other.email)
    assert sign_in(stack, other, source=street,
                   cookies=device).status_code == 429
    for i in range(6):
        answer = sign_in(stack, member, "a wrong guess", street,
                         cookies=device)
        assert answer.status_code == (400 if i < 5 else 429)
    # A thief of the browser's cookie shuts out no other browser.
    assert sign_in(stack, member, source="127.0.0.22").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 42 + "!"])
def test_a_browser_that_is_not_known(stack, member, value):
    for _ in range(5):
        guess(stack, "127.0.0.23", email=member.email)
    assert sign_in(stack, member, source="127.0.0.23",
                   cookies={DEVICE: value}).status_code == 429


def test_a_guesser_slows_his_neighbours_down_and_shuts_none_out(stack, member):
    """Twenty names from one address: strangers there wait their turn, and
    whoever has signed in from there before does not."""
    street = "127.0.0.24"
    assert sign_in(stack, member, source=street).status_code == 200
    newcomer = stack.user(PASSWORD)
    for i in range(20):
        assert guess(stack, street, email=f"{i}@example.com") == 401
    move_last_guess(stack, 3600, 20)  # a second's pause must not be over yet
    answer = sign_in(stack, newcomer, source=street)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    move_last_guess(stack, 0, 20)
    assert sign_in(stack, member, source=street).status_code == 200
    wait_for(lambda: sign_in(stack, newcomer, source=street).status_code
             == 200, 20, "the newcomer's turn")


def test_a_sign_in_renews_an_outdated_hash(stack, member, monkeypatch):
    """The cost was raised since: the next sign-in stores a hash of the new."""
    def stored():
        return stack.sql("SELECT password_hash FROM user_credentials WHERE"
                         " user_id = %s", member.id)[0][0]
    good = stored()
    sign_in(stack, member)
    assert stored() == good
    monkeypatch.setenv("PASSWORD_PASSES", "3")  # of the command alone
    stack.taskmill("user", "passwd", member.id, input=PASSWORD + "\n")
    old = stored()
    failed(sign_in(stack, member, "a wrong guess"), 400,
           "invalid_credentials")
    assert stored() == old
    session = sign_in(stack, member)
    assert session.status_code == 200
    assert stored() != old and stored().split("$")[3] == good.split("$")[3]
    # Nothing is revoked by it, and the password is what it was.
    works(stack, ask(stack, member, cookies=cookie_of(session)), member)
    assert sign_in(stack, member).status_code == 200


def test_success_is_not_counted(stack, member):
    for _ in range(8):
        assert sign_in(stack, member, source="127.0.0.10").status_code == 200


def move_last_guess(stack, seconds, hits=12):
    """The last of twelve: to so many seconds from now."""
    stack.sql("UPDATE rate_windows SET last_at = UTC_TIMESTAMP(6) + INTERVAL"
              " %s SECOND WHERE hits = %s AND kind <> 'token'", seconds, hits)


def test_an_account_attacked_from_everywhere(stack, member):
    """Strangers wait; who has signed in from his address before does not."""
    home = "127.0.0.11"
    assert sign_in(stack, member, source=home).status_code == 200
    for i in range(12):
        failed(sign_in(stack, member, "a wrong guess", f"127.0.1.{i + 1}"),
               400, "invalid_credentials")
    move_last_guess(stack, 3600)  # the pause of a second must not be over yet
    answer = sign_in(stack, member, source="127.0.1.99")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert sign_in(stack, member, source=home).status_code == 200
    move_last_guess(stack, -1)
    assert sign_in(stack, member, source="127.0.1.99").status_code == 200


def test_starts_are_limited_by_user(stack, member):
    task = [member.task() for _ in range(4)][-1]
    answer = member.start()
    refused(answer, 429, "Rate limit exceeded")
    assert 1 <= int(answer.headers["Retry-After"]) <= 900
    # By whichever of his tokens, and nobody else.
    refused(stack.post("/api/start-task", apikit.GOOD_TASK,
                       api_token(stack, member)["token"]), 429,
            "Rate limit exceeded")
    assert stack.user().start().status_code == 200
    # What polls and what ends work is not counted.
    for _ in range(20):
        assert member.get(f"/api/task-status/{task}").status_code == 200
        assert member.get("/api/tasks").status_code == 200
    assert member.post(f"/api/tasks/{task}/cancel").status_code == 200


def test_calls_to_github_are_limited_by_user(stack, member):
    """Both together, and before anything is asked."""
    got = [member.post(path, {}).status_code for path in (
        "/api/validate-token", "/api/create-pr/1", "/api/validate-token",
        "/api/create-pr/1", "/api/validate-token")]
    assert got == [400, 404, 400, 429, 429]
    assert stack.user().post("/api/validate-token", {}).status_code == 400
    assert member.start().status_code == 200


def test_tokens_are_limited_by_user(stack, member):
    cookies = cookie_of(sign_in(stack, member))
    works(stack, ask(stack, member, cookies=cookies), member)
    stack.sql("UPDATE rate_windows SET hits = 600 WHERE kind = 'token' AND"
              " key_hash = UNHEX(SHA2(%s, 256))", member.id)
    answer = ask(stack, member, cookies=cookies)
    refused(answer, 429, "Rate limit exceeded")
    assert int(answer.headers["Retry-After"]) >= 1


# ---------------------------------------------------------------------- audit

def test_audit(stack, member):
    answer = sign_in(stack, member)
    request = answer.headers["X-Request-Id"]
    sign_in(stack, member, "wrong horse battery")
    ask(stack, member, cookies=cookie_of(answer))
    ask(stack, stack.user(), cookies=cookie_of(answer))
    stack.post("/auth/v1/logout", token=answer.json()["access_token"])
    stack.taskmill("user", "passwd", member.id, input="a new password\n")
    stack.taskmill("user", "disable", member.id)
    stack.taskmill("user", "enable", member.id)
    stack.taskmill("token", "issue", "--minutes", 5, member.id)
    rows = audit(stack, member)
    assert [(r["kind"], r["actor"]) for r in reversed(rows)] == [
        ("user-add", "admin"), ("sign-in", "user"),
        ("sign-in-failed", "anonymous"), ("sign-in", "user"),
        ("sign-in-failed", "user"), ("sign-out", "user"),
        ("password-change", "admin"), ("disable", "admin"),
        ("enable", "admin"), ("token-issue", "admin")]
    first = rows[-2]
    assert (first["address"], first["request_id"]) == ("127.0.0.1", request)
    assert apikit.RE_TIME.fullmatch(first["at"])
    text = stack.taskmill("audit")
    for secret in (PASSWORD, "wrong horse battery", cookie_of(answer)[COOKIE],
                   answer.json()["access_token"]):
        assert secret not in text
    assert len(json.loads(stack.taskmill("audit", "--json", "--limit", 3))) == 3


def test_audit_holds_what_was_tried(stack):
    email = "no\x1b[31mbody@example.com"
    stack.post("/api/auth/token", {"email": email, "password": "wrong horse"})
    assert audit(stack, kind="sign-in-failed")[0]["detail"] == email
    assert "\x1b" not in stack.taskmill("audit")


# ------------------------------------------------------------------- CORS, D6

@pytest.mark.parametrize("origin", ["https://a.example",
                                    "http://b.example:3000"])
def test_listed_origin(stack, origin):
    answer = stack.call("OPTIONS", "/api/start-task",
                        headers={"Origin": origin})
    assert (answer.status_code, answer.content) == (204, b"")
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert "X-User-ID" not in headers["Access-Control-Allow-Headers"]
    assert "PUT" in headers["Access-Control-Allow-Methods"]
    real = stack.get("/api/tasks", headers={"Origin": origin})
    assert real.status_code == 401
    assert real.headers["Access-Control-Allow-Origin"] == origin
    assert real.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [
    "https://a.example.evil.example", "http://a.example", "https://A.example",
    "https://a.example/", "https://a.example:443", "null", "*", "",
    "https://a.example,http://b.example:3000"])
def test_other_origin(stack, origin):
    for method in ("OPTIONS", "GET"):
        answer = stack.call(method, "/api/tasks", headers={"Origin": origin})
        assert not [h for h in answer.headers
                    if h.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


# --------------------------------------------- ways that have their own stack

def fastcgi(stack, path, body, **params):
    """One request past nginx, with parameters as a web server sets them."""
    data = json.dumps(body).encode()
    pairs = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", path),
             ("CONTENT_LENGTH", str(len(data))),
             ("CONTENT_TYPE", "application/json"), *params.items()]
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(stack.state / "api.sock"))
        s.sendall(test_pool.begin() + test_pool.params(pairs) +
                  test_pool.stdin(data))
        return test_pool.answer(s)[:2]


@pytest.fixture(scope="module")
def proxy():
    with apikit.Stack(AUTH_WAYS="proxy") as s:
        users = s.folder / "htpasswd"
        users.write_text("ada:{PLAIN}pw of ada\neve:{PLAIN}pw of eve\n")
        out = s.folder / "nginx"
        s.run(apikit.ROOT / "nginx" / "generate", "laptop", "--out", out,
              "--port", s.port, "--socket", s.state / "api.sock",
              "--remote-user", users, "--token-rate", 60000)
        pid = int((out / "nginx.pid").read_text())
        old = set(test_pool.children(pid))
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: requests.post(
            s.url + "/api/auth/token", verify=str(s.ca),
            timeout=60).status_code == 401, 10, "nginx's new configuration")
        wait_for(lambda: not any(map(test_pool.alive, old)), 60,
                 "the old workers to go")
        yield s


def test_proxy(proxy):
    ada = proxy.user()
    proxy.taskmill("user", "link", "--remote-user", "ada", ada.id)
    works(proxy, ask(proxy, ada, auth=("ada", "pw of ada")), ada)
    refused(ask(proxy, proxy.user(), auth=("ada", "pw of ada")), 403, MISMATCH)
    refused(ask(proxy, ada, auth=("eve", "pw of eve")), 401, "User not found")
    refused(ask(proxy, ada, auth=("ada", "pw of eve")), 401, NO_PROOF)
    refused(ask(proxy, ada), 401, NO_PROOF)
    refused(ask(proxy, ada, headers={"Remote-User": "ada"}), 401, NO_PROOF)
    # Everywhere else a bearer token is what counts.
    assert proxy.get("/api/auth/verify", ada.token).status_code == 200
    proxy.taskmill("user", "disable", ada.id)
    refused(ask(proxy, ada, auth=("ada", "pw of ada")), 401, "User not found")


def test_proxy_parameter_and_not_a_header(proxy):
    eve = proxy.user()
    proxy.taskmill("user", "link", "--remote-user", "eve", eve.id)
    body = {"user_id": eve.id}
    assert fastcgi(proxy, "/api/auth/token", body, HTTP_REMOTE_USER="eve")[0] \
        == 401
    assert fastcgi(proxy, "/api/auth/token", body, REMOTE_USER="")[0] == 401
    assert fastcgi(proxy, "/api/auth/token", body, REMOTE_USER="eve")[0] == 200


def test_ways_that_are_off_are_off(proxy):
    user = proxy.user(PASSWORD)
    failed(proxy.post("/auth/v1/token?grant_type=password", {
        "email": user.email, "password": PASSWORD}), 422,
        "email_provider_disabled")
    made = api_token(proxy, user)
    refused(proxy.get("/api/auth/verify", made["token"]), 401,
            "Invalid API token")
    assert fastcgi(proxy, "/api/auth/token", {
        "user_id": user.id, "password": PASSWORD})[0] == 401
    failed(sign_up(proxy, new_email()), 422, "signup_disabled")


@pytest.fixture(scope="module")
def open_stack():
    with apikit.Stack(AUTH_WAYS="open", SIGN_UP="open",
                      ENVIRONMENT="development", TEST_USERS="yes",
                      TEST_USERS_SECRET="a secret of the tests") as s:
        yield s


def test_open_to_this_machine_alone(open_stack):
    s, user = open_stack, open_stack.user()
    works(s, ask(s, user), user)
    refused(s.post("/api/auth/token", {"user_id": str(uuid.uuid4())}), 401,
            "User not found")
    refused(s.post("/api/auth/token", {"user_id": "x"}), 401, NO_PROOF)
    for address in ("192.0.2.1", "", "::ffff:192.0.2.1", "2001:db8::1", "x",
                    "127.0.0.1.evil", "10.127.0.0"):
        assert fastcgi(s, "/api/auth/token", {"user_id": user.id},
                       REMOTE_ADDR=address)[0] == 401, address
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert fastcgi(s, "/api/auth/token", {"user_id": user.id},
                       REMOTE_ADDR=address)[0] == 200, address


def test_open_is_said_loudly(open_stack):
    assert "WITHOUT PROOF" in open_stack.log.read_text()
    done = subprocess.run([apikit.BINARY, "check", "--config",
                           str(open_stack.conf)], capture_output=True,
                          text=True, timeout=60)
    assert re.search(r"^warn  sign-in +.*open", done.stdout, re.MULTILINE)


# ---------------------------------------------------- test users, section 7

def notes_of(stack, user_id):
    """Oldest first, without those that each pair of tokens makes."""
    return [(r["kind"], r["detail"]) for r in reversed(audit(stack))
            if r["user_id"] == user_id and r["kind"].startswith("test-user")]


def test_test_user(open_stack):
    s = open_stack
    email = f"{uuid.uuid4().hex}@x.test"
    made = s.post("/api/test-users", {
        "email": email, "metadata": {"a": [1], "ttl_hours": 2}})
    assert made.status_code == 201
    user = made.json()["user"]
    assert user["metadata"] == {"is_test_user": True, "a": [1], "ttl_hours": 2,
                                "created_by": "test_user_service"}
    assert s.get("/api/auth/verify", made.json()["tokens"]["access_token"]
                 ).json()["user_id"] == user["id"]
    assert s.post("/api/auth/refresh", {
        "refresh_token": made.json()["tokens"]["refresh_token"]}
        ).status_code == 200
    refused(s.post("/api/test-users", {"email": email}), 409,
            "A test user with this email or id exists")
    refused(s.post("/api/test-users", {"email": "o" + email,
                                       "user_id": user["id"]}), 409,
            "A test user with this email or id exists")
    tokens = s.post(f"/api/test-users/{user['id']}/token").json()["tokens"]
    assert s.get("/api/auth/verify", tokens["access_token"]).status_code == 200
    assert user["id"] in [u["id"] for u in
                          s.get("/api/test-users").json()["users"]]
    assert s.call("DELETE", f"/api/test-users/{user['id']}").json() == {
        "message": "Test user deleted successfully"}
    refused(s.get("/api/auth/verify", tokens["access_token"]), 401,
            "User not found")
    assert notes_of(s, user["id"]) == [
        ("test-user-add", email), ("test-user-token", email),
        ("test-user-delete", email)]


def test_test_user_with_an_id_and_without_a_body(open_stack):
    s, wanted = open_stack, str(uuid.uuid4())
    made = s.post("/api/test-users", {"user_id": wanted.upper(),
                                      "email": f"{wanted}@x.test"})
    assert made.json()["user"]["id"] == wanted
    bare = s.post("/api/test-users")
    assert bare.status_code == 201
    assert bare.json()["user"]["email"] == "test@asynccode.test"
    assert s.post("/api/test-users").status_code == 409
    # Of an expired one the address is free again (D29).
    s.sql("UPDATE users SET expires_at = UTC_TIMESTAMP(6) WHERE id = %s",
          bare.json()["user"]["id"])
    again = s.post("/api/test-users")
    assert again.status_code == 201
    assert again.json()["user"]["id"] != bare.json()["user"]["id"]
    assert notes_of(s, bare.json()["user"]["id"])[-1] == (
        "test-user-delete", "expired")


@pytest.mark.parametrize("body,text", [
    ({"email": "x.test"}, "Invalid email format"),
    ({"email": "a@b.example"}, "Test user email must use .test TLD for safety"),
    ({"email": 7}, "email must be a string"),
    ({"metadata": [1]}, "metadata must be an object")])
def test_test_user_refused(open_stack, body, text):
    refused(open_stack.post("/api/test-users", body), 400, text)


def test_a_real_user_is_no_test_user(open_stack):
    s, real = open_stack, open_stack.user()
    for user in (real.id, str(uuid.uuid4()), "abc", "7", real.id[:-1],
                 "%20", "a" * 500):
        refused(s.call("DELETE", f"/api/test-users/{user}"), 404,
                "Test user not found")
        refused(s.post(f"/api/test-users/{user}/token"), 404,
                "Test user not found")
    assert s.get("/api/auth/verify", real.token).status_code == 200


def test_no_name_of_a_test_user(open_stack):
    s, made = open_stack, open_stack.post("/api/test-users", {
        "email": f"{uuid.uuid4().hex}@x.test"}).json()["user"]["id"]
    for name in (made + "0", made + "x"):
        refused(s.call("DELETE", f"/api/test-users/{name}"), 404,
                "Test user not found")
    refused(s.call("DELETE", f"/api/test-users/{made}/"), 404, "Not found")
    refused(s.post("/api/test-users//token"), 404, "Not found")
    # What has a meaning of its own names nobody.
    assert s.call("DELETE", "/api/test-users/health").status_code == 405
    assert s.call("DELETE", f"/api/test-users/{made}").status_code == 200


def test_clean_up(open_stack):
    s = open_stack
    users = [s.post("/api/test-users", {"email": f"{i}@cleanup.test"}
                    ).json() for i in range(3)]
    task = s.post("/api/start-task", apikit.GOOD_TASK,
                  users[0]["tokens"]["access_token"]).json()["task_id"]
    for user in users[:2]:
        s.sql("UPDATE users SET expires_at = UTC_TIMESTAMP(6)"
              " - INTERVAL 1 SECOND WHERE id = %s", user["user"]["id"])
    done = s.post("/api/test-users/cleanup").json()
    assert {u["user"]["id"] for u in users[:2]} <= set(done["deleted_users"])
    assert users[2]["user"]["id"] not in done["deleted_users"]
    for user in users[:2]:
        assert notes_of(s, user["user"]["id"])[-1] == (
            "test-user-delete", "expired")
    assert done["message"] == \
        f"Cleaned up {len(done['deleted_users'])} expired test users"
    for table, column in (("tasks", "id"), ("task_queue", "task_id"),
                          ("task_secrets", "task_id")):
        assert not s.sql(f"SELECT 1 FROM {table} WHERE {column} = %s", task)


def test_test_users_from_elsewhere(open_stack):
    """D28."""
    s, body = open_stack, {"email": f"{uuid.uuid4().hex}@x.test"}
    path = "/api/test-users"
    for secret in ("", "wrong", "a secret of the test", "a secret of the tests "):
        status, answer = fastcgi(s, path, body, REMOTE_ADDR="192.0.2.1",
                                 HTTP_X_TEST_USERS_SECRET=secret)
        assert status == 403
        assert json.loads(answer) == {
            "error": "Test user endpoints are not enabled"}
    assert fastcgi(s, path, body, REMOTE_ADDR="192.0.2.1",
                   HTTP_X_TEST_USERS_SECRET="a secret of the tests")[0] == 201


def test_test_users_health(open_stack):
    assert open_stack.get("/api/test-users/health").json() == {
        "healthy": True, "test_mode_enabled": True, "service_initialized": True}


def test_no_test_users_in_production(stack):
    """Not even by the methods that a path would have."""
    for path in ("", "/cleanup", "/health", f"/{uuid.uuid4()}",
                 f"/{uuid.uuid4()}/token"):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = stack.call(method, "/api/test-users" + path)
            refused(answer, 404, "Not found")
            assert "Allow" not in answer.headers


# -------------------------------------------------------------- configuration

@pytest.mark.parametrize("settings,text", [
    ({"AUTH_WAYS": "password,magic"}, "AUTH_WAYS"),
    ({"AUTH_WAYS": "password,"}, "AUTH_WAYS"),
    ({"TEST_USERS": "yes"}, "ENVIRONMENT=development"),
    ({"TEST_USERS_SECRET": "short"}, "TEST_USERS_SECRET"),
    ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
    ({"CORS_ORIGINS": "https://*.example"}, "CORS_ORIGINS"),
    ({"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS"),
    ({"IDP_ISSUER": "x"}, "IDP_AUDIENCE"),
    ({"IDP_ISSUER": "x", "IDP_AUDIENCE": "y", "IDP_HS256_SECRET": "short"},
     "IDP_HS256_SECRET"),
    ({"IDP_ISSUER": "x", "IDP_AUDIENCE": "y",
      "IDP_HS256_SECRET": apikit.SECRET}, "must differ"),
    ({"IDP_ISSUER": "x", "IDP_AUDIENCE": "y", "IDP_JWKS_FILE": "/f",
      "IDP_JWKS_URL": "https://x/"}, "one of"),
    ({"IDP_ISSUER": "x", "IDP_AUDIENCE": "y",
      "IDP_JWKS_URL": "http://x.example/"}, "https")])
def test_settings_that_are_refused(tmp_path, settings, text):
    conf = tmp_path / "conf"
    conf.write_text("".join(f"{k}={v}\n" for k, v in {
        "JWT_SECRET": apikit.SECRET, "STATE_DIR": tmp_path,
        **settings}.items()))
    done = subprocess.run([apikit.BINARY, "check", "--config", str(conf)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and text in done.stderr
    for secret in ("short", apikit.SECRET):
        assert secret not in done.stderr.replace("TEST_USERS_SECRET", "")


# ------------------------------------------------------------------- key sets

cryptography = pytest.importorskip("cryptography")
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402


def number(n, size):
    return base64.urlsafe_b64encode(n.to_bytes(size, "big")).rstrip(
        b"=").decode()


class Key:
    def __init__(self, kid, kind):
        self.kid, self.kind = kid, kind
        if kind == "RS256":
            self.key = rsa.generate_private_key(65537, 2048)
            n = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(n.n, 256), "e": "AQAB"}
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())
            n = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": "P-256", "x": number(n.x, 32),
                        "y": number(n.y, 32)}
        self.jwk.update(kid=kid, use="sig", alg=kind)

    def token(self, **claims):
        return idp_token(self.key, self.kind, {"kid": self.kid}, **claims)


@contextlib.contextmanager
def https_server(folder, port):
    """Serves server.text over TLS once the stack has made certificates."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = self.server.text.encode()
            self.server.asked += 1
            self.send_response(self.server.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.text, server.status, server.asked = '{"keys":[]}', 200, 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def key_set(*keys):
    return json.dumps({"keys": [k.jwk for k in keys]})


def test_key_set_in_a_file(tmp_path):
    one, two = Key("r", "RS256"), Key("e", "ES256")
    path = tmp_path / "jwks"
    path.write_text(key_set(one))
    with apikit.Stack(IDP_ISSUER=ISSUER, IDP_AUDIENCE=AUDIENCE,
                      IDP_JWKS_FILE=path) as s:
        user = s.user()
        works(s, ask(s, user, token=one.token(sub=user.id)), user)
        refused(ask(s, user, token=two.token(sub=user.id)), 401,
                "The token's key is not known")
        refused(ask(s, user, token=idp_token(
            json.dumps(one.jwk), sub=user.id, )), 401,
            "The specified alg value is not allowed")
        path.write_text(key_set(one, two))
        for key in (one, two):
            works(s, ask(s, user, token=key.token(sub=user.id)), user)
        # Half written: what was known stays known.
        path.write_text('{"keys":[')
        answer = ask(s, user, token=one.token(sub=user.id))
        works(s, answer, user)
        (line,) = [x for x in s.log.read_text().splitlines()
                   if " provider-keys " in x and
                   answer.headers["X-Request-Id"] in x]
        assert str(path) in line
        path.write_text(key_set(two))
        refused(ask(s, user, token=one.token(sub=user.id)), 401,
                "The token's key is not known")


def test_key_set_from_the_provider():
    old, new = Key("old", "ES256"), Key("new", "RS256")
    port = apikit.free_port()
    s = apikit.Stack(IDP_ISSUER=ISSUER, IDP_AUDIENCE=AUDIENCE,
                     IDP_JWKS_URL=f"https://localhost:{port}/jwks",
                     IDP_JWKS_REFRESH_S=5)
    # Its certificates come with nginx's, after the first vain fetches.
    s.settings["IDP_CA_FILE"] = s.ca
    with s, https_server(s.ca.parent, port) as provider:
        file = s.state / "jwks.json"
        user = s.user()

        def takes(key):
            return ask(s, user, token=key.token(sub=user.id)
                       ).status_code == 200
        provider.text = key_set(old)
        wait_for(lambda: takes(old), 15, "the first keys")
        assert not takes(new)
        # Rotation: both are good for a while, then the old one is not.
        provider.text = key_set(new)
        wait_for(lambda: takes(new), 15, "the new key")
        assert takes(old)
        wait_for(lambda: not takes(old), 20, "the old key's end")
        # A provider that is away, or answers nonsense, takes nothing away.
        for provider.status, provider.text in ((500, ""), (200, "<html>"),
                                               (200, '{"keys":[{"kty":"RSA",'
                                                     '"d":"AA"}]}')):
            asked = provider.asked
            wait_for(lambda: provider.asked > asked, 15, "the next fetch")
            assert takes(new)
        # It lives by itself, and is replaced when it dies.
        fetchers = [p for p, name in test_pool.children(s.serve.pid).items()
                    if b"jwks" in open(f"/proc/{p}/cmdline", "rb").read()]
        assert len(fetchers) == 1
        os.kill(fetchers[0], signal.SIGKILL)
        provider.status, provider.text = 200, key_set(old, new)
        wait_for(lambda: takes(old), 20, "the fetcher's successor")
        assert file.stat().st_mode & 0o777 == 0o600
        # By hand, for an admin who does not want to wait.
        provider.text = key_set(new)
        s.taskmill("jwks", "--once")


def test_a_seat_is_kept_for_who_is_known():
    """Strangers that fill theirs keep no owner out of his account."""
    with apikit.Stack(API_WORKERS=4, SIGN_INS_AT_ONCE=1) as own, \
            contextlib.ExitStack() as held:
        owner = own.user(PASSWORD)
        assert sign_in(own, owner).status_code == 200
        for name in ("sign-in.0", "sign-in.wait-0"):
            lock = held.enter_context(open(own.state / f"{name}.lock", "a",
                                           encoding="ascii"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert sign_in(own, owner, source="127.0.0.9").status_code == 429
        assert sign_in(own, owner).status_code == 200
