"""Who and what the stand-in knows: users, tokens, repositories, pull requests.

All of it is in memory but the repositories themselves, which are bare ones of
git in a folder. One lock of the server's guards it.
"""
import dataclasses
import datetime
import os
import re
import subprocess

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$")
BRANCH = re.compile(r"(?!.*\.\.)[A-Za-z0-9._/-]{1,255}$")
ROLES = ("none", "read", "write", "admin")

# Refuses what a branch protection of GitHub's refuses, in its words.
UPDATE_HOOK = """#!/bin/sh
if grep -qxF -- "$1" protected-refs 2>/dev/null; then
	echo "error: GH006: Protected branch update failed for $1." >&2
	exit 1
fi
"""


class Refused(Exception):
    """An admin's request that makes no sense."""


def now():
    time = datetime.datetime.now(datetime.timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass
class User:
    login: str
    id: int
    organization: bool = False
    saml: bool = False  # an organization that enforces single sign-on


@dataclasses.dataclass
class Token:
    """A classic token has scopes; a fine-grained one permissions instead."""
    login: str
    scopes: list | None = None
    permissions: dict | None = None   # {"contents": "write", ...}
    repositories: list | None = None  # ids; None: all of its user's
    sso: bool = False                 # authorized for single sign-on
    revoked: bool = False

    def may(self, permission, level):
        if self.permissions is None:
            return True
        have = self.permissions.get(permission, "none")
        return ROLES.index(have) >= ROLES.index(level)

    def has_scope(self, private):
        if self.scopes is None:
            return True
        return "repo" in self.scopes or (
            not private and "public_repo" in self.scopes)


@dataclasses.dataclass
class Repo:
    id: int
    owner: str
    name: str
    path: str
    private: bool = False
    archived: bool = False
    disabled: bool = False  # said of it, but it can be seen
    blocked: bool = False   # GitHub shows it to nobody
    default_branch: str = "main"
    created_at: str = dataclasses.field(default_factory=now)
    collaborators: dict = dataclasses.field(default_factory=dict)
    protected: list = dataclasses.field(default_factory=list)
    pulls: list = dataclasses.field(default_factory=list)

    @property
    def full_name(self):
        return f"{self.owner}/{self.name}"

    def git(self, *args, text=None):
        done = subprocess.run(
            ["git", "--git-dir", self.path, *args], input=text,
            capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1",
                 "HOME": "/nonexistent", "GIT_CONFIG_COUNT": "1",
                 "GIT_CONFIG_KEY_0": "safe.directory",
                 "GIT_CONFIG_VALUE_0": "*"})
        return done.returncode, done.stdout

    def sha(self, branch):
        """Where a branch points to, None if there is none."""
        if not BRANCH.match(branch):
            return None
        code, out = self.git("rev-parse", "--verify", "--quiet",
                             f"refs/heads/{branch}^{{commit}}")
        return out.strip() if code == 0 else None

    def is_empty(self):
        return not self.git("for-each-ref", "--count=1", "refs/heads")[1]

    def count(self, *args):
        code, out = self.git("rev-list", "--count", *args, "--")
        return int(out) if code == 0 else 0

    def protect(self, branches):
        self.protected = list(branches)
        with open(os.path.join(self.path, "protected-refs"), "w",
                  encoding="utf-8") as f:
            f.writelines(f"refs/heads/{b}\n" for b in branches)


@dataclasses.dataclass
class Pull:
    id: int
    number: int
    author: str
    title: str
    body: str | None
    head: str
    base: str
    head_sha: str
    base_sha: str
    draft: bool = False
    maintainer_can_modify: bool = False
    created_at: str = dataclasses.field(default_factory=now)
    closed_at: str | None = None
    merged_at: str | None = None

    @property
    def state(self):
        return "open" if self.closed_at is None else "closed"


