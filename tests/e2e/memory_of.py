#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memory_of.py PID: copies what lies in the memory of a process to standard output; as root.

Pages that cannot be read (the kernel's own, gone meanwhile) are left out."""
import sys

pid = sys.argv[1]
with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps:
        span, rights, *_ = line.split()
        if "r" not in rights:
            continue
        first, last = (int(part, 16) for part in span.split("-"))
        try:
            memory.seek(first)
            sys.stdout.buffer.write(memory.read(last - first))
        except (OSError, ValueError, OverflowError):
            continue
