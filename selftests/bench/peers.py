# SPDX-License-Identifier: Apache-2.0
"""
What lbd is measured beside: each takes connections to HOST:8080 to the same workers, with the settings
that its own documents advise for it.  start() returns when it answers; stop() leaves nothing of it.
"""

import os
import resource
import shutil

import e2e
import machine

HOST = e2e.HOST4
PORT = 8080
FRONT = ["%s:%d" % (HOST, PORT)]
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # not every root may raise it
CONNECTIONS = min(20000, (FILES - 200) // 2)  # that a proxy can hold: two descriptors for each


class Peer:
    name = None
    process = None
    quick = True  # measured in quick mode, too

    def __init__(self, lab, ports, answers=True):
        self.lab, self.ports, self.answers = lab, ports, answers
        self.targets = FRONT

    @classmethod
    def missing(cls):
        """Why it cannot be measured here, or None."""
        return None

    def backends(self):
        return ["%s:%d" % (HOST, port) for port in self.ports]

    def begin(self):
        pass

    def start(self):
        self.begin()
        if self.answers:
            e2e.wait_until(self._answered, "%s to answer" % self.name)
        return self

    def _answered(self):
        try:
            return self.lab.get(host=HOST, port=int(self.targets[0].rpartition(":")[2])).status
        except OSError:
            if self.process and not self.process.alive():
                raise RuntimeError("%s ended:\n%s" % (self.name, self.process.output()[-2000:]))
            return False

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def pids(self):
        """Of the balancer's own processes."""
        return machine.family(self.process.pid) if self.process else []

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Direct(Peer):
    """The clients spread themselves over the workers: the limit."""

    name = "direct"

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.targets = self.backends()


class Lbd(Peer):
    name = "lbd"
    scheduler = "least_load"
    attach = "attach eth0;\n"

    @classmethod
    def missing(cls):
        return None if (e2e.BUILD / "lbd").exists() else "lbd is not built"

    def config(self):
        backends = "".join("    backend %s;\n" % b for b in self.backends())
        return self.attach + "pool web {\n    scheduler %s;\n%s}\n" % (
            self.scheduler,
            backends,
        ) + "service web { listen %s:%d; pool web; }\n" % (HOST, PORT)

    def begin(self):
        self.process = self.lab.lbd(self.config())

    def pids(self):
        return [self.process.pid]


class LbdWithoutXdp(Lbd):
    """Steer alone chooses: what lbd costs without what XDP costs on a veth."""

    name = "lbd, no XDP"
    quick = False
    attach = ""


class DirectXdp(Lbd):
    """As direct, past an lbd that has the interface and no service: what XDP costs on a veth."""

    name = "direct, XDP on the veth"
    quick = False

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.targets = self.backends()

    def config(self):
        return self.attach


class NginxHttp(Peer):
    name = "nginx"
    balance = ""
    server_options = ""

    @classmethod
    def missing(cls):
        return None if shutil.which("nginx") else "nginx is not installed"

    def frame(self, body, modules=""):
        """The whole file; modules are loaded first."""
        return """%s
daemon off;
user www-data;
worker_processes auto;
worker_rlimit_nofile %d;
pid %s/nginx.pid;
error_log %s/nginx.err;
events { worker_connections %d; }
%s
""" % (modules, FILES, self.directory, self.directory, FILES - 100, body)

    def body(self):
        return """http {
    access_log off;
    %s
    upstream web {
        zone web 256k;
        %s
        %s
        keepalive 128;
        keepalive_requests 1000000;
    }
    server {
        listen %d reuseport backlog=4096;
        keepalive_requests 1000000;
        location / {
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Real-IP $remote_addr;
            proxy_read_timeout 300s;
        }
    }
}""" % (self.paths(), self.balance, self.servers(), PORT)

    def paths(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return " ".join("%s_temp_path %s/%s;" % (k, self.directory, k) for k in kinds)

    def servers(self):
        return " ".join("server %s %s;" % (b, self.server_options) for b in self.backends())

    def text(self):
        return self.frame(self.body())

    def begin(self):
        self.directory = self.lab.path / ("nginx-" + e2e.unique())
        self.directory.mkdir()
        os.chmod(self.directory, 0o755)
        self.conf = self.directory / "nginx.conf"
        self.conf.write_text(self.text())
        self.process = self.lab.process("nginx", "-p", self.directory, "-c", self.conf, log="nginx.log")


class NginxLeast(NginxHttp):
    name = "nginx least_conn"
    balance = "least_conn;"


class NginxStream(NginxHttp):
    name = "nginx stream"
    quick = False
    MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

    @classmethod
    def missing(cls):
        return super().missing() or (
            None if os.path.exists(cls.MODULE) else "nginx has no stream module (libnginx-mod-stream)"
        )

    def text(self):
        body = """stream {
    upstream web { zone web 256k; %s %s }
    server { listen %d reuseport backlog=4096; proxy_pass web; proxy_timeout 300s; }
}""" % (self.balance, self.servers(), PORT)
        return self.frame(body, "load_module %s;" % self.MODULE)


class NginxStreamLeast(NginxStream):
    name = "nginx stream least_conn"
    balance = "least_conn;"


class Haproxy(Peer):
    name = "haproxy tcp"
    balance = "leastconn"

    @classmethod
    def missing(cls):
        return None if shutil.which("haproxy") else "haproxy is not installed"

    def begin(self):
        servers = "".join("    server w%d %s\n" % (i, b) for i, b in enumerate(self.backends()))
        conf = self.lab.file("haproxy.cfg")
        conf.write_text(
            """global
    maxconn %d
    stats socket %s mode 600 level admin expose-fd listeners
defaults
    mode tcp
    balance %s
    timeout connect 5s
    timeout client 300s
    timeout server 300s
frontend front
    bind :%d
    default_backend web
backend web
%s"""
            % (CONNECTIONS, self.lab.short / "haproxy.sock", self.balance, PORT, servers)
        )
        self.conf = conf
        self.process = self.lab.process("haproxy", "-db", "-W", "-f", conf, log="haproxy.log")


class Nft(Peer):
    """Kernel NAT: conntrack, and a rule that takes the workers in turn."""

    name = "nftables dnat"
    quick = False

    @classmethod
    def missing(cls):
        return None if shutil.which("nft") else "nftables is not installed"

    def begin(self):
        ports = ", ".join("%d : %d" % pair for pair in enumerate(self.ports))
        rules = self.lab.file("nft.conf")
        rules.write_text(
            """table ip bench {
    chain take {
        type nat hook prerouting priority dstnat;
        tcp dport %d redirect to :numgen inc mod %d map { %s }
    }
}
"""
            % (PORT, len(self.ports), ports)
        )
        self.lab.host.run("nft", "-f", rules)

    def stop(self):
        self.lab.host.run("nft", "delete table ip bench", check=False)


class Ipvs(Peer):
    name = "ipvs"
    quick = False

    @classmethod
    def missing(cls):
        if not os.path.exists("/proc/net/ip_vs"):
            return "this kernel has no IPVS"
        return None if shutil.which("ipvsadm") else "ipvsadm is not installed"

    def begin(self):
        """NAT to the local workers: the one forwarding method of it that may change the port."""
        front = "%s:%d" % (HOST, PORT)
        self.lab.host.run("ipvsadm", "-A", "-t", front, "-s", "lc")
        for backend in self.backends():
            self.lab.host.run("ipvsadm", "-a", "-t", front, "-r", backend, "-m")

    def stop(self):
        self.lab.host.run("ipvsadm", "-C", check=False)
