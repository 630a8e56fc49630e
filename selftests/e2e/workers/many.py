#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One process with a great many listeners, FIRST..FIRST+COUNT-1 of 127.0.0.1; answers with the port."""

import argparse
import resource
import selectors
import socket


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--backlog", type=int, default=128)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = selectors.DefaultSelector()
    for port in range(options.first, options.first + options.count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(options.backlog)
        poll.register(sock, selectors.EVENT_READ, port)
    print("listening %d" % options.first, flush=True)
    while True:
        for key, _ in poll.select():
            conn, _ = key.fileobj.accept()
            conn.settimeout(10)
            try:
                conn.recv(4096)
                conn.sendall(
                    b"HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: 0\r\n"
                    b"Connection: close\r\n\r\n" % key.data
                )
            except OSError:
                pass
            conn.close()


if __name__ == "__main__":
    main()
