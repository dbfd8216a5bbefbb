# SPDX-License-Identifier: MIT
"""The commands of flox, and what changes in them from version to version."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from play.account import Account, cache_folder, config_folder
from play.basics import DedupUnknown, Failure, misuse
from play.builds import FakeBuild, NixBuild, Scratch
from play.catalog import Catalog
from play.checkout import Checkout, Origin, git
from play.faults import Faults, nix_failure

# What changes from version to version.
#   upstream  publish wants a branch with an upstream; without, any remote that holds the commit
#   in_place  publish builds in the checkout itself; without, in a temporary clone
#   dedup     when publish asks whether this is published already
#   lock      publish has a phase of its own that locks inputs
#   built     how build tells what it made: one result, several
#   pat       knows personal access tokens
VERSIONS = {
    "1.9.0": dict(upstream=False, in_place=False, dedup=None, lock=False, built="long", pat=False),
    "1.12.0": dict(upstream=True, in_place=False, dedup=None, lock=False, built="long", pat=False),
    "1.12.2": dict(upstream=True, in_place=True, dedup="before", lock=False, built="short", pat=False),
    "1.14.1": dict(upstream=True, in_place=True, dedup="after", lock=False, built="short", pat=True),
    "1.15.0": dict(upstream=True, in_place=True, dedup="before", lock=True, built="short", pat=True),
}

BUILT = {
    "long": ("⚡︎ Builds completed successfully. Output created: {}",
             "⚡︎ Builds completed successfully.\nOutputs created: {}"),
    "short": ("⚡︎ Built output: {}", "⚡︎ Built outputs:\n{}"),
}

# Colours, carriage returns, a NUL, bytes that are no UTF-8, a line of a megabyte, no newline at the end.
NOISE = (b"\x1b[1;31mred\x1b[0m\n 10%\r 50%\r100%\nNUL: [\x00] Latin-1: [\xe9] cut short: [\xe2\x82]\n"
         + b"x" * (1 << 20) + b"\nno newline at the end of this: ")

# Configuration keys that may come as FLOX_<KEY>; any other such variable is an error, as in flox.
CONFIG_KEYS = {
    "CATALOG_URL", "FLOXHUB_TOKEN", "FLOXHUB_URL", "FLOXHUB_AUTHN_MODE", "DISABLE_METRICS", "AUTH_NOTIFICATIONS", "CACHE_DIR",
    "DATA_DIR", "STATE_DIR", "CONFIG_DIR", "SEARCH_LIMIT", "SET_PROMPT", "HIDE_DEFAULT_PROMPT", "UPGRADE_NOTIFICATIONS",
}

LOGIN_HINT = (
    "\n\nTo {} you can either\n* login to FloxHub with 'flox auth login',\n"
    "* set the 'floxhub_token' field to '<your token>' in your config\n"
    "* set the '$FLOX_FLOXHUB_TOKEN=<your_token>' environment variable."
)


class Flox:
    """One call of flox."""

    def __init__(self, environment, voice):
        self.environment = environment
        self.voice = voice
        self.faults = Faults(environment, voice)
        self.version = environment.get("FAKE_FLOX_VERSION", "1.14.1")
        if self.version not in VERSIONS:
            misuse(f"I do not play version {self.version}, but {', '.join(VERSIONS)}")
        self.traits = VERSIONS[self.version]
        self._system = ""

    def run(self, arguments):
        while arguments and arguments[0].startswith("-"):
            option = arguments.pop(0)
            if option == "--version":
                print(self.version)
                return 0
            if option in ("-q", "--quiet"):
                self.voice.quiet = True
            elif not re.fullmatch(r"-v+|--verbose", option):
                raise Failure(f"`{option}` is not expected in this context")
        self._make_config_folder()
        self._check_config()
        command = arguments.pop(0) if arguments else raise_usage()
        commands = {"build": self.build, "publish": self.publish, "auth": self.auth, "config": self.config}
        if command not in commands:
            raise Failure(f"`{command}` is not expected in this context")
        return commands[command](arguments)

    def _make_config_folder(self):
        folder = config_folder(self.environment)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            reason = f"{error.strerror} (os error {error.errno})"
            raise Failure(f'Could not create config directory: "{folder}/": {reason}') from error

    def _check_config(self):
        for name in self.environment:
            key = name[5:]
            if name.startswith("FLOX_") and key not in CONFIG_KEYS and not re.match(r"ENV|VERSION|SHELL", key):
                raise Failure(f"Could not parse config: unknown field `{key.lower()}`")

    # -- auth, config

    def auth(self, arguments):
        account = Account(self.environment, self.traits, self.faults)
        self.faults.know_package("any")
        if arguments == ["status"]:
            return self._auth_status(account)
        if arguments == ["token"]:
            if not account.claims or account.personal:
                raise Failure("You are not logged in to FloxHub.")
            print(account.token)
            return 0
        return misuse("of auth I play status and token")

    def _auth_status(self, account):
        try:
            self.faults.at("auth")
        except Failure:
            self.voice.say("Found a FloxHub token but could not reach FloxHub to verify it.")
            return 1
        account.forget_invalid()
        if not account.token or account.invalid():
            self.voice.say("You are not currently logged in to FloxHub.")
            return 1
        good = not account.expired() and not account.rejected()
        self.voice.say(f"You are logged in as {account.handle()} on https://hub.flox.dev/" if good else
                       "Your FloxHub token is expired or has been revoked.")
        if account.from_environment:
            self.voice.say("Credential read from the FLOX_FLOXHUB_TOKEN environment variable.")
        return 0 if good else 1

    def config(self, _arguments):
        for name in sorted(self.environment):
            if name.startswith("FLOX_") and "TOKEN" not in name:
                print(f"{name[5:].lower()} = {json.dumps(self.environment[name])}")
        return 0

    def _ensure_login(self):
        self.faults.at("auth")
        account = Account(self.environment, self.traits, self.faults)
        if not account.token:
            raise Failure("You are not logged in to FloxHub." + LOGIN_HINT.format("login"))
        if account.invalid():
            account.forget_invalid()
            raise Failure("Your FloxHub token is invalid: invalid token\nYou may need to log in again.")
        if account.expired():
            hint = LOGIN_HINT.format("re-authenticate")
            if self.version == "1.9.0":
                hint = hint.replace("\n\n", " ", 1).replace("either\n", "either:\n\n", 1)
            raise Failure("Your FloxHub token has expired." + hint)
        if account.rejected():
            self.voice.say("! Your FloxHub token could not be verified and may be expired or revoked.")
            return None
        return account

    # -- build

    def build(self, arguments):
        options, packages = parse(arguments, {"-d", "--dir", "--stability"})
        checkout = Checkout.find(options.get("--dir"))
        if packages[:1] == ["clean"]:
            return self._clean(checkout, packages[1:])
        self._advise_login()
        self.faults.know_package(packages[0] if len(packages) == 1 else "any")
        self.faults.at("start")
        self._open_environment(checkout)
        targets = self._resolve(checkout, packages)
        self.faults.at("base-catalog")
        for package, recipe in targets.items():
            self._build_one(checkout, package, recipe)
        links = sorted(name for package in targets for name in result_links(checkout, package))
        one, several = BUILT[self.traits["built"]]
        shown = ", ".join("./" + link for link in links)
        self.voice.say((one if len(links) == 1 else several).format(shown))
        return 0

    def _clean(self, checkout, packages):
        for package in packages or checkout.targets():
            for link in result_links(checkout, package) + [f"result-{package}-log"]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(checkout.folder, link))
        return 0

    def _advise_login(self):
        wanted = self.environment.get("FLOX_AUTH_NOTIFICATIONS", "true") != "false"
        if wanted and self.version == "1.15.0" and not Account(self.environment, self.traits, self.faults).token:
            self.voice.say("! You are not logged in to FloxHub. Run 'flox auth login' to log in.")

    def _open_environment(self, checkout):
        """Realises the environment: its links in .flox/run, and now and then a lock written anew."""
        run = os.path.join(checkout.flox, "run")
        os.makedirs(run, exist_ok=True)
        for mode in ("dev", "run"):
            link = os.path.join(run, f"{self.system()}.{os.path.basename(checkout.folder)}-{mode}")
            if not os.path.islink(link):
                with contextlib.suppress(FileExistsError):
                    os.symlink("/nonexistent/environment", link)
        if self.faults.asked("RELOCK"):
            with open(os.path.join(checkout.flox, "env", "manifest.lock"), "a", encoding="utf-8") as lock:
                lock.write("\n")
        self.faults.at("prefetch")

    def _resolve(self, checkout, packages):
        targets = checkout.targets()
        if not targets:
            raise Failure("No packages found to build.\n\nAdd a build by modifying the '[build]' section of the "
                          "manifest with 'flox edit' or add expression files in '.flox/pkgs'.")
        for package in packages:
            if package not in targets:
                raise Failure(f"Target '{package}' not found.")
        chosen = {package: targets[package] for package in packages or targets}
        for package, recipe in chosen.items():
            checkout.check_tracked(package, recipe)
        return chosen

    def _build_one(self, checkout, package, recipe):
        if checkout.dirty():
            self.voice.raw(f"warning: Git tree '{checkout.folder}' is dirty\n".encode())
        scratch = Scratch(checkout, package)
        builder = self._builder(scratch)
        self.faults.at("eval")
        product = builder.evaluate(recipe, package)
        self.voice.echo(f"Building {product.name} in Nix expression mode")
        if self._may_build():
            self._suffer()
        link = os.path.join(checkout.folder, f"result-{package}")
        builder.realise(product, link, self.faults, self._may_build())
        scratch.check(link)
        self.voice.echo(f"Completed build of {product.name} in Nix expression mode\n")
        return product

    def _builder(self, scratch):
        store = self.environment.get("FARM_FAKE_STORE")
        if store:
            return FakeBuild(self.voice, scratch, store, self.system())
        if not shutil.which("nix"):
            misuse("there is no nix here: FARM_FAKE_STORE must name a folder")
        return NixBuild(self.voice, scratch)

    def _may_build(self):
        """What NIX_CONFIG says reaches nix: with max-jobs = 0 it evaluates and builds nothing."""
        return not re.search(r"^\s*max-jobs\s*=\s*0\s*$", self.environment.get("NIX_CONFIG", ""), re.M)

    def _suffer(self):
        """The faults that happen while the builder runs."""
        self._be_slow()
        if self.faults.asked("NOISE"):
            self.voice.raw(NOISE)
        self.faults.at("build")
        if self.faults.asked("ENOSPC"):
            self.faults.refuse("build", nix_failure(
                "builder failed with exit code 1.", ["cc1plus: error: No space left on device"],
                "build failure may have been caused by lack of free disk space"))
        if self.faults.asked("OOM"):
            self.faults.refuse("build", nix_failure("builder failed with exit code 1.", [
                "g++: fatal error: Killed signal terminated program cc1plus", "compilation terminated."]))
        if self.faults.asked("COLLECTED"):
            drv = f"/nix/store/{'0' * 32}-torchvision.drv"
            self.faults.refuse("build",
                               f"flox-build.mk: *** {drv} has been garbage collected - please try again.  Stop.")

    def _be_slow(self):
        """FARM_FAKE_SLOW=SECONDS: that long, a line every tenth of a second."""
        end = time.monotonic() + float(self.faults.value("SLOW") or 0)
        step = 0
        while time.monotonic() < end:
            step += 1
            self.voice.raw(f"torchvision> [{step}] still compiling\n".encode())
            time.sleep(0.1)

    # -- publish

    def publish(self, arguments):
        options, packages = parse(arguments, {"-d", "--dir", "-o", "--org", "--stability", "--signing-private-key"})
        if len(packages) > 1:
            raise Failure(f"`{packages[1]}` is not expected in this context")
        checkout = Checkout.find(options.get("--dir"))
        self.faults.know_package(packages[0] if packages else "any")
        self.faults.at("start")
        account = self._ensure_login()
        self._check_publishable(checkout)
        self._open_environment(checkout)
        package, recipe = self._one_target(checkout, packages)
        url, commit = Origin(checkout, self.traits, self.faults).settle()
        self.faults.at("base-catalog")

        org = options.get("--org") or (account.handle() if account else "UNKNOWN")
        catalog = self._create_package(org, account)
        key = dict(org=org, package=package, system=self.system(), rev=commit, url=url)
        if self.traits["lock"]:
            self._lock_inputs()
        if self.traits["dedup"] == "before" and self._published(catalog, key):
            return 0
        product = self._build_to_publish(checkout, package, recipe, url, commit)
        if self.traits["dedup"] == "after" and self._published(catalog, key):
            return 0
        self._register(catalog, key, product, account)
        self.voice.say(f"✔ Package published successfully.\n\nUse 'flox install {org}/{package}' to install it.")
        return 0

    def _check_publishable(self, checkout):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(checkout.flox, "env.json"), encoding="utf-8") as file:
                if "owner" in json.load(file):
                    raise Failure("Cannot publish from an environment on FloxHub.\n\n"
                                  "A pushed or pulled environment cannot be published from.")
        if not os.path.exists(os.path.join(checkout.flox, "env", "manifest.lock")):
            raise Failure("The environment is in an unsupported state for publishing: Environment must be locked.")

    def _one_target(self, checkout, packages):
        targets = checkout.targets()
        if not packages and not targets:
            raise Failure("Cannot publish without a build specified")
        if not packages and len(targets) > 1:
            raise Failure("Must specify an artifact to publish")
        (package, recipe), = self._resolve(checkout, packages).items()
        self.faults.know_package(package)
        return package, recipe

    def _create_package(self, org, account):
        self.faults.at("create")
        if account is None:
            raise Failure("401 Unauthorized")
        catalog = Catalog(self.environment)
        catalog.check_org(org)
        return catalog

    def _lock_inputs(self):
        self.faults.at("lock")
        if self.faults.asked("LOCK_EOF"):
            raise Failure("failed to parse file for lock results: EOF while parsing a value at line 1 column 0")

    def _published(self, catalog, key):
        try:
            self.faults.at("dedup")
        except DedupUnknown:
            self.voice.say("! Unable to check if already published — continuing with publish.")
            return False
        entry = catalog.find(key)
        if entry:
            self.voice.say(f"✔ Package already published.\n\nOriginally published: {entry['published_at']}\n"
                           f"Source revision: {entry['rev']}")
        return bool(entry)

    def _build_to_publish(self, checkout, package, recipe, url, commit):
        if self.traits["in_place"]:
            return self._build_one(checkout, package, recipe)
        folder = os.path.join(cache_folder(self.environment), "process")
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tmp", dir=folder) as clone:
            cloned = subprocess.run(["git", "clone", "--quiet", url, clone], check=False).returncode
            if cloned or git(clone, "checkout", "--quiet", "--detach", commit).returncode:
                raise Failure(f"Failed to publish package: could not clone {url}")
            elsewhere = Checkout(clone)
            return self._build_one(elsewhere, package, elsewhere.targets()[package])

    def _register(self, catalog, key, product, account):
        self.faults.at("upload")
        self.faults.at("register")
        catalog.register(key, dict(version=product.version, derivation=product.derivation, outputs=product.outputs,
                                   by=account.handle(), flox=self.version))
        self.faults.at("confirm")
        if self.faults.asked("CONFIRM_TIMEOUT"):
            self.faults.refuse("confirm", "Timed out waiting for publish completion")

    # -- the host

    def system(self):
        """What nix says this host is; it may have been told otherwise in nix.conf."""
        told = self.environment.get("FARM_FAKE_SYSTEM")
        if told or self.environment.get("FARM_FAKE_STORE") or not shutil.which("nix"):
            return told or f"{os.uname().machine}-linux"
        if not self._system:
            self._system = NixBuild.system()
        return self._system


def result_links(checkout, package):
    """The links of a package's outputs, without the one to its log."""
    exact = re.compile(re.escape(f"result-{package}") + r"(-(?!log$)[a-z]+)?")
    others = {f"result-{other}" for other in checkout.targets() if other != package}
    return [name for name in os.listdir(checkout.folder) if exact.fullmatch(name) and name not in others]


def parse(arguments, with_value):
    """Options and packages of a command. --system is refused as no flox would: these recipes build
    for the host whatever it says, and would be published under the wrong system."""
    options, packages = {}, []
    long_names = {"-d": "--dir", "-o": "--org"}
    while arguments:
        word, equals, value = arguments.pop(0).partition("=")
        if word == "--system":
            misuse("never call flox with --system")
        if word not in with_value:
            if word.startswith("-"):
                raise Failure(f"`{word}` is not expected in this context")
            packages.append(word + equals + value)
            continue
        if not equals and not arguments:
            raise Failure(f"`{word}` requires an argument")
        options[long_names.get(word, word)] = value if equals else arguments.pop(0)
    return options, packages


def raise_usage():
    raise Failure("Usage: flox [[-v]... | -q] COMMAND ...")
