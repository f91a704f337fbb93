"""Who is let in: attacks on tokens (J1 to J12), sign-in, refresh, revocation."""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import pathlib
import re
import threading
import time
import uuid

import jwt
import pytest

import apikit
from apikit import SECRET, access_token, claims, error_of, refused

pytestmark = pytest.mark.skipif(apikit.why_not() is not None,
                                reason=str(apikit.why_not()))

NO_USER = "00000000-0000-4000-8000-000000000000"
INVALID = "Invalid login credentials"


@pytest.fixture(scope="module")
def stack():
    with apikit.Stack(SIGN_INS_AT_ONCE=1) as s:
        yield s


@pytest.fixture(scope="module")
def user(stack):
    return stack.user()


@pytest.fixture
def member(stack):
    return stack.user(apikit.PASSWORD)


def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header, payload, secret=SECRET, digest=hashlib.sha256):
    """A token of any parts, signed with this key."""
    text = f"{b64(header)}.{b64(payload)}"
    mac = hmac.new(secret.encode(), text.encode(), digest).digest()
    return f"{text}.{b64(mac)}"


HS256 = {"alg": "HS256", "typ": "JWT"}

# Where a token is asked for: the poll with its own proof, and the others.
PATHS = ["/api/auth/verify", "/api/task-status/1"]


def verify(stack, token, path="/api/auth/verify"):
    return stack.get(path, token)


def signed(user, **changes):
    return forge(HS256, claims(user.id, **changes))


# --------------------------------------------- the Authorization header, 2.2

@pytest.mark.parametrize("header,text", [
    (None, "Missing authorization header"),
    ("", "Missing authorization header"),
    ("Bearer", "Invalid authorization header format"),
    ("Bearer a b", "Invalid authorization header format"),
    ("Bearer  a.b.c", "Invalid authorization header format"),
    ("a.b.c", "Invalid authorization header format"),
    ("Basic YTpi", "Invalid authentication scheme"),
    ("Token a.b.c", "Invalid authentication scheme"),
    ("Bearer a", "Not enough segments"),
    ("Bearer a.b", "Not enough segments"),
])
@pytest.mark.parametrize("path", PATHS)
def test_header(stack, path, header, text):
    headers = {} if header is None else {"Authorization": header}
    answer = stack.get(path, headers=headers)
    refused(answer, 401, text)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_scheme_in_any_case(stack, user, scheme):
    answer = stack.get("/api/auth/verify",
                       headers={"Authorization": f"{scheme} {user.token}"})
    assert answer.status_code == 200


def test_two_authorization_headers(stack, user):
    status, _ = stack.raw(
        f"GET /api/auth/verify HTTP/1.1\r\nHost: localhost\r\n"
        f"Connection: close\r\nAuthorization: Bearer {user.token}\r\n"
        f"Authorization: Bearer x\r\n\r\n".encode())
    assert status == 400


@pytest.mark.parametrize("method,path", [
    ("GET", "/api/auth/verify"), ("POST", "/api/start-task"),
    ("GET", "/api/task-status/1"), ("GET", "/api/tasks"),
    ("GET", "/api/tasks/1"), ("GET", "/api/tasks/1/patch"),
    ("GET", "/api/tasks/1/events"), ("POST", "/api/tasks/1/cancel"),
    ("GET", "/api/git-diff/1")])
def test_every_endpoint_of_a_user_wants_a_token(stack, method, path):
    refused(stack.call(method, path), 401, "Missing authorization header")
    refused(stack.call(method, path, access_token(NO_USER)), 401,
            "User not found")


# ------------------------------------------------------------- algorithms

@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
@pytest.mark.parametrize("path", PATHS)
def test_algorithm_none(stack, user, path, alg):
    """J1, J2: with and without a signature."""
    for signature in ("", "AAAA", b64(b"\0" * 32)):
        token = (f"{b64({'alg': alg, 'typ': 'JWT'})}."
                 f"{b64(claims(user.id))}.{signature}")
        refused(verify(stack, token, path), 401,
                "The specified alg value is not allowed")


@pytest.mark.parametrize("alg", [
    "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "hs256", "Hs256",
    "HS256 ", "HS2560", 256, True, ["HS256"], {"HS256": 1}])
