#!/usr/bin/env python3
"""Writes a corpus of broken (and a few unusual but valid) model folders, the same bytes on every run.

    python3 make_malformed.py OUT            # OUT/<case>/model/..., OUT/expected.json
    python3 make_malformed.py OUT --readme README.md

Only the standard library is used. Everything is derived from a tiny BERT built here; nothing is downloaded.
"""
import argparse, copy, hashlib, json, math, os, shutil, struct, sys

# ----------------------------------------------------------------- values ---
def splitmix(n, seed):
    """n 64-bit values; depends on nothing but n and seed."""
    mask, out = 2**64 - 1, []
    for i in range(1, n + 1):
        z = (i * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) & mask
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        out.append(z ^ (z >> 31))
    return out

# safetensors dtype -> struct code
CODE = {"F32": "f", "F16": "e", "I64": "q", "BOOL": "?"}

class Tensor:
    """A row-major tensor: a flat list of numbers, their type and shape."""
    def __init__(self, shape, values, dtype="F32"):
        self.shape, self.values, self.dtype = list(shape), list(values), dtype
        assert len(self.values) == math.prod(self.shape)
    def bytes(self):
        return struct.pack("<%d%s" % (len(self.values), CODE[self.dtype]), *self.values)
    def rows(self):
        n = self.shape[-1]
        return [self.values[i:i + n] for i in range(0, len(self.values), n)]
    def transposed(self):
        return Tensor(self.shape[::-1], [x for column in zip(*self.rows()) for x in column], self.dtype)
    def first_rows(self, n):
        return Tensor([n] + self.shape[1:], self.values[:n * math.prod(self.shape[1:])], self.dtype)
    def positive(self):
        return Tensor(self.shape, [x > 0 for x in self.values], "BOOL")

