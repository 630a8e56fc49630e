# SPDX-License-Identifier: Apache-2.0
"""SVG charts of results by gnuplot: bars for each peer, or lines over a size or a load."""

import pathlib
import subprocess

COLOURS = {
    "direct": "#9aa0a6",
    "lbd": "#d9480f",
    "nftables dnat": "#5f3dc4",
    "haproxy tcp": "#1971c2",
    "nginx stream": "#66a80f",
    "nginx": "#2b8a3e",
    "nginx least_conn": "#12b886",
}
OTHER = ("#c2255c", "#0c8599", "#e8590c", "#364fc7", "#868e96")
HEAD = """set terminal svg size {width},{height} font "sans-serif,13" background rgb "#ffffff"
set output "{path}"
set multiplot layout 1,{panels} title "{title}" font ",15"
set border 3 lc rgb "#555555"
set tics nomirror
set tmargin 5
set bmargin {bottom}
"""


def colour(peer, number):
    return COLOURS.get(peer, OTHER[number % len(OTHER)])


def quoted(text):
    return text.replace('"', "'").replace("_", "\\\\_")


def bars(metric):
    """One panel: the first peer on top; a thin line from the least to the most."""
    rows = metric["rows"][::-1]
    top = max(row["max"] for row in rows) or 1
    lines = [
        'set title "%s\\n%s, %s is better" font ",12"'
        % (quoted(metric["name"]), metric["unit"], metric["better"]),
        "set yrange [-0.6:%g]" % (len(rows) - 0.4),
        "set xrange [0:%g]" % (top * 1.3),
        "set offsets 0, 0, 0, 0; unset xtics; unset xlabel; unset logscale; unset ytics; set ytics nomirror; unset grid",
        "set style fill solid",
        "unset key",
        "$data << EOD",
    ]
    for place, row in enumerate(rows):
        shown = "{:,.{}f}".format(row["median"], metric["decimals"]).replace(",", " ")
        rgb = int(colour(row["peer"], place)[1:], 16)
        lines.append(
            '"%s" %d %g %g %g %d "%s"'
            % (quoted(row["peer"]), place, row["median"], row["min"], row["max"], rgb, shown)
        )
    lines += [
        "EOD",
        "plot $data using (0):2:(0):3:($2-0.32):($2+0.32):6:ytic(1) with boxxyerror lc rgb variable, \\",
        '     $data using 3:2:4:5 with xerrorbars pt 0 lc rgb "#222222", \\',
        "     $data using 5:2:7 with labels left offset 1,0",
    ]
    return lines


def curves(metric):
    """One panel: a line for each peer over metric.x."""
    peers = list(dict.fromkeys(row["peer"] for row in metric["rows"]))
    places = sorted({row["x"] for row in metric["rows"]})
    lines = [
        'set title "%s\\n%s, %s is better" font ",12"' % (quoted(metric["name"]), metric["unit"], metric["better"]),
        'set grid ytics lc rgb "#dddddd" lt 1',
        'set xlabel "%s"' % quoted(metric["x"]),
        "set key outside right center reverse Left samplen 2",
        "set autoscale; set offsets graph 0.04, graph 0.04, 0, 0",
        "unset ytics; set ytics nomirror; unset xtics; set xtics nomirror",
        "set xtics (%s)" % ", ".join('"%g" %g' % (x, x) for x in places),
    ]
    most, least = max(r["median"] for r in metric["rows"]), min(r["median"] for r in metric["rows"])
    lines.append("set logscale y; set yrange [*:*]" if least > 0 and most / least > 20
                 else "unset logscale y; set yrange [0:*]")
    lines.append("set logscale x" if places[0] > 0 and places[-1] / places[0] > 20 else "unset logscale x")
    plots = []
    for number, peer in enumerate(peers):
        lines.append("$p%d << EOD" % number)
        for row in sorted((r for r in metric["rows"] if r["peer"] == peer), key=lambda r: r["x"]):
            lines.append("%g %g %g %g" % (row["x"], row["median"], row["min"], row["max"]))
        lines.append("EOD")
        look = 'lc rgb "%s" lw 2' % colour(peer, number)
        plots.append('$p%d using 1:2:3:4 with yerrorbars pt 0 %s notitle' % (number, look))
        plots.append('$p%d using 1:2 with linespoints pt 7 ps 0.5 %s title "%s"'
                     % (number, look, quoted(peer)))
    lines.append("plot " + ", \\\n     ".join(plots))
    return lines


def draw(case, path, footer):
    """One file for a case that has a chart; the panels are its metrics."""
    panels = [m for m in case["metrics"] if m["rows"] and m["chart"]]
    over = any(m["x"] for m in panels)
    rows = max(len({r["peer"] for r in m["rows"]}) for m in panels)
    script = HEAD.format(
        width=(620 if over else 480) * len(panels),
        height=420 if over else 120 + 34 * rows,
        path=path,
        panels=len(panels),
        title=quoted(case["title"]),
        bottom=5 if over else 2,
    )
    script += 'set label 99 "%s" at screen 0.005,0.02 font ",9" textcolor rgb "#777777"\n' % quoted(footer)
    for panel in panels:
        script += "\n".join((curves if panel["x"] else bars)(panel)) + "\nunset label 99\n"
    script += "unset multiplot\n"
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
