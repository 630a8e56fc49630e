#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Checks lbd.pml with Spin: each property holds in every order of events, and fails when lbd is broken on
purpose.  States, events and transitions are those of daemon/model/state.h and daemon/model/state.c, read from there.
Ends with `N passed, N failed`; of what fails, shows the steps that lead there.

    model.py BUILD_DIRECTORY [--only PROPERTY]
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.pool import ThreadPool

HERE = pathlib.Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "daemon/model"
SKIPPED = 77  # exit code, as automake's
SHOWN_STEPS = 80  # of a counterexample, the last ones

# How much goes wrong and is asked for, at most; all of it together takes minutes, and finds no more.
DEATH = ("CRASHES=1", "DEATHS=1", "VERBS=1")
VERBS = ("CRASHES=1", "DEATHS=0", "VERBS=2")
PORT = ("SAME_PORT", "CRASHES=1", "DEATHS=1", "VERBS=2")
BOUNDS = (DEATH, VERBS, PORT)

# Each property, and what breaks it, with the bounds within which it does.
PROPERTIES = {
    "never_doubled": {"BREAK_RECORD_LATE": VERBS},
    "never_orphaned": {"BREAK_RECORD_LATE": VERBS},
    "one_owner": {"BREAK_SHARES_PORT": PORT},
    "drained_gets_nothing": {
        "BREAK_FORGETS_DRAIN": DEATH,
        "BREAK_FORGETS_OUT": VERBS,
        "BREAK_START_PUTS_BACK": VERBS,
        "BREAK_FORGETS_GOAL": VERBS,
        "BREAK_ANSWERS_FIRST": VERBS,
    },
    "never_the_last": {"BREAK_LAST_ONE": VERBS},
    "a_roll_ends": {
        "BREAK_ROLL_WAITS": VERBS,
        "BREAK_ROLL_LOST": VERBS,
        "BREAK_ROLLS_AGAIN": VERBS,
    },
    "gets_up": {"BREAK_STAYS_DOWN": DEATH, "BREAK_DRAIN_ENDS_RESTART": PORT},
}


def fail(text):
    sys.exit("model: " + text)


def source(name):
    """Without comments."""
    return re.sub(r"/\*.*?\*/", "", (MODEL / name).read_text(), flags=re.S)


def enumerators(name):
    """Of an enum in state.h, in order, without its count."""
    body = re.search(r"enum %s \{(.*?)\}" % name, source("state.h"), re.S).group(1)
    return [n for n in re.findall(r"\b[A-Z_]+\b", body) if not n.endswith("_COUNT")]


def transitions():
    """[(state, event, next)] of the table in state.c."""
    found = []
    for state, body in re.findall(r"\[(STATE_\w+)\] = \{(.*?)\n\t\}", source("state.c"), re.S):
        found += [(state, *pair) for pair in re.findall(r"\[(EVENT_\w+)\] = (STATE_\w+)", body)]
    return found


def check_names(states, events, table):
    """A name that the model does not use, or that lbd does not, is one that it is silent about."""
    model = "".join(path.read_text() for path in HERE.glob("*.pml"))
    named = set(re.findall(r"\b(?:STATE|EVENT)_[A-Z_]+\b", model))
    for where, names in (
        ("the model does not use", set(states + events) - named),
        ("daemon/model/state.h does not have", named - set(states + events)),
        ("daemon/model/state.c has no transition by", set(events) - {event for _, event, _ in table}),
    ):
        if names:
            fail("%s %s" % (where, " ".join(sorted(names))))


def write_transitions(path):
    states, events, table = enumerators("state"), enumerators("state_event"), transitions()
    check_names(states, events, table)
    # Names are numbers from 1 on; hidden: what never changes is part of no state.
    width = len(states) + len(events) + 1
    cells = ["AFTER(%s, %s) = %s" % one for one in table]
    path.write_text(
        "mtype:state = { %s };\n" % ", ".join(states)
        + "mtype:event = { %s };\n" % ", ".join(events)
        + "#define AFTER(from, event) table[(from) * %d + (event)]\n" % width
        + "hidden mtype:state table[%d] = STATE_NONE;\n" % (width * width)
        + "inline fill_table()\n{\n\t%s\n}\n" % ";\n\t".join(cells)
    )
    return len(table)


