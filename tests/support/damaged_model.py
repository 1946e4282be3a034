"""A copy of a BERT with a NaN in its weights. Python's standard library only."""
import json
import pathlib
import shutil
import struct

WORD_TABLE = "embeddings.word_embeddings.weight"


def damage(model, folder, word=None):
    """`folder`: a copy of `model` whose vectors are not finite, of texts with `word` alone if there is one."""
    shutil.copytree(model, folder)
    # What the reference said of the model that it was.
    (pathlib.Path(folder) / "golden.json").unlink(missing_ok=True)
    row = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())["model"]["vocab"][word or "[CLS]"]
    file = pathlib.Path(folder) / "model.safetensors"
    data = bytearray(file.read_bytes())
    header = 8 + struct.unpack_from("<Q", data)[0]
    [table] = [entry for name, entry in json.loads(data[8:header]).items() if name.endswith(WORD_TABLE)]
    assert table["dtype"] == "F32", table
    begin = header + table["data_offsets"][0] + 4 * row * table["shape"][1]
    struct.pack_into("<f", data, begin, float("nan"))
    file.write_bytes(data)
    return str(folder)
