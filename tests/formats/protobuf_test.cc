#include "formats/protobuf.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/protobuf_writer.h"

namespace akin::formats {
namespace {

ProtobufReader ReaderOf(std::string_view bytes) {
  return ProtobufReader(std::as_bytes(std::span(bytes)));
}

TEST(Protobuf, FieldsComeInTheirOrderWithTheirValues) {
  const std::string message =
      protobuf::Number(1, 150) + protobuf::Bytes(2, "hi") + protobuf::Float(3, 1.0f);
  ProtobufReader reader = ReaderOf(message);
  EXPECT_EQ(reader.Next()->value, 150u);
  const auto text = reader.Next();
  EXPECT_TRUE(text->Is(2, WireType::kBytes));
  EXPECT_EQ(text->as_string(), "hi");
  EXPECT_EQ(reader.Next()->value, 0x3F800000u);
  EXPECT_FALSE(reader.Next());
  EXPECT_EQ(reader.problem(), nullptr);
}

TEST(Protobuf, ANegativeNumberHasTenBytes) {
  const std::string message = protobuf::Number(1, -2);
  EXPECT_EQ(message.size(), 11u);
  EXPECT_EQ(ReaderOf(message).Next()->as_int(), -2);
}

TEST(Protobuf, EveryCutIsAProblemOrAnEndBetweenFields) {
  const std::string message = protobuf::Number(1, 1 << 20) + protobuf::Bytes(2, "text");
  const size_t first = protobuf::Number(1, 1 << 20).size();
  for (size_t size = 1; size < message.size(); ++size) {
    ProtobufReader reader = ReaderOf(std::string_view(message).substr(0, size));
    while (reader.Next()) {
    }
    EXPECT_EQ(reader.problem() == nullptr, size == first) << size;
  }
}

TEST(Protobuf, DamageIsToldApart) {
  const auto problem = [](std::string_view bytes) {
    ProtobufReader reader = ReaderOf(bytes);
    EXPECT_FALSE(reader.Next());
    return std::string(reader.problem() != nullptr ? reader.problem() : "");
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(problem("\x02\x00"sv), "a field number that does not exist");
  EXPECT_EQ(problem("\x0B"sv), "a field of an unknown wire type");  // A group.
  EXPECT_EQ(problem("\x12\x05hi"sv), "a length that reaches past the end");
  EXPECT_EQ(problem("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"sv),
            "a number that does not end");
  EXPECT_EQ(problem("\x0D\x01\x02"sv), "a number that is cut off");
}

}  // namespace
}  // namespace akin::formats
