# SPDX-License-Identifier: MIT
"""What is published."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time

from play.basics import Failure, misuse


class Catalog:
    """A folder of what is published, one JSON file an entry, written whole under a lock. A file
    deny/ORG forbids the organisation, a file missing/ORG says that there is none."""

    def __init__(self, environment):
        self.folder = environment.get("FARM_FAKE_CATALOG") or misuse("publish needs FARM_FAKE_CATALOG, a folder")
        os.makedirs(os.path.join(self.folder, "entries"), exist_ok=True)

    def check_org(self, org):
        if not re.fullmatch(r"[a-zA-Z0-9_-]{3,63}", org):
            raise Failure(f"422 Unprocessable Entity: '{org}' is not the name of a catalog")
        if os.path.exists(os.path.join(self.folder, "missing", org)):
            raise Failure("404 Not Found: The catalog could not be found")
        if os.path.exists(os.path.join(self.folder, "deny", org)):
            raise Failure("403 Forbidden: You are not permitted to write to this catalog.")

    def find(self, key):
        with contextlib.suppress(FileNotFoundError):
            with open(self._path(key), encoding="utf-8") as file:
                return json.load(file)
        return None

    def register(self, key, facts):
        """Adds an entry, or counts one more upload of the same."""
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        with open(os.path.join(self.folder, ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entry = self.find(key) or dict(key, published_at=now, uploads=0, **facts)
            entry["uploads"] += 1
            path = self._path(key)
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(entry, file, indent=2)
                file.write("\n")
            os.replace(path + ".new", path)

    def _path(self, key):
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:8]
        name = "--".join((key["org"], key["package"], key["system"], key["rev"][:12], digest))
        return os.path.join(self.folder, "entries", name + ".json")
