// On ONNX Runtime's real library.
#include "backends/onnxruntime/onnxruntime_backend.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <thread>

#include "backends/onnxruntime/tiny_graph.h"
#include "base/floating_point.h"
#include "base/thread_count.h"
#include "support/expect_error.h"

namespace akin::backends {
namespace {

using onnx_file::Model;
using onnx_file::Node;
using onnx_file::Opset;

// Sequences {1, 2, 3}, {4}, {5, 6}.
constexpr std::array<int32_t, 6> kIds = {1, 2, 3, 4, 5, 6};
constexpr std::array<int32_t, 4> kBorders = {0, 3, 4, 6};
const RaggedBatch kBatch{kIds, {}, kBorders};

std::vector<float> TableRows(std::span<const int32_t> tokens) {
  std::vector<float> values;
  for (const int32_t token : tokens) {
    for (int64_t c = 0; c < kTableWidth; ++c) values.push_back(TableValue(token, c));
  }
  return values;
}

class OnnxRuntimeBackendTest : public OnnxRuntimeTest {
 protected:
  // Loads `model`, computes kBatch, expects the rows of the table.
  void ExpectTableRows(const std::string& model, const OnnxRuntimeParams& params = {}) {
    const OnnxFolder folder(model);
    const auto backend = folder.Load(params);
    ASSERT_TRUE(backend) << backend.error().message();
    const auto rows = ComputeRows(**backend, kBatch);
    ASSERT_TRUE(rows) << rows.error().message();
    EXPECT_EQ(*rows, TableRows(kIds));
  }
};

TEST_F(OnnxRuntimeBackendTest, ARaggedBatchGivesARowForEachToken) {
  ExpectTableRows(LookupModel());
  OnnxRuntimeParams params;
  params.num_threads = 2;  // Two sessions that share the table.
  ExpectTableRows(LookupModel(), params);
}

TEST_F(OnnxRuntimeBackendTest, WhatItIsComesFromTheGraph) {
  const OnnxFolder folder(LookupModel(), "onnx/model.onnx");
  const auto backend = folder.Load();
  ASSERT_TRUE(backend) << backend.error().message();
  const BackendInfo info = (*backend)->Info();
  EXPECT_EQ(info.name, "onnxruntime");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.width, kTableWidth);
  EXPECT_EQ(info.vocab_size, kTableRows);
  EXPECT_EQ(info.rows, RowKind::kTokenStates);
  EXPECT_FALSE(info.batch_invariant);
  EXPECT_NE(info.detail.find("onnx/model.onnx in ONNX Runtime"), std::string::npos) << info.detail;
}

std::string WithCast(int64_t type) {
  return Model(
      Initializer(Table()) + Lookup("states") +
      GraphNode(Node("Cast", {"states"}, {"last_hidden_state"}, IntAttribute("to", type))) +
      GraphInput("input_ids") + GraphOutput("last_hidden_state", static_cast<int>(type)));
}

TEST_F(OnnxRuntimeBackendTest, OutputsOf16BitsAndOfDoublesAreRead) {
  ExpectTableRows(WithCast(kFloat16Type));
  ExpectTableRows(WithCast(kBfloat16Type));
  ExpectTableRows(WithCast(11));
}

TEST_F(OnnxRuntimeBackendTest, InputsMayBeInt32) {
  ExpectTableRows(Model(Initializer(Table()) + Lookup() + GraphInput("input_ids", kInt32Type) +
                        GraphOutput("last_hidden_state")));
}

TEST_F(OnnxRuntimeBackendTest, FixedAxesAreHonoured) {
  // Two sequences of exactly eight tokens a run: kBatch takes two runs.
  const std::string fixed =
      Model(Initializer(Table()) + Lookup() + GraphInput("input_ids", kInt64Type, {2, 8}) +
            GraphOutput("last_hidden_state", kFloatType, {2, 8, kTableWidth}));
  ExpectTableRows(fixed);
  const OnnxFolder folder(fixed);
  const auto backend = folder.Load();
  EXPECT_EQ((*backend)->Info().max_positions, 8);
  const std::vector<int32_t> ids(9, 1), borders = {0, 9};
  ExpectError(ComputeRows(**backend, {ids, {}, borders}), ErrorCode::kInvalidInput, "9 tokens",
              "8");
}

TEST_F(OnnxRuntimeBackendTest, SequencesArePaddedToTheBuckets) {
  OnnxRuntimeParams params;
  params.options.shape_buckets = {2, 4, 8};
  ExpectTableRows(LookupModel(), params);
}

// last_hidden_state = float(attention_mask), once a column.
TEST_F(OnnxRuntimeBackendTest, TheMaskIsOneForTokensAndPaddingIsCutOff) {
  const std::string shape =
      onnx_file::TensorHead("axes", kInt64Type, {1}) + protobuf::Bytes(7, protobuf::Varint(2));
  const OnnxFolder folder(
      Model(Initializer(shape) +
            GraphNode(Node("Cast", {"attention_mask"}, {"mask"}, IntAttribute("to", kFloatType))) +
            GraphNode(Node("Unsqueeze", {"mask", "axes"}, {"last_hidden_state"})) +
            GraphInput("input_ids") + GraphInput("attention_mask") +
            GraphOutput("last_hidden_state", kFloatType, {-1, -1, 1})));
  const auto backend = folder.Load();
  ASSERT_TRUE(backend) << backend.error().message();
  EXPECT_EQ(*ComputeRows(**backend, kBatch), std::vector<float>(kIds.size(), 1.0f));
}

TEST_F(OnnxRuntimeBackendTest, AGraphThatPoolsGivesARowForEachSequence) {
  const OnnxFolder folder(Model(
      Initializer(Table()) + Lookup("states") +
      GraphNode(Node("ReduceMax", {"states"}, {"sentence_embedding"},
                     IntAttribute("keepdims", 0) +
                         protobuf::Bytes(5, protobuf::Bytes(1, "axes") + protobuf::Number(8, 1) +
                                                protobuf::Number(20, 7)))) +
      GraphInput("input_ids") + GraphOutput("sentence_embedding", kFloatType, {-1, -1})));
  const auto backend = folder.Load();
  ASSERT_TRUE(backend) << backend.error().message();
  EXPECT_EQ((*backend)->Info().rows, RowKind::kVectors);
  const std::array<int32_t, 3> last = {3, 4, 6};
  EXPECT_EQ(*ComputeRows(**backend, kBatch), TableRows(last));
}

// Scales of DynamicQuantizeLinear are taken over all sequences of a run.
std::string DynamicallyQuantized() {
  return Model(Initializer(Table()) + Lookup("states") +
               GraphNode(Node("DynamicQuantizeLinear", {"states"}, {"q", "scale", "zero"})) +
               GraphNode(Node("DequantizeLinear", {"q", "scale", "zero"}, {"last_hidden_state"})) +
               GraphInput("input_ids") + GraphOutput("last_hidden_state"));
}

TEST_F(OnnxRuntimeBackendTest, GraphsThatQuantizeByBatchRunOneSequenceAtATime) {
  const OnnxFolder folder(DynamicallyQuantized());
  const std::array<int32_t, 1> small = {1};
  const std::array<int32_t, 2> small_borders = {0, 1}, pair = {1, 7};
  const std::array<int32_t, 3> pair_borders = {0, 1, 2};
  const auto rows_of_first = [&](const Backend& backend) {
    std::vector<float> rows = *ComputeRows(backend, {pair, {}, pair_borders});
    rows.resize(static_cast<size_t>(kTableWidth));
    return rows;
  };
  const auto invariant = folder.Load();
  ASSERT_TRUE(invariant) << invariant.error().message();
  EXPECT_TRUE((*invariant)->Info().batch_invariant);
  EXPECT_EQ(rows_of_first(**invariant), *ComputeRows(**invariant, {small, {}, small_borders}));

  OnnxRuntimeParams params;
  params.options.batch_invariant = false;
  const auto together = folder.Load(params);
  EXPECT_FALSE((*together)->Info().batch_invariant);
  EXPECT_NE(rows_of_first(**together), *ComputeRows(**together, {small, {}, small_borders}));
}

TEST_F(OnnxRuntimeBackendTest, ExternalDataIsReadThroughTheFolder) {
  const std::string values = [] {
    std::string bytes(16, 'x');
    for (int64_t t = 0; t < kTableRows; ++t) {
      for (int64_t c = 0; c < kTableWidth; ++c) {
        const float value = TableValue(t, c);
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
    return bytes;
  }();
  const auto model_at = [](std::string_view location) {
    return Model(Initializer(onnx_file::TensorHead("table", kFloatType, {kTableRows, kTableWidth}) +
                             protobuf::Number(14, 1) +
                             onnx_file::ExternalEntry("location", location) +
                             onnx_file::ExternalEntry("offset", "16")) +
                 Lookup() + GraphInput("input_ids") + GraphOutput("last_hidden_state"));
  };
  const OnnxFolder folder(model_at("weights.bin"), "onnx/model.onnx");
  ExpectError(folder.Load(), ErrorCode::kModelNotFound, "model.onnx", "weights.bin");
  folder.folder().Write("onnx/weights.bin", values.substr(0, 50));
  ExpectError(folder.Load(), ErrorCode::kInvalidModel, "model.onnx", "weights.bin", "50");
  folder.folder().Write("onnx/weights.bin", values);
  const auto backend = folder.Load();
  ASSERT_TRUE(backend) << backend.error().message();
  EXPECT_EQ(*ComputeRows(**backend, kBatch), TableRows(kIds));

  folder.folder().Write("outside.bin", values);
  folder.folder().Write("onnx/model.onnx", model_at("../outside.bin"));
  ExpectError(folder.Load(), ErrorCode::kInvalidModel, "outside.bin");
  folder.folder().Write("onnx/model.onnx", model_at((folder.folder() / "outside.bin").string()));
  ExpectError(folder.Load(), ErrorCode::kInvalidModel, "outside.bin");
  folder.folder().Write("onnx/model.onnx", model_at("*/_ORT_MEM_ADDR_/*"));
  ExpectError(folder.Load(), ErrorCode::kInvalidModel, "address in memory");
}

// A loop of a billion rounds in front of the output.
std::string EndlessModel() {
  const auto scalar = [](std::string_view name, int type, std::string_view raw) {
    return Initializer(onnx_file::TensorHead(name, type, {}) + protobuf::Bytes(9, raw));
  };
  using namespace std::string_literals;
  const std::string body =
      protobuf::Bytes(2, "body") + GraphNode(Node("Identity", {"go"}, {"go_on"})) +
      GraphNode(Node("Add", {"sum", "one"}, {"next"})) + GraphInput("round", kInt64Type, {}) +
      GraphInput("go", 9, {}) + GraphInput("sum", kFloatType, {}) + GraphOutput("go_on", 9, {}) +
      GraphOutput("next", kFloatType, {});
  return Model(
      Initializer(Table()) + scalar("rounds", kInt64Type, "\0\xCA\x9A\x3B\0\0\0\0"s) +
      scalar("always", 9, "\x01"s) + scalar("one", kFloatType, "\0\0\x80\x3F"s) + Lookup("states") +
      GraphNode(Node("Loop", {"rounds", "always", "one"}, {"sum"},
                     protobuf::Bytes(5, protobuf::Bytes(1, "body") + protobuf::Bytes(6, body) +
                                            protobuf::Number(20, 5)))) +
      GraphNode(Node("Add", {"states", "sum"}, {"last_hidden_state"})) + GraphInput("input_ids") +
      GraphOutput("last_hidden_state"));
}

TEST_F(OnnxRuntimeBackendTest, ARunThatTakesTooLongIsEnded) {
  const OnnxFolder folder(EndlessModel());
  OnnxRuntimeParams params;
  params.options.run_timeout_ms = 200;
  params.options.optimization = GraphOptimization::kNone;
  ExpectError(folder.Load(params), ErrorCode::kDeadlineExceeded, "200 ms");
}

TEST_F(OnnxRuntimeBackendTest, ManyThreadsRunAtOnce) {
  const OnnxFolder folder(LookupModel());
  const auto backend = folder.Load();
  ASSERT_TRUE(backend) << backend.error().message();
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto rows = ComputeRows(**backend, kBatch);
        if (!rows || *rows != TableRows(kIds)) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

// Values that become denormal on the way and would be what they were at the end: so wide that ONNX
// Runtime shares them out among its threads.
TEST_F(OnnxRuntimeBackendTest, EveryThreadFlushesDenormals) {
  if (CountMachineThreads().count < 2) GTEST_SKIP() << "one CPU: the caller may compute all alone";
  constexpr int64_t kWidth = 4096;
  const std::vector<float> table(static_cast<size_t>(kTableRows * kWidth), 1.5f);
  std::string nodes = Lookup("x0"), scalars;
  const std::array<float, 4> factors = {1e-20f, 1e-20f, 1e20f, 1e20f};
  for (size_t i = 0; i < factors.size(); ++i) {
    const std::string n = std::to_string(i), next = std::to_string(i + 1);
    scalars += Initializer(onnx_file::FloatTensor("f" + n, {1}, {factors[i]}));
    nodes += GraphNode(
        Node("Mul", {"x" + n, "f" + n}, {i == 3 ? std::string("last_hidden_state") : "x" + next}));
  }
  const OnnxFolder folder(Model(
      Initializer(onnx_file::FloatTensor("table", {kTableRows, kWidth}, table)) + scalars + nodes +
      GraphInput("input_ids") + GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth})));
  OnnxRuntimeParams params;
  params.num_threads = 2;
  const auto backend = folder.Load(params);
  ASSERT_TRUE(backend) << backend.error().message();
  volatile float denormal = factors[0];
  denormal = denormal * factors[1];
  EXPECT_NE(denormal * factors[2], 0) << "loading has left this thread flushing";
  constexpr int32_t kTokens = 1024;  // A product takes milliseconds, so that the others do come.
  const auto session = (*backend)->NewSession(kTokens, 2);
  const std::vector<int32_t> ids(kTokens, 1), borders = {0, kTokens};
  const auto count_flushed = [&]() -> int64_t {
    const auto rows =
        (*backend)->Compute({ids, {}, borders}, TeamMember{.rank = 0, .size = 2}, *session);
    EXPECT_TRUE(rows) << rows.error().message();
    int64_t flushed = 0;
    for (size_t r = 0; r < rows->rows(); ++r) flushed += std::ranges::count(rows->row(r), 0.0f);
    return flushed;
  };
  // This thread does not flush, so that what is 0 is another's, which may come too late for a run.
  int64_t flushed = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (flushed == 0 && std::chrono::steady_clock::now() < end) flushed = count_flushed();
  EXPECT_GT(flushed, 0) << "no thread of ONNX Runtime's flushes";
  const ScopedFlushDenormals as_the_engine_does;
  for (int run = 0; run < 5; ++run) ASSERT_EQ(count_flushed(), kTokens * kWidth);
}

TEST_F(OnnxRuntimeBackendTest, WhatOnnxRuntimeRefusesIsInvalidModel) {
  const OnnxFolder unknown_operator(
      Model(GraphNode(Node("NoSuchThing", {"input_ids"}, {"logits"})) + GraphInput("input_ids") +
            GraphOutput("logits")));
  ExpectError(unknown_operator.Load(), ErrorCode::kInvalidModel, "model.onnx", "NoSuchThing");
  const OnnxFolder opset(Model(
      Initializer(Table()) + Lookup() + GraphInput("input_ids") + GraphOutput("last_hidden_state"),
      Opset(999)));
  ExpectError(opset.Load(), ErrorCode::kInvalidModel, "model.onnx", "999");
}

TEST_F(OnnxRuntimeBackendTest, ATokenOutsideTheTableIsAnError) {
  const OnnxFolder folder(LookupModel());
  const auto backend = folder.Load();
  const std::array<int32_t, 1> ids = {static_cast<int32_t>(kTableRows)};
  const std::array<int32_t, 2> borders = {0, 1};
  ExpectError(ComputeRows(**backend, {ids, {}, borders}), ErrorCode::kInternal, "ONNX Runtime");
  EXPECT_TRUE(ComputeRows(**backend, kBatch));  // The next run works.
}

TEST_F(OnnxRuntimeBackendTest, AGraphThatGivesNoRowForEachTokenIsRefused) {
  const OnnxFolder folder(Model(Initializer(Table()) + Lookup("states") +
                                GraphNode(Node("Transpose", {"states"}, {"last_hidden_state"})) +
                                GraphInput("input_ids") +
                                GraphOutput("last_hidden_state", kFloatType, {-1, -1, -1})));
  ExpectError(folder.Load(), ErrorCode::kUnsupportedModel, "last_hidden_state",
              "row for each token");
}

TEST_F(OnnxRuntimeBackendTest, TheOptimizedGraphIsKeptAndFound) {
  const OnnxFolder folder(LookupModel());
  const TemporaryFolder cache;
  OnnxRuntimeParams params;
  params.options.optimized_model_cache = (cache / "deep/er").string();
  ASSERT_TRUE(folder.Load(params));
  std::vector<std::filesystem::path> kept;
  for (const auto& entry : std::filesystem::directory_iterator(cache / "deep/er"))
    kept.push_back(entry.path());
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].extension(), ".onnx");
  const auto again = folder.Load(params);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*ComputeRows(**again, kBatch), TableRows(kIds));
}

