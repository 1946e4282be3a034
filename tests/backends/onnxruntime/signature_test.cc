#include "backends/onnxruntime/signature.h"

#include "backends/onnxruntime/tiny_graph.h"
#include "support/expect_error.h"

namespace akin::backends::onnxruntime {
namespace {

using onnx_file::Model;
using onnx_file::Node;
using onnx_file::Opset;

Result<Signature> SignatureOf(const std::string& graph, const std::string& output = "") {
  const OnnxFolder folder(Model(graph));
  AKIN_TRY_ASSIGN(const model::OnnxFile file, model::OnnxFile::Open(folder.Open(), "model.onnx"));
  return ReadSignature(file, output);
}

TEST(Signature, InputsAreToldByTheirNames) {
  const auto signature = SignatureOf(GraphInput("attention_mask", kInt32Type) +
                                     GraphInput("input_ids") + GraphInput("token_type_ids") +
                                     GraphInput("position_ids") + GraphOutput("last_hidden_state"));
  ASSERT_TRUE(signature) << signature.error().message();
  ASSERT_EQ(signature->inputs.size(), 4u);
  EXPECT_EQ(signature->inputs[0].role, InputRole::kAttentionMask);
  EXPECT_EQ(signature->inputs[0].type, formats::OnnxType::kInt32);
  EXPECT_EQ(signature->inputs[1].role, InputRole::kInputIds);
  EXPECT_EQ(signature->inputs[3].role, InputRole::kPositionIds);
  EXPECT_FALSE(signature->batch);
  EXPECT_FALSE(signature->length);
}

TEST(Signature, AnInputThatNoTextGivesIsRefusedByName) {
  ExpectError(SignatureOf(GraphInput("input_ids") + GraphInput("pixel_values") +
                          GraphOutput("last_hidden_state")),
              ErrorCode::kUnsupportedModel, "model.onnx", "pixel_values");
  ExpectError(SignatureOf(GraphInput("input_ids", kFloatType) + GraphOutput("logits")),
              ErrorCode::kUnsupportedModel, "input_ids", "float");
  ExpectError(SignatureOf(GraphInput("attention_mask") + GraphOutput("logits")),
              ErrorCode::kUnsupportedModel, "input_ids");
  ExpectError(SignatureOf(GraphInput("input_ids", kInt64Type, {-1}) + GraphOutput("logits")),
              ErrorCode::kUnsupportedModel, "1 dimensions");
}

TEST(Signature, InitializersAmongTheInputsOfOldFilesAreNone) {
  EXPECT_TRUE(SignatureOf(GraphInput("input_ids") + GraphInput("table", kFloatType) +
                          Initializer(Table()) + GraphOutput("last_hidden_state")));
}

TEST(Signature, WhatPoolingHasNotTouchedIsPreferred) {
  const std::string input = GraphInput("input_ids");
  const std::string pooled = GraphOutput("sentence_embedding", kFloatType, {-1, kTableWidth});
  const auto both = SignatureOf(input + pooled + GraphOutput("token_embeddings"));
  EXPECT_EQ(both->output, "token_embeddings");
  EXPECT_EQ(both->rows, RowKind::kTokenStates);
  EXPECT_EQ(SignatureOf(input + pooled)->rows, RowKind::kVectors);
  EXPECT_EQ(
      SignatureOf(input + pooled + GraphOutput("token_embeddings"), "sentence_embedding")->rows,
      RowKind::kVectors);
  EXPECT_EQ(SignatureOf(input + GraphOutput("logits", kFloatType, {-1, 2}))->rows,
            RowKind::kLogits);
  EXPECT_EQ(SignatureOf(input + GraphOutput("logits"))->rows, RowKind::kTokenLogits);
  const auto other = SignatureOf(input + GraphOutput("count", kInt64Type) + GraphOutput("1234"));
  EXPECT_EQ(other->output, "1234");
  EXPECT_EQ(other->rows, RowKind::kTokenStates);
  ExpectError(SignatureOf(input + GraphOutput("count", kInt64Type)), ErrorCode::kUnsupportedModel,
              "count");
  ExpectError(SignatureOf(input + pooled, "nothing"), ErrorCode::kInvalidInput, "nothing",
              "sentence_embedding");
}

TEST(Signature, FixedAxesAreFixed) {
  const auto signature =
      SignatureOf(GraphInput("input_ids", kInt64Type, {2, 16}) +
                  GraphInput("attention_mask", kInt64Type, {2, 16}) + GraphOutput("logits"));
  EXPECT_EQ(signature->batch, 2);
  EXPECT_EQ(signature->length, 16);
  ExpectError(SignatureOf(GraphInput("input_ids", kInt64Type, {2, 16}) +
                          GraphInput("attention_mask", kInt64Type, {2, 8}) + GraphOutput("logits")),
              ErrorCode::kInvalidModel, "different shapes");
}

TEST(Signature, OperatorsOfUnknownDomainsAreRefusedByName) {
  const auto check = [](const std::string& nodes, const std::string& rest) {
    const OnnxFolder folder(Model(nodes, rest));
    const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
    return CheckOperators(*file);
  };
  ExpectError(check(GraphNode(Node("Run", {"x"}, {"y"}, "", "com.evil")), Opset(17)),
              ErrorCode::kUnsupportedModel, "model.onnx", "com.evil");
  EXPECT_TRUE(check(GraphNode(Node("Gelu", {"x"}, {"y"}, "", "com.microsoft")), Opset(17)));
  // The file's own functions.
  const std::string function =
      protobuf::Bytes(25, protobuf::Bytes(1, "F") + protobuf::Bytes(10, "own"));
  EXPECT_TRUE(check(GraphNode(Node("F", {"x"}, {"y"}, "", "own")), Opset(17) + function));
}

TEST(GraphTraits, SizesComeFromTheGraph) {
  const OnnxFolder folder(LookupModel());
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  const GraphTraits traits = ReadTraits(*file, *ReadSignature(*file, ""));
  EXPECT_EQ(traits.vocab_size, kTableRows);
  EXPECT_EQ(traits.num_parameters, kTableRows * kTableWidth);
  EXPECT_EQ(traits.precision, "f32");
  EXPECT_FALSE(traits.quantizes_by_batch);
}

}  // namespace
}  // namespace akin::backends::onnxruntime
