#!/usr/bin/env python3
"""Reads the grapheme cluster break classes out of the reference (PyPI `tokenizers` 0.23.3).

  probe_grapheme_breaks.py OUT.json.gz

The reference shows clusters in one place only: its Precompiled normalizer replaces a cluster of less
than six bytes as a whole, and the characters of a longer one alone. With a charsmap that turns every
byte, and so every such cluster, into one Z, the number of Zs tells where a short text was cut. The
output holds inclusive ranges of code points by class; make_unicode_tables.py reads it.
"""
import gzip
import json
import struct
import sys

from tokenizers import normalizers

# LF parts the texts, CR would join it, and the trie's search ends at NUL.
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c not in (0, 0x0A, 0x0D)]


def charsmap():
    """A darts-clone trie in which every byte but NUL and LF is a key."""
    units = [0] * 1024
    units[0] = 256 << 10  # The root's children begin at 256,
    for byte in range(1, 256):
        if byte != 0x0A:
            units[256 + byte] = byte | 1 << 8 | 512 << 10  # and their leaves at 768.
    data = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"Z\0"
    return data


NORMALIZER = normalizers.Precompiled(charsmap())


def count(texts):
    """The number of Zs of each text; LF, which always breaks, stands between them."""
    lines = NORMALIZER.normalize_str("\n".join(texts)).split("\n")
    return [line.count("Z") for line in lines]


def where(before, after, zs):
    """Code points c for which `before` c `after` gives `zs` Zs."""
    found = set()
    for i in range(0, len(ALL), 50000):
        part = ALL[i:i + 50000]
        counts = count([before + chr(c) + after for c in part])
        found |= {c for c, n in zip(part, counts) if n == zs}
    return found


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def main(file):
    pictograph, ka, virama, zwj, mark = "\u00a9", "\u0915", "\u094d", "\u200d", "\u0300"
    join = where("a", "", 1)
    prepend = where("", "a", 1) - join
    to_lead, to_vowel, to_trail = (
        where("", c + mark, 3) - prepend for c in ("\u1100", "\u1161", "\u11a8"))
    after_vowel = where("\u1161", mark, 3) & (to_vowel | to_trail)
    extend = (where(pictograph, zwj + pictograph + mark, 5) & join) - {ord(zwj)}
    linker = where(ka, ka + mark, 4) & join
    classes = {
        "Control": where("", mark + mark, 2) - join | {0},
        "Prepend": prepend,
        "L": to_lead,
        "V": (to_vowel - to_lead) & after_vowel,
        "LV": to_vowel - to_lead - after_vowel,
        "T": (to_trail - to_vowel) & after_vowel,
        "LVT": to_trail - to_vowel - after_vowel,
        "SpacingMark": join - extend - {ord(zwj)},
        "Extend": extend,
        "ExtendedPictographic": where(pictograph + zwj, "", 3) - join,
        "ConjunctLinker": linker,
        "ConjunctExtend": (where(ka, virama + ka + mark, 5) & join) - linker - {ord(zwj)},
        "ConjunctConsonant": where("", virama + ka + mark, 4),
    }
    with gzip.GzipFile(file, "wb", mtime=0) as out:
        out.write(json.dumps({k: ranges(v) for k, v in classes.items()}).encode())
    print({k: len(v) for k, v in classes.items()})


if __name__ == "__main__":
    main(sys.argv[1])
