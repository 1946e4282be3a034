#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/tiny_bert.h"

namespace akin::formats {
namespace {

Result<std::vector<SafetensorsEntry>> Parse(const std::string& file) {
  return ParseSafetensors(std::as_bytes(std::span(file)), "m.safetensors");
}

template <typename... Mentions>
void ExpectInvalid(const std::string& file, const Mentions&... mentions) {
  ExpectError(Parse(file), ErrorCode::kInvalidModel, "m.safetensors", mentions...);
}

// A file with one tensor "t" of the given header and `bytes` bytes of data.
std::string OneTensor(std::string_view header, size_t bytes) {
  return SafetensorsFile(StrCat("{\"t\":", header, "}"), std::string(bytes, 'x'));
}

TEST(Safetensors, TensorsHaveTheirTypeShapeAndBytes) {
  const std::string file = SafetensorsFile(
      R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[2,10]},"__metadata__":{"k":"v"},)"
      R"("b":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}    )",
      "BBAAAAAAAA");
  const auto entries = Parse(file);
  ASSERT_TRUE(entries) << entries.error().message();
  ASSERT_EQ(entries->size(), 2u);
  const SafetensorsEntry& a = (*entries)[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, "F32");
  EXPECT_EQ(a.shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()), "AAAAAAAA");
  EXPECT_EQ((*entries)[1].bytes.size(), 2u);
}