def f32(x):
    """x rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", x))[0]

def randn(shape, seed, scale):
    n = math.prod(shape)
    u = [(z >> 40) / 2.0**24 for z in splitmix(4 * n, seed)]
    return Tensor(shape, [f32((u[i] + u[n + i] + u[2 * n + i] + u[3 * n + i] - 2.0) * math.sqrt(3.0) * scale)
                          for i in range(n)])

# ------------------------------------------------------------- tiny BERT ---
class Tiny:
    def __init__(self, hidden, layers, heads, inter, maxpos, seed):
        self.h, self.l, self.a, self.i, self.p, self.seed = hidden, layers, heads, inter, maxpos, seed
        self.made = None
        words = ["hello", "world", "the", "cat", "sat", "mat", "on", "a1", "##ing", "##s", "##ed"]
        az = [chr(c) for c in range(97, 123)]
        self.vocab = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + az + ["##" + c for c in az]
                      + list("0123456789.,!?-") + words)
        self.v = len(self.vocab)

    def config(self):
        return {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": self.h,
                "num_hidden_layers": self.l, "num_attention_heads": self.a, "intermediate_size": self.i,
                "max_position_embeddings": self.p, "type_vocab_size": 2, "vocab_size": self.v,
                "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
                "position_embedding_type": "absolute", "torch_dtype": "float32"}

    def tensors(self):
        """name -> Tensor; copies, for edits."""
        if self.made is None: self.made = self.make_tensors()
        return copy.deepcopy(self.made)

    def make_tensors(self):
        H, I, s, t = self.h, self.i, [self.seed * 1000], {}
        def w(name, *shape, scale=0.25):
            s[0] += 1; t[name] = randn(shape, s[0], scale)
        def ln(name):
            w(name + ".weight", H, scale=0.05)
            t[name + ".weight"].values = [f32(x + 1.0) for x in t[name + ".weight"].values]
            w(name + ".bias", H, scale=0.05)
        w("embeddings.word_embeddings.weight", self.v, H, scale=1.0)
        w("embeddings.position_embeddings.weight", self.p, H, scale=0.3)
        w("embeddings.token_type_embeddings.weight", 2, H, scale=0.3)
        ln("embeddings.LayerNorm")
        for k in range(self.l):
            b = f"encoder.layer.{k}."
            for n in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
                w(b + n + ".weight", H, H); w(b + n + ".bias", H, scale=0.05)
            ln(b + "attention.output.LayerNorm")
            w(b + "intermediate.dense.weight", I, H); w(b + "intermediate.dense.bias", I, scale=0.05)
            w(b + "output.dense.weight", H, I); w(b + "output.dense.bias", H, scale=0.05)
            ln(b + "output.LayerNorm")
        return t

    def tokenizer(self):
        sp = lambda i, c: {"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False,
                           "normalized": False, "special": True}
        return {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": [sp(i, c) for i, c in enumerate(self.vocab[:5])],
                "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                               "strip_accents": None, "lowercase": True},
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "post_processor": {"type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                               {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                             {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                             {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
                    "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("[CLS]", 2), ("[SEP]", 3))}},
                "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
                "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                          "max_input_chars_per_word": 100, "vocab": {t: i for i, t in enumerate(self.vocab)}}}

    def pooling(self):
        return {"word_embedding_dimension": self.h, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
                "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}

    def modules(self):
        m = "sentence_transformers.models."
        return [{"idx": 0, "name": "0", "path": "", "type": m + "Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": m + "Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": m + "Normalize"}]

    def forward(self, ids):
        """float64 mean-pooled, L2-normalised embedding of one sequence of token ids."""
        t = self.tensors()
        dot = lambda a, b: math.fsum(x * y for x, y in zip(a, b))
        add = lambda a, b: [[x + y for x, y in zip(r, s)] for r, s in zip(a, b)]
        def ln(rows, n):
            w, b, out = t[n + ".weight"].values, t[n + ".bias"].values, []
            for r in rows:
                mean = math.fsum(r) / len(r); d = [x - mean for x in r]
                s = math.sqrt(dot(d, d) / len(d) + 1e-12)
                out.append([x / s * y + z for x, y, z in zip(d, w, b)])
            return out
        def lin(rows, n):
            w, b = t[n + ".weight"].rows(), t[n + ".bias"].values
            return [[dot(r, w[i]) + b[i] for i in range(len(b))] for r in rows]
        def attend(query, keys, values):
            s = [dot(query, k) / math.sqrt(len(query)) for k in keys]
            e = [math.exp(x - max(s)) for x in s]
            return [dot(e, c) / math.fsum(e) for c in zip(*values)]
        word, position, kind = (t["embeddings." + n + "_embeddings.weight"].rows() for n in ("word", "position", "token_type"))
        x = ln([[a + b + c for a, b, c in zip(word[i], position[k], kind[0])] for k, i in enumerate(ids)], "embeddings.LayerNorm")
        d = self.h // self.a
        for k in range(self.l):
            b = f"encoder.layer.{k}."
            q, kk, v = (lin(x, b + "attention.self." + n) for n in ("query", "key", "value"))
            head = lambda rows, i: [r[i * d:(i + 1) * d] for r in rows]
            c = [[y for i in range(self.a) for y in attend(head(q, i)[row], head(kk, i), head(v, i))] for row in range(len(ids))]
            x = ln(add(x, lin(c, b + "attention.output.dense")), b + "attention.output.LayerNorm")
            y = [[g * 0.5 * (1 + math.erf(g / math.sqrt(2))) for g in r] for r in lin(x, b + "intermediate.dense")]
            x = ln(add(x, lin(y, b + "output.dense")), b + "output.LayerNorm")
        e = [math.fsum(c) / len(x) for c in zip(*x)]
        return [z / math.sqrt(dot(e, e)) for z in e]

# ---------------------------------------------------------- safetensors ---
def layout(tensors):
    """[(name, dtype, shape, begin, end, bytes)] without holes, in the order given."""
    out, pos = [], 0
    for n, a in tensors.items():
        b = a.bytes()
        out.append([n, a.dtype, list(a.shape), pos, pos + len(b), b]); pos += len(b)
    return out

def header(rows, meta=None):
    h = {"__metadata__": meta} if meta is not None else {}
    for n, d, s, b, e, _ in rows:
        h[n] = {"dtype": d, "shape": s, "data_offsets": [b, e]}
    return h

def pack(hdr, data, n=None):
    """hdr: dict or bytes; n overrides the length prefix."""
    h = hdr if isinstance(hdr, bytes) else json.dumps(hdr, separators=(",", ":")).encode()
    return struct.pack("<Q", (len(h) if n is None else n) & (2**64 - 1)) + h + data

def body(rows):
    return b"".join(r[5] for r in rows)

def st(tensors, meta=None):
    r = layout(tensors)
    return pack(header(r, meta), body(r))

def js(x):
    return (json.dumps(x, indent=1, ensure_ascii=False) + "\n").encode()

# --------------------------------------------------------- special files ---
class Link:                      # symbolic link
    def __init__(self, to): self.to = to
class Hard:                      # hard link to another file of the case
    def __init__(self, to): self.to = to
class Fifo: pass
class Dir: pass
class Sparse:                    # prefix, then a hole up to size
    def __init__(self, size, prefix=b""): self.size, self.prefix = size, prefix

def write_tree(root, files):
    later = []
    for rel, v in files.items():
        p = os.path.join(root, rel)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        if isinstance(v, bytes):
            with open(p, "wb") as f: f.write(v)
        elif isinstance(v, Sparse):
            with open(p, "wb") as f: f.write(v.prefix); f.truncate(v.size)
        elif isinstance(v, Fifo): os.mkfifo(p)
        elif isinstance(v, Dir): os.makedirs(p, exist_ok=True)
        else: later.append((p, v))
    for p, v in later:
        if isinstance(v, Link): os.symlink(v.to, p)
        else: os.link(os.path.join(root, v.to), p)

def digest(root):
    h = hashlib.sha256()
    for d, dirs, names in os.walk(root):
        dirs.sort()
        for n in sorted(names + [x for x in dirs if os.path.islink(os.path.join(d, x))]):
            p = os.path.join(d, n); rel = os.path.relpath(p, root).encode()
            if os.path.islink(p): c = b"L" + os.readlink(p).encode()
            elif not os.path.isfile(p): c = b"P"
            elif os.path.getsize(p) > 32 << 20: c = b"S%d" % os.path.getsize(p)
            else: c = b"F" + hashlib.sha256(open(p, "rb").read()).digest()
            h.update(struct.pack("<I", len(rel)) + rel + struct.pack("<I", len(c)) + c)
    return h.hexdigest()

# ----------------------------------------------------------------- cases ---
CASES = []
SECRET = b"AKIN-CANARY-7f3c9d do not print this line\n"

class Case:
    def __init__(self, id, outcome, category, mention, why, ref=""):
        self.id, self.outcome, self.category, self.mention, self.why, self.ref = id, outcome, category, mention, why, ref
        self.files, self.path, self.texts, self.fail_texts = {}, "model", [], []

def base_files(tiny):
    f = {"config.json": js(tiny.config()), "tokenizer.json": js(tiny.tokenizer()),
         "tokenizer_config.json": js({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": tiny.p,
                                      "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]",
                                      "sep_token": "[SEP]", "mask_token": "[MASK]"}),
         "vocab.txt": ("\n".join(tiny.vocab) + "\n").encode(), "modules.json": js(tiny.modules()),
         "1_Pooling/config.json": js(tiny.pooling()),
         "sentence_bert_config.json": js({"max_seq_length": tiny.p, "do_lower_case": False})}
    f["model.safetensors"] = st(tiny.tensors(), {"format": "pt"})
    return f

E, EE, OK, ANY = "load_error", "load_or_embed_error", "ok", "ok_or_error"
NF, IM, UN, II, IN = "ModelNotFound", "InvalidModel", "UnsupportedModel", "InvalidInput", "Internal"

def case(id, outcome, category, why, ref="", mention=(), tiny=None, **edits):
    """A case = the valid base with files replaced (bytes / special) or removed (None).
    Keys of edits: the path with '__' for '/', '_DOT_' for '.'; or give files={path: value}."""
    c = Case(id, outcome, [category] if isinstance(category, str) else list(category), list(mention), why, ref)
    f = base_files(tiny or T)
    for k, v in edits.get("files", {}).items():
        if v is None: f.pop(k, None)
        else: f[k] = v
    c.files = {"model/" + k: v for k, v in f.items()}
    c.files.update(edits.get("outside", {}))
    c.path = edits.get("path", "model")
    c.texts, c.fail_texts = edits.get("texts", []), edits.get("fail_texts", [])
    c.values = edits.get("values")  # Values in a vector, where it is not the probe's.
    CASES.append(c)
    return c

def cfg(**kw):
    d = T.config(); d.update(kw); return js(d)

def tok(edit):
    d = T.tokenizer(); edit(d); return js(d)

def rows(edit=None):
    r = layout(T.tensors())
    if edit: edit(r)
    return r

def find(r, name):
    return next(x for x in r if x[0] == name)

def hdr_edit(edit):
    """safetensors file whose header dict was changed by edit(dict) while the data stay as they are."""
    r = rows(); h = header(r, {"format": "pt"}); edit(h); return pack(h, body(r))

def weights(edit):
    t = T.tensors(); edit(t); return st(t, {"format": "pt"})

WE, PE = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
Q0 = "encoder.layer.0.attention.self.query.weight"
T = Tiny(hidden=32, layers=1, heads=4, inter=64, maxpos=64, seed=11)
PROBE = "hello world the cat"
PROBE_IDS = [2] + [T.vocab.index(w) for w in PROBE.split()] + [3]
TITLE = "# Malformed model corpus"
INTRO = """
Written by `make_malformed.py OUT --readme README.md`; the bytes are the same on every run. Each case is a folder
`OUT/<case>/`; `OUT/expected.json` has the path to load, the outcome and the categories allowed. Outcomes:

