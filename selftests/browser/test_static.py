# SPDX-License-Identifier: Apache-2.0
"""lbstatic before a real browser: a page with CSS, JS, an image, and a video that it seeks in."""

import base64
import contextlib
import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import webm
from static_server import Server

WAIT_S = 60
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

WIDTH, HEIGHT, FRAMES = 480, 360, 80
# Noise, so that the file gets large, and a square whose grey level is twice the number of the frame.
PICTURES = """<!doctype html><body><script>
const still = document.createElement("canvas");
still.width = %d; still.height = %d;
const paint = still.getContext("2d", {alpha: false});
const noise = paint.createImageData(still.width, still.height);
for (let number = 0; number < %d; number++) {
  for (let at = 0; at < noise.data.length; at++) noise.data[at] = at %% 4 == 3 ? 255 : Math.random() * 256;
  paint.putImageData(noise, 0, 0);
  paint.fillStyle = `rgb(${2 * number}, ${2 * number}, ${2 * number})`;
  paint.fillRect(100, 100, 160, 160);
  const line = document.createElement("p");
  line.textContent = still.toDataURL("image/webp", 0.9);
  document.body.append(line);
}
</script>""" % (WIDTH, HEIGHT, FRAMES)

PAGE = """<!doctype html><meta charset=utf-8><title>seek</title><link rel=stylesheet href=style.css>
<p id=text>text</p><img id=image src=image.svg><video id=video src=video.webm preload=metadata muted></video>
<script src=script.js></script>"""

SCRIPT = """
const video = document.getElementById("video"), paint = document.createElement("canvas").getContext("2d");
const once = (name) => new Promise((resolve, reject) => {
  video.addEventListener(name, resolve, {once: true});
  video.addEventListener("error", () => reject(video.error.message), {once: true});
});
const grey = () => {
  paint.drawImage(video, -150, -150);
  return paint.getImageData(20, 20, 1, 1).data[1];
};
const seek = async (time) => {
  const done = once("seeked");
  video.currentTime = time;
  await done;
  return grey();
};
const look = async () => {
  if (video.readyState < 2) await once("loadeddata");
  const found = {duration: video.duration, first: grey(), late: await seek(7.05), early: await seek(2.05)};
  if (document.readyState != "complete") await new Promise((resolve) => addEventListener("load", resolve));
  found.colour = getComputedStyle(document.getElementById("text")).color;
  found.image = document.getElementById("image").naturalWidth;
  found.again = (await fetch("style.css", {cache: "no-cache"})).status;
  return found;
};
look().catch((error) => ({error: String(error)})).then((found) => fetch("/found?" + encodeURIComponent(JSON.stringify(found))));
"""


@contextlib.contextmanager
def browser(profile, *arguments):
    command = ["chromium", *QUIET, f"--user-data-dir={profile}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=WAIT_S)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Its frames, painted by the browser."""
    place = tmp_path_factory.mktemp("pictures")
    (place / "page.html").write_text(PICTURES)
    with browser(place / "profile", "--dump-dom", f"file://{place}/page.html") as process:
        text = process.communicate(timeout=WAIT_S)[0].decode()
    pictures = [base64.b64decode(data) for data in re.findall(r"<p>data:image/webp;base64,([^<]*)", text)]
    assert len(pictures) == FRAMES
    return webm.make(pictures, WIDTH, HEIGHT)


def wait_for_line(log, pattern):
    deadline = time.monotonic() + WAIT_S
    while not (found := re.search(pattern, log.read_text() if log.exists() else "")):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)  # the browser tells of nothing but by its requests
    return found


def make_site(root, video):
    root.mkdir()
    (root / "page.html").write_text(PAGE)
    (root / "style.css").write_text("p { color: rgb(1, 2, 3) }")
    (root / "image.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="37" height="20"/>')
    (root / "script.js").write_text(SCRIPT)
    (root / "script.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (root / "video.webm").write_bytes(video)


def test_page(tmp_path, video):
    root, log, net = tmp_path / "www", tmp_path / "log", tmp_path / "net.json"
    make_site(root, video)
    with Server(root, "--access_log", log, "common") as server:
        with browser(tmp_path / "profile", f"--log-net-log={net}", "--remote-debugging-port=0", f"http://127.0.0.1:{server.port}/page.html"):
            line = wait_for_line(log, r'"GET /found\?(\S+) HTTP')
        assert server.stop() == (0, "")
    found = json.loads(urllib.parse.unquote(line[1]))
    assert "error" not in found, found
    # The frame that is shown is the one of that time: the bytes are those of the place in the file.
    assert found["duration"] == 8 and abs(found["first"]) <= 6
    assert abs(found["late"] - 2 * 70) <= 6 and abs(found["early"] - 2 * 20) <= 6
    assert (found["colour"], found["image"], found["again"]) == ("rgb(1, 2, 3)", 37, 200)
    requests = log.read_text()
    packed = (root / "script.js.gz").stat().st_size
    assert f'"GET /script.js HTTP/1.1" 200 {packed}\n' in requests
    assert '"GET /style.css HTTP/1.1" 304 0\n' in requests
    assert len(re.findall(r'"GET /video.webm HTTP/1.1" 206 ', requests)) >= 2
    ranges = [int(start) for start in re.findall(r"Range: bytes=(\d+)-", net.read_text())]
    assert max(ranges) > len(video) // 2, ranges
