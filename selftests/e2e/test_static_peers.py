# SPDX-License-Identifier: Apache-2.0
"""lbstatic against programs that others wrote: attackers, load generators, a browser."""

import os
import re
import shutil
import subprocess
import time
import wave

import pytest

from static_server import Server

pytestmark = pytest.mark.unprivileged

GET = b"GET /index.html HTTP/1.1\r\nHost: h\r\n\r\n"


def need(program):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def root(tmp_path):
    (tmp_path / "index.html").write_bytes(b"<h1>hello</h1>\n")
    (tmp_path / "large").write_bytes(os.urandom(4 << 20))
    return tmp_path


# name, options of slowhttptest
ATTACKS = [
    ("slow headers", ["-H", "-i", "1"]),
    ("slow body", ["-B", "-i", "1", "-s", "60000"]),
    ("range", ["-R", "-a", "1", "-b", "3000"]),
    ("slow read", ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"]),
]


def attack(program, server, options, path, directory):
    url = f"http://127.0.0.1:{server.port}/{path}"
    command = [program, *options, "-c", "300", "-r", "300", "-l", "4", "-p", "1", "-u", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=directory)


def test_slowhttptest(root, tmp_path):
    """Its four attacks at once, 1200 connections: a normal client is served within a second throughout."""
    program = need("slowhttptest")
    with Server(root, "--header_timeout", "3s", "--stop_timeout", "100ms") as server:
        attacks = {
            name: attack(program, server, options, "large" if name == "slow read" else "index.html", tmp_path)
            for name, options in ATTACKS
        }
        slowest = 0
        while any(process.poll() is None for process in attacks.values()):
            start = time.monotonic()
            response = server.ask(GET)
            slowest = max(slowest, time.monotonic() - start)
            assert response.status == 200
            time.sleep(0.05)  # the pace of a normal client
        assert slowest < 1
        for name, process in attacks.items():
            assert "service available:" in process.communicate()[0].decode(), name


def test_wrk(root):
    program = need("wrk")
    with Server(root) as server:
        url = f"http://127.0.0.1:{server.port}"
        for path, extra in (("/index.html", []), ("/index.html", ["-H", "Connection: close"]), ("/large", [])):
            result = subprocess.run([program, "-t1", "-c20", "-d1", *extra, url + path], capture_output=True, text=True)
            assert "Socket errors" not in result.stdout and "Non-2xx" not in result.stdout, result.stdout
            assert int(re.search(r"(\d+) requests in", result.stdout)[1]) > 0


def test_h2load(root):
    program = need("h2load")
    with Server(root) as server:
        url = f"http://127.0.0.1:{server.port}/index.html"
        result = subprocess.run([program, "--h1", "-n", "5000", "-c", "20", "-m", "10", url], capture_output=True, text=True)
        assert "5000 succeeded, 0 failed, 0 errored, 0 timeout" in result.stdout, result.stdout


PAGE = """<!doctype html><link rel=stylesheet href=style.css><title>start</title>
<img id=image src=image.svg><video id=video src=video.webm preload=auto muted></video>
<script src=script.js></script>"""

SCRIPT = """
const video = document.getElementById("video"), image = document.getElementById("image");
const report = () => {
  const colour = getComputedStyle(document.body).color;
  document.body.dataset.done = `css ${colour} image ${image.naturalWidth} media at ${video.currentTime.toFixed(1)}`;
};
video.addEventListener("loadedmetadata", () => { video.currentTime = video.duration * 0.75; });
video.addEventListener("seeked", report);
video.addEventListener("error", report);
"""


def make_media(root):
    """Eight seconds that a browser can seek in: a picture that moves, or without ffmpeg a sound."""
    program = shutil.which("ffmpeg")
    if program:
        source = "testsrc=duration=8:size=160x120:rate=5"
        command = [program, "-loglevel", "error", "-f", "lavfi", "-i", source, "-c:v", "libvpx", "-deadline", "realtime", "-b:v", "1M"]
        subprocess.run([*command, str(root / "video.webm")], check=True)
        return "video.webm"
    with wave.open(str(root / "video.wav"), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(48000)
        sound.writeframes(os.urandom(8 * 48000 * 4))
    return "video.wav"


def test_browser(root, tmp_path):
    """Headless Chromium shows a page with CSS, JS and an image, and seeks in a video."""
    browser = need("chromium")
    (root / "style.css").write_text("body { color: rgb(1, 2, 3) }")
    (root / "script.js").write_text(SCRIPT)
    (root / "image.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="37" height="20"/>')
    media = make_media(root)
    (root / "page.html").write_text(PAGE.replace("video.webm", media))
    log = tmp_path / "log"
    with Server(root, "--access_log", log, "common") as server:
        result = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=8000", "--dump-dom", f"http://127.0.0.1:{server.port}/page.html"],
            capture_output=True, text=True, timeout=120,
        )
        server.stop()
    assert 'data-done="css rgb(1, 2, 3) image 37 media at 6.0"' in result.stdout, result.stdout + result.stderr[-2000:]
    requests = log.read_text()
    assert '"GET /script.js HTTP/1.1" 200' in requests and f'"GET /{media} HTTP/1.1" 206' in requests
