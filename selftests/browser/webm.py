# SPDX-License-Identifier: Apache-2.0
"""A video without an encoder: each frame is a lossy WebP picture, which is a key frame of VP8 (RFC 9649)."""

import struct

FRAME_MS = 100


def _element(name, content):
    """EBML (RFC 8794): an identifier, the length in 8 bytes, the content."""
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def _number(name, value):
    return _element(name, struct.pack(">Q", value))


def _frame(picture):
    """The VP8 chunk of a WebP file; each chunk is padded to an even length."""
    assert picture[:4] == b"RIFF" and picture[8:12] == b"WEBP", picture[:16]
    at = 12
    while at < len(picture):
        name, length = struct.unpack_from("<4sI", picture, at)
        if name == b"VP8 ":
            return picture[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise ValueError("no lossy picture: %r" % picture[:40])


def _header():
    texts = _element("4282", b"webm") + _number("4287", 4) + _number("4285", 2)
    return _element("1a45dfa3", _number("4286", 1) + _number("42f7", 1) + _number("42f2", 4) + _number("42f3", 8) + texts)


def _tracks(width, height):
    video = _element("e0", _number("b0", width) + _number("ba", height))
    kinds = _number("83", 1) + _element("86", b"V_VP8")
    return _element("1654ae6b", _element("ae", _number("d7", 1) + _number("73c5", 1) + kinds + video))


def _cluster(number, picture):
    block = b"\x81" + struct.pack(">hB", 0, 0x80) + _frame(picture)
    return _element("1f43b675", _number("e7", number * FRAME_MS) + _element("a3", block))


def _cues(positions):
    points = (
        _number("b3", number * FRAME_MS) + _element("b7", _number("f7", 1) + _number("f1", position))
        for number, position in enumerate(positions)
    )
    return _element("1c53bb6b", b"".join(_element("bb", point) for point in points))


def make(pictures, width, height):
    """A WebM file (Matroska, RFC 9559) in which a player can seek to each picture, FRAME_MS apart."""
    duration = _element("4489", struct.pack(">d", len(pictures) * FRAME_MS))
    names = _element("4d80", b"lbd") + _element("5741", b"lbd")
    front = _element("1549a966", _number("2ad7b1", 1000000) + duration + names) + _tracks(width, height)
    clusters = [_cluster(number, picture) for number, picture in enumerate(pictures)]
    place = len(front) + len(_cues([0] * len(clusters)))
    positions = []
    for cluster in clusters:
        positions.append(place)
        place += len(cluster)
    return _header() + _element("18538067", front + _cues(positions) + b"".join(clusters))