- `load_error`: loading fails with one of the categories; nothing is embedded.
- `load_or_embed_error`: loading may succeed, but embedding the probe text then fails; never a vector.
- `ok`: loads; the probe text gives the probe vector (cosine >= 0.9999). These guard against refusing valid models.
- `ok_or_error`: either of the above, within the time and memory bounds.

For every case, in every outcome: no signal, no sanitizer report, no hang (2 s), peak memory at most 96 MiB above that
of the valid case, no NaN or Inf in any vector, the process serves a valid model afterwards, the message names the file
(and the key or tensor where the table says so), and no message, log line or response contains the canary of files
outside the model folder. No marker named `EXECUTED-*` appears anywhere.

Categories: `ModelNotFound` (the folder or a needed file is not there), `InvalidModel` (there, but broken or
contradictory), `UnsupportedModel` (well-formed, outside what is implemented), `InvalidInput` (the request is wrong),
`Internal` (a fault while embedding; used only where the table allows it). As gRPC codes: NOT_FOUND, FAILED_PRECONDITION
or DATA_LOSS, UNIMPLEMENTED, INVALID_ARGUMENT, INTERNAL; the checker takes either name.

In `mention`, `a|b` means one of the two suffices. `check_malformed.py OUT --cmd '...'` starts a program on every case and
checks all of the above (its help text gives the protocol); run it on the plain and on the sanitizer build (`--slow 10`).
`texts` and `fail_texts` are further inputs: the first must give a finite vector or an error, the second an error.

`run_malformed.py` does both for `ctest -R malformed_models`, and names the cases that it leaves out.

