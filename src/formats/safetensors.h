// The safetensors format: https://github.com/huggingface/safetensors, "Format".
//
//   8 bytes: length n of the header, little-endian; n bytes: a JSON object that begins with '{' and
//   may end in spaces,
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__":
//   {"key": "text"}}; then the data, which the tensors cover without overlap and without holes.
//
// Everything is checked here, before anybody believes a number: a tensor that this reader gives
// lies inside the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "akin/result.h"

namespace akin::formats {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // As the file spells it: "F32", "BF16", "I64".
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // Row-major, little-endian; not aligned.
};

// `file` is the whole file and outlives the entries; `name` stands for it in messages. Errors:
// InvalidModel, UnsupportedModel (a dtype that is not known, so that nobody can say how many bytes
// the tensor takes).
Result<std::vector<SafetensorsEntry>> ParseSafetensors(std::span<const std::byte> file,
                                                       const std::string& name);

}  // namespace akin::formats
