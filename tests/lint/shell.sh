#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shell.sh - shellcheck finds nothing in our scripts.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need shellcheck

mapfile -t scripts < <(shell_files | sort -u)
findings < <(shellcheck --format=gcc "${scripts[@]}" || true)
verdict
