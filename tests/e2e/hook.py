#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A web server of a test's own: keeps what is posted to it.

usage: hook.py FOLDER
Listens on a free port of 127.0.0.1, whose number it writes to FOLDER/port. Each request becomes
FOLDER/N.body and FOLDER/N.head (its path, then its heads). While FOLDER/fails has a number above
zero, that many requests are answered with 503 and not kept. Ends when FOLDER/end appears.
"""
import http.server
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
count = 0


def fails():
    path = folder / "fails"
    left = int(path.read_text()) if path.exists() else 0
    if left > 0:
        path.write_text(str(left - 1))
    return left > 0


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fails():
            self.answer(503)
            return
        count += 1
        (folder / f"{count}.head").write_text(f"{self.path}\n{self.headers}")
        (folder / f"{count}.body").write_bytes(body)
        self.answer(204)

    def answer(self, code):
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
server.timeout = 0.2
port = folder / "port.new"
port.write_text(str(server.server_port))
port.rename(folder / "port")
while not (folder / "end").exists():
    server.handle_request()
