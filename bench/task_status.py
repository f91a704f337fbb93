"""Authenticated task-status against (a) the floor, (b) PHP-FPM, (c) Flask: rounds
in turn on the same nginx and database, four worker processes each; the median
of the rounds and the median of the ratios within a round."""
import json
import shutil
import subprocess
import urllib.request

from harness import BENCH, WORKERS, Stack, connects, median, wait_for, wrk

ROUNDS = 5
SECONDS = 4
SQL = ("SELECT u.disabled_at IS NOT NULL, t.id, t.status, t.prompt, t.repo_url, t.target_branch, t.agent,"
       " t.commit_hash, t.changed_files, t.error, t.created_at, t.project_id"
       " FROM users u LEFT JOIN tasks t ON t.id = ? AND t.user_id = u.id WHERE u.id = ?")


def build_floor(s):
    exe = s.dir / "floor"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmariadb"], check=True, text=True,
                           capture_output=True).stdout.split()
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", BENCH / "peers/floor.c", "-o", exe, *flags, "-lfcgi"], check=True)
    return exe


def start_floor(s, exe, name, **env):
    s.spawn("spawn-fcgi", "-n", "-F", str(WORKERS), "-s", s.dir / f"{name}.sock", "-M", "0666", "--", exe,
            env={"FLOOR_DB_SOCKET": s.db_socket, "FLOOR_DB_NAME": "taskmill", "FLOOR_DB_USER": s.db_user,
                 "FLOOR_SQL": SQL, "FLOOR_USER": s.user["id"], **env}, log="floor.log")
    wait_for(lambda: connects(s.dir / f"{name}.sock"), name)


def start_php(s):
    env = {"BENCH_JWT_SECRET": s.secret, "BENCH_DB_SOCKET": s.db_socket, "BENCH_DB_NAME": "taskmill",
           "BENCH_DB_USER": s.db_user}
    conf = s.dir / "php-fpm.conf"
    conf.write_text(
        f"[global]\nerror_log = {s.dir}/php.log\ndaemonize = no\n[www]\nlisten = {s.dir}/php.sock\n"
        f"listen.mode = 0666\npm = static\npm.max_children = {WORKERS}\nuser = root\ngroup = root\n"
        + "".join(f"env[{k}] = {v}\n" for k, v in env.items()))
    fpm = next(shutil.which(n, path="/usr/sbin") for n in ("php-fpm8.2", "php-fpm8.3", "php-fpm")
               if shutil.which(n, path="/usr/sbin"))
    s.spawn(fpm, "-R", "-y", conf, "-d", "opcache.enable=1", log="php.log")
    wait_for(lambda: connects(s.dir / "php.sock"), "PHP-FPM")


def start_flask(s):
    s.spawn("/usr/bin/gunicorn", "--workers", str(WORKERS), "--bind", f"unix:{s.dir}/flask.sock", "--chdir",
            BENCH / "peers", "task_status:app", log="flask.log",
            env={"BENCH_JWT_SECRET": s.secret, "BENCH_DB_SOCKET": s.db_socket, "BENCH_DB_NAME": "taskmill",
                 "BENCH_DB_USER": s.db_user})
    wait_for(lambda: connects(s.dir / "flask.sock"), "gunicorn")


def same_answer(s, paths):
    """The three that speak JSON must say the same, or the race is not fair."""
    answers = []
    for path in paths:
        rq = urllib.request.Request(s.url + path, headers={"Authorization": "Bearer " + s.token})
        with urllib.request.urlopen(rq, timeout=10) as rs:
            task = json.load(rs)["task"]
            # Peers print the zeros of a fraction too; nobody minds.
            answers.append({**task, "created_at": task["created_at"].replace(".000000", "")})
    want = {k: answers[0][k] for k in answers[1]}
    for other in answers[1:]:
        if other != want:
            raise RuntimeError(f"different answers: {want} and {other}")


def main():
    with Stack() as s:
        s.add_tasks(10000)
        floor = build_floor(s)
        start_floor(s, floor, "floor")
        # The same, told not to wait for its peer to close after each answer.
        start_floor(s, floor, "hasty", LIBFCGI_OS_CLOSE_POLL_TIMEOUT="0")
        start_php(s)
        start_flask(s)
        peers = {"taskmill": ("/api/task-status/777", s.token), "floor": ("/floor/777", None),
                 "hasty": ("/hasty/777", None),
                 "php-fpm": ("/php/777", s.token), "flask": ("/flask/task-status/777", s.token)}
        same_answer(s, [peers[n][0] for n in ("taskmill", "php-fpm", "flask")])
        rates = {name: [] for name in peers}
        for path, token in peers.values():
            wrk(s.url + path, token, 1)
        for _ in range(ROUNDS):
            for name, (path, token) in peers.items():
                rate, bad = wrk(s.url + path, token, SECONDS)
                if bad:
                    raise RuntimeError(f"{name}: {bad} answers were errors")
                rates[name].append(rate)
        for name, found in rates.items():
            print(f"task-status {name:9} {median(found):8.0f} requests/s   "
                  f"({', '.join(f'{r:.0f}' for r in found)})")
        for name, bar in (("floor", 0.9), ("hasty", 0.9), ("php-fpm", 1.6), ("flask", 4.0)):
            ratio = median([a / b for a, b in zip(rates["taskmill"], rates[name])])
            print(f"task-status taskmill / {name}: {ratio:.2f}   (aim: at least {bar})")


if __name__ == "__main__":
    main()
