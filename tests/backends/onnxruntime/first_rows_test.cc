// A layer of a transformer in a few nodes: what is cut, and that it changes no first row.
#include "backends/onnxruntime/first_rows.h"

#include <array>
#include <cmath>
#include <numeric>

#include "backends/onnxruntime/tiny_graph.h"
#include "support/expect_error.h"

namespace akin::backends::onnxruntime {
namespace {

using onnx_file::Model;
using onnx_file::Node;

constexpr int64_t kWidth = 4, kHeads = 2;

std::string IntsAttribute(std::string_view name, const std::vector<int64_t>& values) {
  std::string attribute = protobuf::Bytes(1, name);
  for (const int64_t value : values) attribute += protobuf::Number(8, value);
  return protobuf::Bytes(5, attribute + protobuf::Number(20, 7));
}

std::string Ints(std::string_view name, const std::vector<int64_t>& values, bool scalar = false) {
  std::string raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t));
  const std::vector<int64_t> dims = {static_cast<int64_t>(values.size())};
  return Initializer(
      onnx_file::TensorHead(name, kInt64Type, scalar ? std::vector<int64_t>() : dims) +
      protobuf::Bytes(9, raw));
}

// [rows, cols] of small numbers, others for each name.
std::string Weight(std::string_view name, int64_t rows, int64_t cols) {
  std::vector<float> values(static_cast<size_t>(rows * cols));
  const auto seed = static_cast<float>(std::accumulate(name.begin(), name.end(), 0));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(seed + 1.7f * static_cast<float>(i));
  return Initializer(onnx_file::FloatTensor(name, {rows, cols}, values));
}

std::string MatMulNode(const std::string& in, const std::string& weight, const std::string& out) {
  return Weight(weight, kWidth, kWidth) + GraphNode(Node("MatMul", {in, weight}, {out}));
}

// out = Reshape(in, [dimension 0 of in, dimension 1 of in, ...]), as exporters write it.
std::string ReshapeNodes(const std::string& in, const std::string& out,
                         const std::vector<int64_t>& rest) {
  std::string nodes;
  std::vector<std::string> parts;
  for (int64_t i = 0; i < 2; ++i) {
    const std::string name = out + std::to_string(i);
    nodes += GraphNode(Node("Shape", {in}, {name + "s"})) + Ints(name + "i", {i}, true) +
             GraphNode(Node("Gather", {name + "s", name + "i"}, {name + "d"})) +
             GraphNode(Node("Unsqueeze", {name + "d", "axis0"}, {name}));
    parts.push_back(name);
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    parts.push_back(out + "r" + std::to_string(i));
    nodes += Ints(parts.back(), {rest[i]});
  }
  return nodes + GraphNode(Node("Concat", parts, {out + "c"}, IntAttribute("axis", 0))) +
         GraphNode(Node("Reshape", {in, out + "c"}, {out}));
}

// hidden -> [batch, heads, length, width / heads], or the last two the other way round.
std::string HeadsOf(const std::string& name, const std::vector<int64_t>& perm) {
  return MatMulNode("hidden", "w" + name, name) +
         ReshapeNodes(name, name + "_split", {kHeads, kWidth / kHeads}) +
         GraphNode(
             Node("Transpose", {name + "_split"}, {name + "_heads"}, IntsAttribute("perm", perm)));
}

