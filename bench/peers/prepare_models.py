#!/usr/bin/env python3
"""Convert one sentence-transformers BERT directory for every peer.

Reads DIR (model.safetensors, config.json, tokenizer.json, ...) and writes:

  onnx/model.onnx         last_hidden_state, opset 17, dynamic axes
  onnx/pooled.onnx        the same with mean pooling + L2 norm in the graph
  onnx/pooled_fused.onnx  after onnxruntime's transformer optimizer
  onnx/pooled_int8.onnx   dynamic int8 of the fused graph (u8 x s8, per channel)
  onnx/pooled_int8_plain.onnx  dynamic int8 of the plain graph
  ov/fp32.xml, ov/int8.xml     OpenVINO IR; int8 = NNCF post-training, static
  ct2/<type>/             CTranslate2 (float32, int8, bfloat16)
  gguf/<type>.gguf        llama.cpp (f32, f16, bf16, q8_0)

Steps whose package is missing are reported and skipped.
"""
import argparse
import importlib.util
import json
import os
import sys
import traceback

import numpy as np


def texts_of(path, n=None):
    out = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            out.append(json.loads(line)["text"])
    return out[:n]


class BertGraph:
    """Writes a BERT encoder as ONNX, operator by operator, in the layout that PyTorch's exporter
    gives it, which onnxruntime's fusion passes know; `make_ort_variants` checks that they all took hold.

    Written without torch on purpose: its package brings gigabytes of GPU libraries along.
    """

    def __init__(self, model_dir):
        from safetensors.numpy import load_file
        self.cfg = json.load(open(os.path.join(model_dir, "config.json")))
        self.weights = {k.removeprefix("bert."): v.astype(np.float32) for k, v in
                        load_file(os.path.join(model_dir, "model.safetensors")).items()}
        self.nodes, self.tables, self.known = [], [], set()

    def op(self, kind, *inputs, **attributes):
        from onnx import helper
        out = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def const(self, name, value):
        from onnx import numpy_helper
        if name not in self.known:
            self.known.add(name)
            self.tables.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def floats(self, value):
        return self.const(f"float_{value!r}", np.array(value, np.float32))

    def ints(self, *values):
        return self.const("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def weight(self, name):
        return self.const(name, self.weights[name])

    def linear(self, x, name):
        w = self.const(name + ".weight.T", self.weights[name + ".weight"].T)
        return self.op("Add", self.weight(name + ".bias"), self.op("MatMul", x, w))

    def norm(self, x, name):
        return self.op("LayerNormalization", x, self.weight(name + ".weight"),
                       self.weight(name + ".bias"), axis=-1, epsilon=self.cfg["layer_norm_eps"])

    def embeddings(self):
        def table(name, ids):
            return self.op("Gather", self.weight(f"embeddings.{name}_embeddings.weight"), ids)
        length = self.op("Gather", self.op("Shape", "input_ids"),
                         self.const("one", np.array(1, np.int64)), axis=0)
        length = self.op("Unsqueeze", length, self.ints(0))
        ids = self.const("position_ids",
                         np.arange(self.cfg["max_position_embeddings"], dtype=np.int64)[None])
        ids = self.op("Slice", ids, self.ints(0), length, self.ints(1), self.ints(1))
        x = self.op("Add", table("word", "input_ids"), table("token_type", "token_type_ids"))
        x = self.op("Add", x, table("position", ids))
        return self.norm(x, "embeddings.LayerNorm")

    def mask_bias(self):
        m = self.op("Unsqueeze", self.op("Unsqueeze", "attention_mask", self.ints(1)),
                    self.ints(2))
        m = self.op("Sub", self.floats(1.0), self.op("Cast", m, to=1))
        return self.op("Mul", m, self.floats(-10000.0))

    def layer(self, x, bias, p):
        heads = self.cfg["num_attention_heads"]
        hidden = self.cfg["hidden_size"]

        def split(name, order):
            y = self.op("Reshape", self.linear(x, p + "attention.self." + name),
                        self.ints(0, 0, heads, hidden // heads))
            return self.op("Transpose", y, perm=order)

        scores = self.op("MatMul", split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]))
        scores = self.op("Div", scores, self.floats(float(np.sqrt(hidden // heads))))
        probs = self.op("Softmax", self.op("Add", scores, bias), axis=-1)
        y = self.op("Transpose", self.op("MatMul", probs, split("value", [0, 2, 1, 3])),
                    perm=[0, 2, 1, 3])
        y = self.linear(self.op("Reshape", y, self.ints(0, 0, hidden)),
                        p + "attention.output.dense")
        x = self.norm(self.op("Add", y, x), p + "attention.output.LayerNorm")
        up = self.linear(x, p + "intermediate.dense")
        erf = self.op("Erf", self.op("Div", up, self.floats(float(np.sqrt(2.0)))))
        y = self.op("Mul", self.op("Mul", up, self.op("Add", erf, self.floats(1.0))),
                    self.floats(0.5))
        return self.norm(self.op("Add", self.linear(y, p + "output.dense"), x),
                         p + "output.LayerNorm")

    def hidden(self):
        x, bias = self.embeddings(), self.mask_bias()
        for i in range(self.cfg["num_hidden_layers"]):
            x = self.layer(x, bias, f"encoder.layer.{i}.")
        return x

    def mean_pooled(self, x):
        m = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(2)), to=1)
        total = self.op("ReduceSum", self.op("Mul", x, m), self.ints(1), keepdims=0)
        count = self.op("ReduceSum", m, self.ints(1), keepdims=0)
        x = self.op("Div", total, self.op("Max", count, self.floats(1e-9)))
        norm = self.op("Sqrt", self.op("ReduceSum", self.op("Mul", x, x), self.ints(1)))
        return self.op("Div", x, self.op("Max", norm, self.floats(1e-12)))

    def save(self, path, result, name, shape):
        import onnx
        from onnx import TensorProto, helper
        self.nodes.append(helper.make_node("Identity", [result], [name]))
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"])
                  for n in ("input_ids", "attention_mask", "token_type_ids")]
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "bert", inputs, [output], self.tables)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                  ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def make_onnx(model_dir, out):
    os.makedirs(os.path.join(out, "onnx"), exist_ok=True)
    g = BertGraph(model_dir)
    g.save(os.path.join(out, "onnx", "model.onnx"), g.hidden(), "last_hidden_state",
           ["batch", "sequence", g.cfg["hidden_size"]])
    g = BertGraph(model_dir)
    g.save(os.path.join(out, "onnx", "pooled.onnx"), g.mean_pooled(g.hidden()),
           "sentence_embedding", ["batch", g.cfg["hidden_size"]])


def make_ort_variants(model_dir, out):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    src = os.path.join(out, "onnx", "pooled.onnx")
    fused = os.path.join(out, "onnx", "pooled_fused.onnx")
    cfg = json.load(open(os.path.join(model_dir, "config.json")))
    m = optimizer.optimize_model(src, model_type="bert",
                                 num_heads=cfg["num_attention_heads"],
                                 hidden_size=cfg["hidden_size"], opt_level=0)
    m.save_model_to_file(fused)
    fused_operators = m.get_fused_operator_statistics()
    print("fused operators:", {k: v for k, v in fused_operators.items() if v})
    if fused_operators["Attention"] != cfg["num_hidden_layers"]:
        raise SystemExit("onnxruntime's optimizer did not fuse every attention block; "
                         "measuring it so would be unfair")
    for a, b in ((fused, "pooled_int8.onnx"), (src, "pooled_int8_plain.onnx")):
        quantize_dynamic(a, os.path.join(out, "onnx", b), per_channel=True,
                         reduce_range=False, weight_type=QuantType.QInt8,
                         extra_options={"MatMulConstBOnly": True,
                                        "DefaultTensorType": onnx.TensorProto.FLOAT})


def make_openvino(model_dir, out, calib):
    import openvino as ov

    os.makedirs(os.path.join(out, "ov"), exist_ok=True)
    model = ov.convert_model(os.path.join(out, "onnx", "pooled.onnx"))
    ov.save_model(model, os.path.join(out, "ov", "fp32.xml"),
                  compress_to_fp16=False)
    import nncf
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
    tok.enable_truncation(256)
    tok.no_padding()

    def feed(text):
        ids = np.array([tok.encode(text).ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids)}

    q = nncf.quantize(model, nncf.Dataset(calib, feed), subset_size=len(calib),
                      model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(q, os.path.join(out, "ov", "int8.xml"),
                  compress_to_fp16=False)


def make_ct2(model_dir, out):
    """The model's weights in CTranslate2's own format, filled in here because its converter wants torch.
    bfloat16 is left out where torch is missing."""
    from ctranslate2.specs import common_spec, transformer_spec
    from safetensors.numpy import load_file
    cfg = json.load(open(os.path.join(model_dir, "config.json")))
    vocab = json.load(open(os.path.join(model_dir, "tokenizer.json")))["model"]["vocab"]
    w = {k.removeprefix("bert."): v.astype(np.float32) for k, v in
         load_file(os.path.join(model_dir, "model.safetensors")).items()}

    def linear(spec, *names):        # several are laid one below the other
        spec.weight = np.concatenate([w[n + ".weight"] for n in names])
        spec.bias = np.concatenate([w[n + ".bias"] for n in names])

    def norm(spec, name):
        spec.gamma, spec.beta = w[name + ".weight"], w[name + ".bias"]

    def build():
        spec = transformer_spec.TransformerEncoderModelSpec(transformer_spec.TransformerEncoderSpec(
            cfg["num_hidden_layers"], cfg["num_attention_heads"], pre_norm=False,
            activation=common_spec.Activation.GELU, layernorm_embedding=True,
            num_source_embeddings=2, embeddings_merge=common_spec.EmbeddingsMerge.ADD))
        encoder = spec.encoder
        encoder.scale_embeddings = False
        encoder.embeddings[0].weight = w["embeddings.word_embeddings.weight"]
        encoder.embeddings[1].weight = w["embeddings.token_type_embeddings.weight"]
        encoder.position_encodings.encodings = w["embeddings.position_embeddings.weight"]
        norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
        for i, layer in enumerate(encoder.layer):
            p = f"encoder.layer.{i}."
            attention = layer.self_attention
            linear(attention.linear[0], *(p + "attention.self." + n for n in ("query", "key", "value")))
            linear(attention.linear[1], p + "attention.output.dense")
            norm(attention.layer_norm, p + "attention.output.LayerNorm")
            linear(layer.ffn.linear_0, p + "intermediate.dense")
            linear(layer.ffn.linear_1, p + "output.dense")
            norm(layer.ffn.layer_norm, p + "output.LayerNorm")
        spec.register_vocabulary([t for t, _ in sorted(vocab.items(), key=lambda kv: kv[1])])
        spec.config.unk_token = "[UNK]"
        spec.config.layer_norm_epsilon = cfg["layer_norm_eps"]
        return spec

    kinds = ["float32", "int8"]
    if importlib.util.find_spec("torch"):   # Its rounding to bfloat16 is torch's.
        kinds.append("bfloat16")
    for kind in kinds:
        spec = build()
        spec.validate()
        spec.optimize(quantization=kind)
        folder = os.path.join(out, "ct2", kind)
        os.makedirs(folder, exist_ok=True)
        spec.save(folder)


def make_gguf(model_dir, out):
    import gguf
    from safetensors.numpy import load_file

    os.makedirs(os.path.join(out, "gguf"), exist_ok=True)
    cfg = json.load(open(os.path.join(model_dir, "config.json")))
    vocab = json.load(open(os.path.join(model_dir, "tokenizer.json")))["model"]["vocab"]
    toks = [t for t, _ in sorted(vocab.items(), key=lambda kv: kv[1])]
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    kinds = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL
             for t in toks]
    # llama.cpp's word-piece vocabulary marks the start of a word, not its middle
    toks = [t if t in special else t[2:] if t.startswith("##") else "\u2581" + t
            for t in toks]
    n = cfg["num_hidden_layers"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, n)
    weights = load_file(os.path.join(model_dir, "model.safetensors"))
    kinds_of = {"f32": gguf.LlamaFileType.ALL_F32,
                "f16": gguf.LlamaFileType.MOSTLY_F16,
                "bf16": gguf.LlamaFileType.MOSTLY_BF16,
                "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
    for kind, ftype in kinds_of.items():
        w = gguf.GGUFWriter(os.path.join(out, "gguf", kind + ".gguf"), "bert")
        w.add_name("all-MiniLM-L6-v2")
        w.add_file_type(ftype)
        w.add_block_count(n)
        w.add_context_length(cfg["max_position_embeddings"])
        w.add_embedding_length(cfg["hidden_size"])
        w.add_feed_forward_length(cfg["intermediate_size"])
        w.add_head_count(cfg["num_attention_heads"])
        w.add_layer_norm_eps(cfg["layer_norm_eps"])
        w.add_causal_attention(False)
        w.add_pooling_type(gguf.PoolingType.MEAN)
        w.add_tokenizer_model("bert")
        w.add_tokenizer_pre("default")
        w.add_token_type_count(cfg["type_vocab_size"])
        w.add_token_list(toks)
        w.add_token_types(kinds)
        w.add_unk_token_id(vocab["[UNK]"])
        w.add_sep_token_id(vocab["[SEP]"])
        w.add_pad_token_id(vocab["[PAD]"])
        w.add_bos_token_id(vocab["[CLS]"])
        w.add_eos_token_id(vocab["[SEP]"])
        w.add_mask_token_id(vocab["[MASK]"])
        for name, x in weights.items():
            if "pooler" in name or "position_ids" in name:
                continue
            name = name.removeprefix("bert.")
            new = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if new is None:
                raise KeyError(name)
            x = x.astype(np.float32)
            # only the matrices of the blocks and the word table are reduced
            small = (x.ndim == 1 or "position_embd" in new
                     or "token_types" in new or kind == "f32")
            if small:
                w.add_tensor(new, x)
            elif kind == "f16":
                w.add_tensor(new, x.astype(np.float16))
            else:
                qt = {"q8_0": gguf.GGMLQuantizationType.Q8_0,
                      "bf16": gguf.GGMLQuantizationType.BF16}[kind]
                w.add_tensor(new, gguf.quants.quantize(x, qt), raw_dtype=qt)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()


def calibration(workloads):
    if workloads is None:
        raise SystemExit("openvino's int8 wants --workloads")
    held_out = set(texts_of(os.path.join(workloads, "check200.jsonl")))
    return [t for name in ("w4_short_corpus", "w5_passages")
            for t in texts_of(os.path.join(workloads, name + ".jsonl"))[-150:]
            if t not in held_out]


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--workloads", help="calibration texts for static int8 (openvino) come from here")
    ap.add_argument("--steps", default="onnx,ort,openvino,ct2,gguf")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    steps = {"onnx": lambda: make_onnx(args.model, args.out),
             "ort": lambda: make_ort_variants(args.model, args.out),
             "openvino": lambda: make_openvino(args.model, args.out, calibration(args.workloads)),
             "ct2": lambda: make_ct2(args.model, args.out),
             "gguf": lambda: make_gguf(args.model, args.out)}
    bad = 0
    for s in args.steps.split(","):
        try:
            steps[s]()
            print("done:", s, flush=True)
        except (Exception, SystemExit):
            traceback.print_exc()
            print("FAILED:", s, flush=True)
            bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
