#!/usr/bin/env python3
"""Counts the instructions of the hot kernels on fixed inputs, under callgrind, and says what changed.

    tools/count_instructions.py [--program build/release/bench/count_kernels] [--update | --check] [--only WORD]

Prints every case with the recorded count (bench/instruction_counts.txt), the present one and the
change; --update records the present ones, --check (of the tests) fails where they are not the recorded
ones, so that a change of the kernels brings its record with it. Unlike times, counts do not depend on what else the
machine does, but on the compiler, which is recorded with them. Valgrind knows neither AVX-512
nor AVX-VNNI, so the tiers are scalar and avx2; what is shared with theirs (generic/*-inl.h) shows there too.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "bench" / "instruction_counts.txt"
# Large inputs repeat the small ones' loops, and a simulator is fifty times as slow.
F32_CASES = r"f32/(linear/.*/m:(1|14)|attention/length:(14|64)|layer_norm/m:14)"
INTEGER_CASES = r"int(16|8)/(linear/.*/m:(1|14)|quantize/.*/m:14)"
CASES = {"avx2": re.compile(f"{F32_CASES}|{INTEGER_CASES}"), "scalar": re.compile(F32_CASES)}
COUNTED = "AkinCountedCall"
# What may differ from the record: addresses move, and with them a few instructions of alignment.
TOLERANCE = 0.005


class CountError(Exception):
    pass


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def count(program, case, tier):
    """-> instructions of one run of the kernel."""
    done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               f"--toggle-collect={COUNTED}", program, tier, case)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise CountError(f"{case} on {tier}: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")
    if int(found[1]) == 0:
        raise CountError(f"{case} on {tier}: {COUNTED} was never entered")
    return int(found[1])


def cases_of(program, tier):
    listed = run(program, tier)
    if listed.returncode:
        raise CountError(f"{program}: {listed.stderr.strip()}")
    return [c for c in listed.stdout.split() if CASES[tier].fullmatch(c)]


def read_record(path):
    """-> (compiler, {(tier, case): count})"""
    compiler, counts = "", {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
        if line.startswith("# compiler: "):
            compiler = line.removeprefix("# compiler: ")
        elif line and not line.startswith("#"):
            words = line.split()
            if len(words) != 3 or not words[2].isdigit():
                raise CountError(f"{path}, line {number}: expected TIER CASE COUNT, found '{line}'")
            counts[words[0], words[1]] = int(words[2])
    return compiler, counts


def write_record(path, compiler, counts):
    lines = ["# Instructions of one run of each kernel; written by tools/count_instructions.py --update.",
             f"# compiler: {compiler}"]
    lines += [f"{tier} {case} {n}" for (tier, case), n in counts.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compiler_of(program):
    """The compiler that the program's own .comment section names."""
    found = re.search(r"(GCC: \([^)]*\) [\d.]+|clang version [\d.]+)",
                      pathlib.Path(program).read_bytes().decode("latin1"))
    return found[1] if found else "unknown"


def table(old, new):
    """Lines of all cases, changed ones with their ratio."""
    lines = []
    for key, n in new.items():
        before = old.get(key)
        change = "new" if before is None else "" if n == before else f"{n / before - 1:+.2%}"
        lines.append(f"{key[0]:7} {key[1]:36} {before if before is not None else '-':>12} {n:>12}  {change}".rstrip())
    lines += [f"{tier:7} {case:36} {n:>12} {'-':>12}  gone" for (tier, case), n in old.items() if (tier, case) not in new]
    return lines


def unrecorded(old, new):
    """-> the cases whose count is not, within TOLERANCE, the recorded one."""
    return [key for key in [*new, *(k for k in old if k not in new)]
            if key not in old or key not in new or abs(new[key] - old[key]) > TOLERANCE * old[key]]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bench/count_kernels")
    parser.add_argument("--record", type=pathlib.Path, default=RECORD)
    parser.add_argument("--only", default="", help="only cases with this word in their name")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--update", action="store_true", help="record the present counts")
    what.add_argument("--check", action="store_true",
                      help=f"fail where a count is more than {TOLERANCE:.1%} away from the recorded one, and the compiler is the recorded one")
    args = parser.parse_args(argv)
    if not shutil.which("valgrind"):
        sys.exit("count_instructions: valgrind is not installed")
    if not args.program.exists():
        sys.exit(f"count_instructions: {args.program} is not built (./dev build)")
    try:
        compiler, old = read_record(args.record)
        keys = [(tier, case) for tier in CASES for case in cases_of(args.program, tier) if args.only in case]
        new = {key: count(args.program, key[1], key[0]) for key in keys}
        now = compiler_of(args.program)
        if compiler and compiler != now:
            print(f"recorded with {compiler}, built with {now}: other counts are no surprise")
        recorded = {k: v for k, v in old.items() if args.only in k[1]}
        print("\n".join(table(recorded, new)))
        if args.update:
            write_record(args.record, now, {**(old if args.only else {}), **new})
        changed = unrecorded(recorded, new) if args.check and compiler == now else []
        if changed:
            raise CountError(f"{', '.join(f'{case} on {tier}' for tier, case in changed)}: other counts than in {args.record}; "
                             "if that is meant, record them with --update and commit them with the change")
    except CountError as error:
        sys.exit(f"count_instructions: {error}")


if __name__ == "__main__":
    main()