// `last` makes last_hidden_state of "summed"; a pooler is another output.
std::string LayerModel(const std::string& last, const std::string& output = "last_hidden_state",
                       int64_t mixing_axis = 3) {
  return Model(
      protobuf::Bytes(2, "g") + Weight("table", kTableRows, kWidth) + Ints("axis0", {0}) +
      GraphNode(Node("Gather", {"table", "input_ids"}, {"hidden"})) + HeadsOf("q", {0, 2, 1, 3}) +
      HeadsOf("k", {0, 2, 3, 1}) + HeadsOf("v", {0, 2, 1, 3}) +
      GraphNode(Node("MatMul", {"q_heads", "k_heads"}, {"scores"})) +
      GraphNode(Node("Softmax", {"scores"}, {"probabilities"}, IntAttribute("axis", mixing_axis))) +
      GraphNode(Node("MatMul", {"probabilities", "v_heads"}, {"context_heads"})) +
      GraphNode(Node("Transpose", {"context_heads"}, {"context_split"},
                     IntsAttribute("perm", {0, 2, 1, 3}))) +
      ReshapeNodes("context_split", "context", {kWidth}) + MatMulNode("context", "wo", "dense") +
      GraphNode(Node("Add", {"dense", "hidden"}, {"summed"})) + last +
      MatMulNode("last_hidden_state", "wp", "pooler_output") + GraphInput("input_ids") +
      GraphOutput(output, kFloatType, {-1, -1, kWidth}) +
      GraphOutput("pooler_output", kFloatType, {-1, -1, kWidth}));
}

std::string FeedForward() {
  return MatMulNode("summed", "w1", "up") + GraphNode(Node("Tanh", {"up"}, {"active"})) +
         MatMulNode("active", "w2", "down") +
         GraphNode(Node("Add", {"down", "summed"}, {"last_hidden_state"}));
}

std::optional<FirstRowsPlan> PlanOf(const std::string& model) {
  const OnnxFolder folder(model);
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  return PlanFirstRows(*file, "last_hidden_state");
}

TEST(FirstRows, TheCutIsBeforeTheQueriesAndTheResidual) {
  const auto plan = PlanOf(LayerModel(FeedForward()));
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->slices.size(), 1u);
  EXPECT_EQ(plan->slices[0].from, "hidden");
  EXPECT_EQ(plan->slices[0].axis, 1u);
  EXPECT_EQ(plan->inputs.size(), 4u);  // Query, residual and the shapes of two Reshapes.
  ASSERT_EQ(plan->shapes.size(), 2u);
  EXPECT_EQ(plan->shapes[0].second, (std::vector<int64_t>{0, 0, kWidth}));
  EXPECT_EQ(plan->shapes[1].second, (std::vector<int64_t>{0, 0, kHeads, kWidth / kHeads}));
  EXPECT_TRUE(plan->initializers.contains("wq"));
  EXPECT_FALSE(plan->initializers.contains("wp"));  // The pooler's, which nobody asked for.
}

TEST(FirstRows, AnOperatorThatMixesRowsIsNotPassed) {
  // Over queries instead of keys: only what follows attention is cut.
  const auto plan = PlanOf(LayerModel(FeedForward(), "last_hidden_state", 2));
  ASSERT_TRUE(plan);
  for (const FirstRowsPlan::Slice& slice : plan->slices)
    EXPECT_TRUE(slice.from == "probabilities" || slice.from == "hidden") << slice.from;
  // At the very end: nothing is spared.
  EXPECT_FALSE(PlanOf(LayerModel(
      GraphNode(Node("Softmax", {"summed"}, {"last_hidden_state"}, IntAttribute("axis", 1))))));
  EXPECT_FALSE(
      PlanOf(LayerModel(GraphNode(Node("CumSum", {"summed", "axis0"}, {"last_hidden_state"})))));
}

TEST(FirstRows, AShapeOfConstantNodesIsNotTheInputsOwn) {
  const int64_t four = 4;
  const std::string value = onnx_file::TensorHead("", kInt64Type, {1}) +
                            protobuf::Bytes(9, {reinterpret_cast<const char*>(&four), sizeof four});
  const std::string attribute = protobuf::Bytes(
      5, protobuf::Bytes(1, "value") + protobuf::Bytes(5, value) + protobuf::Number(20, 4));
  EXPECT_FALSE(PlanOf(LayerModel(
      GraphNode(Node("Constant", {}, {"fixed"}, attribute)) + Ints("any", {-1}) +
      Ints("wide", {kWidth}) +
      GraphNode(Node("Concat", {"fixed", "any", "wide"}, {"shape"}, IntAttribute("axis", 0))) +
      GraphNode(Node("Reshape", {"summed", "shape"}, {"last_hidden_state"})))));
}

