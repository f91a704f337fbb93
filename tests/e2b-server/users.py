"""Users of a sandbox, and how their paths are read."""

import base64
import binascii
import posixpath

HOMES = {"user": "/home/user", "root": "/root"}
DEFAULT_USER = "user"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class UnknownUser(Exception):
    def __init__(self, name):
        super().__init__(f"invalid username: '{name}'")


def checked(name):
    name = name or DEFAULT_USER
    if name not in HOMES:
        raise UnknownUser(name)
    return name


def of_header(request):
    """The user that "Authorization: Basic" names; it chooses, it does not prove."""
    text = request.headers.get("authorization", "")
    if not text.lower().startswith("basic "):
        return DEFAULT_USER
    try:
        name = base64.b64decode(text[6:], validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError) as err:
        raise UnknownUser(text[6:]) from err
    return checked(name)


def resolve(path, user):
    """An absolute path; relative ones and ~ are below the user's home."""
    home = HOMES[user]
    if path == "~" or not path:
        return home
    if path.startswith("~/"):
        path = path[2:]
    elif path.startswith("~"):
        raise ValueError(f"cannot expand user-specific home dir: {path}")
    return posixpath.normpath(posixpath.join(home, path))


def environment(sandbox, user, given):
    """What a process sees: envd's own, the sandbox's, the call's; later wins."""
    root = "" if sandbox.jail.isolated else sandbox.jail.root
    env = {"PATH": PATH, "HOME": root + HOMES[user], "USER": user, "LOGNAME": user}
    if root:
        env["TMPDIR"] = root + "/tmp"
    env.update(sandbox.registry.options.env)
    env.update(defaults(sandbox))
    env.update(given)
    return env


def defaults(sandbox):
    return {**sandbox.env_vars, "E2B_SANDBOX": "true", "E2B_SANDBOX_ID": sandbox.id,
            "E2B_TEMPLATE_ID": sandbox.template, "E2B_EVENTS_ADDRESS": "http://192.0.2.1"}
