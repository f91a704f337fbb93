"""What the tests of the stand-in, and of our client, find in it."""
import os
import subprocess
import tempfile

CLASSIC, FINE, WEAK = "ghp_classic0001", "github_pat_fine0001", "ghp_weak0001"
READER, STRANGER, REVOKED = "ghp_reader0001", "ghp_other0001", "ghp_old0001"


def git(*args, cwd=None, token=None, check=True):
    """Runs git as a user with no configuration would, with a token's right."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
           "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
           "GIT_SSL_NO_VERIFY": "1", "GIT_AUTHOR_NAME": "Octo",
           "GIT_AUTHOR_EMAIL": "octo@example.com", "GIT_COMMITTER_NAME":
           "Octo", "GIT_COMMITTER_EMAIL": "octo@example.com"}
    if token is not None:
        env.update({"GIT_ASKPASS": ask_pass(), "TOKEN": token})
    return subprocess.run(["git", *args], cwd=cwd, env=env, text=True,
                          capture_output=True, check=check, timeout=60)


def ask_pass():
    path = os.path.join(tempfile.gettempdir(), f"tm-askpass-{os.getuid()}")
    if not os.path.exists(path):
        with open(f"{path}.{os.getpid()}", "w", encoding="ascii") as f:
            f.write('#!/bin/sh\nprintf "%s\\n" "$TOKEN"\n')
        os.chmod(f"{path}.{os.getpid()}", 0o700)
        os.rename(f"{path}.{os.getpid()}", path)
    return path


def push_branch(github, full_name, branch, folder, token=CLASSIC):
    """Pushes one commit on a new branch; returns what git did."""
    work = os.path.join(folder, "work-" + branch.replace("/", "-"))
    git("clone", "-q", f"{github.url}/{full_name}.git", work, token=token)
    git("checkout", "-q", "-b", branch, cwd=work)
    with open(os.path.join(work, "new.txt"), "w", encoding="utf-8") as f:
        f.write(f"of {branch}\n")
    git("add", "new.txt", cwd=work)
    git("commit", "-q", "-m", f"Add to {branch}", cwd=work)
    return git("push", "-q", "origin", branch, cwd=work, token=token,
               check=False)


def populate(github, folder):
    ask = github.admin
    ask("POST", "users", {"login": "octo"})
    ask("POST", "users", {"login": "corp", "organization": True,
                          "saml": True})
    for name, values in (
            ("hello", {"protected": ["main"]}),
            ("secret", {"private": True}),
            ("older", {}),
            ("museum", {"archived": True}),
            ("off", {"disabled": True}),
            ("gone", {"blocked": True})):
        ask("POST", "repos", {"owner": "octo", "name": name, "files": {
            "README.md": f"# {name}\n"}, "collaborators":
            {"reader": "read"}, **values})
    ask("POST", "repos", {"owner": "octo", "name": "empty"})
    ask("POST", "repos", {"owner": "corp", "name": "vault", "private": True,
                          "files": {"a": "b\n"},
                          "collaborators": {"octo": "write"}})
    ask("PATCH", "repos/octo/older", {"rename": "octo/newer"})
    for token, values in (
            (CLASSIC, {"login": "octo", "scopes": ["repo", "gist"]}),
            (WEAK, {"login": "octo", "scopes": []}),
            (FINE, {"login": "octo", "permissions": {
                "contents": "read", "metadata": "read"}}),
            (READER, {"login": "reader", "scopes": ["repo"]}),
            (STRANGER, {"login": "stranger", "scopes": ["repo"]}),
            (REVOKED, {"login": "octo", "scopes": ["repo"],
                       "revoked": True})):
        ask("POST", "tokens", {"token": token, **values})
    done = push_branch(github, "octo/hello", "feature/one", folder)
    assert done.returncode == 0, done.stderr
