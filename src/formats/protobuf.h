// Protocol Buffers' wire format -> one field after the other, without a schema: a message is a
// row of (number, wire type, value). Source: protobuf.dev/programming-guides/encoding.
//
//   08 96 01     field 1, a varint: 150
//   12 02 68 69  field 2, two bytes: "hi" (a string, a message or packed numbers; the schema knows)
//
// Limits: groups, which nothing writes any more, are refused. Nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace akin::formats {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct ProtobufField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;                // Of kVarint, kFixed64 and kFixed32.
  std::span<const std::byte> bytes;  // Of kBytes.

  bool Is(uint32_t wanted_number, WireType wanted_type) const {
    return number == wanted_number && type == wanted_type;
  }
  int64_t as_int() const { return static_cast<int64_t>(value); }
  std::string_view as_string() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

class ProtobufReader {
 public:
  // `message` outlives the reader and the fields.
  explicit ProtobufReader(std::span<const std::byte> message) : rest_(message) {}

  // The next field; nothing at the end of the message and where it is damaged.
  std::optional<ProtobufField> Next();
  // What is wrong with the message, for its error; nullptr while nothing is.
  const char* problem() const { return problem_; }

  // The next bare varint: for packed numbers, whose bytes are a row of them. Likewise.
  std::optional<uint64_t> NextVarint();

 private:
  std::optional<uint64_t> NextFixed(size_t bytes);
  std::nullopt_t Fail(const char* problem) {
    problem_ = problem;
    rest_ = {};
    return std::nullopt;
  }

  std::span<const std::byte> rest_;
  const char* problem_ = nullptr;
};

}  // namespace akin::formats
