# SPDX-License-Identifier: MIT
"""The folder that holds .flox, its packages, and what git says of it."""

import os
import subprocess

from play.basics import Failure

OLD_REQUIREMENTS = (
    "\n\nThe build repository must satisfy a few requirements in order to use the 'flox publish' command:\n"
    "- It must be a git repository.\n- All of the tracked files must be in a clean state.\n"
    "- A remote must be configured.\n- The current revision must be pushed to a remote."
)


def git(folder, *arguments):
    return subprocess.run(["git", "-C", folder, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, errors="replace", check=False)


class Checkout:
    """The folder that holds .flox, and what git says of it."""

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.flox = os.path.join(self.folder, ".flox")

    @staticmethod
    def find(named):
        """The folder of -d; without one, the working directory or a parent, up to git's top."""
        if named is not None:
            if not os.path.isdir(os.path.join(named, ".flox")):
                raise Failure(f"Did not find an environment in '{named}'")
            return Checkout(named)
        folder = os.getcwd()
        while not os.path.isdir(os.path.join(folder, ".flox")):
            if os.path.exists(os.path.join(folder, ".git")) or folder == "/":
                raise Failure("Did not find an environment in the current directory.")
            folder = os.path.dirname(folder)
        return Checkout(folder)

    def targets(self):
        """Package name, as flox lists it, to recipe file. A name with a dot in one of its parts is
        listed in quotes, which is why flox does not find it by its name."""
        found = {}
        self._collect(os.path.join(self.flox, "pkgs"), [], found)
        return found

    def _collect(self, folder, parts, found):
        if not os.path.isdir(folder):
            return
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            if os.path.isdir(path):
                self._collect_folder(path, parts + [name], found)
            elif name.endswith(".nix") and not name.endswith("flake.nix"):
                found.setdefault(attribute_path(parts + [name[:-4]]), path)

    def _collect_folder(self, path, parts, found):
        recipe = os.path.join(path, "default.nix")
        if os.path.isfile(recipe):
            found[attribute_path(parts)] = recipe
        else:
            self._collect(path, parts, found)

    def check_tracked(self, package, recipe):
        if git(self.folder, "rev-parse", "--show-toplevel").returncode:
            raise Failure("Building nix expression build(s) requires git version control.\n"
                          "Only git tracked files (including the expressions themselves) will be available during nix "
                          f"expression builds.\n\nExpression build(s):\n  - {package}")
        if git(self.folder, "ls-files", "--error-unmatch", recipe).returncode:
            raise Failure(f"The Nix expression for '{package}' does not appear to be tracked by git.\n"
                          "Only git tracked files (including the expressions themselves) will be available during nix "
                          f"expression builds.\n\nNix expression: '{package}' defined in '{recipe}'")

    def dirty(self):
        return bool(git(self.folder, "status", "--porcelain", "--untracked-files=no").stdout)

    def commit(self):
        return git(self.folder, "rev-parse", "HEAD").stdout.strip()


def attribute_path(parts):
    return ".".join(f'"{part}"' if "." in part else part for part in parts)


class Origin:
    """From which remote the commit to be published can be had: its URL, and the commit's id."""

    def __init__(self, checkout, traits, faults):
        self.checkout = checkout
        self.traits = traits
        self.faults = faults

    def settle(self):
        """(url, commit), or the refusal flox has for the state of the repository."""
        if self.traits["upstream"]:
            self._no_untracked()
        if self.checkout.dirty():
            self._refuse("Build repository must be clean, but has dirty tracked files.")
        commit = self.checkout.commit()
        remote = self._upstream(commit) if self.traits["upstream"] else self._any_remote(commit)
        url = git(self.checkout.folder, "remote", "get-url", remote)
        if url.returncode:
            self._refuse("Unable to get repository status.")
        return url.stdout.strip(), commit

    def _refuse(self, text):
        ending = "" if self.traits["upstream"] else OLD_REQUIREMENTS
        raise Failure("The environment is in an unsupported state for publishing: " + text + ending)

    def _no_untracked(self):
        found = git(self.checkout.folder, "ls-files", "--others", "--exclude-standard", ".flox").stdout.split("\n")
        files = [name for name in found if name]
        if files:
            listed = "\n".join("- " + name for name in files)
            self._refuse("The following environment files are not tracked by git:\n" + listed)

    def _upstream(self, commit):
        folder = self.checkout.folder
        upstream = git(folder, "rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{u}")
        if upstream.returncode:
            branch = git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
            if branch.returncode:
                self._refuse("Repository is in detached HEAD state and has no upstream remote configured.\n"
                             "Check out a branch before publishing: git checkout -b <branch-name>")
            self._refuse(f"Current branch '{branch.stdout.strip()}' has no upstream remote configured.\n"
                         f"Set one with 'git branch --set-upstream-to=<remote>/{branch.stdout.strip()}'")
        remote, slash, branch = upstream.stdout.strip().partition("/")
        if not slash:
            self._refuse("Unable to get repository status.")
        self.faults.at("remote")
        if not self._holds(remote, commit):
            self._refuse(f"Local revision is not present on remote '{remote}/{branch}'.\n"
                         "Push your commits with 'git push'")
        return remote

    def _any_remote(self, commit):
        remotes = git(self.checkout.folder, "remote").stdout.split()
        if not remotes:
            self._refuse("The repository must have at least one remote configured.")
        self.faults.at("remote")
        for remote in sorted(remotes, key=lambda name: name != "origin"):
            if self._holds(remote, commit):
                return remote
        return self._refuse("Current revision not found on any remote repositories.")

    def _holds(self, remote, commit):
        """Asks the remote. An older git answers with the commit and ancestors of it, where flox
        expects the commit alone: any of the lines will do here."""
        answer = git(self.checkout.folder, "fetch", "--negotiate-only", f"--negotiation-tip={commit}", remote)
        if answer.returncode:
            self._refuse(f"Could not access the remote repository: {answer.stderr.strip()}\n"
                         "Check your SSH agent (`ssh-add -l`) or credential configuration.")
        return commit in answer.stdout.split()
