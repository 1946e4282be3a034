#!/usr/bin/env python3
"""libakin_c exports what akin/c.h declares and nothing else."""
import argparse
import re
import shutil
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--library", required=True)
parser.add_argument("--header", required=True)
arguments = parser.parse_args()
if not shutil.which("nm"):
    print("SKIPPED: there is no nm")
    sys.exit(77)
table = subprocess.run(["nm", "--dynamic", "--defined-only", arguments.library], capture_output=True, text=True, check=True).stdout
exported = {line.split()[-1].split("@")[0] for line in table.splitlines()} - {"AKIN_0"}
with open(arguments.header, encoding="utf-8") as header:
    declared = set(re.findall(r"^AKIN_C_API .*?(akin_\w+)\(", header.read(), re.MULTILINE))
assert len(declared) >= 10, declared
print("only exported:", sorted(exported - declared), "only declared:", sorted(declared - exported))
sys.exit(exported != declared)