def test_algorithm_swapped(stack, user, alg):
    """J3, J4: correctly signed with our key, and still another algorithm."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(
        str(alg), hashlib.sha256)
    token = forge({"alg": alg, "typ": "JWT"}, claims(user.id), digest=digest)
    refused(verify(stack, token), 401,
            "The specified alg value is not allowed")


@pytest.mark.parametrize("member,value", [
    ("crit", ["exp"]), ("b64", False), ("zip", "DEF"),
    ("jku", "https://evil.example/jwks"), ("x5u", "https://evil.example/c"),
    ("jwk", {"kty": "oct", "k": "AAAA"}), ("x5c", ["AAAA"]), ("typ", "at+jwt")])
def test_header_members_that_change_the_meaning(stack, user, member, value):
    """J5."""
    token = forge({**HS256, member: value}, claims(user.id))
    answer = verify(stack, token)
    assert answer.status_code == 401
    assert error_of(answer).startswith("Invalid header string")


def test_key_id_is_no_path(stack, user):
    """A kid is not looked at, whatever it points to."""
    token = forge({**HS256, "kid": "../../../../dev/null"}, claims(user.id),
                  secret="")
    refused(verify(stack, token), 401, "Signature verification failed")


# ------------------------------------------------------------- signatures

@pytest.mark.parametrize("secret", [
    "", "secret", "0" * 32, SECRET[:-1], SECRET + "x", SECRET.upper()])
def test_signed_with_another_key(stack, user, secret):
    token = forge(HS256, claims(user.id), secret=secret)
    refused(verify(stack, token), 401, "Signature verification failed")


def test_payload_of_one_token_with_the_signature_of_another(stack, user):
    head, _, mac = user.token.split(".")
    other = b64(claims(str(uuid.uuid4())))
    refused(verify(stack, f"{head}.{other}.{mac}"), 401,
            "Signature verification failed")


def test_every_bit_of_the_signature_counts(stack, user):
    text, mac = user.token.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(mac + "=")
    for at in (0, 15, 31):
        bad = bytearray(raw)
        bad[at] ^= 1
        refused(verify(stack, f"{text}.{b64(bytes(bad))}"), 401,
                "Signature verification failed")


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_signature_of_another_length(stack, user, length):
    text, mac = user.token.rsplit(".", 1)
    raw = (base64.urlsafe_b64decode(mac + "=") * 2)[:length]
    answer = verify(stack, f"{text}.{b64(raw)}")
    assert answer.status_code == 401


def test_truncated_anywhere(stack, user):
    for n in range(0, len(user.token), 7):
        answer = stack.get("/api/auth/verify", headers={
            "Authorization": f"Bearer {user.token[:n]}".rstrip()})
        assert answer.status_code == 401, n


def test_a_cached_token_is_no_reason_to_let_another_in(stack, user):
    """J13: the good one is remembered; its neighbours are not."""
    good = signed(user)
    assert verify(stack, good).status_code == 200
    for bad in (good[:-1], good + "A", good[:-2] + "AA", "A" + good):
        assert verify(stack, bad).status_code == 401
    assert verify(stack, good).status_code == 200


# ------------------------------------------------------------ other spelling

@pytest.mark.parametrize("change", [
    lambda t: t.replace(".", "!.", 1), lambda t: t + "=", lambda t: t + "*",
    lambda t: t.replace(".", "..", 1), lambda t: t + ".", lambda t: t + ".x",
    lambda t: "." + t, lambda t: t.replace(".", "=.", 1),
    lambda t: t + "\t", lambda t: t.replace(".", "+.", 1)])
def test_malleable_spellings(stack, user, change):
    """J8: one token has one spelling."""
    assert verify(stack, change(signed(user))).status_code == 401


@pytest.mark.parametrize("n", [8193, 9000, 12000])
def test_huge(stack, user, n):
    """J10: long tokens end before anything is decoded."""
    token = signed(user, padding="x" * n)
    assert verify(stack, token).status_code in (401, 431)


def test_longest(stack, user):
    """What is long but within the limit is still read, and is good."""
    assert verify(stack, signed(user, padding="x" * 4000)).status_code == 200


# ----------------------------------------------------------------- claims

@pytest.mark.parametrize("path", PATHS)
def test_expired(stack, user, path):
    now = int(time.time())
    for exp in (now - 1, now, 1, 0, -1):
        token = signed(user, exp=exp, iat=now - 600)
        refused(verify(stack, token, path), 401, "Token has expired")


def test_expires_while_it_is_remembered(stack, user):
    """J13: the cache never outlives the token."""
    for life in (2, 4, 8, 16, 32):  # a busy machine may be late for the first
        end = int(time.time()) + life
        token = signed(user, exp=end)
        if verify(stack, token).status_code == 200:
            break
        assert time.time() >= end
    while time.time() < end:
        time.sleep(0.05)
    refused(verify(stack, token), 401, "Token has expired")


def test_from_the_future(stack, user):
    now = int(time.time())
    refused(verify(stack, signed(user, iat=now + 120, exp=now + 600)), 401,
            "The token is not yet valid (iat)")
    refused(verify(stack, signed(user, nbf=now + 120)), 401,
            "The token is not yet valid (nbf)")


def test_small_skew_is_forgiven(stack, user):
    """D7."""
    now = int(time.time())
    assert verify(stack, signed(user, iat=now + 3)).status_code == 200


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_claim_missing(stack, user, name):
    """D7: a token without exp would be good for ever."""
    answer = verify(stack, signed(user, **{name: None}))
    assert answer.status_code == 401
    assert name in error_of(answer)


@pytest.mark.parametrize("value", [
    "9999999999", 9999999999.5, 1e300, True, [9999999999], {"a": 1}])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_claim_of_wrong_type(stack, user, name, value):
    """J6."""
    assert verify(stack, signed(user, **{name: value})).status_code == 401


def test_life_beyond_all_measure(stack, user):
    assert verify(stack, signed(user, exp=2**62)).status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", [
    "refresh", "Access", "", None, 1, ["access"], "access "])
def test_wrong_type(stack, user, path, kind):
    payload = {**claims(user.id), "type": kind}
    refused(verify(stack, forge(HS256, payload), path), 401,
            "Invalid token type. Expected access")


@pytest.mark.parametrize("user_id", [
    None, "", "x", 7, True, ["x"], "' OR 1=1 --", "1" * 36])
@pytest.mark.parametrize("path", PATHS)
def test_user_id_that_is_none(stack, path, user_id):
    payload = {**claims("x"), "user_id": user_id}
    refused(verify(stack, forge(HS256, payload), path), 401,
            "Authentication failed")


@pytest.mark.parametrize("path", PATHS)
def test_unknown_user(stack, path):
    refused(verify(stack, access_token(NO_USER), path), 401, "User not found")


def test_user_id_in_upper_case_is_the_same_user(stack, user):
    answer = verify(stack, access_token(user.id.upper()))
    assert answer.json()["user_id"] == user.id


@pytest.mark.parametrize("payload", [
    b'["a"]', b"null", b"7", b'""', b"", b"{", b"{}{}", b'{"a":1,"a":2}',
    b"{\"user_id\":\"a\\u0000b\"}", b"\xff\xfe", b'{"exp":NaN}'])
def test_payload_that_is_no_object(stack, payload):
    """J7, K1 to K3: strictly read, though the signature is good."""
    assert verify(stack, forge(HS256, payload)).status_code == 401


def test_claim_given_twice(stack, user):
    """J7: the last would win, or the first; neither does."""
    good = json.dumps(claims(NO_USER))
    twice = good[:-1] + f',"user_id":"{user.id}"}}'
    assert verify(stack, forge(HS256, twice.encode())).status_code == 401


def test_text_behind_a_nul(stack, user):
    """J7, K3."""
    payload = json.dumps(claims(user.id)).encode()
    assert verify(stack, forge(HS256, payload + b"\0x")).status_code == 401
    header = json.dumps(HS256).encode() + b"\0"
    assert verify(stack, forge(header, payload)).status_code == 401


def test_nul_in_the_header_line(stack, user):
    status, _ = stack.raw(
        b"GET /api/auth/verify HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: close\r\nAuthorization: Bearer " +
        user.token.encode() + b"\0x\r\n\r\n")
    assert status in (400, None)


# ---------------------------------------------------------- order of checks

def test_signature_before_all_others(stack, user):
    now = int(time.time())
    token = forge(HS256, claims(NO_USER, exp=now - 9, type="refresh"), "x" * 40)
    refused(verify(stack, token), 401, "Signature verification failed")


def test_expiry_before_type_before_user(stack):
    now = int(time.time())
    both = claims(NO_USER, "refresh", exp=now - 9, iat=now - 99)
    refused(verify(stack, forge(HS256, both)), 401, "Token has expired")
    refused(verify(stack, forge(HS256, claims(NO_USER, "refresh"))), 401,
            "Invalid token type. Expected access")


def test_token_before_body(stack):
    refused(stack.post("/api/start-task", data=b"{", headers={
        "Content-Type": "text/plain"}), 401, "Missing authorization header")


# ----------------------------------------------------------------- sign-in

def sign_in(stack, **body):
    """The answer, after waiting for a free seat."""
    for _ in range(1200):
        answer = stack.post("/api/auth/token", body)
        if answer.status_code != 429:
            return answer
        time.sleep(0.05)
    raise AssertionError("no seat became free")


def test_by_user_id(stack, member):
    got = sign_in(stack, user_id=member.id, password=apikit.PASSWORD).json()
    for kind, name in (("access", "access_token"), ("refresh", "refresh_token")):
        read = jwt.decode(got[name], SECRET, algorithms=["HS256"])
        assert (read["user_id"], read["type"]) == (member.id, kind)
        assert "aud" not in read
        assert uuid.UUID(read["jti"])
        assert jwt.get_unverified_header(got[name]) == HS256
    lives = [jwt.decode(got[n], SECRET, algorithms=["HS256"])
             for n in ("access_token", "refresh_token")]
    assert [c["exp"] - c["iat"] for c in lives] == [3600, 7 * 86400]


@pytest.mark.parametrize("spell", [str, str.upper, str.title])
def test_by_email_in_any_case(stack, member, spell):
    got = sign_in(stack, email=spell(member.email), password=apikit.PASSWORD)
    assert got.status_code == 200


def test_user_id_in_upper_case(stack, member):
    assert sign_in(stack, user_id=member.id.upper(),
                   password=apikit.PASSWORD).status_code == 200


def test_by_both(stack, member):
    other = stack.user(apikit.PASSWORD)
    assert sign_in(stack, user_id=member.id, email=member.email,
                   password=apikit.PASSWORD).status_code == 200
    refused(sign_in(stack, user_id=member.id, email=other.email,
                    password=apikit.PASSWORD), 401, INVALID)


def disabled(stack, member):
    stack.taskmill("user", "disable", member.id)
    return {"user_id": member.id, "password": apikit.PASSWORD}


@pytest.mark.parametrize("body", [
    lambda s, m: {"user_id": m.id, "password": "wrong horse battery"},
    lambda s, m: {"user_id": m.id, "password": apikit.PASSWORD + " "},
    lambda s, m: {"user_id": m.id, "password": apikit.PASSWORD.upper()},
    lambda s, m: {"user_id": m.id, "password": "x" * 257},
    lambda s, m: {"user_id": m.id, "password": "x" * 100000},
    lambda s, m: {"user_id": NO_USER, "password": apikit.PASSWORD},
    lambda s, m: {"user_id": "x", "password": apikit.PASSWORD},
    lambda s, m: {"user_id": "' OR '1'='1", "password": apikit.PASSWORD},
    lambda s, m: {"email": "nobody@example.com", "password": apikit.PASSWORD},
    lambda s, m: {"email": "%", "password": apikit.PASSWORD},
    lambda s, m: {"email": m.email + " ", "password": apikit.PASSWORD},
    lambda s, m: {"email": "x" * 1000, "password": apikit.PASSWORD},
    lambda s, m: {"user_id": s.user().id, "password": apikit.PASSWORD},
    disabled,
], ids=["wrong", "blank-added", "other-case", "too-long", "huge", "no-user",
        "no-uuid", "sql", "no-email", "wildcard", "email-blank", "email-huge",
        "no-password-set", "disabled"])
def test_refused_in_one_way(stack, member, body):
    answer = sign_in(stack, **body(stack, member))
    refused(answer, 401, INVALID)


@pytest.mark.parametrize("password", [{}, {"password": ""},
                                      {"password": None}])
def test_email_without_a_password(stack, member, password):
    """No other proof goes with an address: it is the request that is wrong."""
    refused(stack.post("/api/auth/token", {"email": member.email, **password}),
            400, "password is required with email")


@pytest.mark.parametrize("field", ["user_id", "email", "password"])
def test_field_of_wrong_type(stack, member, field):
    body = {"user_id": member.id, "password": "x", field: {"$ne": ""}}
    refused(stack.post("/api/auth/token", body), 400,
            f"{field} must be a string")


class Peaks:
    """How much more memory than before some processes had at their highest.

    A hash takes PASSWORD_MEMORY_MB while it is made: whoever makes one is
    seen by that, however busy the machine is.
    """

    def __init__(self, pids):
        self.pids = pids

    def read(self, pid):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+) kB", text).group(1))
                for name in ("VmHWM", "VmRSS")]

    def start(self):
        for pid in self.pids:
            try:
                pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
            except PermissionError:
                pytest.skip("the workers' memory may not be looked at")
        self.before = {pid: self.read(pid)[1] for pid in self.pids}

    def highest_mb(self):
        return max(self.read(pid)[0] - before
                   for pid, before in self.before.items()) / 1024


def test_unknown_user_costs_the_same(stack, member):
    """One hash is made in each case; test_password.c shows it is the same."""
    hash_mb = stack.settings["PASSWORD_MEMORY_MB"]
    bodies = {
        "known": {"user_id": member.id}, "unknown": {"user_id": NO_USER},
        "email": {"email": "nobody@example.com"}, "no uuid": {"user_id": "x"},
        "no password": {"user_id": stack.user().id}}
    peaks = Peaks(worker_pids(stack))
    for name, body in bodies.items():
        peaks.start()
        assert sign_in(stack, password="wrong horse",
                       **body).status_code == 401
        assert hash_mb * 0.9 < peaks.highest_mb() < hash_mb * 1.9, name
    peaks.start()  # and without a hash it is seen that there is none
    assert stack.get("/ping").status_code == 200
    assert peaks.highest_mb() < hash_mb / 2


def worker_pids(stack):
    return [w["pid"] for w in stack.get("/status").json()["pool"]["workers"]]


def test_sign_ins_at_once_are_bounded(stack, member):
    """One seat: some of many at once are told to come again, none is lost."""
    def attempt(_):
        answer = stack.post("/api/auth/token", {
            "user_id": member.id, "password": apikit.PASSWORD})
        return answer.status_code, answer.headers.get("Retry-After")
    both = {(200, None), (429, "1")}
    got = set()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in range(20):  # until two have met
            got |= set(pool.map(attempt, range(30)))
            if got == both:
                break
    assert got == both
    assert sign_in(stack, user_id=member.id,
                   password=apikit.PASSWORD).status_code == 200


def test_polling_goes_on_during_sign_ins(stack, user, member):
    path = f"/api/task-status/{user.task()}"
    stop = threading.Event()

    def attack(_):
        while not stop.is_set():
            stack.post("/api/auth/token", {"user_id": member.id,
                                           "password": "wrong horse battery"})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = [pool.submit(attack, i) for i in range(3)]
        try:
            for _ in range(50):
                assert user.get(path).status_code == 200
        finally:
            stop.set()
        for d in done:
            d.result()


def test_a_new_password(stack, member):
    old = sign_in(stack, user_id=member.id, password=apikit.PASSWORD).json()
    stack.taskmill("user", "passwd", member.id,
                   input="a quite different one\n")
    refused(sign_in(stack, user_id=member.id, password=apikit.PASSWORD), 401,
            INVALID)
    assert sign_in(stack, user_id=member.id,
                   password="a quite different one").status_code == 200
    refused(refresh(stack, old["refresh_token"]), 401, "Token has been revoked")


# ---------------------------------------------------- refresh and revocation

def refresh(stack, token):
    return stack.post("/api/auth/refresh", {"refresh_token": token})


@pytest.fixture
def tokens(stack, member):
    return sign_in(stack, user_id=member.id, password=apikit.PASSWORD).json()


@pytest.mark.parametrize("token,text", [
    ("x", "Not enough segments"), ("a.b", "Not enough segments"),
    ("!.b.c", "Invalid header padding")])
def test_refresh_malformed(stack, token, text):
    refused(refresh(stack, token), 401, text)


def test_refresh_forged(stack, member):
    refused(refresh(stack, forge(HS256, claims(member.id, "refresh"), "x" * 32)),
            401, "Signature verification failed")


def test_refresh_expired(stack, member):
    now = int(time.time())
    token = forge(HS256, claims(member.id, "refresh", iat=now - 99, exp=now - 1))
    refused(refresh(stack, token), 401, "Token has expired")


def test_refresh_that_is_not_on_record(stack, member):
    """D10: signed with our key and never handed out, or before the record."""
    refused(refresh(stack, forge(HS256, claims(member.id, "refresh"))), 401,
            "Token has been revoked")


def test_tokens_without_a_jti_are_not_ours(stack, member):
    """D7: whoever shares the secret, as the old back end may, gets no further."""
    refused(refresh(stack, forge(HS256, claims(member.id, "refresh", jti=None))),
            401, "Authentication failed")
    for path in ("/api/auth/verify", "/api/tasks", "/api/task-status/1"):
        refused(stack.get(path, forge(HS256, claims(member.id, jti=None))),
                401, "Authentication failed")


def test_refresh_revoked(stack, tokens):
    assert refresh(stack, tokens["refresh_token"]).status_code == 200
    stack.taskmill("token", "revoke", "--refresh", input=tokens["refresh_token"] + "\n")
    refused(refresh(stack, tokens["refresh_token"]), 401,
            "Token has been revoked")


def test_refresh_of_another_user(stack, member, tokens):
    """The record is of one user: his jti serves nobody else."""
    jti = jwt.decode(tokens["refresh_token"], SECRET, algorithms=["HS256"])["jti"]
    other = stack.user()
    token = forge(HS256, claims(other.id, "refresh", jti=jti))
    refused(refresh(stack, token), 401, "Token has been revoked")


def test_refresh_when_the_user_is_gone(stack, member, tokens):
    stack.sql("DELETE FROM users WHERE id = %s", member.id)
    answer = refresh(stack, tokens["refresh_token"])
    assert answer.status_code == 401
    assert error_of(answer) in ("User not found", "Token has been revoked")
    refused(stack.get("/api/auth/verify", tokens["access_token"]), 401,
            "User not found")


def test_disabled_user(stack, member, tokens):
    """At once: for access tokens in use and for refresh tokens."""
    task = member.task()
    assert member.get(f"/api/task-status/{task}").status_code == 200
    stack.taskmill("user", "disable", member.id)
    for path in ("/api/auth/verify", f"/api/task-status/{task}",
                 f"/api/tasks/{task}", f"/api/tasks/{task}/events"):
        refused(stack.get(path, tokens["access_token"]), 401, "User not found")
    answer = refresh(stack, tokens["refresh_token"])
    assert answer.status_code == 401
    assert error_of(answer) in ("User not found", "Token has been revoked")
    stack.taskmill("user", "enable", member.id)
    assert member.get(f"/api/task-status/{task}").status_code == 200


def test_refresh_tokens_are_stored_hashed(stack, tokens):
    jti = jwt.decode(tokens["refresh_token"], SECRET, algorithms=["HS256"])["jti"]
    digest = hashlib.sha256(jti.encode()).digest()
    assert stack.sql("SELECT 1 FROM refresh_tokens WHERE jti_hash = %s", digest)


def test_an_access_token_of_the_command_line(stack, member):
    token = stack.taskmill("token", "issue", member.email).strip()
    assert stack.get("/api/auth/verify", token).json()["user_id"] == member.id


def test_log_holds_no_password_and_no_token(stack, member):
    got = sign_in(stack, user_id=member.id, password=apikit.PASSWORD).json()
    refresh(stack, got["refresh_token"])
    log = stack.log.read_text()
    for secret in (apikit.PASSWORD, got["access_token"], got["refresh_token"],
                   SECRET):
        assert secret not in log