TEST(Safetensors, ScalarsAndEmptyTensorsAreTensors) {
  EXPECT_TRUE(Parse(OneTensor(R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})", 4)));
  EXPECT_TRUE(Parse(OneTensor(R"({"dtype":"F32","shape":[0,7],"data_offsets":[0,0]})", 0)));
  EXPECT_TRUE(Parse(SafetensorsFile("{}")));
}

TEST(Safetensors, TypesHaveTheirSizes) {
  for (const auto& [dtype, bytes] : std::vector<std::pair<std::string, int>>{
           {"BOOL", 1}, {"U8", 1}, {"F16", 2}, {"BF16", 2}, {"I32", 4}, {"F64", 8}, {"U64", 8}}) {
    const auto header = [&](int size) {
      return StrCat("{\"dtype\":\"", dtype, "\",\"shape\":[3],\"data_offsets\":[0,", size, "]}");
    };
    EXPECT_TRUE(Parse(OneTensor(header(3 * bytes), static_cast<size_t>(3 * bytes)))) << dtype;
    ExpectInvalid(OneTensor(header(3 * bytes + 1), static_cast<size_t>(3 * bytes + 1)), "\"t\"");
  }
}

TEST(Safetensors, LengthPrefixIsCheckedBeforeItIsUsed) {
  ExpectInvalid("");
  ExpectInvalid("1234567");
  ExpectInvalid(LittleEndian64(0));
  ExpectInvalid(LittleEndian64(3) + "{}");
  ExpectInvalid(LittleEndian64(100'000'001) + "{}", "100000000");
  ExpectInvalid(LittleEndian64(uint64_t{1} << 63) + "{}");
  ExpectInvalid(LittleEndian64(~uint64_t{0}) + "{}");
  ExpectInvalid(LittleEndian64(~uint64_t{0} - 7) + "{}");
}

TEST(Safetensors, HeaderIsOneJsonObject) {
  ExpectInvalid(SafetensorsFile("[]"), "'{'");
  ExpectInvalid(SafetensorsFile(" {}"), "'{'");
  ExpectInvalid(SafetensorsFile("{}{}"));
  ExpectInvalid(SafetensorsFile("{"));
  ExpectInvalid(SafetensorsFile("{\"\xFF\":1}"));
  ExpectInvalid(SafetensorsFile("{\"t\":1}"));
  ExpectInvalid(SafetensorsFile("{\"t\":{}}"), "dtype");
}

TEST(Safetensors, OtherKindsOfFilesAreRecognised) {
  ExpectInvalid("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "LFS");
  ExpectInvalid("<!DOCTYPE html><html></html>", "web page");
  ExpectInvalid(std::string("PK\x03\x04pickledpickle", 17), "pickle");
}

TEST(Safetensors, MetadataMapsStringsToStrings) {
  ExpectInvalid(SafetensorsFile(R"({"__metadata__":{"a":1}})"), "__metadata__");
  ExpectInvalid(SafetensorsFile(R"({"__metadata__":[]})"), "__metadata__");
}

TEST(Safetensors, NameTwiceIsRefused) {
  ExpectInvalid(SafetensorsFile(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                R"("t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                "xx"),
                "'t'", "twice");
  // The same name by way of an escape.
  ExpectInvalid(SafetensorsFile(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                R"("\u0074":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                "xx"),
                "'t'", "twice");
}

TEST(Safetensors, NamesAreShortAndWithoutNul) {
  const std::string tensor = R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_TRUE(Parse(SafetensorsFile("{\"" + std::string(1024, 'n') + tensor, "x")));
  ExpectInvalid(SafetensorsFile("{\"" + std::string(1025, 'n') + tensor, "x"), "1024");
  ExpectInvalid(SafetensorsFile("{\"t\\u0000" + tensor, "x"), "NUL");
}

TEST(Safetensors, ShapesAreCheckedWithoutOverflow) {
  const auto with_shape = [](std::string_view shape, int bytes) {
    return OneTensor(
        StrCat("{\"dtype\":\"F32\",\"shape\":", shape, ",\"data_offsets\":[0,", bytes, "]}"),
        static_cast<size_t>(bytes));
  };
  EXPECT_TRUE(Parse(with_shape("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 4)));
  ExpectInvalid(with_shape("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 4), "16");
  ExpectInvalid(with_shape("[4294967296,4294967296]", 0), "\"t\"");
  ExpectInvalid(with_shape("[4611686018427387904]", 0), "\"t\"");  // 2^62 times 4 bytes is 2^64.
  ExpectInvalid(with_shape("[9223372036854775807,2,2]", 0), "\"t\"");
  ExpectInvalid(with_shape("[18446744073709551617]", 4), "shape");
  ExpectInvalid(with_shape("[-1]", 4), "shape");
  ExpectInvalid(with_shape("[-1,-1]", 4), "shape");
  ExpectInvalid(with_shape("[1.0]", 4), "shape");
  ExpectInvalid(with_shape("[\"1\"]", 4), "shape");
  ExpectInvalid(with_shape("1", 4), "shape");
  ExpectInvalid(with_shape("[2]", 4), "\"t\"");
}

TEST(Safetensors, OffsetsLieInsideTheData) {
  const auto with_offsets = [](std::string_view offsets) {
    return OneTensor(StrCat("{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":", offsets, "}"), 4);
  };
  EXPECT_TRUE(Parse(with_offsets("[0,4]")));
  for (const char* offsets :
       {"[0,5]", "[4,0]", "[1,5]", "[0.0,4.0]", "[0,18446744073709551615]", "[-4,0]", "[0]",
        "[0,4,4]", "[]", "\"04\"", "{}", "[0,9223372036854775807]", "[null,4]", "[5,9]"}) {
    SCOPED_TRACE(offsets);
    ExpectInvalid(with_offsets(offsets), "data_offsets");
  }
}

TEST(Safetensors, UnknownTypeIsUnsupported) {
  ExpectError(Parse(OneTensor(R"({"dtype":"F128","shape":[1],"data_offsets":[0,16]})", 16)),
              ErrorCode::kUnsupportedModel, "m.safetensors", "F128");
}

std::string TwoTensors(int a_begin, int a_end, int b_begin, int b_end, size_t data) {
  const auto tensor = [](std::string_view name, int begin, int end) {
    return StrCat('"', name, "\":{\"dtype\":\"U8\",\"shape\":[", end - begin,
                  "],\"data_offsets\":[", begin, ',', end, "]}");
  };
  return SafetensorsFile(
      StrCat('{', tensor("a", a_begin, a_end), ',', tensor("b", b_begin, b_end), '}'),
      std::string(data, 'x'));
}

TEST(Safetensors, TensorsCoverTheDataExactly) {
  EXPECT_TRUE(Parse(TwoTensors(0, 4, 4, 8, 8)));
  EXPECT_TRUE(Parse(TwoTensors(4, 8, 0, 4, 8)));
  EXPECT_TRUE(Parse(TwoTensors(0, 4, 4, 4, 4)));
  EXPECT_TRUE(Parse(TwoTensors(0, 0, 0, 4, 4)));
  ExpectInvalid(TwoTensors(0, 4, 3, 7, 7), "'b'");      // Overlap.
  ExpectInvalid(TwoTensors(0, 4, 0, 4, 4), "begins");   // The same range twice.
  ExpectInvalid(TwoTensors(0, 8, 2, 4, 8), "'b'");      // One inside the other.
  ExpectInvalid(TwoTensors(0, 4, 5, 8, 8), "'b'");      // A hole.
  ExpectInvalid(TwoTensors(1, 4, 4, 8, 8), "'a'");      // A hole at the beginning.
  ExpectInvalid(TwoTensors(0, 4, 4, 8, 9), "1 bytes");  // Bytes at the end.
  ExpectInvalid(TwoTensors(0, 4, 2, 2, 4), "'b'");      // Empty, but inside another one.
  ExpectInvalid(SafetensorsFile("{}", "x"), "1 bytes");
}

TEST(Safetensors, EveryCutIsRefused) {
  const std::string file = SafetensorsFile(TinyBert().tensors);
  ASSERT_TRUE(Parse(file));
  for (size_t size = 0; size < file.size(); ++size) {
    ASSERT_FALSE(Parse(file.substr(0, size))) << size;
  }
}

TEST(Safetensors, EveryFlippedBitGivesTensorsInsideTheFileOrAnError) {
  const std::string file = SafetensorsFile(TinyBert().tensors);
  for (size_t i = 0; i < file.size() * 8; ++i) {
    std::string changed = file;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    const auto entries = Parse(changed);
    if (!entries) continue;
    const auto bytes = std::as_bytes(std::span(changed));
    for (const SafetensorsEntry& entry : *entries) {
      ASSERT_GE(entry.bytes.data(), bytes.data());
      ASSERT_LE(entry.bytes.data() + entry.bytes.size(), bytes.data() + bytes.size());
    }
  }
}

}  // namespace
}  // namespace akin::formats
