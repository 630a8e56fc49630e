#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Tornado worker whose handler blocks the event loop, as many do: GET /200 takes 200 ms."""

import argparse
import time

import tornado.httpserver
import tornado.ioloop
import tornado.web


class Block(tornado.web.RequestHandler):
    def initialize(self, port):
        self.port = port

    def get(self, ms):
        time.sleep(int(ms or 0) / 1000)
        self.set_header("X-Worker", str(self.port))
        self.write("done\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    app = tornado.web.Application([(r"/(\d*)", Block, {"port": options.port})])
    app.listen(options.port, address=options.address, backlog=1024)
    print("listening", flush=True)
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
