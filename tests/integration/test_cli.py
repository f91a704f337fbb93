"""The command line as a person uses it, against the whole stack: nginx, pool,
reaper, runner, real git over HTTPS."""
import json
import os
import re
import signal
import subprocess

import pytest

import apikit
from stack import BINARY, ROOT, TOKEN, Engine, wait_for, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE = 64, 65, 67, 69
EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 75, 77, 78


class Whole(Engine):
    """Engine's repository and agent, and the web in front of it."""

    def start(self):
        super().start()
        self.start_serve()
        self.start_nginx()
        self.reapers.append(self.spawn_reaper())

    def spawn_reaper(self):
        return self.reaper()


@pytest.fixture(scope="module")
def stack():
    with Whole() as whole:
        yield whole


def cli(stack, *argv, stdin="", token=None, **env):
    """Runs a command; the environment holds only what is named."""
    environment = {"PATH": os.environ["PATH"], "TASKMILL_URL": stack.url,
                   "TASKMILL_CA_FILE": str(stack.ca), "GITHUB_TOKEN": TOKEN, **env}
    if token is not None:
        environment["TASKMILL_TOKEN"] = token
    return subprocess.run([BINARY, *[str(a) for a in argv]], input=stdin, text=True,
                          capture_output=True, timeout=60, check=False,
                          env={k: v for k, v in environment.items() if v is not None})


def admin(stack, *argv, **more):
    return cli(stack, *argv, "--config", stack.conf, **more)


@pytest.fixture(scope="module")
def user(stack):
    done = admin(stack, "user", "add", "--email", "ann@example.com", "--generate", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    made["token"] = admin(stack, "token", "issue", made["id"]).stdout.strip()
    return made


def start(stack, user, prompt, *argv):
    done = cli(stack, "task", "start", "--repo", stack.repo, *argv, prompt, token=user["token"])
    assert done.returncode == 0, done.stderr
    return int(re.search(r"task (\d+)", done.stdout).group(1))


# ------------------------------------------------------------------- usage

@pytest.mark.parametrize("command", ["serve", "api", "reaper", "run", "migrate", "keygen", "check",
                                     "user", "token", "task"])
def test_help_is_everywhere(stack, command):
    done = cli(stack, command, "--help")
    assert done.returncode == 0
    assert f"taskmill {command}" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["user"], ["user", "nonsense"], ["user", "passwd"],
                                  ["task"], ["task", "show"], ["task", "show", "1", "2"], ["token", "issue"],
                                  ["check", "extra"], ["migrate", "--nonsense"]])
def test_wrong_usage_is_status_64_and_says_what_is_right(stack, argv):
    done = cli(stack, *argv)
    assert done.returncode == EX_USAGE
    assert "usage:" in done.stderr or "--help" in done.stderr
    assert done.stdout == ""


def test_every_command_of_the_help_is_in_the_manual(stack):
    manual = (ROOT / "man" / "taskmill.1").read_text()
    listed = re.findall(r"^  (\w[\w-]*) ", cli(stack, "--help").stdout, re.M)
    assert len(listed) >= 9
    for command in listed:
        assert re.search(rf"\b{command}\b", manual), command


# --------------------------------------------------------------- migrations

def test_migrate_twice_says_that_there_is_nothing_to_do(stack):
    done = admin(stack, "migrate")
    assert done.returncode == 0 and "nothing to do" in done.stdout


def test_keygen_twice_keeps_the_key(stack):
    before = sorted(os.listdir(stack.state / "keys"))
    done = admin(stack, "keygen")
    assert done.returncode == 0 and "is there already" in done.stdout
    assert sorted(os.listdir(stack.state / "keys")) == before


# -------------------------------------------------------------------- users

