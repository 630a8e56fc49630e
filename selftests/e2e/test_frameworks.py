# SPDX-License-Identifier: Apache-2.0
"""What people run, unmodified, as pools: Flask, Django, Node.js, uvicorn, lbstatic."""

import shutil
import subprocess

import pytest
from lab import CLIENT4, PYTHON

FLASK = """
import os
from flask import Flask, request
app = Flask(__name__)
@app.route("/")
def hello():
    return request.remote_addr, 200, {"X-Pid": str(os.getpid())}
"""

DJANGO = """
import os, sys
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="test")
def hello(request):
    response = HttpResponse(request.META["REMOTE_ADDR"])
    response["X-Pid"] = str(os.getpid())
    return response
urlpatterns = [path("", hello)]
import tornado.httpserver, tornado.ioloop, tornado.wsgi
server = tornado.httpserver.HTTPServer(tornado.wsgi.WSGIContainer(get_wsgi_application()))
server.listen(int(sys.argv[1].partition("=")[2]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"""

# As lbd.conf(5) has it.
TORNADO = """
import os, socket, tornado.httpserver, tornado.ioloop, tornado.web
class Hello(tornado.web.RequestHandler):
    def get(self):
        self.set_header("X-Pid", str(os.getpid()))
        self.write(self.request.remote_ip)
server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello)]))
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    listener = socket.socket(fileno=fd)
    listener.setblocking(False)
    server.add_socket(listener)
tornado.ioloop.IOLoop.current().start()
"""

NODE = """
const http = require("http");
const port = Number(process.argv[2].split("=")[1]);
http.createServer((request, response) => {
  response.setHeader("X-Pid", String(process.pid));
  response.end(request.socket.remoteAddress);
}).listen(port, "127.0.0.1");
"""

ASGI = """
import os
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [(b"x-pid", str(os.getpid()).encode()), (b"content-length", str(len(scope["client"][0])).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()})
"""

ROWS = [
    ("flask", "gunicorn", "app.py", FLASK, "gunicorn --bind 127.0.0.1:$port app:app", ""),
    ("flask inherits", "gunicorn", "app.py", FLASK, "gunicorn app:app", "listen inherit;"),
    ("django", "python3-django", "app.py", DJANGO, PYTHON + " app.py --port=$port", ""),
    ("tornado inherits", "python3", "app.py", TORNADO, PYTHON + " app.py", "listen inherit;"),
    ("node", "node", "app.js", NODE, "node app.js --port=$port", ""),
    ("uvicorn", "uvicorn", "app.py", ASGI, PYTHON + " -m uvicorn --port $port app:app", ""),
    (
        "uvicorn inherits",
        "uvicorn",
        "app.py",
        ASGI,
        PYTHON + " -m uvicorn --fd 3 app:app",
        "listen inherit;",
    ),
]


def missing(what):
    if what == "python3-django":
        return subprocess.run([PYTHON, "-c", "import django"], stderr=subprocess.DEVNULL).returncode
    return not shutil.which(what)


@pytest.mark.parametrize(
    "needs, name, program, command, settings", [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_framework(lab, needs, name, program, command, settings):
    if missing(needs):
        pytest.skip("needs %s (make deps)" % needs)
    (lab.path / name).write_text(program)
    lbd = lab.lbd(
        'attach eth0; pool web { worker { command "%s"; ports 8081-8082; directory %s; %s } }'
        "service web { listen 0.0.0.0:80; pool web; }" % (command, lab.path, settings)
    )
    lbd.wait_up(2)
    responses = [lab.get() for _ in range(12)]
    assert {r.status for r in responses} == {200}
    bodies = {r.body for r in responses}
    # uvicorn does not ask the kernel for the peer of a socket that it was given
    assert bodies == {CLIENT4}, bodies
    first = {r.pid for r in responses}
    assert len(first) == 2
    load = lab.load(rate=30)
    lbd.ctl("roll", "web", "wait", timeout=120)
    load.wait_count(10)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert not first & {lab.get().pid for _ in range(8)}
