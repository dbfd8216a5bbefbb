#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server of git repositories and of files of git-lfs, over TLS, for tests.

usage: lfs_server.py FOLDER ADDRESS PORT
ADDRESS is one of IPv4, or :: for all of both kinds.
FOLDER has cert.pem, key.pem, git/NAME.git, and objects/OID: what the server has under that name,
which need not be what the name says. FOLDER/mode says how downloads are answered:
  good           with the object
  moved          by a redirect to another path here, which has it
  to URL         by a redirect to URL
  more           with the object and more, of unknown length
  status N       with HTTP N
  nowhere        the batch names no URL
A repository is moved, as FOLDER/git/NAME.git/moved says if it is there: its requests are redirected
to that URL instead. And "batch N" answers the batch itself with HTTP N. FOLDER/log gets a line for each request: the
address it came to, its method, its path, and the names of heads that have credentials.
FOLDER/ready appears when it listens.
"""
import http.server
import json
import pathlib
import socket
import ssl
import subprocess
import sys

folder, address, port = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def git_backend(request, body):
    """What git-http-backend(1) answers: status, heads, body."""
    path, _, query = request.path.partition("?")
    environment = {
        "PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": str(folder / "git"), "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    said = subprocess.run(["git", "http-backend"], input=body, env=environment, check=False,
                          stdout=subprocess.PIPE).stdout
    heads, _, rest = said.partition(b"\r\n\r\n")
    heads = dict(line.split(": ", 1) for line in heads.decode().split("\r\n") if ": " in line)
    return int(heads.pop("Status", "200").split()[0]), heads, rest


class Server(http.server.BaseHTTPRequestHandler):
    def answer(self, status, heads, body=b""):
        self.send_response(status)
        for name, value in heads.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        secret = [name for name in ("Authorization", "Proxy-Authorization", "Cookie")
                  if self.headers.get(name)]
        own = self.connection.getsockname()[0].removeprefix("::ffff:")
        with open(folder / "log", "a", encoding="utf-8") as log:
            print(own, self.command, self.path, *secret, file=log)

    def batch(self, asked, mode):
        here = f"https://{self.headers['Host']}"
        objects = []
        for one in asked["objects"]:
            one["actions"] = {"download": {"href": f"{here}/objects/{one['oid']}",
                                           "header": {"Authorization": "Basic bWU6d29yZA=="}}}
            if mode == ["nowhere"]:
                del one["actions"]
                one["error"] = {"code": 404, "message": "not\nhere"}
            objects.append(one)
        status = int(mode[1]) if mode[0] == "batch" else 200
        self.answer(status, {"Content-Type": "application/vnd.git-lfs+json"},
                    json.dumps({"transfer": "basic", "objects": objects}).encode())

    def download(self, oid, mode):
        found = folder / "objects" / oid
        if mode[0] == "status":
            self.answer(int(mode[1]), {"WWW-Authenticate": "Basic"}, b"<p>no</p>")
        elif mode[0] == "to":
            self.answer(302, {"Location": mode[1]}, b"<p>over there</p>")
        elif mode[0] == "moved":
            self.answer(302, {"Location": f"/moved/{oid}"}, b"<p>over there</p>")
        elif mode[0] == "more":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found.read_bytes() + b"more" * 65536)
        else:
            self.answer(200, {}, found.read_bytes())

    def git(self, body):
        name, _, rest = self.path.lstrip("/").partition("/")
        moved = folder / "git" / name / "moved"
        if moved.exists():
            self.answer(301, {"Location": f"{moved.read_text(encoding='utf-8').strip()}/{rest}"})
        else:
            self.answer(*git_backend(self, body))

    def do_GET(self):
        self.note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = (folder / "mode").read_text(encoding="utf-8").split()
        last = self.path.rpartition("/")[2]
        if self.path.endswith("/info/lfs/objects/batch"):
            self.batch(json.loads(body), mode)
        elif self.path.startswith("/objects/"):
            self.download(last, mode)
        elif self.path.startswith("/moved/"):
            self.answer(200, {}, (folder / "objects" / last).read_bytes())
        else:
            self.git(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass



class BothKinds(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET


server = BothKinds((address, port), Server)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
(folder / "ready").touch()
server.serve_forever()