class Model:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.users, self.tokens, self.repos = {}, {}, {}
        self.moved = {}  # an old full name, in lower case: the id
        self.last_id = 1000

    def new_id(self):
        self.last_id += 1
        return self.last_id

    def user(self, login, **values):
        if not NAME.match(login):
            raise Refused("no login")
        key = login.lower()
        if key not in self.users:
            self.users[key] = User(login, self.new_id())
        for name, value in values.items():
            setattr(self.users[key], name, value)
        return self.users[key]

    def add_token(self, text, login, **values):
        self.user(login)
        names = values.pop("repositories", None)
        token = Token(login=login, **values)
        if names is not None:
            token.repositories = [self.find(*n.split("/")).id for n in names]
        if (token.scopes is None) == (token.permissions is None):
            raise Refused("a token has either scopes or permissions")
        self.tokens[text] = token

    def add_repo(self, owner, name, files=None, **values):
        if not NAME.match(name) or self.find(owner, name) is not None:
            raise Refused("no name for a repository, or taken")
        self.user(owner)
        path = os.path.join(self.folder, owner, name + ".git")
        repo = Repo(self.new_id(), owner, name, path,
                    default_branch=values.get("default_branch", "main"))
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            subprocess.run(["git", "init", "-q", "--bare", "-b",
                            repo.default_branch, path], check=True)
            if files is not None:
                first_commit(repo, files)
        hook = os.path.join(path, "hooks", "update")
        os.makedirs(os.path.dirname(hook), exist_ok=True)
        with open(hook, "w", encoding="ascii") as f:
            f.write(UPDATE_HOOK)
        os.chmod(hook, 0o755)
        self.repos[repo.id] = repo
        self.change_repo(repo, values)
        return repo

    def change_repo(self, repo, values):
        for name, value in values.items():
            if name == "protected":
                repo.protect(value)
            elif name == "rename":
                self.rename(repo, *value.split("/"))
            elif name in ("private", "archived", "disabled", "blocked",
                          "default_branch", "collaborators"):
                setattr(repo, name, value)
            else:
                raise Refused(f"{name} is not to be set")

    def rename(self, repo, owner, name):
        if not NAME.match(name) or self.named(owner, name) is not None:
            raise Refused("no name for a repository, or taken")
        self.user(owner)
        self.moved[repo.full_name.lower()] = repo.id
        repo.owner, repo.name = owner, name

    def named(self, owner, name):
        full = f"{owner}/{name}".lower()
        for repo in self.repos.values():
            if repo.full_name.lower() == full:
                return repo
        return None

    def find(self, owner, name):
        """A repository by its name, or by one that it had before."""
        repo = self.named(owner, name)
        if repo is None:
            repo = self.repos.get(self.moved.get(f"{owner}/{name}".lower()))
        return repo

    def role(self, login, repo):
        if login is not None and login.lower() == repo.owner.lower():
            return "admin"
        given = {k.lower(): v for k, v in repo.collaborators.items()}
        role = given.get((login or "").lower(), "none")
        if role == "none" and not repo.private:
            return "read"
        return role

    def sees(self, token, repo):
        """May this token (None: nobody's) know that the repository is there?"""
        if token is None:
            return not repo.private
        if token.repositories is not None and repo.private and \
                repo.id not in token.repositories:
            return False
        if repo.private and not token.has_scope(True):
            return False
        return self.role(token.login, repo) != "none"

    def writes(self, token, repo):
        """May this token push to the repository?"""
        if token is None or not token.has_scope(repo.private):
            return False
        if token.repositories is not None and \
                repo.id not in token.repositories:
            return False
        return token.may("contents", "write") and \
            self.role(token.login, repo) in ("write", "admin")

    def needs_sso(self, token, repo):
        owner = self.users[repo.owner.lower()]
        return owner.saml and (token is None or not token.sso)


def first_commit(repo, files):
    """Puts files ({path: text}) into the default branch, always the same."""
    who = "octocat <octocat@example.com> 1700000000 +0000"
    text = (f"commit refs/heads/{repo.default_branch}\nauthor {who}\n"
            f"committer {who}\ndata 7\nInitial\n")
    for path, content in files.items():
        size = len(content.encode())
        text += f"M 100644 inline {path}\ndata {size}\n{content}\n"
    code, _ = repo.git("fast-import", "--quiet", text=text)
    if code != 0:
        raise Refused("files that git does not take")
