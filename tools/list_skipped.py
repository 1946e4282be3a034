#!/usr/bin/env python3
"""Says which tests of a ctest run were skipped and why, from the JUnit file that ctest wrote."""
import re
import sys
import xml.etree.ElementTree as ElementTree


def reason(case):
    """The last line that a skipped test printed about itself."""
    output = case.findtext("system-out") or ""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # GoogleTest prints "FILE:LINE: Skipped", then the message; our scripts print "SKIPPED: why".
    for i, line in enumerate(lines):
        if line.startswith("SKIPPED: "):
            return line.removeprefix("SKIPPED: ")
        if re.search(r": Skipped$", line) and i + 1 < len(lines):
            return lines[i + 1]
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else "") or "no reason given"


def main():
    cases = ElementTree.parse(sys.argv[1]).getroot().iter("testcase")
    skipped = [case for case in cases if case.find("skipped") is not None]
    if not skipped:
        print("Skipped tests: none")
        return
    print(f"Skipped tests: {len(skipped)}")
    for case in skipped:
        print(f"  {case.get('name')}: {reason(case)}")


if __name__ == "__main__":
    main()
