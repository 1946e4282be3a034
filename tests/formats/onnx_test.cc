#include "formats/onnx.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/strings.h"
#include "support/expect_error.h"
#include "support/protobuf_writer.h"

namespace akin::formats {
namespace {

using onnx_file::ExternalEntry;
using onnx_file::FloatTensor;
using onnx_file::Model;
using onnx_file::Node;
using onnx_file::Opset;
using onnx_file::TensorHead;
using onnx_file::ValueInfo;
using protobuf::Bytes;
using protobuf::Number;

Result<OnnxModel> Parse(const std::string& file) {
  return ParseOnnx(std::as_bytes(std::span(file)), "m.onnx");
}

template <typename... Mentions>
void ExpectInvalid(const std::string& file, const Mentions&... mentions) {
  ExpectError(Parse(file), ErrorCode::kInvalidModel, "m.onnx", mentions...);
}

std::string WithInitializer(std::string_view tensor) { return Model(Bytes(5, tensor)); }
std::string WithNode(std::string_view node, std::string_view rest = Opset(17)) {
  return Model(Bytes(1, node), rest);
}

TEST(Onnx, AGraphHasItsPartsInOrder) {
  const std::string axis = Bytes(5, Bytes(1, "axis") + Number(3, -1) + Number(20, 2));
  const std::string file =
      Model(Bytes(2, "g") + Bytes(1, Node("Add", {"x", "w"}, {"y"})) +
                Bytes(1, Node("Softmax", {"y"}, {"z"}, axis, "ai.onnx")) +
                Bytes(5, FloatTensor("w", {2}, {1.0f, 2.0f})) +
                Bytes(11, ValueInfo("x", 7, {-1, 2})) + Bytes(12, ValueInfo("z", 1, {-1, 2})),
            Opset(17) + Opset(1, "com.microsoft"));
  const auto model = Parse(file);
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->ir_version, 8);
  ASSERT_EQ(model->opsets.size(), 2u);
  EXPECT_EQ(model->opsets[1].domain, "com.microsoft");
  const OnnxGraph& graph = model->graph;
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].inputs, (std::vector<std::string_view>{"x", "w"}));
  EXPECT_EQ(graph.nodes[1].domain, "ai.onnx");
  ASSERT_NE(graph.nodes[1].Find("axis"), nullptr);
  EXPECT_EQ(graph.nodes[1].Find("axis")->i, -1);
  EXPECT_EQ(graph.nodes[1].Find("axes"), nullptr);
  ASSERT_EQ(graph.initializers.size(), 1u);
  EXPECT_EQ(graph.initializers[0].num_elements(), 2u);
  float values[2];
  std::memcpy(values, graph.initializers[0].bytes.data(), sizeof values);
  EXPECT_EQ(values[1], 2.0f);
  EXPECT_EQ(graph.inputs[0].type, OnnxType::kInt64);
  ASSERT_TRUE(graph.inputs[0].dims);
  EXPECT_EQ((*graph.inputs[0].dims)[0].size, -1);
  EXPECT_EQ((*graph.inputs[0].dims)[0].symbol, "n");
  EXPECT_EQ((*graph.inputs[0].dims)[1].size, 2);
}

// What the values of tensor `w` are as bytes, or the error's message.
std::string ValuesOf(std::string_view tensor) {
  const std::string file = WithInitializer(tensor);
  const auto model = Parse(file);
  if (!model) return model.error().message();
  const auto bytes = model->graph.initializers[0].bytes;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Onnx, ValuesAreReadFromEachOfTheirPlaces) {
  using namespace std::string_literals;
  const std::string packed = protobuf::Varint(1) + protobuf::Varint(static_cast<uint64_t>(-2));
  EXPECT_EQ(ValuesOf(TensorHead("w", 7, {2}) + Bytes(7, packed)),
            "\x01\0\0\0\0\0\0\0\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s);
  EXPECT_EQ(ValuesOf(TensorHead("w", 3, {2}) + Bytes(5, packed)), "\x01\xFE");
  EXPECT_EQ(ValuesOf(TensorHead("w", 3, {2}) + Number(5, 1) + Number(5, -2)), "\x01\xFE");
  EXPECT_EQ(ValuesOf(TensorHead("w", 10, {1}) + Bytes(5, protobuf::Varint(0x3C00))), "\0\x3C"s);
  EXPECT_EQ(ValuesOf(TensorHead("w", 1, {1}) + Bytes(4, "\0\0\x80\x3F"s)), "\0\0\x80\x3F"s);
  EXPECT_EQ(ValuesOf(TensorHead("w", 1, {2}) + protobuf::Float(4, 1) + protobuf::Float(4, 1)),
            "\0\0\x80\x3F\0\0\x80\x3F"s);
  EXPECT_EQ(ValuesOf(TensorHead("w", 21, {3}) + Bytes(9, "ab")), "ab");  // Two of 4 bits a byte.
  EXPECT_EQ(ValuesOf(TensorHead("w", 1, {0})), "");
}

TEST(Onnx, SizesThatContradictEachOtherAreRefused) {
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {3}) + Bytes(9, "12345678")), "'w'", "8 bytes",
                "12");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {2})), "'w'", "0 bytes");
  ExpectInvalid(
      WithInitializer(TensorHead("w", 1, {2}) + Bytes(9, "12345678") + Bytes(10, "12345678")),
      "'w'", "raw_data and in another field");
  // Doubles of a tensor of floats, and half a double that nothing asks for.
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {2}) + Bytes(10, "12345678")), "'w'", "field 10",
                "expected 4");
  ExpectInvalid(WithInitializer(TensorHead("w", 0, {2}) + Bytes(10, "1234")), "'w'", "4 bytes",
                "elements of 8");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {-1})), "'w'", "-1");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {int64_t{1} << 32, int64_t{1} << 32})), "'w'",
                "overflows");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, std::vector<int64_t>(17, 1))), "'w'",
                "17 dimensions");
  ExpectInvalid(WithInitializer(TensorHead(std::string(1025, 'n'), 1, {})), "1025 bytes");
}

