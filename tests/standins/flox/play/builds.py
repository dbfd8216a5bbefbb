# SPDX-License-Identifier: MIT
"""Builds: by nix, or only seemingly."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import time

from play.basics import Failure, misuse
from play.faults import nix_failure


class Product:
    """What a build made: its derivation, its name, and its outputs by name."""

    def __init__(self, name, version, derivation, outputs):
        self.name = name
        self.version = version
        self.derivation = derivation
        self.outputs = outputs


class Scratch:
    """The folder flox keeps beside a build: named after the checkout and the package, and locked by
    nobody, so that two builds of one package in one checkout spoil each other."""

    def __init__(self, checkout, package):
        top = hashlib.sha256((checkout.folder + "\n").encode()).hexdigest()[:8]
        self.folder = os.path.join(os.environ.get("TMPDIR") or "/tmp", top, package)
        os.makedirs(self.folder, exist_ok=True)
        self.mark = f"{os.getpid()}.{time.monotonic_ns()}"
        self.write("build-meta.json", self.mark)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def check(self, result):
        with open(self.path("build-meta.json"), encoding="utf-8") as file:
            if file.read() != self.mark:
                raise Failure(f"'{result}' does not point to expected store path")


class NixBuild:
    """A real build by nix, with whatever NIX_* the caller set."""

    NIX = ["nix", "--extra-experimental-features", "nix-command"]
    FACTS = ("recipe: let d = if builtins.isFunction recipe then recipe { } else recipe; in "
             "{ inherit (d) drvPath name; version = d.version or \"\"; }")

    def __init__(self, voice, scratch):
        self.voice = voice
        self.scratch = scratch

    def evaluate(self, recipe, _package):
        done = self._nix("eval", "--json", "--file", recipe, "--apply", self.FACTS)
        self._make_stops_unless(done, "eval.json")
        self.scratch.write("eval.json", done.stdout)
        facts = json.loads(done.stdout)
        return Product(facts["name"], facts["version"], facts["drvPath"], {})

    def realise(self, product, link, _faults, _may_build):  # nix reads NIX_CONFIG itself
        done = self._nix("build", "--json", "-L", "--out-link", link, self._all_outputs(product.derivation))
        self._make_stops_unless(done, "build.json")
        self.scratch.write("build.json", done.stdout)
        product.outputs = json.loads(done.stdout)[0]["outputs"]
        self._keep_log(product, link + "-log")

    def _keep_log(self, product, link):
        log = subprocess.run(self.NIX + ["log", product.derivation], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False)
        if log.returncode:
            return  # a result that was fetched, or a store that keeps no logs
        with open(self.scratch.path("build.log"), "wb") as file:
            file.write(log.stdout)
        added = self._nix("store", "add-file", self.scratch.path("build.log"))
        self._nix("build", "--out-link", link, added.stdout.strip())

    @classmethod
    def _all_outputs(cls, derivation):
        """From 2.15 on, a derivation's path alone means the derivation, not what it builds; before 2.13
        nix does not know how to say the latter."""
        told = subprocess.run(cls.NIX + ["--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        version = re.search(r"(\d+)\.(\d+)", told)
        return derivation + ("^*" if (int(version[1]), int(version[2])) >= (2, 15) else "")

    @classmethod
    def system(cls):
        """Newer nix calls it config show, older nix show-config."""
        for command in (["config", "show"], ["show-config"]):
            shown = subprocess.run(cls.NIX + command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   check=False)
            found = re.search(r"^system = (.*)$", shown.stdout, re.M)
            if found:
                return found.group(1)
        return misuse("nix does not tell its system")

    def _nix(self, *arguments):
        return subprocess.run(self.NIX + list(arguments), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              check=False)

    def _make_stops_unless(self, done, goal):
        if done.returncode:
            make_stops(self.voice, self.scratch.path(goal))


class FakeBuild:
    """A build that only looks like one, into the folder FARM_FAKE_STORE; for hosts without nix."""

    def __init__(self, voice, scratch, store, system):
        self.voice = voice
        self.scratch = scratch
        self.store = os.path.abspath(store)
        self.system = system

    def evaluate(self, recipe, package):
        with open(recipe, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
        pname, version = (re.search(rf'\b{key} = "([^"]*)"', text) for key in ("pname", "version"))
        version = version.group(1) if version else "0"
        name = f"python3.13-{pname.group(1) if pname else package}-{version}"
        digest = hashlib.sha256(f"{self.system}\n{text}".encode(errors="surrogateescape")).hexdigest()[:32]
        outputs = {"out": f"{self.store}/{digest}-{name}", "dist": f"{self.store}/{digest[::-1]}-{name}-dist"}
        self.scratch.write("eval.json", json.dumps(outputs))
        return Product(name, version, f"{self.store}/{digest}-{name}.drv", outputs)

    def realise(self, product, link, faults, may_build):
        if not os.path.isdir(product.outputs["out"]):
            if not may_build:
                self.voice.raw(b"error: unable to start any build; either increase '--max-jobs' or enable remote "
                               b"builds.\n")
                make_stops(self.voice, self.scratch.path("build.json"))
            self._compile(product, faults)
            for path in product.outputs.values():
                os.makedirs(path, exist_ok=True)
        self.scratch.write("build.json", json.dumps(product.outputs))
        for output, path in product.outputs.items():
            relink(path, link if output == "out" else f"{link}-{output}")
        log = product.outputs["out"] + "-build.log"
        with open(log, "w", encoding="utf-8") as file:
            file.write("fake build\n")
        relink(log, link + "-log")

    def _compile(self, product, faults):
        say = self.voice.raw
        say(f"this derivation will be built:\n  {product.derivation}\nbuilding '{product.derivation}'...\n".encode())
        shown = re.split(r"-[^a-zA-Z]", product.name)[0]
        for step in range(1, 31):
            say(f"{shown}> [{step}/30] Building CXX object csrc/ops/part_{step}.o\n".encode())
        wanted = native_system(product.name)
        if wanted and wanted != self.system:
            flag = "bad value 'armv9-a+sve2' for '-march=' switch" if wanted.startswith("aarch64") else \
                "unrecognized command-line option '-mavx2'"
            say(f"{shown}> cc1plus: error: {flag}\n".encode())
            faults.refuse("build", nix_failure("builder failed with exit code 1.", [f"cc1plus: error: {flag}"]))


def native_system(name):
    if re.search(r"-avx", name):
        return "x86_64-linux"
    return "aarch64-linux" if re.search(r"-armv", name) else ""


def relink(path, link):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
    os.symlink(path, link)


def make_stops(voice, goal):
    voice.raw(f"make: *** [/nix/store/{'0' * 32}-flox-build/libexec/flox-build.mk:720: {goal}] Error 1\n".encode())
    raise Failure("Build failed")
