#include "formats/protobuf.h"

namespace akin::formats {
namespace {

// 64 bits in groups of 7.
constexpr int kMaxVarintBytes = 10;
constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;

}  // namespace

std::optional<uint64_t> ProtobufReader::NextVarint() {
  if (rest_.empty()) return std::nullopt;
  uint64_t value = 0;
  for (int i = 0; i < kMaxVarintBytes && static_cast<size_t>(i) < rest_.size(); ++i) {
    const auto byte = std::to_integer<uint64_t>(rest_[static_cast<size_t>(i)]);
    // Bits past the 64th are dropped, as the reference reader does.
    value |= (byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      rest_ = rest_.subspan(static_cast<size_t>(i) + 1);
      return value;
    }
  }
  return Fail("a number that does not end");
}

std::optional<uint64_t> ProtobufReader::NextFixed(size_t bytes) {
  if (rest_.size() < bytes) return Fail("a number that is cut off");
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(rest_[i]);
  rest_ = rest_.subspan(bytes);
  return value;
}

std::optional<ProtobufField> ProtobufReader::Next() {
  const std::optional<uint64_t> tag = NextVarint();
  if (!tag) return std::nullopt;
  if (*tag >> 3 == 0 || *tag >> 3 > kMaxFieldNumber)
    return Fail("a field number that does not exist");
  ProtobufField field;
  field.number = static_cast<uint32_t>(*tag >> 3);
  field.type = static_cast<WireType>(*tag & 7);

  std::optional<uint64_t> value;
  switch (field.type) {
    case WireType::kFixed64: value = NextFixed(8); break;
    case WireType::kFixed32: value = NextFixed(4); break;
    case WireType::kVarint:
    case WireType::kBytes: value = NextVarint(); break;
    default: return Fail("a field of an unknown wire type");
  }
  if (!value) return problem_ != nullptr ? std::nullopt : Fail("a field that is cut off");
  field.value = *value;
  if (field.type == WireType::kBytes) {
    if (*value > rest_.size()) return Fail("a length that reaches past the end");
    field.bytes = rest_.first(static_cast<size_t>(*value));
    rest_ = rest_.subspan(field.bytes.size());
  }
  return field;
}

}  // namespace akin::formats
