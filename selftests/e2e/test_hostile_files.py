# SPDX-License-Identifier: Apache-2.0
"""What the worker's user, or anybody, plants where lbd opens files: nothing of root's is touched or shown."""

import os
import pathlib
import pwd
import signal
import socket

import pytest

from lab import BUILD, pool, run, text_of, unique, wait_equal, wait_until

USER = "www-data"
UID = pwd.getpwnam(USER).pw_uid
SECRET = "root's own secret\n"
# Writes lines for as long as it runs; on USR1 it crashes, so that lbd shows its last lines.
CHATTER = "sh -c 'trap \"exit 3\" USR1; while :; do echo a line; sleep 0.02; done'"


def own(path):
    os.chown(path, UID, -1, follow_symlinks=False)
    return path


@pytest.fixture
def place(lab):
    """A directory of the worker's user, and root's secret beside it."""
    logs = lab.path / "theirs"
    logs.mkdir()
    own(logs)
    lab.secret = lab.path / "secret"
    lab.secret.write_text(SECRET)
    lab.secret.chmod(0o600)
    return logs


def symlink(path, lab):
    path.symlink_to(lab.secret)
    own(path)


def symlink_to_nothing(path, lab):
    path.symlink_to(lab.path / "new")
    own(path)


def hard_link(path, lab):
    os.link(lab.secret, path)


def moved(path, lab):
    path.write_text(SECRET)


def fifo(path, lab):
    os.mkfifo(path)
    own(path)


def unix_socket(path, lab):
    short = lab.short / "socket"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(short))
    os.rename(short, path)


def directory(path, lab):
    path.mkdir()
    own(path)


PLANTS = {
    symlink: "is a symbolic link, and www-data",
    symlink_to_nothing: "is a symbolic link, and www-data",
    hard_link: "belongs to root, and www-data",
    moved: "belongs to root, and www-data",
    fifo: "is a FIFO",
    unix_socket: "is a ",
    directory: "is a directory",
}


def plant_at(plant, path, lab):
    """At once in place of what the worker may make there at any moment."""
    beside = path.with_name("planted")
    plant(beside, lab)

    def is_put():
        if plant is directory:
            path.unlink(missing_ok=True)
        try:
            os.rename(beside, path)
        except NotADirectoryError:
            return False
        return True

    wait_until(is_put)


def intact(lab):
    assert lab.secret.read_text() == SECRET
    assert not (lab.path / "new").exists()


def config(log, settings=""):
    return pool(CHATTER, "user %s; stdout %s; restart never; %s" % (USER, log, settings))


@pytest.mark.parametrize("options", ("size 0", "size 2k files 3", "prefix"))
def test_log_of_the_workers_own(lab, place, options):
    """In a directory of the worker's user, all that can be done with a log works."""
    log = place / "app.log"
    lbd = lab.lbd(config("%s %s" % (log, options)))
    wait_until(lambda: "line" in text_of(log))
    assert log.stat().st_uid == UID
    assert "line" in lbd.ctl("tail", "web:8081")
    lbd.ctl("clear", "web:8081")
    wait_until(lambda: "line" in text_of(log))
    if "size 2k" in options:
        wait_until((place / "app.log.2").exists)
        assert {p.stat().st_uid for p in place.glob("app.log*")} == {UID}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("options", ("size 0", ""), ids=("direct", "read"))
def test_planted_before_the_start(lab, place, plant, options):
    """The worker is not started; its note says who could change what."""
    log = place / "app.log"
    plant(log, lab)
    lbd = lab.lbd(config("%s %s" % (log, options)))
    wait_until(lambda: PLANTS[plant] in lbd.workers()["web:8081"]["note"], lbd.output)
    assert SECRET.strip() not in lbd.ctl("tail", "web:8081")
    run_dir = pathlib.Path("/run/lbd", lbd.instance)
    wait_equal(lambda: [p.name for p in run_dir.rglob("web:8081*")], [])
    intact(lab)
    lbd.popen.send_signal(signal.SIGTERM)
    assert lbd.popen.wait(30) == 0


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_planted_while_it_runs(lab, place, plant):
    """No verb, no rotation and no crash leads lbd there; removed again, the log goes on."""
    log = place / "app.log"
    lbd = lab.lbd(config("%s size 1m" % log, "exit_codes 0 3;"))
    wait_until(lambda: "line" in text_of(log))
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("^a line")
    log.rename(place / "away")
    plant_at(plant, log, lab)
    wait_until(lambda: PLANTS[plant] in lbd.output(), lbd.output)
    assert SECRET.strip() not in lbd.ctl("tail", "web:8081")
    if plant is not symlink_to_nothing:
        assert PLANTS[plant] in lbd.refused("clear", "web:8081")
    intact(lab)
    os.rmdir(log) if plant is directory else log.unlink()
    wait_until(lambda: "line" in text_of(log), lbd.output)
    assert log.stat().st_uid == UID
    # Once more, and now it crashes.
    plant_at(plant, log, lab)
    lbd.ctl("signal", "web:8081", "USR1")
    wait_equal(lambda: lbd.workers()["web:8081"]["pid"], 0)
    assert SECRET.strip() not in lbd.output() + tail.output() + str(lbd.workers())
    intact(lab)
    tail.stop()


