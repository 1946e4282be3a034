"""The batch sizes with which a peer is fastest on this machine.

They differ by CPU and by peer (4 to 16 passages or 16 to 64 short texts a batch), so they are measured
once: three settings of every peer, interleaved, on parts of W4 and W5. The best of each workload is
kept in settings.json under the CPU's name and the peers' code, and used from then on.
"""
import json
import pathlib
import statistics

from peer_families import FAMILIES, HERE, fingerprint, say

SETTINGS = {"a": {"batch": 16, "batch_long": 4}, "b": {"batch": 32, "batch_long": 8},
            "c": {"batch": 64, "batch_long": 16}}
PACKS = {"a": {"pack": 64}, "b": {"pack": 128}, "c": {"pack": 256}}
LIMIT = "W4=500,W5=60"
ROUNDS = 2


def variants(preset):
    return PACKS if preset.startswith("llama") else SETTINGS


def best(preset, rounds):
    """`rounds` {variant: {workload: seconds}} -> {option: value}: W4 decides the size of batches of short
    texts, W5 all else."""
    def fastest(workload):
        return min(rounds, key=lambda v: rounds[v].get(workload, float("inf")))
    return {option: variants(preset)[fastest("W4" if option == "batch" else "W5")][option]
            for option in variants(preset)["a"]}


def arguments(name, options):
    return [word for option, value in options.items() for word in ("--set", f"{name}.{option}={value}")]


def medians(raw, preset):
    """{variant: {workload: median seconds}} of what could be measured."""
    out = {}
    for v in variants(preset):
        measured = raw["peers"].get(f"{preset}@{v}", {})
        out[v] = {w: statistics.median(s for r in measured[w]["rounds"] for s in r)
                  for w in ("W4", "W5") if measured.get(w, {}).get("rounds")}
    return out


def find_best(presets, measure):
    """{preset: its best settings} of those that could be measured; `measure(arguments)` as below."""
    command = ["--peers", ",".join(f"{p}@{v}" for p in presets for v in variants(p)), "--workloads", "W4,W5",
               "--rounds", ROUNDS, "--limit", LIMIT]
    for p in presets:
        for v, options in variants(p).items():
            command += arguments(f"{p}@{v}", options)
    raw = measure(command)
    measured = {p: medians(raw, p) for p in presets}
    return {p: best(p, rounds) for p, rounds in measured.items() if any(rounds.values())}


def by_family(presets):
    """[[presets of one program]]: they are looked at one program at a time, which bounds the memory."""
    return [mine for family in FAMILIES.values() if (mine := [p for p in presets if p in family.peers])]


def tuned(presets, cpu, work, measure, again=False):
    """-> run.py's arguments for `presets` at their best settings. `measure(arguments)` runs run.py and
    gives its raw results. What was found is kept after each program, so that an interrupted search goes on."""
    path = pathlib.Path(work) / "settings.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    key = f"{cpu} {fingerprint(HERE / 'backends.py')}"
    mine = known.setdefault(key, {})
    for group in by_family([p for p in presets if again or p not in mine]):
        say(f"looking for the best settings of {', '.join(group)} (a minute, once)")
        mine.update(find_best(group, measure))
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return [word for p in presets if p in mine for word in arguments(p, mine[p])]
