#!/usr/bin/env python3
"""Ends a ctest run: which tests were skipped and why, what passing tests left out, then
"N passed, N failed" on a line of its own.

Reads the JUnit file that `ctest --output-junit` wrote. ctest's own summary counts a skipped test as
passed.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def reason(case):
    """What a skipped test said of itself."""
    output = case.findtext("system-out") or ""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if line.startswith("SKIPPED: "):  # Our scripts.
            return line.removeprefix("SKIPPED: ")
        if re.search(r": Skipped$", line) and i + 1 < len(lines):  # GoogleTest: "FILE:LINE: Skipped".
            return lines[i + 1]
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else None) or "no reason given"


def left_out(case):
    """What a test that passed did not run: its lines "SKIPPED what". (ctest keeps the first kilobytes.)"""
    output = case.findtext("system-out") or ""
    return [line.removeprefix("SKIPPED ") for line in output.splitlines() if line.startswith("SKIPPED ")]


def shorten(text, width=160):
    return text if len(text) <= width else text[:width] + " ..."


def summarize(root):
    cases = list(root.iter("testcase"))
    skipped = [case for case in cases if case.find("skipped") is not None]
    failed = [case for case in cases if case.find("failure") is not None]
    lines = [f"Skipped tests: {len(skipped) or 'none'}"]
    lines += [f"  {case.get('name')}: {reason(case)}" for case in skipped]
    for case in cases:
        if case not in skipped:
            lines += [f"  in {case.get('name')}: {shorten(text)}" for text in left_out(case)]
    lines += [f"FAILED: {case.get('name')}" for case in failed]
    lines += [f"{len(cases) - len(skipped) - len(failed)} passed, {len(failed)} failed"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(summarize(ElementTree.parse(sys.argv[1]).getroot()))