TEST(Onnx, ExternalValuesStayNamesAndRanges) {
  const std::string external = Number(14, 1);
  const std::string file =
      WithInitializer(TensorHead("w", 1, {4}) + external + ExternalEntry("location", "w.bin") +
                      ExternalEntry("offset", "64") + ExternalEntry("length", "16"));
  const auto model = Parse(file);
  ASSERT_TRUE(model) << model.error().message();
  const OnnxTensor& tensor = model->graph.initializers[0];
  ASSERT_TRUE(tensor.external);
  EXPECT_EQ(tensor.external->location, "w.bin");
  EXPECT_EQ(tensor.external->offset, 64u);
  EXPECT_EQ(tensor.external->length, 16u);
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {4}) + external), "'w'", "no location");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {4}) + external +
                                ExternalEntry("location", "w") + ExternalEntry("offset", "-1")),
                "offset '-1'");
  ExpectInvalid(WithInitializer(TensorHead("w", 1, {4}) + external +
                                ExternalEntry("location", "w") + ExternalEntry("length", "15")),
                "15 bytes", "16");
}

TEST(Onnx, EveryCutIsRefused) {
  const std::string file =
      Model(Bytes(1, Node("Add", {"x", "w"}, {"y"})) + Bytes(5, FloatTensor("w", {1}, {1.0f})) +
            Bytes(12, ValueInfo("y", 1, {-1})));
  const size_t whole_without_opset = file.size() - Opset(17).size();
  for (size_t size = 0; size < file.size(); ++size) {
    if (size == whole_without_opset) continue;
    EXPECT_FALSE(Parse(file.substr(0, size))) << size;
  }
  EXPECT_TRUE(Parse(file));
}

TEST(Onnx, WhatIsNoModelSaysSo) {
  ExpectInvalid("", "empty");
  ExpectInvalid(Number(1, 8), "no graph");
  ExpectInvalid("version https://git-lfs.github.com/spec/v1\n", "damaged or no ONNX model");
  ExpectInvalid(Model("") + Bytes(7, ""), "two graphs");
}

std::string Nested(int depth) {
  std::string graph;
  for (int i = 0; i < depth; ++i) {
    const std::string branch = Bytes(5, Bytes(1, "then_branch") + Bytes(6, graph));
    graph = Bytes(1, Node("If", {"c"}, {StrCat("y", i)}, branch));
  }
  return Model(graph);
}

TEST(Onnx, SubgraphsMayBeSixteenDeep) {
  EXPECT_TRUE(Parse(Nested(15)));
  ExpectError(Parse(Nested(16)), ErrorCode::kUnsupportedModel, "m.onnx", "nested");
  ExpectError(Parse(Nested(500)), ErrorCode::kUnsupportedModel, "m.onnx", "nested");
}

// Function f0 calls f1 `calls` times, f1 calls f2 and so on.
std::string Functions(int count, int calls, bool endless = false) {
  std::string rest;
  for (int i = 0; i < count; ++i) {
    const std::string callee =
        i + 1 < count ? StrCat("f", i + 1) : (endless ? std::string("f0") : std::string("Relu"));
    std::string body;
    for (int c = 0; c < calls; ++c)
      body += Bytes(7, Node(callee, {"x"}, {StrCat("y", c)}, "", callee == "Relu" ? "" : "loc"));
    rest += Bytes(25, Bytes(1, StrCat("f", i)) + body + Bytes(10, "loc"));
  }
  return WithNode(Node("f0", {"x"}, {"z"}, "", "loc"), Opset(17) + Opset(1, "loc") + rest);
}

TEST(Onnx, ChainsOfFunctionsAreBounded) {
  EXPECT_TRUE(Parse(Functions(16, 1)));
  ExpectError(Parse(Functions(17, 1)), ErrorCode::kUnsupportedModel, "m.onnx", "function");
  ExpectError(Parse(Functions(3000, 1)), ErrorCode::kUnsupportedModel, "m.onnx", "function");
  ExpectError(Parse(Functions(2, 1, true)), ErrorCode::kUnsupportedModel, "m.onnx", "function");
  // 10^7 nodes from 70 lines.
  ExpectError(Parse(Functions(7, 10)), ErrorCode::kUnsupportedModel, "m.onnx", "written out");
}

TEST(Onnx, CyclesAndDoubleValuesAreRefused) {
  ExpectInvalid(
      Model(Bytes(1, Node("Add", {"x", "b"}, {"a"})) + Bytes(1, Node("Neg", {"a"}, {"b"}))),
      "cycle");
  ExpectInvalid(WithNode(Node("Neg", {"a"}, {"a"})), "cycle");
  ExpectInvalid(Model(Bytes(1, Node("Neg", {"x"}, {"a"})) + Bytes(1, Node("Abs", {"x"}, {"a"}))),
                "'a'");
  // Any order will do as long as there is one.
  EXPECT_TRUE(
      Parse(Model(Bytes(1, Node("Neg", {"a"}, {"b"})) + Bytes(1, Node("Abs", {"x"}, {"a"})))));
}

TEST(Onnx, ManySmallThingsInALargeFileAreRefusedBeforeTheyFillMemory) {
  std::string graph;
  for (size_t i = 0; i <= kMaxOnnxObjects; ++i) graph += Bytes(1, "");
  ExpectError(Parse(Model(graph)), ErrorCode::kUnsupportedModel, "m.onnx", "more than");
}

}  // namespace
}  // namespace akin::formats