def test_a_user_signs_in_until_he_is_disabled(stack):
    done = admin(stack, "user", "add", "--email", "bob@example.com", stdin=apikit.PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    user_id = done.stdout.split()[0]
    body = {"email": "bob@example.com", "password": apikit.PASSWORD}
    assert stack.post("/api/auth/token", body).status_code == 200
    assert admin(stack, "user", "disable", "bob@example.com").returncode == 0
    assert stack.post("/api/auth/token", body).status_code == 401
    assert admin(stack, "token", "issue", user_id).returncode == EX_NOPERM
    assert admin(stack, "user", "enable", user_id).returncode == 0
    assert stack.post("/api/auth/token", body).status_code == 200


def test_a_new_password_ends_the_old_refresh_tokens(stack):
    admin(stack, "user", "add", "--email", "eve@example.com", stdin=apikit.PASSWORD + "\n")
    pair = stack.post("/api/auth/token", {"email": "eve@example.com", "password": apikit.PASSWORD}).json()
    assert admin(stack, "user", "passwd", "eve@example.com", stdin="another long password\n").returncode == 0
    answer = stack.post("/api/auth/refresh", {"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 401 and answer.json()["error"] == "Token has been revoked"


@pytest.mark.parametrize("argv, stdin, status, says", [
    (["add", "--email", "nobody"], "a long password\n", EX_DATAERR, "@"),
    (["add", "--email", "short@example.com"], "short\n", EX_DATAERR, "10"),
    (["add", "--email", "none@example.com"], "", EX_DATAERR, "standard input"),
    (["add", "--email", "id@example.com", "--id", "7"], "a long password\n", EX_DATAERR, "UUID"),
    (["add", "--email", "ann@example.com"], "a long password\n", EX_DATAERR, ""),
    (["passwd", "ghost@example.com"], "a long password\n", EX_NOUSER, ""),
    (["disable", "00000000-0000-4000-8000-000000000000"], "", EX_NOUSER, ""),
])
def test_what_is_wrong_with_a_user_is_said(stack, user, argv, stdin, status, says):
    done = admin(stack, "user", *argv, stdin=stdin)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "a long password" not in done.stderr


def test_the_list_of_users_is_for_people_and_for_programs(stack, user):
    assert "ann@example.com" in admin(stack, "user", "list").stdout
    listed = json.loads(admin(stack, "user", "list", "--json").stdout)
    assert {"id", "email", "disabled", "can_sign_in", "created_at"} <= set(listed[0])
    assert user["id"] in [u["id"] for u in listed]


# -------------------------------------------------------------------- tasks

def test_a_task_is_started_and_followed_to_its_end(stack, user):
    done = cli(stack, "task", "start", "--repo", stack.repo, "-f", "lines 3", token=user["token"])
    assert done.returncode == 0, done.stderr
    for words in ("clone    done", "line 2", "end: completed"):
        assert words in done.stdout


def test_show_logs_diff_and_patch_agree(stack, user):
    task = start(stack, user, "lines 2", "-f")
    shown = cli(stack, "task", "show", task, token=user["token"]).stdout
    assert "completed" in shown and "AI_GENERATED.md" in shown
    assert "line 2" in cli(stack, "task", "logs", task, token=user["token"]).stdout
    diff = cli(stack, "task", "diff", task, token=user["token"]).stdout
    assert "+++ b/AI_GENERATED.md" in diff
    patch = cli(stack, "task", "diff", "--patch", task, token=user["token"]).stdout
    assert patch.startswith("From ") and "+prompt: lines 2" in patch
    assert json.loads(cli(stack, "task", "show", "--json", task, token=user["token"]).stdout)["task"]["id"] == task
    assert f"{task}  completed" in cli(stack, "task", "list", token=user["token"]).stdout


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_what_is_followed_is_a_json_document_a_line(stack, user):
    done = cli(stack, "task", "start", "--repo", stack.repo, "-f", "--json", "lines 2", token=user["token"])
    assert done.returncode == 0, done.stderr
    first, *events = lines_of(done.stdout)
    assert set(first) == {"task_id"}
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "end" and "line 2" in done.stdout
    followed = cli(stack, "task", "logs", "-f", "--json", first["task_id"], token=user["token"])
    assert followed.returncode == 0 and lines_of(followed.stdout) == events
    done = cli(stack, "task", "diff", "--patch", "--json", first["task_id"], token=user["token"])
    assert done.returncode == EX_USAGE and done.stdout == "" and "--patch" in done.stderr


def test_a_failure_that_is_followed_is_json_alone(stack, user):
    done = cli(stack, "task", "start", "--repo", stack.repo, "--branch", "nowhere", "-f", "--json", "lines 1",
               token=user["token"])
    assert done.returncode == 1 and done.stderr == ""
    assert lines_of(done.stdout)[-1]["kind"] == "end"


def test_a_failed_task_is_status_1_and_says_why(stack, user):
    done = cli(stack, "task", "start", "--repo", stack.repo, "--branch", "nowhere", "-f", "lines 1",
               token=user["token"])
    assert done.returncode == 1
    assert "end: failed" in done.stdout and "nowhere" in done.stdout


def test_a_running_task_is_cancelled(stack, user):
    task = start(stack, user, "sleep 60")
    wait_for(lambda: "sleeping" in cli(stack, "task", "logs", task, token=user["token"]).stdout, 20, "the agent")
    done = cli(stack, "task", "cancel", task, token=user["token"])
    assert done.returncode == 0 and "cancelled" in done.stdout
    done = cli(stack, "task", "cancel", "--json", start(stack, user, "sleep 60"), token=user["token"])
    assert json.loads(done.stdout)["task"]["status"] in ("running", "cancelled")
    followed = cli(stack, "task", "logs", "-f", task, token=user["token"])
    assert followed.returncode == 1 and "end: cancelled" in followed.stdout


def test_the_same_key_starts_one_task(stack, user):
    first = start(stack, user, "lines 1", "--key", "one-key")
    assert start(stack, user, "lines 1", "--key", "one-key") == first


def test_a_prompt_comes_from_standard_input(stack, user):
    done = cli(stack, "task", "start", "--repo", stack.repo, "-f", "-", token=user["token"], stdin="lines 4\n")
    assert done.returncode == 0 and "line 4" in done.stdout


def test_an_agents_escape_sequences_do_not_reach_a_terminal(stack, user):
    """Under a terminal of script(1) control characters are question marks."""
    task = start(stack, user, "lines 1 \x1b]0;owned\x07", "-f")
    command = f"{BINARY} task show {task}; {BINARY} task list"
    env = {"PATH": os.environ["PATH"], "TASKMILL_URL": stack.url, "TASKMILL_CA_FILE": str(stack.ca),
           "TASKMILL_TOKEN": user["token"]}
    seen = subprocess.run(["script", "-qec", command, "/dev/null"], env=env, capture_output=True, timeout=60,
                          check=True, stdin=subprocess.DEVNULL).stdout
    assert b"]0;owned" in seen and b"\x1b" not in seen and b"\x07" not in seen


@pytest.mark.parametrize("argv, env, status, says", [
    (["show", "999999"], {}, EX_NOUSER, "Task not found"),
    (["show", "one"], {}, EX_DATAERR, "no task's number"),
    (["show", "1; DROP"], {}, EX_DATAERR, "no task's number"),
    (["list"], {"TASKMILL_TOKEN": ""}, EX_DATAERR, "TASKMILL_TOKEN is not set"),
    (["list"], {"TASKMILL_URL": ""}, EX_DATAERR, "TASKMILL_URL is not set"),
    (["list"], {"TASKMILL_TOKEN": "nonsense"}, EX_NOPERM, "Not enough segments"),
    (["start", "--repo", "https://github.com/o/r", "x"], {"GITHUB_TOKEN": ""}, EX_DATAERR, "GITHUB_TOKEN"),
    (["start", "x"], {}, EX_DATAERR, "--repo"),
    (["start", "--repo", "https://evil.example/o/r", "x"], {}, EX_DATAERR, "Invalid GitHub URL format"),
    (["start", "--repo", "file:///etc/passwd", "x"], {}, EX_DATAERR, "Invalid GitHub URL format"),
    (["list", "--ca-file", "/dev/null"], {}, None, ""),
])
def test_what_is_wrong_with_a_call_is_said(stack, user, argv, env, status, says):
    done = cli(stack, "task", *argv, **{"TASKMILL_TOKEN": user["token"], **env})
    assert done.returncode == status if status is not None else done.returncode != 0, done.stderr
    assert says in done.stderr
    assert user["token"] not in done.stderr + done.stdout


def test_a_server_that_is_away_is_status_75(stack, user):
    with_nobody = f"https://localhost:{apikit.free_port()}"
    done = cli(stack, "task", "list", "--url", with_nobody, token=user["token"])
    assert done.returncode == EX_TEMPFAIL


# -------------------------------------------------------------------- check

def test_check_finds_all_well(stack):
    done = admin(stack, "check", "--json")
    report = json.loads(done.stdout)
    bad = {k: v for k, v in report["checks"].items() if v["verdict"] == "fail"}
    assert not bad and done.returncode == 0 and report["mode"] == "simulation"
    assert report["settings"]["JWT_SECRET"] == "(set)"
    assert apikit.SECRET not in done.stdout + admin(stack, "check").stdout


@pytest.mark.parametrize("broken, where", [
    ({"DB_SOCKET": "/nonexistent/sock"}, "database"),
    ({"SHARE_DIR": "/nonexistent"}, "agents"),
    ({"STATE_DIR": "/dev/null/state"}, "state"),
    ({"SANDBOX_USER": "no-such-user"}, "sandbox"),
])
def test_check_names_what_is_broken(stack, broken, where):
    if where == "sandbox" and os.getuid() != 0:
        pytest.skip("only root changes to another user")
    done = admin(stack, "check", "--json", **broken)
    report = json.loads(done.stdout)
    assert done.returncode == EX_UNAVAILABLE
    assert report["checks"][where]["verdict"] == "fail", report["checks"][where]
    assert report["ok"] is False


def test_a_wrong_setting_is_status_78_and_named(stack):
    done = admin(stack, "check", API_WORKERS="many")
    assert done.returncode == EX_CONFIG and "API_WORKERS=many" in done.stderr
    done = admin(stack, "serve", JWT_SECRET="short")
    assert done.returncode == EX_CONFIG and "JWT_SECRET" in done.stderr


def test_check_says_when_isolation_is_off(stack):
    done = admin(stack, "check", "--json", SIMULATION_ISOLATION="none")
    found = json.loads(done.stdout)["checks"]["sandbox"]
    assert found["verdict"] == "warn" and "SIMULATION_ISOLATION" in found["detail"]


def test_following_survives_a_restart_of_the_pool(stack, user):
    """The client waits for a server that is away, and misses nothing."""
    task = start(stack, user, "sleep 4 lines 3")
    env = {"PATH": os.environ["PATH"], "TASKMILL_URL": stack.url, "TASKMILL_CA_FILE": str(stack.ca),
           "TASKMILL_TOKEN": user["token"]}
    follower = subprocess.Popen([BINARY, "task", "logs", "-f", str(task)], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: "sleeping" in cli(stack, "task", "logs", task, token=user["token"]).stdout, 20, "the agent")
        stack.serve.send_signal(signal.SIGTERM)
        stack.serve.wait(60)
        stack.start_serve()
        out, err = follower.communicate(timeout=60)
    finally:
        follower.kill()
    assert follower.returncode == 0, err
    assert out.count("line 1\n") == 1 and "line 3" in out and "end: completed" in out
