# SPDX-License-Identifier: Apache-2.0
"""`lbctl save`, and what the next lbd goes on with: each file's own words, its mode and its owner."""

import os
import pathlib
import pwd
import signal
import stat

import pytest

from lab import BUILD, kill_and_wait, text_of, wait_until, web

UID = pwd.getpwnam("www-data").pw_uid
SECRET = "token-of-nobody-else"

MAIN = """
# main
include "more/*.conf";
include more/none-*.conf;
pool kept { backend 127.0.0.1:9001; }
service kept { listen 0.0.0.0:81; pool kept; }
# end
"""
MORE = """
# more
pool more {
    backend 127.0.0.1:9002;   # the first
    include inner.part;
}
service more { listen 0.0.0.0:82; pool more; }
"""
INNER = "scheduler   round_robin;\n"


@pytest.fixture
def files(lab):
    """A configuration of three files; lbd reads it when it starts."""
    lab.more = lab.path / "more"
    lab.more.mkdir()
    (lab.more / "web.conf").write_text(MORE)
    (lab.more / "inner.part").write_text(INNER)
    return lab.more


def world(lbd):
    return {
        p["pool"]: (p["scheduler"], [b["address"] for b in p["backends"]]) for p in lbd.json("pool")
    }


def rights(path):
    st = os.stat(path)
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def test_save_keeps_the_rights(lab):
    """A configuration that only root may read holds secrets: so does what is made of it."""
    lbd = lab.lbd("")
    lbd.config(
        "pool web { worker { command true; ports 9; autostart off; environment A=%s; } }" % SECRET
    )
    lbd.conf.chmod(0o640)
    os.chown(lbd.conf, 0, UID)
    lbd.ctl("reload")
    lbd.ctl("pool", "add", "more", "127.0.0.1:9001")
    lbd.ctl("save")
    assert rights(lbd.conf) == (0o640, 0, UID)
    assert "9001" in lbd.conf.read_text()
    run_dir = "/run/lbd/" + lbd.instance
    for directory, _, names in os.walk(run_dir):
        for name in names:
            path = pathlib.Path(directory, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                assert SECRET not in text_of(path) or not rights(path)[0] & 0o077, path


def test_save_writes_what_was_changed_where_it_belongs(lab, files):
    lbd = lab.lbd(MAIN)
    before = lbd.conf.read_text()
    lbd.ctl("save")
    assert lbd.conf.read_text() == before
    assert (files / "web.conf").read_text() == MORE
    lbd.ctl("pool", "add", "more", "127.0.0.1:9003")
    lbd.ctl("save")
    assert lbd.conf.read_text() == before
    assert (files / "inner.part").read_text() == INNER
    more = (files / "web.conf").read_text()
    for words in ("include inner.part;", "127.0.0.1:9003", "# more", "# the first"):
        assert words in more, more
    assert "round_robin" not in more
    lbd.ctl("pool", "add", "kept", "127.0.0.1:9004")
    lbd.ctl("save")
    main = lbd.conf.read_text()
    for words in ("include more/*.conf;", "include more/none-*.conf;", "9004", "# main", "# end"):
        assert words in main, main
    assert "9002" not in main
    assert (files / "web.conf").read_text() == more
    assert "no difference" in lbd.ctl("reload").lower()


def test_save_after_a_death(lab, files):
    """The next lbd knows as well what belongs to which file."""
    lbd = lab.lbd(MAIN)
    lbd.ctl("pool", "add", "more", "127.0.0.1:9003")
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    before = world(lbd)
    kill_and_wait(lbd.pid)
    lbd = lbd.restart()
    assert world(lbd) == before
    lbd.ctl("save")
    more, main = (files / "web.conf").read_text(), lbd.conf.read_text()
    assert "9003" in more and "9005" not in more and "include inner.part;" in more
    assert "9005" in main and "9003" not in main and "include more/*.conf;" in main
    assert "origin" not in main and "@file" not in main
    assert "no difference" in lbd.ctl("reload").lower()
    assert world(lbd) == before


@pytest.mark.parametrize("which", ("main", "included"))
def test_save_over_what_nobody_has_read(lab, files, which):
    lbd = lab.lbd(MAIN)
    path = lbd.conf if which == "main" else files / "web.conf"
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    edited = path.read_text() + "pool edited { backend 127.0.0.1:9006; }\n"
    path.write_text(edited)
    assert "%s has been changed since it was read" % path in lbd.refused("save")
    assert path.read_text() == edited
    lbd.ctl("reload")
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    lbd.ctl("save")
    assert "9006" in path.read_text() and "9005" in lbd.conf.read_text()


def test_included_twice(lab, files):
    lbd = lab.lbd(MAIN + "pool other { include more/inner.part; }\n")
    lbd.ctl("pool", "add", "more", "127.0.0.1:9003")
    lbd.ctl("save")
    assert (files / "inner.part").read_text() == INNER


def test_what_changed_while_nobody_looked_is_said(lab):
    """Neither are changes by lbctl dropped in silence, nor does a slip in the file keep lbd away."""
    lbd = lab.lbd("pool kept { backend 127.0.0.1:9001; }")
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    kill_and_wait(lbd.pid)
    text = lbd.conf.read_text()
    lbd.conf.write_text(text + "pool slip {\n")
    lbd = restart_as_is(lab, lbd)
    assert "going on with the configuration that was in force" in lbd.output()
    assert {p["pool"] for p in lbd.json("pool")} == {"kept", "new"}
    assert "has been changed" in lbd.refused("save")
    kill_and_wait(lbd.pid)
    lbd.conf.write_text(text + "pool other { backend 127.0.0.1:9007; }\n")
    lbd = restart_as_is(lab, lbd)
    assert "what lbctl changed without `save` is not" in lbd.output()
    assert {p["pool"] for p in lbd.json("pool")} == {"kept", "other"}


def restart_as_is(lab, lbd):
    text = lbd.conf.read_text().partition("\n")[2]
    return lab.lbd(text.removesuffix("\n"), instance=lbd.instance)


def test_relative_paths_after_a_death(lab):
    """Mean what they meant, for workers that go on and for those that start, and are saved as written."""
    (lab.path / "logs").mkdir()
    (lab.path / "www").mkdir()
    (lab.path / "www" / "page").write_text("page\n")
    (lab.path / "env").write_text("WORD=said\n")
    worker = (
        "command \"sh -c 'echo $ENV{NONE}in; pwd; env | grep WORD; exec sleep 1000'\"; ports 8081;"
        "stdout logs/w.log; directory www; environment_file env;"
    )
    lbd = lab.lbd(
        "pool web { worker { %s } }" % worker + "static assets { listen 0.0.0.0:8000; root www; }"
    )
    said = "in\n%s\nWORD=said\n" % (lab.path / "www")
    wait_until(lambda: text_of(lab.path / "logs" / "w.log") == said)
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    pids = lbd.pids()
    kill_and_wait(lbd.pid)
    lbd = lbd.restart()
    assert lbd.pids() == pids
    assert "new" in {p["pool"] for p in lbd.json("pool")}
    kill_and_wait(pids["web:8081"])
    wait_until(lambda: text_of(lab.path / "logs" / "w.log") == said * 2, lbd.output)
    assert lab.get("/page", port=8000).body == "page\n"
    lbd.ctl("save")
    text = lbd.conf.read_text()
    for words in ("stdout logs/w.log;", "root www;", "directory www;", "environment_file env;"):
        assert words in text, text
    assert "no difference" in lbd.ctl("reload").lower()


def test_pid_file(lab):
    """Is replaced in one step, and never where somebody else may write."""
    theirs = lab.path / "theirs"
    theirs.mkdir()
    os.chown(theirs, UID, -1)
    lbd = lab.lbd("")
    lbd.config("pid_file %s/pid;" % theirs)
    assert "www-data, to whom" in lbd.refused("reload")
    pid_file = lab.path / "pid"
    pid_file.touch()
    before = pid_file.stat().st_ino
    lbd.config("pid_file %s;" % pid_file)
    lbd.ctl("reload")
    assert pid_file.read_text() == "%d\n" % lbd.pid and pid_file.stat().st_ino != before
    lbd.signal(signal.SIGTERM)
    wait_until(lambda: not pid_file.exists())


def test_configuration_named_from_where_one_is(lab):
    """`-c lbd.conf`: the next lbd, started elsewhere, finds its own again."""
    lbd = lab.lbd("")
    lbd.ctl("shutdown")
    lbd.popen.wait(30)
    here = lab.process(
        "sh",
        "-c",
        "cd %s && exec %s/lbd -f -n %s -c %s" % (lab.path, BUILD, lbd.instance, lbd.conf.name),
    )
    wait_until(lambda: lbd.ctl("pool", check=False).returncode == 0, here.output)
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    kill_and_wait(here.pid)
    lbd = restart_as_is(lab, lbd)
    assert {p["pool"] for p in lbd.json("pool")} == {"new"}


def test_save_names_what_it_cannot_save(lab):
    """A configuration has no word for a worker that was drained or stopped: that is said, and it is kept."""
    lbd = lab.lbd(web("8081-8084") + "pool other { backend 127.0.0.1:9001; }")
    lbd.wait_up(4, name="web")
    assert lbd.ctl("save") == "saved to %s\n" % lbd.conf
    lbd.ctl("pool", "drain", "127.0.0.1:9001")
    lbd.ctl("pool", "drain", "127.0.0.1:8081")
    lbd.ctl("worker", "stop", "web:8082")
    lbd.ctl("pool", "drain", "127.0.0.1:8083")
    lbd.ctl("worker", "stop", "web:8083")
    said = lbd.ctl("save")
    names = "web:8081 drained, web:8082 stopped, web:8083 stopped and drained\n"
    assert said.startswith("saved to %s; not in it" % lbd.conf) and said.endswith(": " + names)
    assert "backend 127.0.0.1:9001 drain;" in lbd.conf.read_text()
    states = lbd.states("web")
    lbd.kill()
    again = lbd.restart()
    again.wait_worker("web:8084", "up")
    again.wait_state("127.0.0.1:8081", "drained")
    assert again.states("web") == {**states, "127.0.0.1:8081": "drained"}


def changed_in_part(lbd, verb):
    lbd.ctl("pool", *verb.split(), "p", "127.0.0.1:9101")


@pytest.mark.parametrize("include", ("p.d/*.conf", "p.d/a.conf"))
@pytest.mark.parametrize("verb", ("drain", "undrain", "remove"))
def test_save_of_what_is_included_in_a_block(lab, include, verb):
    """A file inside a block is one of the configuration's files as well: what it says is saved in it."""
    part = lab.path / "p.d" / "a.conf"
    part.parent.mkdir()
    said = "drain" if verb == "undrain" else ""
    part.write_text("backend 127.0.0.1:9101 %s;\nbackend 127.0.0.1:9102; # second\n" % said)
    lbd = lab.lbd("pool p { include %s; } service p { listen 127.0.0.1:8890; }" % include)
    main = lbd.conf.read_text()
    changed_in_part(lbd, verb)
    before = world(lbd)
    lbd.ctl("save")
    first = {"drain": "backend 127.0.0.1:9101 drain;\n", "undrain": "backend 127.0.0.1:9101;\n"}
    assert part.read_text() == first.get(verb, "") + "# second\nbackend 127.0.0.1:9102;\n"
    assert lbd.conf.read_text() == main
    assert "no difference" in lbd.ctl("reread").lower()
    lbd.ctl("reload")
    assert world(lbd) == before


def test_save_of_a_file_that_nothing_is_left_of(lab):
    """What is read again says nothing; what is not, since its block has gone, keeps its words."""
    texts = ("backend 127.0.0.1:9101;\n", "listen 127.0.0.1:8890;\n")
    parts = [lab.path / name for name in ("pool.part", "service.part")]
    for part, text in zip(parts, texts):
        part.write_text(text)
    lbd = lab.lbd("pool p { include pool.part; } service s { include service.part; pool p; }")
    lbd.ctl("pool", "remove", "p", "127.0.0.1:9101")
    lbd.ctl("service", "remove", "s")
    lbd.ctl("save")
    assert [part.read_text() for part in parts] == ["", texts[1]]
    assert "no difference" in lbd.ctl("reread").lower()


@pytest.mark.parametrize("died", (False, True))
def test_save_of_a_file_that_two_blocks_include(lab, died):
    """It is one file, and says once what each of them has of it."""
    part = lab.path / "both.part"
    part.write_text("allow   10.0.0.0/8;\n")
    services = "service %s { include both.part; pool p; listen 127.0.0.1:889%d; }\n"
    lbd = lab.lbd(
        "pool p { backend 127.0.0.1:9101; }\n"
        + "".join(services % (name, digit) for digit, name in enumerate("abc"))
    )
    lbd.ctl("service", "remove", "a")
    changed_in_part(lbd, "drain")
    if died:
        lbd.kill()
        lbd = lbd.restart()
    lbd.ctl("save")
    assert part.read_text() == "allow   10.0.0.0/8;\n"
    main = lbd.conf.read_text()
    assert "9101 drain;" in main and "8890" not in main and "8892" in main
    assert "no difference" in lbd.ctl("reread").lower()


@pytest.fixture
def parts(lab):
    """A main file that includes one by a pattern and one, in a block, by its name."""
    (lab.path / "top.d").mkdir()
    lab.part = lab.path / "top.d" / "q.conf"
    lab.part.write_text("pool q { backend 127.0.0.1:9201; } # of q\n")
    lab.inner = lab.path / "inner.part"
    lab.inner.write_text("backend 127.0.0.1:9101;\n")
    return lab.lbd("include top.d/*.conf;\npool p { include inner.part; }\n")


def change_all(lbd):
    """Each of its files is to say something else."""
    lbd.ctl("pool", "add", "q", "127.0.0.1:9210")
    lbd.ctl("pool", "add", "new", "127.0.0.1:9301")
    lbd.ctl("pool", "drain", "p", "127.0.0.1:9101")


def saved_whole(lab, lbd, gone=()):
    before = world(lbd)
    assert lbd.ctl("save") == "saved to %s\n" % lbd.conf
    assert "include top.d/*.conf;" in lbd.conf.read_text() and "9301" in lbd.conf.read_text()
    assert "9210" in lab.part.read_text() and "# of q" in lab.part.read_text()
    assert "drain" in lab.inner.read_text()
    for path in gone:
        assert rights(path) == (0o600, 0, 0), path
    assert "no difference" in lbd.ctl("reread").lower()
    lbd.ctl("reload", "force")
    assert world(lbd) == before
    lbd.ctl("save")


def edit(path):
    path.write_text(path.read_text() + "# hi\n")


def make_empty(path):
    path.write_text("")


def as_it_was(_):
    """Moved away without a change."""


@pytest.mark.parametrize("died", (False, True))
@pytest.mark.parametrize("change", (as_it_was, edit, make_empty))
@pytest.mark.parametrize("which", ("main", "part", "inner"))
def test_save_after_moving_away(lab, parts, which, change, died):
    """What was edited, or emptied, is named; moved away, as the line says, all is written, that one anew."""
    lbd = parts
    path = {"main": lbd.conf, "part": lab.part, "inner": lab.inner}[which]
    change_all(lbd)
    change(path)
    if change is not as_it_was:
        said = lbd.refused("save")
        assert "%s has been changed since it was read" % path in said and "move it away" in said
    path.rename(lab.path / "moved")
    if died:
        kill_and_wait(lbd.pid)
        lbd = lbd.restart_as_is()
    saved_whole(lab, lbd, [path])


def test_save_over_a_file_that_came(lab, parts):
    """It would be read the next time, and nobody has."""
    came = lab.path / "top.d" / "r.conf"
    came.write_text("# nothing yet\n")
    change_all(parts)
    lbd = parts
    saved_whole(lab, lbd)
    came.write_text("pool r { backend 127.0.0.1:9401; }\n")
    lbd.ctl("pool", "add", "q", "127.0.0.1:9211")
    assert "%s has come since the configuration was read" % came in lbd.refused("save")
    assert "9211" not in lab.part.read_text()
    came.unlink()
    saved_whole(lab, lbd)


def test_save_where_a_directory_has_gone(lab, parts):
    """Half a save leaves the main file alone, says what is not written, and is made whole by the next."""
    lbd = parts
    main = lbd.conf.read_text()
    change_all(lbd)
    (lab.path / "top.d").rename(lab.path / "moved")
    said = lbd.refused("save")
    assert said.count("\n") <= 1 and str(lab.part) in said and "not written either" in said, said
    assert str(lbd.conf) in said.partition("not written either")[2]
    assert lbd.conf.read_text() == main
    (lab.path / "top.d").mkdir()
    saved_whole(lab, lbd, [lab.part])


def test_save_makes_no_file_of_nothing(lab, parts):
    """What a verb has removed, and somebody has, does not come back as an empty file."""
    lbd = parts
    lbd.ctl("pool", "remove", "q")
    lab.part.unlink()
    lbd.ctl("save")
    assert not lab.part.exists()
    assert "no difference" in lbd.ctl("reread").lower()


def test_save_with_another_main_file(lab):
    """The lbd before had another, and this one's is not there: what goes on is written to it, and lbd with it."""
    lbd = lab.lbd("pool web { backend 127.0.0.1:8081; }")
    lbd.kill()
    other = lab.path / "other.conf"
    lbd = lbd.restart_as_is(arguments=("-c", other))
    lbd.ctl("pool", "add", "web", "127.0.0.1:8082")
    assert lbd.ctl("save") == "saved to %s\n" % other
    assert "127.0.0.1:8082" in other.read_text() and "127.0.0.1:8082" not in lbd.conf.read_text()
    assert "no difference" in lbd.ctl("reread").lower()
    lbd.ctl("save")
    assert lbd.stop() == 0
