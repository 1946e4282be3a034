#!/usr/bin/env python3
"""Checks the arrows between the folders: who may include whom.

    check_includes.py [ROOT]

- A folder of src/ includes itself, include/akin, and the folders that its akin_folder(... DEPS ...)
  names.
- include/akin includes nothing but include/akin.
- A header in the parent of several folders (src/backends/backend.h) is their common interface: it
  includes what all of them may, and who may include one of them may include it.
- src/server and src/c_api include nothing of src/ but themselves, src/cli nothing but itself and the
  server: what they miss in the public interface, every user misses.
- src/server/budgets, what clients of every protocol share, includes none of the protocols.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
PUBLIC = "akin"
USERS_OF_THE_PUBLIC_INTERFACE = {
    "server": {"server/budgets", "server/text.h"},
    "server/budgets": {"server/text.h"},
    "server/text.h": set(),
    "cli": {"server", "server/budgets"},
    "c_api": set(),
}


def read_folders(root):
    """-> {folder below src/: set of folders that it may include}"""
    targets, wanted = {}, {}
    for cmake in sorted((root / "src").rglob("CMakeLists.txt")):
        folder = cmake.parent.relative_to(root / "src").as_posix()
        text = re.sub(r"#.*", "", cmake.read_text(encoding="utf-8"))
        for name, arguments in re.findall(r"akin_folder\(\s*(\w+)([^)]*)\)", text):
            targets["akin_" + name] = folder
            words = arguments.split()
            wanted[folder] = words[words.index("DEPS") + 1:] if "DEPS" in words else []
    allowed = {folder: {targets[w] for w in deps if w in targets} for folder, deps in wanted.items()}
    add_interfaces(allowed)
    for folder, others in USERS_OF_THE_PUBLIC_INTERFACE.items():
        allowed[folder] = set(others)
    return allowed


def add_interfaces(allowed):
    """Adds the parents of folders, which hold only an interface, to `allowed`."""
    children = {}
    for folder in allowed:
        if "/" in folder and (parent := folder.rpartition("/")[0]) not in allowed:
            children.setdefault(parent, set()).add(folder)
    for parent, below in children.items():
        for folder, deps in allowed.items():
            if folder in below or deps & below:
                deps.add(parent)
        allowed[parent] = set.intersection(*(allowed[child] for child in below)) - {parent}


def owner(path, folders):
    """The folder that `path`, relative to src/, stands in; the longest one that fits."""
    fitting = [f for f in folders if path == f or path.startswith(f + "/")]
    return max(fitting, key=len, default=None)


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1]


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".h", ".cc"))


def check(root):
    """-> the violations, one line each"""
    found = []
    for path in sources(root / "include"):
        for number, name in includes(path):
            if not name.startswith(PUBLIC + "/"):
                found.append(f'{path.relative_to(root)}:{number}: a public header includes "{name}"')
    allowed = read_folders(root)
    for path in sources(root / "src"):
        here = owner(path.relative_to(root / "src").as_posix(), allowed)
        if here is None:
            found.append(f"{path.relative_to(root)}: stands in no akin_folder")
            continue
        for number, name in includes(path):
            if name.startswith(PUBLIC + "/"):
                continue
            there = owner(name, allowed)
            # A generated header beside its source belongs to no folder and has no slash; the messages of proto/
            # belong to none either.
            generated = there is None and ("/" not in name or name.endswith(".pb.h"))
            if there == here or generated:
                continue
            if there not in allowed[here]:
                found.append(f'{path.relative_to(root)}:{number}: {here} may not include "{name}"')
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = check(root)
    for line in found:
        print(line)
    print(f"{len(found)} includes against the arrows" if found else "every include follows the arrows")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
