#!/usr/bin/env python3
"""Memory, threads and descriptors of the server after many loads and unloads of models, beside those after the first tenth.

    model_soak.py --akin PROGRAM --model FOLDER --other FOLDER [--loads 1000]

Two models of which one fits (--max-loaded-models 1), asked for in turn: each request loads one and lets go of the other. Every
answer is compared with the model's first. Memory is compared while FOLDER is loaded; of a small model alone 2 % are less than
what the allocator gives back or keeps.
"""
import argparse
import time

import soak


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", required=True)
    parser.add_argument("--loads", type=int, default=1000)
    arguments = soak.parse(parser)
    arguments.loads = max(20, arguments.loads // 2 * 2)
    failures, expected, early = [], {}, None
    begin = time.monotonic()
    with soak.server("--lazy", "--max-loaded-models", "1",
                     models=["model=" + arguments.model, "other=" + arguments.other]) as server:
        for number in range(arguments.loads):
            if number == arguments.loads // 20 * 2:  # The same model is loaded as at the end.
                early = soak.Use(server)
            name = ("other", "model")[number % 2]
            status, answer = server.post_json("/v1/embeddings", {"input": "a text", "model": name})
            if status != 200 or answer["data"] != expected.setdefault(name, answer["data"]):
                failures.append(f"load {number} of '{name}' is answered with {status}, or with another vector")
        loaded = server.metric("akin_models_loaded")
        if loaded != 1:
            failures.append(f"{loaded:.0f} models are loaded, expected 1")
        late = soak.Use(server)
    if expected["model"] == expected["other"]:
        failures.append("both models give the same vector: one of them was never loaded")
    seconds = time.monotonic() - begin
    soak.end(soak.compare(f"{arguments.loads} loads of models, {seconds:.0f} s", early, late) + failures)


if __name__ == "__main__":
    main()
