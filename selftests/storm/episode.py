# SPDX-License-Identifier: Apache-2.0
"""One sequence of steps in a laboratory of its own, with a look after each."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import compare
import steps
from clients import Response
from daemon import refusals
from hostile import SECRET, Files, Thieves
from lab import BUILD, DEADLINE, HOST4, Lab, Refused
from maps import ENABLED
from world import WORKER, Expected, World

PATIENCE = DEADLINE  # seconds that model and world may take to agree: only a failure takes so long
MOST = 4  # times that, where it is something else at each look of a busy machine
UNREST = "lbd does not come to rest"


class Failure(Exception):
    """What did not agree; its text is for a person."""


class Episode:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="lbd-storm-"))
        self.directory.chmod(0o755)
        self.program = self.directory / WORKER
        shutil.copy(HERE / "worker.py", self.program)
        self.lab = Lab(self.directory)
        self.thieves, self.files = Thieves(self.lab, self.program), Files(self.directory)
        self.said = self.directory / "lbctl.log"  # standard output of those in the background
        self.lbd, self.standing = None, False  # standing: SIGSTOP was sent
        self.expected = None
        self.services = {}  # by lbd's word, at the last look
        self.left = None  # {name: pids} when lbd went
        self.held, self.background = [], []
        self.deaf = set()  # names of workers that may have no listener
        self.found = []  # what did not agree at the last look that found something
        self.moved = []  # what was something else after that look than before it
        self.generation = 0  # of lbd's program: a verb that meets another one's end may be lost

    # What steps do, by their first word.

    def do_begin(self, recipe):
        self.lbd = self.lab.lbd(steps.config(recipe, self.program))
        self.expected = Expected({"maps/" + name for name in os.listdir(self.lbd.pin("maps"))})

    def do_start(self):
        if not self.lbd.alive():
            self.generation += 1
            self.lbd = self.lbd.restart()
            self.standing = False

    def do_kill(self, name, signum):
        signum = getattr(signal, "SIG" + signum)
        if name == "lbd":
            return self.signal_lbd(signum)
        for pid in World(self.lab, self.lbd).workers().get(name, ()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def signal_lbd(self, signum):
        if self.lbd.alive():
            self.standing = signum == signal.SIGSTOP
            self.lbd.signal(signum)
            if signum == signal.SIGKILL:
                self.generation += 1
                self.lbd.wait()

    def do_continue(self):
        for pids in World(self.lab, self.lbd).workers().values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def do_lose(self):
        """The run directory, with all that lbd has written down."""
        self.signal_lbd(signal.SIGCONT)
        self.signal_lbd(signal.SIGKILL)
        shutil.rmtree("/run/lbd/" + self.lbd.instance, ignore_errors=True)

    def do_thief(self, name, *signals):
        self.thieves.lurk(int(name.rpartition(":")[2]))
        for signum in signals:
            self.do_kill(name, signum)

    def do_arrest(self):
        self.thieves.leave()

    def do_plant(self, kind, name, *signals):
        self.files.plant(kind, name)
        for signum in signals:
            self.do_kill(name, signum)

    def do_clean(self):
        self.files.clean()

    def do_verb(self, *words):
        if self.standing:
            return
        try:
            result = self.lbd.ctl(*words, check=False, timeout=2 * DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure("lbctl does not return: " + " ".join(words)) from None
        self.generation += words[0] == "reexec"
        if SECRET in result.stdout + result.stderr:
            raise Failure("lbctl %s tells what is in root's file" % " ".join(words))
        self.judge(words, result.returncode, result.stderr, self.generation)

    def do_background(self, *words):
        command = [BUILD / "lbctl", "-n", self.lbd.instance, *words]
        with self.said.open("a") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.PIPE, text=True)
        process.began = self.generation
        self.background.append(process)

    def judge(self, words, code, error, lbd=None):
        """Done, or refused with one line; code 3 where lbd went while it was under way."""
        if code == 3 and (words[0] == "reexec" or not self.lbd.alive() or lbd != self.generation):
            return
        if code == 3 and self.is_handed_over() and "no lbd answers" not in error:
            return
        said = [line for line in refusals(error) if line.startswith("lbctl: ")]
        if code not in (0, 1) or len(said) != code:
            raise Failure("lbctl %s: exit %d: %s" % (" ".join(words), code, error))

    def is_handed_over(self):
        """From program to program: who is being served may be let go, who comes is answered."""
        return any(process.args[3] == "reexec" for process in self.background)

    def do_reload(self, recipe):
        self.lbd.config(steps.config(recipe, self.program))
        self.do_verb("reload")

    def do_broken(self, kind):
        """Refused, with the model as it was."""
        if not self.lbd.alive() or self.standing:
            return
        good = self.lbd.conf.read_text()
        self.lbd.config(steps.BROKEN[kind])
        result = self.lbd.ctl("reload", check=False)
        self.lbd.conf.write_text(good)
        if result.returncode != 1 or len(refusals(result.stderr)) != 1:
            raise Failure("reload of a broken configuration (%s): %s" % (kind, result))

    def do_ask(self, name, path):
        """A worker at its own port, past lbd."""
        self.deaf |= {name} if path in ("/close", "/shutdown") else set()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with self.connect("127.0.0.1", int(name.rpartition(":")[2]), self.lab.host) as sock:
                Response(send(sock, path))

    def connect(self, host=HOST4, port=80, namespace=None, timeout=DEADLINE):
        sock = (namespace or self.lab.client).socket(timeout=timeout)
        try:
            sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def do_hold(self, count):
        for _ in range(count):
            with contextlib.suppress(OSError):
                self.held.append(send(self.connect(timeout=1)))

    def do_release(self):
        for sock in self.held:
            sock.close()
        self.held.clear()

    def do_requests(self, count):
        """Those that find the same workers by the maps before and after are answered, by those."""
        before = self.candidates()
        answers = {self.request() for _ in range(1 if before is None else count)}
        if before is None:
            return
        wrong = answers - {name for name, _, _ in before}
        if before and before == self.candidates() and wrong:
            raise Failure("requests to %s: %s" % (sorted(before), wrong))

    def request(self):
        """Who answers; what went wrong if nobody does."""
        try:
            with self.connect() as sock:
                return Response(send(sock)).worker
        except (OSError, ValueError, IndexError) as error:
            return repr(error)

    # What must hold at every time.

    def candidates(self):
        """{(name, pid, cookie)} of workers that may get a connection to port 80; None: unknown."""
        world = World(self.lab, self.lbd)
        service = world.maps.services.get("0.0.0.0:80")
        pool = world.maps.pools.get(service.pool) if service else None
        found = set()
        for index in pool.members if pool else ():
            cookie = world.maps.cookies.get(2 * index)
            holders = [s for s in world.sockets if s.cookie == cookie and s.state == "LISTEN"]
            if cookie and world.maps.backends[index].flags & ENABLED:
                found |= self.workers_of(holders, cookie, world)
        return None if None in found else found

    @staticmethod
    def workers_of(holders, cookie, world):
        """Those that accept from the socket; None among them if one does not run."""
        pids = {pid for holder in holders for pid in holder.pids}
        named = {(n, p, cookie) for n, ps in world.workers().items() for p in ps if p in pids}
        asleep = any(world.processes[p].state in "Tt" for _, p, _ in named)
        return {None} if asleep or not named else named

    def look(self, every=False):
        """Until model and world agree; Failure with what every look found wrong, for so long."""
        self.reap()
        began = since = time.monotonic()
        lasting = None
        while True:
            self.look_at_others()
            found = self.look_once(every)
            if not found:
                return
            self.found, now = found, time.monotonic()
            if found != [UNREST]:
                lasting = [line for line in found if lasting is None or line in lasting]
            if lasting == []:  # each look finds something else: it moves
                lasting, since = found, now
            if now - since > PATIENCE or now - began > MOST * PATIENCE:
                raise Failure("\n".join(lasting or found + self.moved))
            time.sleep(0.05)

    def look_at_others(self):
        """What must not be at any time."""
        found = [*self.thieves.stolen(), *self.files.touched()]
        if self.said.exists() and SECRET in self.said.read_text(errors="replace"):
            found.append("lbctl tells what is in root's file")
        if found:
            raise Failure("\n".join(found))

    def look_once(self, every):
        if self.standing or not self.lbd.alive():
            if self.lbd.popen.returncode not in (None, -signal.SIGKILL):
                raise Failure("lbd ended by itself: %s" % self.lbd.popen.returncode)
            return self.look_without_lbd(World(self.lab, self.lbd, every))
        try:
            model = compare.Model(self.lbd)
            world = World(self.lab, self.lbd, every, self.expected)
            again = compare.Model(self.lbd)
        except Refused as refused:
            return [str(refused)]
        self.services, self.left = again.services, None
        self.moved = list(model.moved(again))
        return compare.differences(model, world) if model == again else [UNREST]

    def look_without_lbd(self, world):
        """What it left may end, nothing else changes; its last deeds were after the look before."""
        workers = world.workers()
        self.left = self.left if self.left is not None else workers
        return list(compare.without_lbd(self.left, self.services, world))

    def reap(self):
        for process in [p for p in self.background if p.poll() is not None]:
            self.background.remove(process)
            self.generation += process.args[3] == "reexec"  # what met its end may be judged after it
            self.judge(process.args[3:], process.returncode, process.stderr.read(), process.began)

    def run(self, sequence, tell=lambda step: None):
        """Failure, or an exception of the laboratory's, where something is wrong."""
        for step in sequence:
            tell(step)
            getattr(self, "do_" + step[0])(*step[1:])
            self.look()
        self.end()

    def end(self):
        """Everything awake, an orderly end, nothing left behind."""
        self.signal_lbd(signal.SIGCONT)
        self.do_start()
        self.do_continue()
        self.do_release()
        self.do_arrest()
        for name in self.deaf:  # else what waits for them would never end
            self.do_kill(name, "KILL")
        self.look(every=True)
        self.wait_background()
        self.reap()
        left = self.lab.close()
        if left:
            raise Failure("left behind:\n" + "\n".join(left))

    def wait_background(self):
        for process in self.background:
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                raise Failure("lbctl does not return: " + " ".join(process.args[3:])) from None

    def close(self):
        for process in self.background:
            process.kill()
            process.wait()
        self.do_release()
        self.lab.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        logs = [lbd.output() for lbd in self.lab.lbds if hasattr(lbd, "log")]
        return "".join(logs)[-6000:]


def send(sock, path="/"):
    sock.sendall(b"GET %s HTTP/1.1\r\nHost: storm\r\n\r\n" % path.encode())
    return sock
