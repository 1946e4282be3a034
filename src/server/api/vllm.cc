#include "server/api/vllm.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "akin/quantize.h"

#include "server/api/options.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// To the nearest, ties to even. The vectors of answers have no NaN.
uint16_t ToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

template <typename Value>
void AppendValues(std::string& out, std::span<const Value> values, bool big_endian) {
  std::vector<unsigned char> bytes(values.size_bytes());
  std::memcpy(bytes.data(), values.data(), bytes.size());
  if (big_endian) {
    for (size_t i = 0; i < bytes.size(); i += sizeof(Value))
      std::ranges::reverse(std::span(bytes).subspan(i, sizeof(Value)));
  }
  AppendBase64(out, bytes);
}

}  // namespace

Result<BinaryForm> ReadBinaryForm(const JsonRequest& body) {
  using Type = BinaryForm::Type;
  BinaryForm form;
  AKIN_TRY_ASSIGN(const auto type, body.String("embed_dtype"));
  if (type == "float16") form.type = Type::kFloat16;
  if (type == "bfloat16") form.type = Type::kBfloat16;
  if (type && *type != "float32" && form.type == Type::kFloat32) {
    return InvalidField("embed_dtype", " is '", type->substr(0, 50),
                        "', expected float32, float16 or bfloat16");
  }
  AKIN_TRY_ASSIGN(const auto order, body.String("endianness"));
  form.big_endian = order == "big";
  if (order && *order != "native" && *order != "little" && *order != "big") {
    return InvalidField("endianness", " is '", order->substr(0, 50),
                        "', expected native, little or big");
  }
  return form;
}

void AppendBinary(std::string& out, std::span<const float> vector, const BinaryForm& form) {
  out += '"';
  if (form.type == BinaryForm::Type::kFloat32) {
    AppendValues<float>(out, vector, form.big_endian);
  } else {
    std::vector<uint16_t> halves(vector.size());
    if (form.type == BinaryForm::Type::kFloat16) {
      ToFloat16(vector, halves);
    } else {
      std::ranges::transform(vector, halves.begin(), ToBfloat16);
    }
    AppendValues<uint16_t>(out, halves, form.big_endian);
  }
  out += '"';
}

Result<bool> ReadNormalize(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto of_jina, body.Bool("normalized"));
  AKIN_TRY_ASSIGN(const auto of_vllm, body.Bool("normalize"));
  AKIN_TRY_ASSIGN(const auto norm, body.Int("embd_normalize"));
  if (norm && *norm != 2 && *norm != -1) {
    return InvalidField("embd_normalize", " is ", *norm,
                        ", expected 2 (vectors of length 1) or -1 (as they are)");
  }
  if (of_jina) return *of_jina;
  return of_vllm.value_or(norm != -1);
}

Result<std::optional<int>> ReadPromptTokens(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto most, body.Int(kPromptTokens));
  if (most == -1) return std::optional<int>();
  return ReadPositive(body, kPromptTokens);
}

Status CheckNothingElse(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto special, body.Bool("add_special_tokens"));
  if (special == false) {
    return InvalidField("add_special_tokens",
                        " is false, but texts are read with the special tokens that the model was "
                        "trained with");
  }
  AKIN_TRY_ASSIGN(const auto modality, body.String("modality"));
  if (modality.value_or("text") == "text") return {};
  return InvalidField("modality", " is '", modality->substr(0, 50),
                      "', expected text: this model embeds nothing else");
}

}  // namespace akin::server