TEST(FirstRows, AGraphThatIsNotUnderstoodIsLeftAlone) {
  EXPECT_FALSE(PlanOf(LookupModel()));  // No product.
  const OnnxFolder folder(LayerModel(FeedForward()));
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  EXPECT_FALSE(PlanFirstRows(*file, "no_such_output"));
}

class FirstRowsTest : public OnnxRuntimeTest {
 protected:
  // Loaded both ways, all rows agree, and so do first ones by themselves.
  static void ExpectSameRows(const std::string& model, int num_threads, bool one_sequence,
                             bool own_kernels = false) {
    const OnnxFolder folder(model);
    OnnxRuntimeParams params;
    params.num_threads = num_threads;
    if (one_sequence) params.options.batch_invariant = true;
    const auto plain = folder.Load(params);
    params.wants_only_first_rows = true;
    if (own_kernels) params.least_linear_bytes = 0;
    const auto cut = folder.Load(params);
    ASSERT_TRUE(plain && cut);
    EXPECT_EQ((*cut)->Info().notes, (*plain)->Info().notes);  // It was not given up.

    const std::array<int32_t, 9> ids = {1, 2, 3, 4, 5, 6, 7, 2, 4};
    const std::array<int32_t, 4> borders = {0, 3, 4, 9};
    RaggedBatch batch{ids, {}, borders};
    const auto expected = ComputeRows(**plain, batch), all = ComputeRows(**cut, batch);
    ASSERT_TRUE(expected && all);
    ASSERT_EQ(all->size(), ids.size() * kWidth);
    for (size_t i = 0; i < all->size(); ++i) EXPECT_NEAR((*all)[i], (*expected)[i], 1e-5) << i;
    batch.only_first_rows = true;
    const auto first = ComputeRows(**cut, batch);
    ASSERT_TRUE(first);
    for (size_t s = 0; s < batch.num_sequences(); ++s) {
      for (size_t j = 0; j < kWidth; ++j) {
        const size_t at = batch.begin(s) * kWidth + j;
        EXPECT_NEAR((*first)[at], (*expected)[at], 1e-5) << "sequence " << s;
      }
    }
  }
};

TEST_F(FirstRowsTest, FirstRowsAreThoseOfTheWholeGraph) {
  for (const int threads : {1, 2}) {
    ExpectSameRows(LayerModel(FeedForward()), threads, false);
    ExpectSameRows(LayerModel(FeedForward()), threads, true);
    ExpectSameRows(LayerModel(FeedForward(), "last_hidden_state", 2), threads, false);
    ExpectSameRows(LayerModel(FeedForward()), threads, false, true);
    ExpectSameRows(LayerModel(FeedForward(), "last_hidden_state", 2), threads, false, true);
  }
}

TEST_F(FirstRowsTest, TheKeptGraphIsOfItsOwn) {
  const OnnxFolder folder(LayerModel(FeedForward()));
  const TemporaryFolder cache;
  OnnxRuntimeParams params;
  params.options.optimized_model_cache = cache.path().string();
  for (int round = 0; round < 2; ++round) {
    for (const bool cut : {false, true}) {
      params.wants_only_first_rows = cut;
      const auto backend = folder.Load(params);
      ASSERT_TRUE(backend) << backend.error().message();
      for (const std::string& note : (*backend)->Info().notes)
        EXPECT_FALSE(note.starts_with("not used")) << note;
    }
  }
  size_t kept = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(cache.path()))
    ++kept;
  EXPECT_EQ(kept, 2u);
}

}  // namespace
}  // namespace akin::backends::onnxruntime