TEST_F(OnnxRuntimeBackendTest, ADamagedOptimizedGraphIsMadeAnew) {
  const OnnxFolder folder(LookupModel());
  const TemporaryFolder cache;
  OnnxRuntimeParams params;
  params.options.optimized_model_cache = cache.path().string();
  ASSERT_TRUE(folder.Load(params));
  const std::filesystem::path kept = std::filesystem::directory_iterator(cache.path())->path();
  const auto size = std::filesystem::file_size(kept);
  // No graph at all, half of one, and one that only ONNX Runtime can see to be wrong.
  const std::string unknown_operator = onnx_file::Model(
      protobuf::Bytes(2, "g") + Initializer(Table()) +
      GraphNode(onnx_file::Node("NoSuchOperator", {"table", "input_ids"}, {"last_hidden_state"})) +
      GraphInput("input_ids") + GraphOutput("last_hidden_state"));
  // And one with another value in its table, which nobody can see but by a checksum.
  std::string other_value(size, '\0');
  std::ifstream(kept, std::ios::binary)
      .read(other_value.data(), static_cast<std::streamsize>(size));
  const float first = TableValue(2, 1);
  const std::string value(reinterpret_cast<const char*>(&first), sizeof first);
  const size_t at = other_value.find(value);
  ASSERT_NE(at, other_value.npos);
  other_value[at] ^= 0x40;
  for (const std::string& damage :
       {std::string(), LookupModel().substr(0, 40), unknown_operator, other_value}) {
    std::ofstream(kept, std::ios::binary | std::ios::trunc) << damage;
    const auto backend = folder.Load(params);
    ASSERT_TRUE(backend) << backend.error().message();
    EXPECT_EQ(*ComputeRows(**backend, kBatch), TableRows(kIds));
    EXPECT_EQ(std::filesystem::file_size(kept), size);
  }
}

