#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Storms: seeded random sequences of verbs, kills, reloads and misbehaviour, each in network
namespaces of its own; after each step what lbd says is compared with processes, cgroups, listeners,
maps, files and connections as they are.

    storm.py [--seconds N] [--seed N] [--steps N] [--without KIND]... [--replay FILE] [--shorten]

Sequence number N has the seed SEED + N.  A failure prints its seed, what did not agree and all
steps, one JSON list a line: --replay takes them, --shorten leaves out what it does not need.
"""

import argparse
import json
import os
import random
import signal
import sys
import time

import steps
from episode import Episode, Failure
from lab import refusal
from system import hear_sanitizers, sanitizer_reports

SKIPPED = 77  # exit code, as automake's


def play(sequence, verbose):
    """None, or (text of the failure, number of steps done, lbd's log)."""
    done, began = [], time.monotonic()

    def tell(step):
        done.append(step)
        if verbose and episode.found:
            print("          late: " + "; ".join(episode.found)[:300])
            episode.found = []
        if verbose:
            print("%7.1f s %s" % (time.monotonic() - began, json.dumps(step)), flush=True)

    episode = Episode()
    try:
        episode.run(sequence, tell)
        found = sanitizer_reports()
        return ("sanitizers: " + "\n".join(found), len(done), episode.log()) if found else None
    except (Failure, AssertionError, OSError) as error:
        text = "\n".join(["%s: %s" % (type(error).__name__, error), *sanitizer_reports()])
        return text, len(done), episode.log()
    finally:
        episode.close()


def shorten(sequence, text):
    """Leaves out ever smaller parts while it fails in the same way, by its first words."""
    size = len(sequence) // 2
    while size:
        at = 1  # the first begins
        while at < len(sequence):
            shorter = sequence[:at] + sequence[at + size :]
            failed = play(shorter, False)
            if failed and failed[0][:20] == text[:20]:
                sequence = shorter[: failed[1]]
                print("shortened to %d steps" % len(sequence), flush=True)
            else:
                at += size
        size //= 2
    return sequence


def report(failed, sequence, seed, options):
    text, count, log = failed
    sequence = sequence[:count]
    if options.shorten:
        sequence = shorten(sequence, text)
    print("---- lbd's log\n%s\n---- steps" % log)
    for step in sequence:
        print(json.dumps(step))
    print("---- storm FAILED: %s" % text)
    if seed is not None:
        print(
            "again: make storm SEED=%d SECONDS=0   (or the steps above in a file: --replay FILE)"
            % seed
        )


def read(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines if line.startswith("[")]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3600, help="0: one sequence")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--without", action="append", default=[], choices=steps.KINDS)
    parser.add_argument("--replay", metavar="FILE")
    parser.add_argument("--shorten", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main():
    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    why = refusal()
    if why:
        print(why)
        return SKIPPED
    hear_sanitizers()
    options = arguments()
    if options.replay:
        sequence = read(options.replay)
        failed = play(sequence, options.verbose)
        if failed:
            report(failed, sequence, None, options)
        return 1 if failed else 0
    seed = options.seed if options.seed is not None else random.randrange(1 << 30)
    end, count, first = time.monotonic() + options.seconds, 0, seed
    print("storm: seed %d" % seed, flush=True)
    while not count or time.monotonic() < end:
        sequence = steps.sequence(seed, options.steps, options.without)
        failed = play(sequence, options.verbose)
        if failed:
            report(failed, sequence, seed, options)
            return 1
        count, seed = count + 1, seed + 1
    print(
        "storm: %d sequences of %d steps, seeds %d to %d" % (count, options.steps, first, seed - 1)
    )
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
