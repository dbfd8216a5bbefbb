# SPDX-License-Identifier: MIT
"""What shall go wrong, and in which words flox tells it."""

import fcntl
import os
import signal
import subprocess
import time

from play.basics import DedupUnknown, Failure, misuse, read_assignments

# The stages of a command, in the order in which publish meets them, and what flox makes of a reason
# for which one fails. FARM_FAKE_EXIT, _NETWORK, _HTTP_503, _HANG, _STUBBORN and _KILL name them.
STAGES = {
    "start": "{}",
    "auth": "{}",
    "prefetch": "Failed to download Nix build tools from 'github:flox/nixpkgs/stable'\n{}",
    "remote": "The environment is in an unsupported state for publishing: Could not access the remote repository: {}\n"
              "Check your SSH agent (`ssh-add -l`) or credential configuration.",
    "base-catalog": "could not get information about the base catalog: {}",
    "create": "{}",
    "lock": "{}",
    "dedup": "{}",
    "eval": "Build failed",
    "build": "Build failed",
    "upload": "Failed to publish package: Failed to upload to cache: {}",
    "register": "Failed to publish package: {}",
    "confirm": "Failed while waiting for publish confirmation: {}",
}

API = "https://api.vision.invalid/catalog"


class Faults:
    """What shall go wrong: FARM_FAKE_* of the environment, and of the package's own file in
    FARM_FAKE_FAULTS/.farm-fake. A fault may be limited to a number of times, counted in files."""

    def __init__(self, environment, voice):
        self.environment = dict(environment)
        self.voice = voice
        self.package = "any"

    def know_package(self, package):
        """From here on the package's own faults count, and are counted by package."""
        self.package = package
        folder = self.environment.get("FARM_FAKE_FAULTS")
        if folder:
            self.environment.update(read_assignments(os.path.join(folder, ".farm-fake", package)))

    def value(self, name):
        return self.environment.get("FARM_FAKE_" + name, "")

    def asked(self, name):
        """A fault that belongs to one place: its value is a number of times, or "always"."""
        value = self.value(name)
        return bool(value) and (value == "always" or self._spend(name, value))

    def at(self, stage):
        """Commits the faults whose value names this stage: STAGE or STAGE:TIMES, comma between."""
        for name, act in (("KILL", self._kill), ("HANG", self._hang), ("STUBBORN", self._stubborn),
                          ("NETWORK", self._network), ("HTTP_503", self._http_503), ("EXIT", self._exit)):
            for item in filter(None, self.value(name).split(",")):
                where, _, times = item.partition(":")
                if where not in STAGES:
                    misuse(f"FARM_FAKE_{name}: no stage {where}; there are {', '.join(STAGES)}")
                if where == stage and (not times or self._spend(f"{name}.{stage}", times)):
                    act(stage)

    def _spend(self, counter, times):
        if not times.isdigit():
            misuse(f"{counter}: {times} is no number of times")
        folder = self.environment.get("FARM_FAKE_STATE") or self.environment.get("FARM_FAKE_CATALOG")
        if not folder:
            misuse(f"{counter}: to count times, FARM_FAKE_STATE or FARM_FAKE_CATALOG must name a folder")
        path = os.path.join(folder, ".counters", f"{self.package}.{counter}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            spent = int(file.read() or 0)
            if spent >= int(times):
                return False
            file.truncate(0)
            file.write(str(spent + 1))
        return True

    def _kill(self, _stage):
        os.kill(os.getpid(), signal.SIGKILL)

    def _hang(self, _stage):
        while True:
            signal.pause()

    def _stubborn(self, stage):
        """Deaf to every polite signal, with a grandchild in a session of its own that is so, too.
        Both end by themselves after ten minutes, should a test forget them."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        grandchild = "setsid sleep 600 >/dev/null 2>&1 & echo $!"
        child = subprocess.run(["sh", "-c", grandchild], stdout=subprocess.PIPE, check=True)
        self.voice.raw(b"stubborn: pid %d grandchild %d\n" % (os.getpid(), int(child.stdout)))
        end = time.monotonic() + 600
        while time.monotonic() < end:
            time.sleep(1)
        self._hang(stage)

    def _network(self, stage):
        download = "error: unable to download 'https://{0}/': Could not resolve host: {0}"
        reasons = {
            "prefetch": download.format("api.vision.invalid"),
            "remote": "fatal: unable to access the remote: Could not resolve host: git.vision.invalid",
            "upload": "error: unable to upload to the cache: Timeout was reached (28)",
            "build": download.format("cache.vision.invalid"),
        }
        self.refuse(stage, reasons.get(stage, f"Communication Error: error sending request for url ({API})"))

    def _http_503(self, stage):
        self.refuse(stage, "503 Service Unavailable")

    def _exit(self, stage):
        reasons = {
            "eval": "error: undefined variable 'torch'",
            "build": nix_failure("builder failed with exit code 1.", ["vision.c:4: error: 'undeclared' undeclared"]),
        }
        self.refuse(stage, reasons.get(stage, "500 Internal Server Error"))

    def refuse(self, stage, reason):
        """Fails as flox does when this stage fails for that reason. The question whether something
        is published already only warns; of a build, nix speaks before flox does."""
        if stage == "dedup":
            raise DedupUnknown
        if "{}" not in STAGES[stage]:
            self.voice.raw(reason.encode() + b"\n")
        raise Failure(STAGES[stage].format(reason))


def nix_failure(reason, lines, note=""):
    log = "".join(f"       > {line}\n" for line in lines)
    return (f"error: Cannot build '/nix/store/{'0' * 32}-torchvision.drv'.\n       Reason: {reason}\n"
            f"       Last {len(lines)} log lines:\n{log}       For full logs, run:\n"
            f"         nix log /nix/store/{'0' * 32}-torchvision.drv" + (f"\nnote: {note}" if note else ""))
