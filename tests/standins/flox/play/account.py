# SPDX-License-Identifier: MIT
"""Who publishes: the FloxHub token, and the folders that flox keeps for an account."""

import base64
import contextlib
import json
import os
import re
import time


class Account:
    """The FloxHub token and what it tells. A JSON web token is decoded, never verified; a personal
    access token tells nothing."""

    def __init__(self, environment, traits, faults):
        self.traits = traits
        self.faults = faults
        self.from_environment = "FLOX_FLOXHUB_TOKEN" in environment
        self.config_file = os.path.join(config_folder(environment), "flox.toml")
        self.token = environment.get("FLOX_FLOXHUB_TOKEN") or self._token_of_file()
        self.personal = self.token.startswith("flox_pat_")
        self.claims = {} if self.personal else self._decode()

    def _token_of_file(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.config_file, encoding="utf-8") as file:
                found = re.search(r'^floxhub_token\s*=\s*"([^"]*)"', file.read(), re.M)
                return found.group(1) if found else ""
        return ""

    def _decode(self):
        """The token's claims; None when it is no token."""
        if not self.token:
            return {}
        try:
            payload = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return claims if "https://flox.dev/handle" in claims and "exp" in claims else None
        except (IndexError, ValueError):
            return None

    def forget_invalid(self):
        """flox takes an invalid token out of its file as soon as it sees it."""
        if self.invalid() and not self.from_environment:
            with open(self.config_file, encoding="utf-8") as file:
                kept = [line for line in file if not line.startswith("floxhub_token")]
            with open(self.config_file, "w", encoding="utf-8") as file:
                file.writelines(kept)

    def invalid(self):
        return self.claims is None or (self.personal and not self.traits["pat"])

    def expired(self):
        if self.faults.asked("TOKEN_EXPIRED"):
            return True
        return bool(self.claims) and self.claims["exp"] <= time.time()

    def rejected(self):
        """A personal access token that FloxHub does not know (any more)."""
        return self.personal and self.faults.asked("PAT_REJECTED")

    def handle(self):
        if self.personal:
            return self.faults.value("HANDLE") or "pat-owner"
        return self.claims["https://flox.dev/handle"]


def config_folder(environment):
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment["HOME"], ".config")
    return environment.get("FLOX_CONFIG_DIR") or os.path.join(home, "flox")


def cache_folder(environment):
    home = environment.get("XDG_CACHE_HOME") or os.path.join(environment["HOME"], ".cache")
    return environment.get("FLOX_CACHE_DIR") or os.path.join(home, "flox")
