#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lbstatic beside nginx and lighttpd: the same files, the same core, one after the other in each round.

Prints medians and the ratio to nginx within the rounds.  The CPU time of the server per request or per
MiB is measured too: it is the steadier number on a machine that does other things.
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1; daemon off; master_process off; pid {run}/nginx.pid; error_log {run}/nginx.log;
events {{ worker_connections 20000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;
  types {{ text/html html; text/plain txt; }}
  client_body_temp_path {run}/1; proxy_temp_path {run}/2; fastcgi_temp_path {run}/3;
  uwsgi_temp_path {run}/4; scgi_temp_path {run}/5;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {files}; }}
}}
"""

LIGHTTPD = """
server.document-root = "{files}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-keep-alive-requests = 1000000000
server.max-fds = 24000
server.max-connections = 20000
server.network-backend = "sendfile"
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain" )
"""

# name, file, wrk options, what is counted
LOADS = [
    ("1 KiB, kept connections", "1k.txt", ["-c32"], "requests"),
    ("1 KiB, a connection each", "1k.txt", ["-c32", "-H", "Connection: close"], "requests"),
    ("100 KiB", "100k.bin", ["-c32"], "requests"),
    ("100 MiB", "100m.bin", ["-c4"], "MiB"),
]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Server:
    def __init__(self, name, core, files, run):
        self.name, self.port = name, free_port()
        values = {"port": self.port, "files": files, "run": run}
        if name == "lbstatic":
            command = [ROOT / "build/lbstatic", "-r", files, "-l", f"127.0.0.1:{self.port}"]
        elif name == "nginx":
            (run / "nginx.conf").write_text(NGINX.format(**values))
            command = ["nginx", "-c", run / "nginx.conf"]
        else:
            (run / "lighttpd.conf").write_text(LIGHTTPD.format(**values))
            command = ["lighttpd", "-D", "-f", run / "lighttpd.conf"]
        self.process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        for _ in range(500):
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
        sys.exit(f"{self.name} does not listen")

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, key):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key + ":"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


def wrk(server, path, options, seconds, core):
    """What it prints."""
    url = f"http://127.0.0.1:{server.port}/{path}"
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-d{seconds}", *options, url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def load(server, path, options, seconds, core):
    """(units per second, CPU microseconds of the server per unit, and of the client)

    On loopback one side often does the other's work: data queued in the socket is sent on, and
    received, by the client's acknowledgements.  Only the sum compares servers that queue differently.
    """
    wrk(server, path, options, 1, core)  # fills the caches of both
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    before, clients = server.cpu(), usage.ru_utime + usage.ru_stime
    said = wrk(server, path, options, seconds, core)
    cpu = server.cpu() - before
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client = after.ru_utime + after.ru_stime - clients
    if "Socket errors" in said or "Non-2xx" in said:
        print(f"# {server.name} {path}: {said.splitlines()[-3].strip()}", file=sys.stderr)
    requests = int(re.search(r"(\d+) requests in ([\d.]+)s", said)[1])
    took = float(re.search(r"(\d+) requests in ([\d.]+)s", said)[2])
    if path == "100m.bin":
        amount, unit = re.search(r"Transfer/sec: *([\d.]+)(\w+)", said).groups()
        rate = float(amount) * {"KB": 1 / 1024, "MB": 1, "GB": 1024}[unit]
        return rate, cpu * 1e6 / max(rate * took, 1), client * 1e6 / max(rate * took, 1)
    return requests / took, cpu * 1e6 / max(requests, 1), client * 1e6 / max(requests, 1)


def idle_memory(server, count):
    """Bytes of its own memory that a connection costs between requests."""
    before = server.memory("RssAnon")
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /1k.txt HTTP/1.1\r\nHost: h\r\n\r\n")
        while len(client.recv(65536)) < 1000:
            pass
        clients.append(client)
    after = server.memory("RssAnon")
    for client in clients:
        client.close()
    return (after - before) / count


def make_files(files):
    (files / "1k.txt").write_bytes(os.urandom(512).hex().encode())
    (files / "100k.bin").write_bytes(os.urandom(100 << 10))
    with open(files / "100m.bin", "wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))


def speed(servers, rounds, seconds, core):
    for name, path, options, unit in LOADS:
        runs = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                runs[server.name].append(load(server, path, options, seconds, core))
        peer = runs.get("nginx")
        for server in servers:
            rate, cost, client = (statistics.median(column) for column in zip(*runs[server.name]))
            line = f"{name:26} {server.name:9} {rate:9.0f} {unit}/s, CPU each: {cost:7.1f} us, with the client {cost + client:7.1f} us"
            if peer:
                ratio = statistics.median(a[0] / b[0] for a, b in zip(runs[server.name], peer))
                work = statistics.median(b[1] / max(a[1], 1e-9) for a, b in zip(runs[server.name], peer))
                both = statistics.median((b[1] + b[2]) / (a[1] + a[2]) for a, b in zip(runs[server.name], peer))
                line += f"   x nginx: {ratio:.2f}, per CPU {work:.2f}, with the client {both:.2f}"
            print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=10000, help="idle connections")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        run = pathlib.Path(temporary)
        os.chmod(run, 0o755)
        files = run / "files"
        files.mkdir()
        make_files(files)
        names = ["lbstatic"] + [name for name in ("nginx", "lighttpd") if shutil.which(name)]
        servers = [Server(name, cores[0], files, run) for name in names]
        try:
            for server in servers:
                print(f"{'resident at rest':26} {server.name:9} {server.memory('VmRSS') / 1024:10.0f} KiB")
            speed(servers, arguments.rounds, arguments.seconds, cores[-1])
            for server in servers:
                count = min(arguments.idle, hard - 1000)
                print(f"{'idle connection':26} {server.name:9} {idle_memory(server, count):10.0f} bytes of {count}")
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