`hub_ids.json`, `hub_listings.json` and `requests.json` hold bad hub ids, bad file names a hub may list, and bad bodies
for `POST /v1/embeddings` with the status expected.
"""
SF = ["model.safetensors"]

# -- controls: valid, must load ------------------------------------------------
case("ok-base", OK, (), "the unmodified folder", texts=["", " ", "\u0000", "\u2603" * 500, "cat " * 5000, "x" * 100_000, "a\u0301\u200d\U0001f600"])
case("ok-header-space-padding", OK, (), "header padded with trailing spaces, as writers do to align data", files={
    "model.safetensors": (lambda r: pack(json.dumps(header(r)).encode() + b" " * 37, body(r)))(rows())})
case("ok-header-order", OK, (), "header lists the tensors in another order than the data", files={
    "model.safetensors": (lambda r: pack(dict(sorted(header(r).items(), reverse=True)), body(r)))(rows())})
case("ok-extra-tensors", OK, (), "unused tensors (pooler, position_ids as I64, an empty one)", files={
    "model.safetensors": weights(lambda t: t.update({"pooler.dense.weight": Tensor([32, 32], [0.0] * 1024),
        "embeddings.position_ids": Tensor([1, 64], range(64), "I64"), "unused": Tensor([0, 7], [])}))})
case("ok-prefix", OK, (), "tensor names carry the prefix `bert.`", files={
    "model.safetensors": st({"bert." + k: v for k, v in T.tensors().items()})})
case("ok-config-extra-keys", OK, (), "unknown keys, nested objects and nulls in config.json", files={
    "config.json": cfg(_name_or_path=None, id2label={"0": "x"}, transformers_version="9.9", future={"a": [1, {"b": None}]})})
case("ok-hub-cache-links", OK, (), "hub cache layout: every file of the snapshot is a link into ../../blobs",
     path="repo/snapshots/0123abcd", files={k: None for k in base_files(T)},
     outside={**{"repo/blobs/b%02d" % i: v for i, (k, v) in enumerate(sorted(base_files(T).items()))},
              **{"repo/snapshots/0123abcd/" + k: Link("../" * (k.count("/") + 2) + "blobs/b%02d" % i)
                 for i, (k, v) in enumerate(sorted(base_files(T).items()))}})
def _shards(wm=None, a=None, b=None):
    t = T.tensors(); k = sorted(t); h = len(k) // 2
    A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    m = {**{x: A for x in k[:h]}, **{x: B for x in k[h:]}}; m.update(wm or {})
    return {"model.safetensors": None, A: st({x: t[x] for x in k[:h]}) if a is None else a,
            B: st({x: t[x] for x in k[h:]}) if b is None else b,
            "model.safetensors.index.json": js({"metadata": {"total_size": 1}, "weight_map": m})}
case("ok-sharded", OK, (), "two shards and an index", files=_shards())
# -- safetensors -----------------------------------------------------------------
case("st-empty", E, IM, "0 bytes", mention=SF, files={"model.safetensors": b""})
case("st-seven-bytes", E, IM, "shorter than the length prefix", mention=SF, files={"model.safetensors": b"\x10\0\0\0\0\0\0"})
case("st-len-top-bit", E, IM, "header length 2^63: must not size an allocation", "safetensors tensor.rs HeaderTooLarge",
     SF, files={"model.safetensors": pack(b"{}", b"", n=2**63)})
case("st-len-past-end", E, IM, "header length one more than the file holds", "InvalidHeaderLength", SF,
     files={"model.safetensors": (lambda d: struct.pack("<Q", len(d) - 8 + 1) + d[8:])(st(T.tensors()))})
case("st-len-over-limit", E, IM, "header of 100,000,001 bytes (sparse file)", "MAX_HEADER_SIZE = 100,000,000", SF,
     files={"model.safetensors": Sparse(100_000_009 + 64, struct.pack("<Q", 100_000_001) + b"{")})
case("st-not-utf8", E, IM, "header is not UTF-8", "InvalidHeader", SF, files={"model.safetensors": pack(b'{"\xff\xfe":1}', b"")})
case("st-json-cut", E, IM, "header JSON ends early", mention=SF, files={
    "model.safetensors": (lambda r: pack(json.dumps(header(r)).encode()[:-9], body(r)))(rows())})
case("st-root-array", E, IM, "header is a JSON array", mention=SF, files={"model.safetensors": pack(b"[]", b"")})
case("st-leading-space", E, IM, "header begins with a space; the format says it must begin with `{` (the Rust reader lets it pass)", "format README", SF,
     files={"model.safetensors": (lambda r: pack(b" " + json.dumps(header(r)).encode(), body(r)))(rows())})
case("st-duplicate-name", E, IM, "one tensor name twice with different ranges: two readers see two models (the Rust reader lets it pass)", "TOB-SFTN-7", SF + [PE],
     files={"model.safetensors": (lambda r: (lambda h, x, y: pack(h[:-1] + b"," + json.dumps(PE).encode() + b":" + json.dumps(
         {"dtype": "F32", "shape": y[2], "data_offsets": [y[3], y[4]]}).encode() + b"}", body(r)))(
         json.dumps(header(r)).encode(), find(r, WE), find(r, PE)))(rows(lambda r: None))})
case("st-overlap", E, IM, "a tensor begins inside the one before it", "InvalidOffset", SF + [PE], files={
    "model.safetensors": hdr_edit(lambda h: h[PE]["data_offsets"].__setitem__(0, h[PE]["data_offsets"][0] - 128)
                                  or h[PE]["data_offsets"].__setitem__(1, h[PE]["data_offsets"][1] - 128))})
def _hole(r):
    for x in r[3:]: x[3] += 16; x[4] += 16
    r[3][5] = b"\0" * 16 + r[3][5]
case("st-hole", E, IM, "16 bytes that belong to no tensor", "InvalidOffset: no holes", SF, files={
    "model.safetensors": (lambda r: pack(header(r), body(r)))(rows(_hole))})
case("st-trailing-bytes", E, IM, "bytes after the last tensor", "MetadataIncompleteBuffer", SF,
     files={"model.safetensors": st(T.tensors()) + b"PK\x03\x04"})
case("st-cut-by-one", E, IM, "last byte missing, as after an interrupted copy", mention=SF, files={"model.safetensors": st(T.tensors())[:-1]})
case("st-end-before-begin", E, IM, "data_offsets run backwards", mention=SF + [WE], files={
    "model.safetensors": hdr_edit(lambda h: h[WE]["data_offsets"].reverse())})
case("st-size-mismatch", E, IM, "shape times element size is not the byte length", "TensorInvalidInfo", SF + [Q0], files={
    "model.safetensors": hdr_edit(lambda h: h[Q0].__setitem__("shape", [32, 33]))})
def _wrap(h):
    e = h[Q0]["data_offsets"][0]; h["evil"] = {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [e, e]}
case("st-shape-wraps-to-zero", E, IM, "2^32 x 2^32 elements: the product wraps to 0 and matches an empty range",
     "ValidationOverflow; GGUF CVE-2026-33298", SF, files={"model.safetensors": hdr_edit(_wrap)})
case("st-negative-dim", E, IM, "a dimension of -32", mention=SF, files={
    "model.safetensors": hdr_edit(lambda h: h[Q0].__setitem__("shape", [-32, -32]))})
case("st-float-offset", E, IM, "offsets written as 0.0", mention=SF, files={
    "model.safetensors": hdr_edit(lambda h: h[WE].__setitem__("data_offsets", [float(x) for x in h[WE]["data_offsets"]]))})
case("st-offset-u64-max", E, IM, "end offset 2^64-1: base + end wraps", mention=SF, files={
    "model.safetensors": hdr_edit(lambda h: h[WE]["data_offsets"].__setitem__(1, 2**64 - 1))})
case("st-unknown-dtype", E, (IM, UN), "dtype F128", mention=SF, files={
    "model.safetensors": hdr_edit(lambda h: h[WE].__setitem__("dtype", "F128"))})
case("st-bool-weights", E, (IM, UN), "word embeddings stored as BOOL", mention=[WE], files={
    "model.safetensors": weights(lambda t: t.__setitem__(WE, t[WE].positive()))})
case("st-metadata-not-string", E, IM, "a number in __metadata__, which maps strings to strings", mention=SF, files={
    "model.safetensors": (lambda r: pack({"__metadata__": {"a": 1}, **header(r)}, body(r)))(rows())})
case("st-deep-json", E, IM, "header nests 100,000 arrays: recursion must be bounded", mention=SF, files={
    "model.safetensors": pack(b'{"__metadata__":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"")})
case("st-50k-tensors", ANY, (IM, UN), "50,000 empty tensors beside the real ones: cost must stay linear", "header bloating reports", files={
    "model.safetensors": (lambda r: pack({**header(r), **{"z%05d" % i: {"dtype": "F32", "shape": [0], "data_offsets": [r[-1][4]] * 2}
                                                           for i in range(50_000)}}, body(r)))(rows())})
case("st-rank-100k", E, IM, "a needed tensor with 100,000 dimensions of 1", mention=SF, files={
    "model.safetensors": hdr_edit(lambda h: h[Q0].__setitem__("shape", [1] * 100_000 + [32, 32]))})
case("st-nul-in-name", E, IM, "the needed name followed by U+0000: must not be cut there and taken for it", "safetensors#748", [Q0],
     files={"model.safetensors": hdr_edit(lambda h: h.__setitem__(Q0 + "\0x", h.pop(Q0)))})
case("st-missing-tensor", E, IM, "a needed tensor is not in the file", mention=[Q0], files={
    "model.safetensors": weights(lambda t: t.pop(Q0))})
case("st-transposed", E, IM, "intermediate weight has shape [H, I] where [I, H] is due", mention=["encoder.layer.0.intermediate.dense.weight"],
     files={"model.safetensors": weights(lambda t: t.__setitem__("encoder.layer.0.intermediate.dense.weight",
                                                              t["encoder.layer.0.intermediate.dense.weight"].transposed()))})
case("st-vocab-rows-short", E, IM, "fewer embedding rows than vocab_size: a token id would read past the table", mention=[WE, "vocab_size"],
     files={"model.safetensors": weights(lambda t: t.__setitem__(WE, t[WE].first_rows(40)))})
case("st-position-rows-short", E, IM, "fewer position rows than max_position_embeddings", mention=[PE, "max_position_embeddings"],
     files={"model.safetensors": weights(lambda t: t.__setitem__(PE, t[PE].first_rows(8)))})
case("st-nan-weight", EE, (IM, IN), "NaN in a LayerNorm weight: never a vector with NaN", "llama.cpp#14812, ollama#14739", files={
    "model.safetensors": weights(lambda t: t["embeddings.LayerNorm.weight"].values.__setitem__(3, math.nan))})
case("st-lfs-pointer", E, IM, "a Git LFS pointer in place of the weights; the message says so", mention=SF + ["LFS"], files={
    "model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 90868376\n"})
case("st-html-page", E, IM, "an HTML error page saved as weights", mention=SF, files={
    "model.safetensors": b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>"})
case("st-fifo", E, (IM, NF), "model.safetensors is a named pipe: opening it must not hang", mention=SF, files={"model.safetensors": Fifo()})
case("st-folder", E, (IM, NF), "model.safetensors is a folder", mention=SF, files={"model.safetensors": Dir()})
case("st-dangling-link", E, NF, "link into blobs whose target is gone", mention=SF, files={"model.safetensors": Link("../blobs/gone")})
case("idx-traversal", E, IM, "index names ../outside.safetensors", "path traversal", ["model.safetensors.index.json"],
     files=_shards({WE: "../outside.safetensors"}), outside={"outside.safetensors": st({WE: T.tensors()[WE]}, {"canary": SECRET.decode()})})
case("idx-missing-shard", E, NF, "a shard named by the index is not there", mention=["model-00003-of-00003.safetensors"],
     files=_shards({WE: "model-00003-of-00003.safetensors"}))
case("idx-wrong-shard", E, IM, "the index says the tensor is in a shard that lacks it", mention=[WE], files=_shards(
    {WE: "model-00001-of-00002.safetensors" if sorted(T.tensors()).index(WE) >= len(T.tensors()) // 2 else "model-00002-of-00002.safetensors"}))

# -- config.json -----------------------------------------------------------------
CF = ["config.json"]
def c_(id, cat, why, data, mention=(), ref="", outcome=E):
    case("cfg-" + id, outcome, cat, why, ref, CF + list(mention), files={"config.json": data})
c_("missing", NF, "no config.json", None)
c_("empty", IM, "0 bytes", b"")
c_("cut", IM, "ends in the middle", cfg()[:-40])
c_("two-values", IM, "a second JSON value after the first", cfg() + b"{}")
c_("bad-utf8", IM, "invalid UTF-8 inside a string", cfg().replace(b'"gelu"', b'"ge\xc3\x28lu"'))
c_("deep", IM, "100,000 nested arrays", b'{"model_type":"bert","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
c_("hidden-zero", IM, "hidden_size 0", cfg(hidden_size=0), ["hidden_size"])
c_("hidden-negative", IM, "hidden_size -32", cfg(hidden_size=-32), ["hidden_size"])
c_("hidden-string", IM, 'hidden_size "32"', cfg(hidden_size="32"), ["hidden_size"])
c_("hidden-fraction", IM, "hidden_size 32.5", cfg(hidden_size=32.5), ["hidden_size"])
c_("hidden-1e30", IM, "hidden_size 1e30: must not be cast blindly", cfg().replace(b'"hidden_size": 32', b'"hidden_size": 1e30'), ["hidden_size"])
c_("heads-zero", IM, "num_attention_heads 0: division by zero", cfg(num_attention_heads=0), ["num_attention_heads"])
c_("heads-uneven", IM, "hidden_size 32 is no multiple of 5 heads", cfg(num_attention_heads=5), ["num_attention_heads"])
c_("layers-bomb", IM, "1,000,000,000 layers: memory must not follow the number", cfg(num_hidden_layers=10**9), ["num_hidden_layers|encoder.layer.1."])
c_("layers-too-many", IM, "2 layers, weights for 1", cfg(num_hidden_layers=2), ["num_hidden_layers|encoder.layer.1."])
c_("vocab-bomb", IM, "vocab_size 2^40", cfg(vocab_size=2**40), ["vocab_size"])
c_("eps-nan", IM, "layer_norm_eps is the bare word NaN", cfg().replace(b"1e-12", b"NaN"))
c_("act-unknown", UN, "hidden_act swoosh", cfg(hidden_act="swoosh"), ["hidden_act", "swoosh"])
c_("type-unknown", UN, "model_type frobnicator", cfg(model_type="frobnicator", architectures=["FrobModel"]), ["frobnicator"])
c_("positions-zero", IM, "max_position_embeddings 0", cfg(max_position_embeddings=0), ["max_position_embeddings"])

# -- pooling and modules ----------------------------------------------------------
PF = "1_Pooling/config.json"
def p_(id, cat, why, files, mention=(), outcome=E, values=None):
    case("pool-" + id, outcome, cat, why, mention=mention, files=files, values=values)
p_("none", IM, "no pooling mode is true", {PF: js({**T.pooling(), "pooling_mode_mean_tokens": False})}, [PF])
p_("wrong-dim", IM, "word_embedding_dimension 999 against hidden_size 32", {PF: js({**T.pooling(), "word_embedding_dimension": 999})}, [PF, "word_embedding_dimension"])
p_("two-modes", (), "cls and mean together: joined, 64 values, never 32 silently",
   {PF: js({**T.pooling(), "pooling_mode_cls_token": True})}, outcome=OK, values=64)
p_("bad-json", IM, "pooling config is not JSON", {PF: b"{pooling_mode_cls_token: true}"}, [PF])
p_("modules-traversal", IM, "modules.json path ../../outside", {"modules.json": js([T.modules()[0], {**T.modules()[1], "path": "../../outside"}])}, ["modules.json"])
p_("modules-no-folder", (NF, IM), "a Dense module whose folder is not there", {"modules.json": js(T.modules() + [
    {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}])}, ["3_Dense"])
p_("modules-unknown", UN, "a module type that does not exist", {"modules.json": js(T.modules() + [
    {"idx": 3, "name": "3", "path": "3_X", "type": "my_pkg.Evil"}]), "my_pkg.py": b"open('EXECUTED-module','w')\n"}, ["my_pkg.Evil"])
p_("max-seq-zero", IM, "max_seq_length 0", {"sentence_bert_config.json": js({"max_seq_length": 0})}, ["max_seq_length"])
p_("max-seq-over-table", (IM,), "max_seq_length 4096 over 64 positions: clamped or refused, never read past the table; also embed 5,000 words",
   {"sentence_bert_config.json": js({"max_seq_length": 4096})}, (), ANY)
CASES[-1].texts = ["cat " * 5000]

# -- tokenizer.json ----------------------------------------------------------------
TF = ["tokenizer.json"]
def t_(id, cat, why, edit, mention=(), ref="", outcome=E):
    case("tok-" + id, outcome, cat, why, ref, TF + list(mention), files=edit if isinstance(edit, dict) else {"tokenizer.json": tok(edit)})
def _bpe(d):
    d.update(normalizer=None, pre_tokenizer=None, post_processor=None, added_tokens=[])
    d["model"] = {"type": "BPE", "vocab": {"aa": 0, "bb": 1, "c": 2}, "merges": [["aa", "bb"]], "unk_token": None}
t_("none", NF, "neither tokenizer.json nor vocab.txt", {"tokenizer.json": None, "vocab.txt": None})
t_("cut", IM, "ends in the middle", {"tokenizer.json": js(T.tokenizer())[:900]})
t_("unknown-model", UN, "model.type Quantum", lambda d: d["model"].__setitem__("type", "Quantum"), ["Quantum"])
t_("id-past-table", IM, "[SEP] has id 10,000,000: the embedding gather would read out of bounds",
   lambda d: (d["model"]["vocab"].__setitem__("[SEP]", 10**7), d["added_tokens"][3].__setitem__("id", 10**7),
              d["post_processor"]["special_tokens"]["[SEP]"].__setitem__("ids", [10**7])))
t_("negative-id", IM, "an id of -1", lambda d: d["model"]["vocab"].__setitem__("cat", -1))
t_("template-unknown", IM, "the template uses [CLS], special_tokens does not define it",
   lambda d: d["post_processor"]["special_tokens"].pop("[CLS]"), ["[CLS]"], "tokenizers#2151")
t_("bpe-merge-overrun", IM, "a merge whose result is longer than any entry and not in the vocabulary", _bpe, (), "tokenizers#2094, #2198")
t_("redos", (UN, IM), "Split on (a+)+$: refused, or linear; also embed 'a' x 40,000 + 'b' within the bound",
   lambda d: d.__setitem__("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}),
   (), "tokenizers#2060 (CWE-1333)", ANY)
CASES[-1].texts = ["a" * 30 + "b", "a" * 40_000 + "b"]
t_("unk-undefined", IM, "unk_token is not in the vocabulary: refused, or a text that needs it fails", lambda d: d["model"].__setitem__("unk_token", "[NOPE]"), (), "", ANY)
CASES[-1].fail_texts = ["\u4f60\u597d \u2603"]
t_("stride", IM, "truncation stride 99 with max_length 10", lambda d: d.__setitem__("truncation",
   {"direction": "Right", "max_length": 10, "strategy": "LongestFirst", "stride": 99}), (), "tokenizers#2151", ANY)
t_("deep-sequence", IM, "5,000 nested Sequence normalizers", {"tokenizer.json": js({**T.tokenizer(), "normalizer": "@@"}).replace(
    b'"@@"', b'{"type":"Sequence","normalizers":[' * 5000 + b'{"type":"Lowercase"}' + b"]}" * 5000)})
t_("secret-link", (IM, NF), "tokenizer.json links to a text file outside the folder: refused as not JSON, and its text is never quoted",
   {"tokenizer.json": Link("../secret.txt"), "vocab.txt": None})
CASES[-1].files["secret.txt"] = SECRET

# -- folders -------------------------------------------------------------------------
case("dir-absent", E, NF, "the path does not exist", path="nowhere")
case("dir-empty", E, NF, "an empty folder", path="void", outside={"void": Dir()})
case("dir-is-file", E, (NF, IM), "the path is a regular file", path="model/config.json")
_pk = (b"\x80\x04\x8c\x08builtins\x8c\x04open\x93\x8c\x0fEXECUTED-pickle\x8c\x01w\x86R.")
case("dir-pickle-only", E, (UN, NF), "only pytorch_model.bin, a pickle that would create EXECUTED-pickle: never unpickled",
     "safetensors attacks/, ShellTorch", ["pytorch_model.bin|model.safetensors"], files={"model.safetensors": None, "pytorch_model.bin": _pk})
case("dir-custom-code", ANY, (UN,), "auto_map and a modeling file: no Python of the folder runs", "trust_remote_code", files={
    "config.json": cfg(auto_map={"AutoModel": "modeling_evil.EvilModel"}), "modeling_evil.py": b"open('EXECUTED-code','w')\n"})

EXTRA = {
 "hub_ids.json": {"expect": "InvalidInput before any request is made or any file is touched", "ids": ["", " ", "a/b/c", "../x", "org/..",
    "org/../../etc", "/etc", "org//x", "org/na\u0000me", "-rf", "--help", "https://evil.example/x", "org/x?revision=main", "org/x#y", "org\\x",
    "org/x y", "org/" + "x" * 300, "org/x.git", "org/--x", "o rg/x", "org/x\n", "org/%2e%2e", "models--org--x", "./x/..", "~/.ssh"],
    "revisions": ["../main", "a b", "", "-x", "refs/pr/../../x", "x" * 300, "main\n", "a\u0000b"]},
 "hub_listings.json": {"expect": "the download fails as InvalidModel or skips the entry; nothing is written outside the snapshot and blobs folders",
    "ref": "huggingface_hub#1429, #3896, #4086", "names": ["../../../../home/u/.bashrc", "/etc/cron.d/x", "a/../../b", "..", ".", "", "a//b", "a/./b",
    "C:\\x", "..\\..\\x", "a\u0000b", "x" * 5000, "a/" * 400 + "b", "snapshots/../../../x", "1_Pooling/../../config.json", "con", "\u202egpj.x", "a\nb"]},
 "requests.json": {"url": "POST /v1/embeddings", "note": "status is one of; the body is JSON with an error object; the connection stays usable",
   "bodies": [[b, s] for b, s in [("", [400]), ("{", [400]), ("[]", [400, 422]), ("null", [400, 422]), ("{}", [400, 422]),
    ('{"input":null,"model":"m"}', [400, 422]), ('{"input":[],"model":"m"}', [400, 422]), ('{"input":"","model":"m"}', [200, 400, 422]),
    ('{"input":[""],"model":"m"}', [200, 400, 422]), ('{"input":[1.5],"model":"m"}', [400, 422]), ('{"input":[[1,-1]],"model":"m"}', [400, 422]),
    ('{"input":[[1,999999999]],"model":"m"}', [400, 422]), ('{"input":["a",1],"model":"m"}', [400, 422]), ('{"input":{"a":1},"model":"m"}', [400, 422]),
    ('{"input":"a","model":1}', [400, 422]), ('{"input":"a","model":"nope"}', [404, 400]), ('{"input":"a","encoding_format":"xml"}', [400, 422]),
    ('{"input":"a","dimensions":0}', [400, 422]), ('{"input":"a","dimensions":-1}', [400, 422]), ('{"input":"a","dimensions":1e9}', [400, 422]),
    ('{"input":"\\ud800"}', [200, 400, 422]), ('{"input":"a"} x', [400]), ('{"input":"a","input":"b"}', [200, 400, 422]),
    ('{"input":' + "[" * 20000 + "]" * 20000 + "}", [400, 413, 422]), ('{"input":NaN}', [400]), ("\ufeff{\"input\":\"a\"}", [200, 400]),
    ('{"input":["' + '","'.join("a" for _ in range(5000)) + '"]}', [400, 413, 422])]]},
}
# ------------------------------------------------------------------ main ---
def readme(out):
    L = [TITLE, "", INTRO.strip(), "", "| case | outcome | category | why | reference |", "| --- | --- | --- | --- | --- |"]
    for c in CASES:
        why = c.why + (". Message names " + ", ".join(" or ".join("`%s`" % x for x in m.split("|")) for m in c.mention) if c.mention else "")
        L.append(f"| `{c.id}` | {c.outcome} | {' or '.join(c.category) or '-'} | {why.replace('|', chr(92) + '|')} | {c.ref} |")
    n = {}
    for c in CASES: n[c.outcome] = n.get(c.outcome, 0) + 1
    L += ["", f"{len(CASES)} cases: " + ", ".join(f"{v} {k}" for k, v in sorted(n.items())) + ".", ""]
    open(out, "w").write("\n".join(L))

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", nargs="?", default="malformed-out", help="folder to write (replaced)")
    ap.add_argument("--readme", help="also write the table of cases to this file")
    ap.add_argument("--no-sparse", action="store_true", help="skip the cases that use a large sparse file")
    a = ap.parse_args()
    ids = [c.id for c in CASES]
    assert len(ids) == len(set(ids)), [i for i in ids if ids.count(i) > 1]
    mark = os.path.join(a.out, "expected.json")
    if os.path.isdir(a.out) and os.listdir(a.out) and not os.path.isfile(mark):
        sys.exit(f"{a.out} exists, is not empty and was not written by this tool")
    shutil.rmtree(a.out, ignore_errors=True)
    done = []
    for c in CASES:
        if a.no_sparse and any(isinstance(v, Sparse) for v in c.files.values()): continue
        os.makedirs(os.path.join(a.out, c.id), exist_ok=True)
        write_tree(os.path.join(a.out, c.id), c.files)
        done.append({"id": c.id, "path": f"{c.id}/{c.path}" if c.path else f"{c.id}/model", "outcome": c.outcome,
                     "category": c.category, "mention": c.mention, "why": c.why, "ref": c.ref,
                     **({"texts": c.texts} if c.texts else {}), **({"fail_texts": c.fail_texts} if c.fail_texts else {}),
                     **({"values": c.values} if c.values else {})})
    # Sockets, pipes and hard links cannot be committed anywhere: the folder is made afresh on each run.
    probe = {"text": PROBE, "ids": PROBE_IDS, "embedding": [round(float(x), 9) for x in T.forward(PROBE_IDS)],
             "min_cosine": 0.9999, "canary": SECRET.decode().split()[0], "max_seconds": 2.0, "max_rss_growth_mib": 96}
    for name, data in EXTRA.items():
        open(os.path.join(a.out, name), "wb").write(js(data))
    open(mark, "wb").write(js({"probe": probe, "cases": done}))
    if a.readme: readme(a.readme)
    print(f"{len(done)} cases in {a.out}; digest {digest(a.out)}")

if __name__ == "__main__":
    main()
