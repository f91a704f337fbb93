"""make install and make dist, from the build that is tested: nothing is left
behind, and the installed program finds what was installed with it."""
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

import pymysql
import pytest

from apikit import BINARY, PATH, ROOT, SECRET

BUILD = pathlib.Path(BINARY).parent
MAKEFILE = BUILD / "Makefile"
# They are for those who work on the tree.
NOT_IN_THE_ARCHIVE = {".gitignore"}

pytestmark = pytest.mark.skipif(
    not MAKEFILE.exists(), reason=f"{BUILD} is not a folder of script/build")


def run(*argv, **env):
    """What a command prints; it knows nothing of our own settings."""
    done = subprocess.run(
        [str(a) for a in argv], text=True, capture_output=True, timeout=300,
        check=False, env={"PATH": PATH, "HOME": "/nonexistent",
                          "LANG": "C.UTF-8", **env})
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def tracked(*folders):
    """Files that git knows, as paths from the root of the tree."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    names = run("git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z",
                "--", *folders).split("\0")
    return {name for name in names if name and (ROOT / name).exists()}


def files_below(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*")
            if not p.is_dir()}


@pytest.fixture(scope="module")
def prefix():
    return pathlib.Path(re.search(r"^prefix = (/.*)$", MAKEFILE.read_text(),
                                  re.M).group(1))


@pytest.fixture(scope="module")
def installed(prefix, tmp_path_factory):
    """The folder that stands for the prefix."""
    dest = tmp_path_factory.mktemp("dest")
    run("make", "-C", BUILD, "install", f"DESTDIR={dest}")
    return dest / prefix.relative_to("/")


def test_all_that_is_needed_is_installed(installed):
    data = {name.removeprefix("share/")
            for name in tracked("share", "nginx", "sql")
            if not re.search(r"/local\.mk$|^share/systemd/", name)}
    assert files_below(installed / "share" / "taskmill") == data
    for name in tracked("man") - {"man/local.mk"}:
        page = installed / "share" / f"man/man{name[-1]}" / name[4:]
        assert page.read_text() == (ROOT / name).read_text()
    assert os.access(installed / "bin" / "taskmill", os.X_OK)
    units = installed / "lib" / "systemd" / "system"
    assert files_below(units) == {"taskmill.service", "taskmill.socket"}
    for text in (units / "taskmill.service",
                 installed / "lib" / "sysusers.d" / "taskmill.conf"):
        assert not re.search(r"@[a-z]+@", text.read_text())


def test_the_generator_finds_its_templates(installed, tmp_path):
    site = tmp_path / "site.conf"
    run(installed / "share/taskmill/nginx/generate", "server", "--name",
        "tasks.example.org", "--cert", "/c.crt", "--key", "/c.key",
        "--socket", "/run/api.sock", "--out", site)
    assert "server_name tasks.example.org;" in site.read_text()


@pytest.fixture
def database():
    # Not in pytest's own folder: a socket's name has to be short.
    folder = tempfile.mkdtemp(prefix="tm-install.")
    script = ROOT / "script" / "private-mariadb"
    template = {k: v for k, v in os.environ.items()
                if k == "TASKMILL_DB_TEMPLATE"}
    try:
        socket = run(script, "start", folder + "/db", **template).strip()
        with pymysql.connect(unix_socket=socket,
                             user=pwd.getpwuid(os.getuid()).pw_name) as db:
            db.cursor().execute(
                "CREATE DATABASE taskmill CHARACTER SET utf8mb4"
                " COLLATE utf8mb4_bin")
        yield socket
    finally:
        run(script, "stop", folder + "/db")
        shutil.rmtree(folder)


def test_the_program_finds_what_came_with_it(installed, prefix, database,
                                             tmp_path):
    """With the folder in the prefix's place, as after a real installation."""
    if shutil.which("bwrap") is None or subprocess.run(
            ["bwrap", "--bind", "/", "/", "true"], check=False).returncode:
        pytest.skip("bubblewrap does not work here")
    conf = tmp_path / "taskmill.conf"
    conf.write_text(f"JWT_SECRET={SECRET}\nDB_SOCKET={database}\n"
                    f"DB_USER={pwd.getpwuid(os.getuid()).pw_name}\n"
                    f"STATE_DIR={tmp_path}/state\n")
    conf.chmod(0o600)

    def taskmill(*argv):
        return ["bwrap", "--dev-bind", "/", "/", "--bind", installed, prefix,
                "--", prefix / "bin" / "taskmill", *argv]

    assert re.match(r"taskmill \d+\.\d+", run(*taskmill("--version")))
    applied = run(*taskmill("migrate", "--config", conf))
    assert set(re.findall(r"^applied \d+ (\S+)$", applied, re.M)) == {
        name.removeprefix("sql/") for name in tracked("sql")
        if name.endswith(".sql")}
    run(*taskmill("keygen", "--config", conf))
    said = subprocess.run(taskmill("check", "--json", "--config", conf),
                          env={"PATH": PATH}, capture_output=True,
                          timeout=300, check=False).stdout
    report = json.loads(said)
    assert report["settings"]["SHARE_DIR"] == f"{prefix}/share/taskmill"
    for name in ("agents", "schema", "keys"):
        assert report["checks"][name]["verdict"] == "ok", report["checks"]


def test_the_archive_has_all_that_git_has(tmp_path):
    # The rule in Makefile.am wants a name from the build folder.
    run("make", "-C", BUILD, "distdir",
        "distdir=" + os.path.relpath(tmp_path / "archive", BUILD))
    there = files_below(tmp_path / "archive")
    assert tracked() - NOT_IN_THE_ARCHIVE <= there, \
        tracked() - NOT_IN_THE_ARCHIVE - there
    assert {"configure", "Makefile.in", "build-aux/install-sh"} <= there
    assert not [name for name in there if "__pycache__" in name]
