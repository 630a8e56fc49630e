#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that says who it is, and who asks."""

import asyncio
import sys

import tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Connection", "close")
        self.write("worker %d answers %s\n" % (PORT, self.request.remote_ip))


async def main():
    tornado.web.Application([("/", Hello)]).listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()


PORT = int(sys.argv[1].removeprefix("--port="))
asyncio.run(main())
