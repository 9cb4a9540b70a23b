#!/usr/bin/env python3
"""docs_commands.py FILE...: the commands in the ```sh and ```console blocks of Markdown files, one JSON object a line.

    {"at": "docs/install.md:31", "how": "run" | "last" | "fails" | "skip", "why": "...", "command": "..."}

A comment right before a block says what is to be done with it; without one its commands are run and must succeed.

    <!-- not run: needs AWS -->        how = skip, with the reason, which may not be empty
    <!-- run last: it uninstalls -->   after all others
    <!-- fails: it is to show why -->  run, must not succeed
"""
import json
import re
import shlex
import sys

MARK = re.compile(r"^\s*<!-- (not run|run last|fails): *(.*?) *-->\s*$")
HOW = {"not run": "skip", "run last": "last", "fails": "fails"}


def complete(text):
    """No open quote, no line that goes on."""
    if text.rstrip().endswith(("\\", "|", "&&")):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def commands(lines, first, console):
    command, begin = "", first
    for number, line in enumerate(lines, first):
        if console and not command:
            if not line.startswith("$ "):
                continue
            line = line[2:]
        if not command and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begin = begin if command else number
        command = command + "\n" + line if command else line
        if complete(command):
            yield begin, command
            command = ""
    if command:
        sys.exit(f"line {begin}: the command does not end: {command}")


def blocks(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    at = 0
    while at < len(lines):
        fence = re.match(r"^\s*```(\w*)\s*$", lines[at])
        if not fence:
            at += 1
            continue
        end = at + 1
        while end < len(lines) and lines[end].strip() != "```":
            end += 1
        mark = MARK.match(lines[at - 1]) if at > 0 else None
        if fence.group(1) in ("sh", "bash", "shell", "console"):
            yield at + 1, lines[at + 1 : end], fence.group(1) == "console", mark
        at = end + 1


for path in sys.argv[1:]:
    for first, lines, console, mark in blocks(path):
        how, why = (HOW[mark.group(1)], mark.group(2)) if mark else ("run", "")
        if how == "skip" and not why:
            sys.exit(f"{path}:{first}: not run, and no reason given")
        for number, command in commands(lines, first + 1, console):
            print(json.dumps({"at": f"{path}:{number}", "how": how, "why": why, "command": command}))
