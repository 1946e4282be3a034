#!/usr/bin/env python3
"""Writes tools/data/unicode-properties.json.gz: what the reference tokenizer (Hugging Face
`tokenizers` 0.23.3) knows about characters in regular expressions and in UnicodeScripts.

  read_unicode_properties.py

Needs the package; make_unicode_tables.py reads the result. "regex" holds, for every name that
Oniguruma takes in \\p{..}, inclusive ranges of code points; "scripts" holds [first, last, class],
where two characters have the same class when UnicodeScripts does not cut between them, and class 0
is what it never cuts at.
"""
import gzip
import json
import pathlib

from tokenizers import Regex, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parent / "data/unicode-properties.json.gz"
CATEGORIES = """C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps
S Sc Sk Sm So Z Zl Zp Zs""".split()
POSIX = "Alnum Alpha Blank Cntrl Digit Graph Lower Print Punct Space Upper XDigit Word ASCII".split()
SCRIPTS = """Arabic Armenian Bengali Bopomofo Braille Canadian_Aboriginal Cherokee Common Coptic
Cyrillic Devanagari Ethiopic Georgian Gothic Greek Gujarati Gurmukhi Han Hangul Hebrew Hiragana
Inherited Javanese Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Nko Ogham Oriya Runic
Sinhala Syriac Tamil Telugu Thaana Thai Tibetan Tifinagh Yi""".split()
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ALL = "".join(map(chr, SCALARS))


def ranges(characters):
    result = []
    for c in characters:
        if result and (result[-1][1] + 1 == c or (result[-1][1] == 0xD7FF and c == 0xE000)):
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def matches(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [ord(c) for piece, _ in split.pre_tokenize_str(ALL) for c in piece]


def scripts():
    cutter = pre_tokenizers.UnicodeScripts()

    def pieces(text):
        return [t for t, _ in cutter.pre_tokenize_str(text)]

    runs, known, position = [], [], 0
    for text in pieces("a" + ALL)[0:]:
        runs.append(text)
    runs[0] = runs[0][1:]  # The leading "a".
    result = []
    for run in runs:
        for first, last, never_cut in split_never_cut(run, pieces):
            if never_cut:
                result.append([first, last, 0])
                continue
            c = chr(first)
            found = next((i for i, k in enumerate(known) if len(pieces(k + c)) == 1), None)
            if found is None:
                known.append(c)
                found = len(known) - 1
            result.append([first, last, found + 1])
    return result


def split_never_cut(run, pieces):
    """Parts [first, last, never cut] of a run of characters that are not cut from each other."""
    parts = []
    for c in run:
        never = len(pieces("a" + c + "a")) == 1 and len(pieces("\u042f" + c + "\u042f")) == 1
        code = ord(c)
        if parts and parts[-1][2] == never and parts[-1][1] + 1 == code:
            parts[-1][1] = code
        else:
            parts.append([code, code, never])
    return parts


def main():
    names = CATEGORIES + POSIX + SCRIPTS
    data = {
        "reference": "tokenizers 0.23.3",
        "regex": {name: ranges(matches(rf"\p{{{name}}}+")) for name in names},
        "scripts": scripts(),
    }
    with gzip.GzipFile(OUT, "wb", mtime=0) as f:
        f.write(json.dumps(data, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
