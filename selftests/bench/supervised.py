# SPDX-License-Identifier: Apache-2.0
"""
Balancers together with what restarts their workers: lbd alone, or a proxy and supervisor.  Workers are
the blocking ones.  Each can kill a worker, restart all of them one at a time, and reload its settings.
"""

import shutil
import signal
import subprocess

import e2e
import peers

HERE = e2e.ROOT / "selftests" / "bench"
WORKER = "%s %s --address %s --port %%s" % (e2e.PYTHON, HERE / "blocking.py", peers.HOST)


class Lbd(peers.Lbd):
    def config(self):
        return """attach eth0;
pool web {
    worker { command "%s"; address %s; ports %d-%d; }
}
service web { listen %s:%d; pool web; }
""" % (WORKER % "$port", peers.HOST, self.ports[0], self.ports[-1], peers.HOST, peers.PORT)

    def start(self):
        super().start()
        self.process.wait_up(len(self.ports))
        return self

    def worker_pid(self, port):
        return self.process.workers()["web:%d" % port]["pid"]

    def roll(self):
        self.process.ctl("roll", "web", "wait", timeout=120)

    def reload(self):
        self.process.config(self.config() + "pool other { backend %s:9999; }\n" % peers.HOST)
        self.process.ctl("reload")


class Supervised:
    """Adds supervisor to a proxy."""

    SETTINGS = """[unix_http_server]
file=%(socket)s
[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=%(pid)s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(socket)s
[program:web]
command=%(command)s
process_name=%%(process_num)d
numprocs=%(count)d
numprocs_start=%(first)d
stdout_logfile=NONE
stderr_logfile=NONE
"""

    @classmethod
    def missing(cls):
        return super().missing() or (
            None if shutil.which("supervisord") else "supervisor is not installed"
        )

    def begin(self):
        self.conf_supervisor = self.lab.file("supervisord.conf")
        self.conf_supervisor.write_text(
            self.SETTINGS
            % {
                "socket": self.lab.short / ("s%s" % e2e.unique()),
                "pid": self.lab.file("supervisord.pid"),
                "command": WORKER % "%(process_num)d",
                "count": len(self.ports),
                "first": self.ports[0],
            }
        )
        self.supervisor = self.lab.process("supervisord", "-c", self.conf_supervisor, log="supervisord.log")
        e2e.wait_until(lambda: self.states().count("RUNNING") == len(self.ports), "supervisor's workers")
        super().begin()

    def stop(self):
        super().stop()
        if getattr(self, "supervisor", None):
            self.supervisor.stop()

    def control(self, *words):
        command = ["supervisorctl", "-c", str(self.conf_supervisor), *words]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def states(self):
        return self.control("status")

    def worker_pid(self, port):
        return int(self.control("pid", "web:%d" % port))

    def roll(self):
        """As people script it: one after the other, the next when supervisor calls it running."""
        for port in self.ports:
            self.control("restart", "web:%d" % port)


class Nginx(Supervised, peers.NginxLeast):
    name = "nginx least_conn + supervisor"
    # By default one refused connection takes a worker out for 10 s, and a restart of all in turn takes
    # out all.  A refusal by a local port costs nothing: go to the next worker, and ask again.
    server_options = "max_fails=0"

    def reload(self):
        self.process.signal(signal.SIGHUP)


class Haproxy(Supervised, peers.Haproxy):
    name = "haproxy tcp + supervisor"
    quick = False

    def reload(self):
        self.process.signal(signal.SIGUSR2)