TEST_F(OnnxRuntimeBackendTest, ALibraryThatIsNoneIsRefused) {
  const OnnxFolder folder(LookupModel());
  OnnxRuntimeParams params;
  params.options.library = (folder.folder() / "libnothing.so").string();
  ExpectError(folder.Load(params), ErrorCode::kInvalidInput, "libnothing.so", "not there",
              "--ort-library");
  folder.folder().Write("libnothing.so", "no library");
  ExpectError(folder.Load(params), ErrorCode::kInvalidInput, "libnothing.so");
}

TEST(ChooseOnnxFile, ThePrecisionChoosesAmongTheUsualNames) {
  const OnnxFolder folder("", "onnx/model.onnx");
  folder.folder().Write("onnx/model_quantized.onnx", "");
  folder.folder().Write("onnx/model_O4.onnx", "");
  std::vector<std::string> notes;
  const auto choose = [&](Precision precision, const std::string& file = "") {
    OnnxRuntimeOptions options;
    options.onnx_file = file;
    notes.clear();
    return ChooseOnnxFile(folder.Open(), options, precision, notes);
  };
  EXPECT_EQ(*choose(Precision::kAuto), "onnx/model.onnx");
  EXPECT_EQ(*choose(Precision::kF32), "onnx/model.onnx");
  EXPECT_EQ(*choose(Precision::kInt8), "onnx/model_quantized.onnx");
  EXPECT_EQ(*choose(Precision::kF32, "model_O4.onnx"), "onnx/model_O4.onnx");
  EXPECT_EQ(*choose(Precision::kF32, "onnx/model_O4.onnx"), "onnx/model_O4.onnx");
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(*choose(Precision::kBf16), "onnx/model.onnx");
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(
      notes[0],
      "not used: precision bf16, for which there is no ONNX file: onnx/model.onnx runs as it is");
  ExpectError(choose(Precision::kAuto, "model_x.onnx"), ErrorCode::kModelNotFound, "model_x.onnx");
  ExpectError(choose(Precision::kW8), ErrorCode::kUnsupportedModel, "w8");
}

}  // namespace
}  // namespace akin::backends
