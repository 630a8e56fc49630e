#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tables and charts of results.json: `make bench-report`."""

import argparse
import json
import pathlib
import sys

import charts
import machine as machines

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
README_BEGIN, README_END = "<!-- bench: written by `make bench-report` -->", "<!-- /bench -->"


def number(value, decimals):
    return "{:,.{}f}".format(value, decimals).replace(",", " ")


def metric_lines(metric):
    """The peers' rows; beside each its ratio to `direct`, at the same x, where that was measured."""
    rows = sorted(metric["rows"], key=lambda r: (r["x"] is not None, r["x"] or 0))
    limit = {row["x"]: row["median"] for row in rows if row["peer"] == "direct"}
    width = max(len(row["peer"]) for row in rows)
    yield "  %s (%s; %s is better)" % (metric["name"], metric["unit"], metric["better"])
    if metric["x"]:
        yield "    %-*s %8s" % (width, "", metric["x"])
    for row in rows:
        least, median, most = (number(row[k], metric["decimals"]) for k in ("min", "median", "max"))
        line = "    %-*s" % (width, row["peer"])
        line += "" if row["x"] is None else " %8g" % row["x"]
        line += " %12s" % median
        line += "  [%s .. %s]" % (least, most) if len(row["values"]) > 1 else ""
        line += "  x %.2f" % (row["median"] / limit[row["x"]]) if limit.get(row["x"]) else ""
        name = row["peer"] if row["x"] is None else "%s at %g" % (row["peer"], row["x"])
        yield line + ("  too noisy to rank" if name in metric["noisy"] else "")


def goal_line(goal):
    return "  %-18s %s: %s %s, wanted %s %g %s" % (
        goal["verdict"],
        goal["text"],
        number(goal["median"], 2),
        goal["unit"],
        goal["relation"],
        goal["target"],
        goal["unit"],
    )


def text(data):
    lines = [machines.line(data["machine"])]
    for key, case in data["cases"].items():
        lines += ["", "Case %s. %s" % (key, case["title"])]
        for metric in case["metrics"]:
            lines += metric_lines(metric)
        lines += [goal_line(goal).rstrip() for goal in case["goals"]]
        lines += ["  note: " + note for note in case["notes"]]
    if data["quick"]:
        lines += ["", "Quick mode: one short run of each; no figures to quote."]
    return "\n".join(lines)


def cell(row, decimals):
    if not row:
        return "–"
    shown = "%s" % number(row["median"], decimals)
    if len(row["values"]) > 1:
        shown += " (%s–%s)" % (number(row["min"], decimals), number(row["max"], decimals))
    return shown


def markdown_table(metrics):
    """Peers down, metrics (at each x) across."""
    columns = []
    for metric in metrics:
        for x in dict.fromkeys(row["x"] for row in metric["rows"]):
            name = "%s, %s" % (metric["name"], metric["unit"])
            columns.append((name if x is None else "%s, at %g" % (name, x), metric, x))
    peers = list(dict.fromkeys(row["peer"] for m in metrics for row in m["rows"]))
    yield "| | " + " | ".join(name for name, _, _ in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for peer in peers:
        cells = []
        for _, metric, x in columns:
            row = [r for r in metric["rows"] if r["peer"] == peer and r["x"] == x]
            cells.append(cell(row[0] if row else None, metric["decimals"]))
        yield "| %s | %s |" % (peer, " | ".join(cells))


def markdown(data):
    lines = ["Medians (least–most) of repeated runs on: %s, commit %s." % (
        machines.line(data["machine"]), data["machine"]["commit"])]
    for key, case in data["cases"].items():
        lines += ["", "**%s. %s**" % (key, case["title"]), ""]
        if case["chart"]:
            lines += ["![%s](charts/%s.svg)" % (case["title"], case["chart"]), ""]
        if case["metrics"]:
            lines += markdown_table(case["metrics"])
        lines += [""] + ["- %s: **%s%s** (wanted %s %g%s): %s" % (
            g["text"], number(g["median"], 2), " " + g["unit"] if g["unit"] else "", g["relation"],
            g["target"], " " + g["unit"] if g["unit"] else "", g["verdict"]) for g in case["goals"]]
        lines += ["- " + note.splitlines()[0] for note in case["notes"]]
    return "\n".join(lines)


PEERS = ("direct", "lbd", "nftables dnat", "haproxy tcp", "nginx stream", "nginx least_conn", "nginx")
README_CHARTS = ("throughput", "latency", "upsets")


def headlines(data):
    """One table over the cases: metrics down, peers across."""
    yield "| | " + " | ".join(PEERS) + " |"
    yield "|---|" + "---:|" * len(PEERS)
    for case in data["cases"].values():
        for metric in case["metrics"]:
            wanted = metric["headline"]
            if not wanted:
                continue
            x = None if wanted is True else wanted
            medians = {r["peer"]: r["median"] for r in metric["rows"] if r["x"] == x}
            name = metric["name"] if x is None else "%s, %g %% load" % (metric["name"], x)
            cells = [number(medians[p], metric["decimals"]) if p in medians else "–" for p in PEERS]
            yield "| %s, %s | %s |" % (name, metric["unit"], " | ".join(cells))


def held(data):
    """A table of everything that was to reach something."""
    yield "| held to a target | measured | wanted |"
    yield "|---|---:|---:|"
    for case in data["cases"].values():
        for goal in case["goals"]:
            unit = " " + goal["unit"] if goal["unit"] else ""
            sign = "≤" if goal["relation"] == "<=" else "≥"
            measured = "%s%s" % (number(goal["median"], 2), unit)
            if goal["verdict"] == "too noisy to say":
                measured += ", too noisy to say"
            yield "| %s | %s | %s %g%s |" % (goal["text"], measured, sign, goal["target"], unit)


def readme(data):
    """What the README shows: a table of the peers, some charts, and what was held to a target."""
    lines = ["Medians of repeated runs of `sudo make bench` on %s. Client, balancer and workers share it;"
             " `direct` is the clients spreading themselves over the workers. All rows, with least and"
             " most: [RESULTS.md](selftests/bench/RESULTS.md)." % machines.line(data["machine"]), ""]
    lines += headlines(data)
    charts_shown = [c for c in data["cases"].values() if c["chart"] in README_CHARTS]
    lines += ["", *("![%s](selftests/bench/charts/%s.svg)" % (c["title"], c["chart"]) for c in charts_shown), ""]
    lines += held(data)
    return "\n".join(lines)


def write_readme(path, fragment):
    """Replaces what is between the two marks; a README without them is left alone."""
    whole = path.read_text() if path.exists() else ""
    before, begin, rest = whole.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not begin or not end:
        return False
    path.write_text(before + begin + "\n" + fragment + "\n" + end + after)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=pathlib.Path)
    options = parser.parse_args()
    if not options.results.exists():
        print("bench: no results; run: sudo make bench", file=sys.stderr)
        return 1
    data = json.loads(options.results.read_text())
    print(text(data))
    footer = machines.line(data["machine"])
    for case in data["cases"].values():
        if case["chart"] and case["metrics"]:
            path = HERE / "charts" / (case["chart"] + ".svg")
            charts.draw(case, path, footer)
            print("chart: %s" % path.relative_to(ROOT))
    (HERE / "RESULTS.md").write_text("# Results of the bench\n\n" + markdown(data) + "\n")
    if write_readme(ROOT / "README.md", readme(data)):
        print("README.md: figures replaced")
    return 0


if __name__ == "__main__":
    sys.exit(main())
