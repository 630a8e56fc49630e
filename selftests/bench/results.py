# SPDX-License-Identifier: Apache-2.0
"""
What the cases found: metrics (a row of repeated values for each peer), goals (a ratio or a value against
what was to be reached) and notes.  Kept as JSON; see report.py for tables and charts.
"""

import json
import pathlib
import statistics

NOISY = 0.25  # (max - min) / median, above which peers are not ranked


def summary(values):
    median = statistics.median(values)
    spread = (max(values) - min(values)) / median if median else 0.0
    return {
        "values": [round(v, 6) for v in values],
        "median": median,
        "min": min(values),
        "max": max(values),
        "spread": round(spread, 4),
    }


def ratios(above, below):
    """Repeat by repeat, so that both of a pair were measured at about the same time."""
    return [a / b if b else float("inf") for a, b in zip(above, below)]


class Metric:
    def __init__(self, name, unit, better, decimals, x, chart, headline):
        self.name, self.unit, self.better, self.decimals = name, unit, better, decimals
        self.x = x  # what the rows' x values mean, when the metric is a line over sizes or loads
        self.chart = chart  # it is a panel of the case's chart
        self.headline = headline  # a row of the README's table; a number: at this x only
        self.rows = {}  # (peer, x): values

    def add(self, peer, value, x=None):
        self.rows.setdefault((peer, x), []).append(float(value))

    def values(self, peer, x=None):
        return self.rows.get((peer, x), [])

    def noisy(self):
        """Peers of too wide a spread, among those whose order that leaves open."""
        found = []
        for (peer, x), values in self.rows.items():
            one = summary(values)
            others = [summary(v) for (p, at), v in self.rows.items() if at == x and p != peer]
            overlaps = any(one["min"] <= o["max"] and o["min"] <= one["max"] for o in others)
            if one["spread"] > NOISY and overlaps:
                found.append(peer if x is None else "%s at %g" % (peer, x))
        return found

    def json(self):
        return {
            "name": self.name,
            "unit": self.unit,
            "better": self.better,
            "decimals": self.decimals,
            "x": self.x,
            "chart": self.chart,
            "headline": self.headline,
            "noisy": self.noisy(),
            "rows": [dict(peer=p, x=x, **summary(v)) for (p, x), v in self.rows.items()],
        }


class Case:
    def __init__(self, key, title, chart=None):
        self.key, self.title, self.chart = key, title, chart
        self.metrics, self.goals, self.notes = [], [], []

    def metric(self, name, unit, better="less", decimals=1, x=None, chart=True, headline=False):
        self.metrics.append(Metric(name, unit, better, decimals, x, chart, headline))
        return self.metrics[-1]

    def goal(self, text, values, relation, target, unit=""):
        """relation is ">=" or "<="; values are one for each repeat."""
        if not values:
            self.note("not measured: " + text)
            return
        one = summary(values)
        good = [v >= target if relation == ">=" else v <= target for v in values]
        reached = one["median"] >= target if relation == ">=" else one["median"] <= target
        unsure = any(good) and not all(good) and one["spread"] > NOISY
        verdict = "too noisy to say" if unsure else "reached" if reached else "short"
        self.goals.append(
            dict(text=text, relation=relation, target=target, unit=unit, verdict=verdict, **one)
        )

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def json(self):
        return {
            "title": self.title,
            "chart": self.chart,
            "metrics": [m.json() for m in self.metrics if m.rows],
            "goals": self.goals,
            "notes": self.notes,
        }


def merge(path, machine, cases, quick):
    """Writes the cases just run into the file, beside those of earlier runs on the same commit."""
    path = pathlib.Path(path)
    old = {}
    if path.exists():
        before = json.loads(path.read_text())
        if before["machine"].get("commit") == machine["commit"] and before["quick"] == quick:
            old = before["cases"]
    old.update({c.key: c.json() for c in cases})
    data = {"machine": machine, "quick": quick, "cases": dict(sorted(old.items(), key=lambda i: int(i[0])))}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(data, indent=1) + "\n")
    path.with_suffix(".new").replace(path)
    return data
