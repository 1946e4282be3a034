#!/usr/bin/env python3
"""Runs a program over a malformed-model corpus and checks every rule of its README.

    python3 make_malformed.py OUT
    python3 check_malformed.py OUT --cmd 'akin embed --model {model} --json'

The program is started once per text. It reads the text from standard input and prints one JSON object:
{"embedding": [...]} with exit status 0, or {"error": {"category": "...", "message": "..."}} with exit status 1 to 99.
Only the standard library is used. Exit status 0 when every case holds.
"""
import argparse, glob, json, math, os, re, resource, shlex, signal, subprocess, sys, tempfile, threading

# The category may also be given by the name of the gRPC code it maps to.
CODES = {"NOT_FOUND": "ModelNotFound", "INVALID_ARGUMENT": "InvalidInput", "FAILED_PRECONDITION": "InvalidModel",
         "DATA_LOSS": "InvalidModel", "UNIMPLEMENTED": "UnsupportedModel", "INTERNAL": "Internal"}

def bad_const(x):
    raise ValueError(f"{x} in JSON")

def run(cmd, model, text, cwd, seconds):
    argv = [a.replace("{model}", model) for a in shlex.split(cmd)]
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    inp = tempfile.TemporaryFile(); inp.write(text.encode()); inp.seek(0)
    p = subprocess.Popen(argv, stdin=inp, stdout=out, stderr=err, cwd=cwd, start_new_session=True,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    late = []
    def kill():
        late.append(1); os.killpg(p.pid, signal.SIGKILL)
    t = threading.Timer(seconds, kill); t.start()
    _, st, ru = os.wait4(p.pid, 0); t.cancel()
    p.returncode = 0
    out.seek(0); err.seek(0)
    return {"late": bool(late), "signal": os.WTERMSIG(st) if os.WIFSIGNALED(st) else 0,
            "rc": os.WEXITSTATUS(st) if os.WIFEXITED(st) else None, "rss": ru.ru_maxrss / 1024,
            "out": out.read().decode("utf-8", "replace"), "err": err.read().decode("utf-8", "replace")}

def judge(c, probe, r, base_rss, kind):
    """Faults of one run; kind is 'probe', 'any' (extra text) or 'fail' (text that must fail)."""
    f = []
    if r["late"]: return [f"no answer in {probe['max_seconds']} s"]
    if r["signal"]: f.append(f"ended by signal {r['signal']}")
    if re.search(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer", r["err"]): f.append("sanitizer report")
    if base_rss and r["rss"] > base_rss + probe["max_rss_growth_mib"]: f.append(f"peak memory {r['rss']:.0f} MiB, valid case {base_rss:.0f}")
    if probe["canary"] in r["out"] + r["err"]: f.append("canary of a file outside the folder in the output")
    if f and r["signal"]: return f
    try:
        j = json.loads(r["out"], parse_constant=bad_const)
    except ValueError as e:
        return f + [f"output is not JSON ({e}); status {r['rc']}"]
    ok = isinstance(j, dict) and isinstance(j.get("embedding"), list)
    if ok:
        v = j["embedding"]
        if r["rc"] != 0: f.append(f"vector with status {r['rc']}")
        if not v or not all(isinstance(x, (int, float)) and math.isfinite(x) for x in v): f.append("vector empty or not finite")
        elif "values" in c:
            if len(v) != c["values"]: f.append(f"{len(v)} values, {c['values']} are due")
        elif kind == "probe" and c["outcome"] == "ok":
            w = probe["embedding"]; n = math.sqrt(sum(x * x for x in v)) * math.sqrt(sum(x * x for x in w))
            cos = sum(a * b for a, b in zip(v, w)) / n if len(v) == len(w) and n else 0
            if cos < probe["min_cosine"]: f.append(f"cosine {cos:.6f} to the expected vector")
        if kind == "fail" or (kind == "probe" and c["outcome"] in ("load_error", "load_or_embed_error")): f.append("gave a vector, an error is due")
        return f
    e = j.get("error") if isinstance(j, dict) else None
    if not isinstance(e, dict) or "category" not in e or "message" not in e: return f + ["neither embedding nor error in the output"]
    m = e["message"]
    if not 1 <= (r["rc"] or 0) <= 99: f.append(f"error with status {r['rc']}")
    if kind == "probe" and c["outcome"] == "ok": return f + [f"refused: {e['category']}: {m[:160]}"]
    allowed = c["category"] + (["Internal", "InvalidInput", "InvalidModel"] if kind != "probe" else [])
    if CODES.get(e["category"], e["category"]) not in allowed: f.append(f"category {e['category']}, allowed {' '.join(c['category'])}: {m[:120]}")
    if len(m) > 2048 or re.search(r"[\x00-\x1f\x7f]", m): f.append("message longer than 2 KiB or with control characters")
    if kind == "probe":
        for want in c["mention"]:
            if not any(x in m for x in want.split("|")): f.append(f"message does not name {want}: {m[:120]}")
    return f

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out"); ap.add_argument("--cmd", required=True); ap.add_argument("--only", default="", help="regular expression on the case")
    ap.add_argument("--skip", default="", help="cases left out, with commas; they are named in the output")
    ap.add_argument("--slow", type=float, default=1.0, help="factor on the time bound, for sanitizer builds")
    a = ap.parse_args()
    root = os.path.abspath(a.out); d = json.load(open(os.path.join(root, "expected.json"))); probe = d["probe"]
    probe["max_seconds"] *= a.slow
    base, wrong, runs = 0.0, 0, 0
    skip = [x for x in a.skip.split(",") if x]
    unknown = set(skip) - {c["id"] for c in d["cases"]}
    if unknown: sys.exit("--skip names no case: " + ", ".join(sorted(unknown)))
    if skip: print(f"SKIPPED {len(skip)} cases: " + " ".join(skip))
    cases = [c for c in d["cases"] if c["id"] not in skip]
    for c in [x for x in cases if x["id"] == "ok-base"] + [x for x in cases if x["id"] != "ok-base" and re.search(a.only, x["id"])]:
        model, faults = os.path.join(root, c["path"]), []
        for kind, text in [("probe", probe["text"])] + [("any", t) for t in c.get("texts", [])] + [("fail", t) for t in c.get("fail_texts", [])]:
            with tempfile.TemporaryDirectory() as cwd:
                r = run(a.cmd, model, text, cwd, probe["max_seconds"]); runs += 1
                faults += judge(c, probe, r, base, kind)
                mark = glob.glob(cwd + "/EXECUTED-*") + glob.glob(glob.escape(os.path.join(root, c["id"])) + "/**/EXECUTED-*", recursive=True)
                faults += [f"code of the folder ran: {os.path.basename(m)}" for m in mark]
                for m in mark: os.unlink(m)
            if c["id"] == "ok-base" and not base: base = r["rss"]
        if faults:
            wrong += 1
            print(f"FAIL {c['id']}: " + "; ".join(dict.fromkeys(faults)))
    print(f"{runs} runs; {wrong} cases wrong")
    sys.exit(1 if wrong else 0)

if __name__ == "__main__":
    main()
