# SPDX-License-Identifier: Apache-2.0
"""
What may happen, and random sequences of it.  A sequence follows from its seed alone, so that it can
be played again; a step that means nothing at its time does nothing.
"""

import random

from hostile import LOG_USER, PLANTS

POOLS = {"web": range(8081, 8085), "api": range(8091, 8094)}
LISTENS = {"web": ["0.0.0.0:80", "192.0.2.1:8000"], "api": ["0.0.0.0:90"]}
NAMES = ["%s:%d" % (pool, port) for pool, ports in POOLS.items() for port in ports]
ADDRESSES = ["127.0.0.1:%d" % port for ports in POOLS.values() for port in ports]

BROKEN = {
    "syntax": "pool web { worker {",
    "unknown word": "pool web { wurker { } }",
    "no such pool": "service web { listen 0.0.0.0:80; pool nowhere; }",
    "same port twice": 'pool a { worker { command "x"; ports 8081; } }'
    'pool b { worker { command "x"; ports 8081; } }',
    "bad number": "pool web { backend 127.0.0.1:99999; }",
}


# What may be left out beside the kinds of WEATHER: that pools and their ports come and go, and that
# a reload gives workers their listeners from elsewhere, and that a file changes while no lbd sees it.
CHANGES = {"ports", "listen", "unseen"}


def pool_recipe(chance, name, without):
    ports = POOLS[name]
    some, listen = sorted(chance.choices(ports, k=2)), chance.choice(["own", "own", "inherit"])
    return {
        "ports": "%d-%d" % ((ports[0], ports[-1]) if "ports" in without else tuple(some)),
        "listen": {"web": "own", "api": "inherit"}[name] if "listen" in without else listen,
        "health": chance.choice(["", "", "tcp", "http /"]),
        "scheduler": chance.choice(
            ["least_load", "maglev", "round_robin", "random", "source_hash"]
        ),
        "user": chance.choice(["", "nobody"]),
        "logs": chance.choice(["root's", "theirs"]),  # of the second, what the user may plant there
        "habits": chance.choice([[], [], [], ["late"], ["ignore_term"]]),
        "parallel": chance.choice([1, 1, 2]),
        "version": chance.randint(1, 2),  # in the environment: a change restarts
    }


def recipe(chance, without):
    """A configuration, in short."""
    names = chance.choice([["web"], ["web", "api"], ["web", "api"]])
    names = ["web", "api"] if "ports" in without else names
    return {
        "attach": chance.random() < 0.5,
        "allow": chance.random() < 0.2,
        "pools": {name: pool_recipe(chance, name, without) for name in names},
    }


def config(recipe, program):
    """The recipe as an lbd.conf, without its log_directory."""
    text = ["attach eth0;"] if recipe["attach"] else []
    for name, pool in recipe["pools"].items():
        text.append(_pool(name, pool, program))
        rule = (
            "allow 192.0.2.0/24; allow 127.0.0.0/8; deny 203.0.113.0/24;" if recipe["allow"] else ""
        )
        listens = " ".join("listen %s;" % l for l in LISTENS[name])
        text.append("service %s { %s pool %s; %s }" % (name, listens, name, rule))
    return "\n".join(text)


def _pool(name, pool, program):
    habits = pool["habits"] + (["inherit"] if pool["listen"] == "inherit" else [])
    health = (
        "health { %s; interval 500ms; timeout 5s; rise 1; fall 2; }" % pool["health"]
        if pool["health"]
        else ""
    )
    user = "user %s;" % pool["user"] if pool["user"] else ""
    if pool["user"] and pool.get("logs") == "theirs":
        user += " stdout %s/theirs/$pool:$port.log;" % program.parent
    return """
pool %s {
	scheduler %s; drain_timeout 400ms; roll_parallel %d; %s
	worker {
		command "/usr/bin/python3 -S -E %s $pool:$port 127.0.0.1 $port %s";
		ports %s; listen %s; %s environment VERSION=%d;
		stop_timeout 400ms; start_timeout 60s; backoff 20ms 200ms; stable 300ms; start_retries 1000;
	}
}""" % (
        name,
        pool["scheduler"],
        pool["parallel"],
        health,
        program,
        " ".join(habits),
        pool["ports"],
        pool["listen"],
        user,
        pool["version"],
    )