def run(directory, *command):
    result = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False)
    return result.returncode, result.stdout


def verify(build, switches):
    """Looks at every order of events: what is violated, or None; how many states; where the trail is."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=build))
    for path in (*HERE.glob("*.pml"), build / "transitions.pml"):
        shutil.copy(path, directory)
    must(directory, "spin", "-a", *("-D" + s for s in switches), "lbd.pml")
    # -DNP: a cycle, in which lbd would never come to rest, is an error as well.
    must(directory, "gcc", "-O0", "-w", "-DNP", "-DMEMLIM=3072", "-o", "pan", "pan.c")
    _, output = run(directory, "./pan", "-m2000000", "-l")
    found = re.search(r"^pan:1: (.*)", output, re.M)
    states = re.search(r"(\S+) states, stored", output)
    if not states or not found and re.search("Search not completed|too small|out of memory", output):
        fail("%s: not searched to the end\n%s" % (" ".join(switches), output[-2000:]))
    return found.group(1) if found else None, int(float(states.group(1))), directory


def must(directory, *command):
    code, output = run(directory, *command)
    if code:
        fail("%s: exit code %d\n%s" % (command[0], code, output))


def show_steps(directory, switches):
    _, output = run(directory, "spin", "-t", "-p", *("-D" + s for s in switches), "lbd.pml")
    steps = [line for line in output.splitlines() if "proc" in line or "CYCLE" in line]
    print("\n".join(steps[-SHOWN_STEPS:]))


def check_bounds(build, only):
    """What does not hold within the bounds; each run looks at all that is asked for at once."""
    broken = set()
    searches = [(*bounds, *(["ONLY=" + only] if only else [])) for bounds in BOUNDS]
    for bounds, switches, (violated, states, _) in zip(BOUNDS, searches, together(build, searches)):
        print("  %-44s %8d states%s" % (" ".join(switches), states, ": " + violated if violated else ""),
              flush=True)
        for name in ([only] if only else PROPERTIES) if violated else []:
            again = (*bounds, "ONLY=" + name)
            violated, _, directory = verify(build, again)
            if violated:
                broken.add(name)
                print("%s, the last steps:" % name)
                show_steps(directory, again)
    return broken


def together(build, searches):
    """The results of verify() in order; as many at a time as there are processors."""
    with ThreadPool(os.cpu_count()) as threads:
        yield from threads.imap(lambda switches: verify(build, switches), searches)


def check_break(name, breakage, found):
    violated, states, _ = found
    print("  %-22s %-20s %s (%d states)" % (name, breakage, "fails, as it has to" if violated
                                            else "HOLDS: it finds nothing", states), flush=True)
    return bool(violated)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", choices=PROPERTIES)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what run() waits for, too
    if not shutil.which("spin"):
        print("optional: needs spin (`selftests/deps` installs it)")
        sys.exit(SKIPPED)
    build = options.build.resolve() / "model"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    print("model: %d transitions of daemon/model/state.c" % write_transitions(build / "transitions.pml"))
    broken = check_bounds(build, options.only)
    results = []
    names = [options.only] if options.only else PROPERTIES
    breaks = together(build, [(*bounds, "ONLY=" + name, breakage) for name in names
                              for breakage, bounds in PROPERTIES[name].items()])
    for name in names:
        print("  %-22s %-20s %s" % (name, "", "FAILS" if name in broken else "holds"), flush=True)
        results.append(name not in broken)
        results += [check_break(name, breakage, next(breaks)) for breakage in PROPERTIES[name]]
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
