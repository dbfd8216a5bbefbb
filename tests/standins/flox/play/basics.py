# SPDX-License-Identifier: MIT
"""How the play speaks, and how it ends."""

import re
import sys


class Failure(Exception):
    """flox fails: its message behind "ERROR: ", status 1."""


class Misuse(Exception):
    """The test asked the stand-in for something it does not play."""


def misuse(text):
    raise Misuse(text)


class Voice:
    """Where flox's words go: messages to stderr unless silenced, make's echo to stdout."""

    def __init__(self, environment):
        # RUST_LOG replaces flox's own filter; messages are written at level info.
        log = environment.get("RUST_LOG", "")
        self.quiet = bool(log) and not re.search(r"info|debug|trace", log)

    def say(self, text):
        if not self.quiet:
            self.raw(text.encode() + b"\n")

    def raw(self, data):
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()

    def echo(self, text):
        print(text, flush=True)


class DedupUnknown(Exception):
    """The catalog did not answer whether a package is published already."""


def read_assignments(path):
    """NAME=VALUE lines of a file, none where it is not there; blank lines and # comments aside."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if not equals or not re.fullmatch(r"(FARM_FAKE|FAKE_FLOX)_[A-Z0-9_]+", name):
                misuse(f"{path}: {line} sets nothing of mine")
            found[name] = value
    return found