def _verb(chance, without):
    name = chance.choice(NAMES + ["web:*", "api:*", "all"])
    address, pool = chance.choice(ADDRESSES), chance.choice(list(POOLS))
    verbs = [
        ["worker", "stop", name],
        ["worker", "start", name],
        ["worker", "start", "all"],
        ["worker", "restart", name],
        ["roll", pool],
        ["roll", pool, "wait"],
        ["pool", "drain", address],
        ["pool", "drain", address, "wait"],
        ["pool", "undrain", address],
        ["pool", "set", address, "weight", str(chance.randint(1, 9))],
        ["pool", "undrain", address],
        ["service", "add", "extra", "tcp", "0.0.0.0:100", "pool", pool],
        ["service", "remove", "extra"],
        ["clear", name],
        ["tail", name],
        ["status"],
        ["reread"],
        ["save"],
        ["attach", "eth0"],
        ["detach", "eth0"],
    ]
    if "ports" not in without:
        # Its owner is nobody that a thief is: at the address of one without owner whoever listens is it.
        add = ["pool", "add", pool, address, "owner", LOG_USER]
        verbs += [["pool", "remove", pool, address], add]
    words = chance.choice(verbs)
    waits = words[0] == "worker" or "wait" in words  # maybe for what a later step does
    return ["background" if waits else chance.choice(["verb", "background"]), *words]


def _deadly(chance):
    return chance.choice([[], ["KILL"]])


# How often, and what: a step is a list of words, the first names what episode.py does.
WEATHER = {
    "verb": (10, _verb),
    "reload": (4, lambda chance, without: ["reload", recipe(chance, without)]),
    "broken": (1, lambda chance, _: ["broken", chance.choice(sorted(BROKEN))]),
    "kill lbd": (2, lambda chance, _: ["kill", "lbd", "KILL"]),
    "stop lbd": (1, lambda chance, _: ["kill", "lbd", "STOP"]),
    "kill": (
        4,
        lambda chance, _: ["kill", chance.choice(NAMES), chance.choice(["KILL", "TERM", "SEGV"])],
    ),
    "stop": (1, lambda chance, _: ["kill", chance.choice(NAMES), "STOP"]),
    "ask": (2, lambda chance, _: ["ask", chance.choice(NAMES), chance.choice(["/exit", "/fork"])]),
    "close": (
        1,
        lambda chance, _: ["ask", chance.choice(NAMES), chance.choice(["/close", "/shutdown"])],
    ),
    "thief": (2, lambda chance, _: ["thief", chance.choice(NAMES), *_deadly(chance)]),
    "plant": (
        2,
        lambda chance, _: [
            "plant",
            chance.choice(sorted(PLANTS)),
            chance.choice(NAMES),
            *_deadly(chance),
        ],
    ),
    "lose": (1, lambda chance, _: ["lose"]),
    "reexec": (1, lambda chance, _: [chance.choice(["verb", "background"]), "reexec"]),
    "hold": (3, lambda chance, _: ["hold", chance.randint(1, 8)]),
    "release": (2, lambda chance, _: ["release"]),
    "requests": (3, lambda chance, _: ["requests", chance.randint(1, 20)]),
}


KINDS = sorted(CHANGES | set(WEATHER))

# What ends it again, soon: (the step, how soon: 1 of so many).
RELIEF = {
    ("kill", "lbd", "KILL"): (["start"], 3),
    ("kill", "lbd", "STOP"): (["kill", "lbd", "CONT"], 3),
    ("kill", "STOP"): (["continue"], 4),
    ("lose",): (["start"], 2),
    ("thief",): (["arrest"], 4),
    ("plant",): (["clean"], 4),
}


def _relief(step):
    words = tuple(map(str, step))
    found = [RELIEF.get(key) for key in (words, (words[0], words[-1]), words[:1])]
    return next(filter(None, found), None)


def _is_away(steps):
    """lbd, dead or standing still."""
    dead = standing = False
    for first, *rest in steps:
        if first == "start":
            dead = standing = False
        elif first == "lose" or (first, rest[:1]) == ("kill", ["lbd"]):
            signal = "KILL" if first == "lose" else rest[1]
            dead = dead or signal == "KILL"
            standing = signal == "STOP" or (standing and signal != "CONT")
    return dead or standing


def sequence(seed, count, without=()):
    """The first configuration, then so many steps."""
    chance = random.Random(seed)
    kinds = {name: kind for name, kind in WEATHER.items() if name not in without}
    weights = [often for often, _ in kinds.values()]
    steps, waiting = [["begin", recipe(chance, without)]], []
    while len(steps) <= count:
        for relief in [r for r in waiting if not chance.randrange(r[1])]:
            waiting.remove(relief)
            steps.append(relief[0])
        (make,) = chance.choices([make for _, make in kinds.values()], weights)
        step = make(chance, without)
        if step[0] == "reload" and "unseen" in without and _is_away(steps):
            continue
        steps.append(step)
        relief = _relief(steps[-1])
        if relief and relief not in waiting:
            waiting.append(relief)
    return steps
