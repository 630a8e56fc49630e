#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that starts at once: answers each request with its port, pid and version; kept connections stay."""

import os
import selectors
import socket
import sys


def main():
    port, version = int(sys.argv[1].partition("=")[2]), sys.argv[2].partition("=")[2]
    address = next((word.partition("=")[2] for word in sys.argv if "--address=" in word), "127.0.0.1")
    poll = selectors.DefaultSelector()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)
    poll.register(listener, selectors.EVENT_READ)
    head = "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nX-Pid: %d\r\nX-Version: %s\r\n" % (
        port,
        os.getpid(),
        version,
    )
    answer = (head + "Content-Length: 0\r\n\r\n").encode()
    while True:
        for key, _ in poll.select():
            if key.fileobj is listener:
                poll.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                request = key.fileobj.recv(4096)
                if request:
                    key.fileobj.sendall(answer)
            except OSError:
                request = b""
            if not request or b"close" in request:
                poll.unregister(key.fileobj)
                key.fileobj.close()


if __name__ == "__main__":
    main()
