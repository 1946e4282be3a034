// A BERT of a few hundred numbers, as files; what a test changes is one field or one tensor.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "support/temporary_folder.h"

namespace akin {

struct TinyTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

using TinyTensors = std::map<std::string, TinyTensor>;

inline std::string LittleEndian64(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// A safetensors file of a header and data as given.
inline std::string SafetensorsFile(std::string_view header, std::string_view data = "") {
  return StrCat(LittleEndian64(header.size()), header, data);
}

inline std::string SafetensorsFile(const TinyTensors& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}", data;
  for (const auto& [name, tensor] : tensors) {
    std::string shape;
    for (const int64_t size : tensor.shape) shape += StrCat(shape.empty() ? "" : ",", size);
    header +=
        StrCat(",\"", name, "\":{\"dtype\":\"", tensor.dtype, "\",\"shape\":[", shape,
               "],\"data_offsets\":[", data.size(), ',', data.size() + tensor.bytes.size(), "]}");
    data += tensor.bytes;
  }
  return SafetensorsFile(header + "}", data);
}

struct TinyBert {
  // config.json's fields; a test replaces or erases them.
  std::map<std::string, std::string> config = {
      {"model_type", "\"bert\""},       {"vocab_size", "5"},          {"hidden_size", "4"},
      {"num_hidden_layers", "1"},       {"num_attention_heads", "2"}, {"intermediate_size", "6"},
      {"max_position_embeddings", "8"}, {"type_vocab_size", "2"},     {"hidden_act", "\"gelu\""},
      {"layer_norm_eps", "1e-12"}};
  TinyTensors tensors;

  TinyBert() {
    Add("embeddings.word_embeddings.weight", {5, 4});
    Add("embeddings.position_embeddings.weight", {8, 4});
    Add("embeddings.token_type_embeddings.weight", {2, 4});
    AddPair("embeddings.LayerNorm", {4});
    const std::string layer = "encoder.layer.0.";
    for (const char* name : {"query", "key", "value"}) {
      AddPair(layer + "attention.self." + name, {4, 4});
    }
    AddPair(layer + "attention.output.dense", {4, 4});
    AddPair(layer + "attention.output.LayerNorm", {4});
    AddPair(layer + "intermediate.dense", {6, 4});
    AddPair(layer + "output.dense", {4, 6});
    AddPair(layer + "output.LayerNorm", {4});
  }

  // Elements of tensor k are 1000 k, 1000 k + 1, ..., so that each number tells where it is from.
  void Add(const std::string& name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::string bytes;
    for (int64_t i = 0; i < count; ++i) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(next_ * 1000 + i));
      for (int b = 0; b < 4; ++b) bytes += static_cast<char>(bits >> (8 * b) & 0xFF);
    }
    ++next_;
    tensors[name] = {"F32", std::move(shape), std::move(bytes)};
  }

  std::string Config() const {
    std::string text = "{";
    for (const auto& [key, value] : config) {
      text += StrCat(text.size() > 1 ? "," : "", '"', key, "\":", value);
    }
    return text + "}";
  }

  void Write(const TemporaryFolder& folder) const {
    folder.Write("config.json", Config());
    folder.Write("model.safetensors", SafetensorsFile(tensors));
  }

 private:
  void AddPair(const std::string& name, std::vector<int64_t> shape) {
    const int64_t outputs = shape.front();
    Add(name + ".weight", std::move(shape));
    Add(name + ".bias", {outputs});
  }
  int next_ = 0;
};

}  // namespace akin