def test_rotation_in_a_planted_directory(lab, place):
    """The directory itself is exchanged for a link to one of root's."""
    log = place / "logs" / "app.log"
    log.parent.mkdir()
    own(log.parent)
    roots = lab.path / "roots"
    roots.mkdir()
    (roots / "app.log").write_text(SECRET * 1000)
    lbd = lab.lbd(config("%s size 2k files 3" % log))
    wait_until(lambda: "line" in text_of(log))
    log.parent.rename(place / "away")
    own_link = place / "logs"
    own_link.symlink_to(roots)
    own(own_link)
    wait_until(lambda: "belongs to root, but www-data" in lbd.output(), lbd.output)
    assert [p.name for p in roots.iterdir()] == ["app.log"]
    assert (roots / "app.log").read_text() == SECRET * 1000
    assert "belongs to root, but www-data" in lbd.refused("clear", "web:8081")


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_planted_environment_file(lab, place, plant):
    """Is told by check, refused when the worker starts, and no reason to refuse a reload."""
    env = place / "env"
    lbd = lab.lbd("")
    text = config("none", "environment_file %s;" % env)
    env.write_text("WORD=one\n")
    own(env)
    lbd.config(text)
    lbd.ctl("reload")
    lbd.wait_worker("web:8081", "starting")
    env.unlink()
    if plant in (symlink_to_nothing, unix_socket):
        env.mkdir()
    else:
        plant(env, lab)
    wanted = "is a directory" if env.is_dir() else PLANTS[plant]
    assert wanted in lbd.ctl("check", lbd.conf, check=False).stderr
    lbd.ctl("reload")
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    lbd.ctl("worker", "start", "web:8081", check=False)
    wait_until(lambda: wanted in lbd.workers()["web:8081"]["note"], lbd.output)
    assert SECRET.strip() not in lbd.output()
    intact(lab)


def removed(path, lab):
    pass


def bad_line(path, lab):
    path.write_text("GOOD=1\nnot a variable\n")
    own(path)


def in_closed_directory(path, lab):
    path.mkdir()
    own(path)
    path.chmod(0)


# The setting, what the worker's user has made of it, and what the note says.
SPOILT = [
    ("environment_file", removed, "No such file"),
    ("environment_file", symlink, "is a symbolic link"),
    ("environment_file", fifo, "is a FIFO"),
    ("environment_file", directory, "is a directory"),
    ("environment_file", bad_line, "not NAME=value"),
    ("directory", removed, "No such file"),
    ("directory", bad_line, "Not a directory"),
    ("directory", in_closed_directory, "Permission denied"),
    ("read_only", removed, "No such file"),
]


def spoils(setting, why, note):
    """Is it told?  The worker's user itself may not enter the directory of the tests' files."""
    return why in note or (setting == "directory" and "Permission denied" in note)


@pytest.mark.parametrize(
    "setting, plant, why", SPOILT, ids=["%s-%s" % (s, p.__name__) for s, p, _ in SPOILT]
)
def test_what_a_start_needs(lab, place, setting, plant, why):
    """Spoilt by the worker's user, it is that worker's trouble, not lbd's start, takeover or reload."""
    path = place / "needed"
    plant(path, lab)
    other = 'pool other { worker { command "sleep 1000"; ports 8090; %s } }'
    good = config("none", "%s %s;" % (setting, path))
    lbd = lab.lbd(good + other % "")
    told = lambda: spoils(setting, why, lbd.workers()["web:8081"]["note"])
    starts = lambda: "pid" in lbd.workers()["other:8090"]
    wait_until(lambda: told() and starts(), lbd.output)
    checked = lbd.ctl("check", lbd.conf, check=False)
    assert checked.returncode == 0, checked
    if plant is not in_closed_directory:
        assert "warning: " in checked.stderr and why in checked.stderr
    lbd.config(good.replace("restart never;", "restart never; nice 1;") + other % "nice 1;")
    reloaded = lbd.ctl("reload", check=False)
    assert reloaded.returncode == 0, reloaded
    if plant is not in_closed_directory:
        assert "warning: " in reloaded.stderr and why in reloaded.stderr
    wait_until(lambda: told() and starts(), lbd.output)
    lbd.kill()
    tested = run(BUILD / "lbd", "-n", lbd.instance, "-c", lbd.conf, "--test-takeover", check=False)
    assert tested.returncode == 0, tested
    lbd.conf.write_text(lbd.conf.read_text() + "\n")
    lbd = lbd.restart()
    wait_until(starts, lbd.output)
    intact(lab)


@pytest.mark.parametrize("setting", ("environment_file", "directory", "read_only"))
def test_what_a_start_needs_of_roots(lab, setting):
    """What only root can have spoilt is refused by check and reload; lbd still starts without it."""
    text = config("none", "%s %s;" % (setting, lab.path / "gone"))
    lbd = lab.lbd("")
    lbd.config(text)
    assert "No such file" in lbd.refused("reload")
    assert "No such file" in lbd.refused("check", lbd.conf)
    lbd.popen.send_signal(signal.SIGTERM)
    assert lbd.popen.wait(30) == 0
    lbd = lbd.restart()
    note = lambda: lbd.workers()["web:8081"]["note"]
    wait_until(lambda: spoils(setting, "No such file", note()), lbd.output)
    assert "%s %s: " % (setting, lab.path / "gone") in note()


@pytest.mark.parametrize("owner", ("worker", "everybody"))
def test_included_file_of_somebody_else(lab, place, owner):
    """Would have root run what they like."""
    more = place / "more.conf"
    more.write_text("pool theirs { worker { command 'touch %s/new'; ports 9; } }\n" % lab.path)
    own(more)
    if owner == "everybody":
        more = lab.path / "more.conf"
        more.write_text("pool theirs { }\n")
        more.chmod(0o666)
    lbd = lab.lbd("")
    lbd.config("include %s;" % more)
    wanted = "www-data may change it" if owner == "worker" else "anybody may write it (mode 0666)"
    assert wanted in lbd.refused("reload")
    assert wanted in lbd.ctl("check", lbd.conf, check=False).stderr
    intact(lab)


def test_run_directory_of_somebody_else(lab):
    """lbd does not start there: its records and its socket would be theirs."""
    run_dir = pathlib.Path("/run/lbd", unique())
    run_dir.mkdir(parents=True)
    lab.closers.append(run_dir.rmdir)
    own(run_dir)
    lbd = lab.lbd("", instance=run_dir.name, ready=False)
    assert lbd.popen.wait(30) == 1
    assert "www-data, to whom %s belongs, could put there" % run_dir in lbd.output()
    os.chown(run_dir, 0, -1)
    run_dir.chmod(0o1777)
    lbd = lab.lbd("", instance=run_dir.name, ready=False)
    assert lbd.popen.wait(30) == 1
    assert "others, who may write its directory, could put there" in lbd.output()


# Its output goes to a FIFO of its own that has no name, and leads to what it has put where the kernel says that it was.
OWN_FIFO = """
import os, socket, sys, time
path = sys.argv[1] + "/x"
if not os.path.exists(path + " (deleted)"):
    os.mkfifo(path)
    os.dup2(os.open(path, os.O_RDWR), 1)
    os.unlink(path)
    open(path + " (deleted)", "w").close()
    os.mkfifo(path + " (deleted).lost")
server = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("listening", file=sys.stderr, flush=True)
while True:
    time.sleep(1000)
"""


@pytest.mark.parametrize("how", ("kill", "reexec"))
@pytest.mark.parametrize("kind", ("none", "file"))
def test_an_output_of_its_own(lab, kind, how):
    """The next lbd takes it back, waits for nobody, and counts what is lost in no file that is not lbd's own."""
    place, program = lab.short / "theirs", lab.short / "own_fifo.py"
    place.mkdir()
    own(place)
    lab.short.chmod(0o755)
    program.write_text(OWN_FIFO)
    program.chmod(0o755)
    stdout = "none" if kind == "none" else "%s size 0" % (place / "log")
    command = "/usr/bin/python3 %s %s $port" % (program, place)
    lbd = lab.lbd(pool(command, "user %s; stdout %s;" % (USER, stdout)))
    lbd.wait_up(1)
    pids = lbd.pids()
    if how == "kill":
        lbd.kill()
        lbd = lbd.restart()
    else:
        lbd.ctl("reexec")
    lbd.wait_up(1)
    assert lbd.pids() == pids
    assert sorted(os.listdir(place)) == (["log"] if kind == "file" else []) + ["x (deleted)", "x (deleted).lost"]
