// Self-attention taken out of a graph: what it is made of, and that it computes what ONNX Runtime
// computes.
#include "backends/onnxruntime/attention_layers.h"

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

#include "backends/onnxruntime/tiny_graph.h"
#include "kernels/kernels.h"

namespace akin::backends::onnxruntime {
namespace {

using onnx_file::Model;
using onnx_file::Node;

constexpr int64_t kHeads = 3, kHeadDim = 20, kWidth = kHeads * kHeadDim;
constexpr float kLowest = std::numeric_limits<float>::lowest();

std::string Integers(std::string_view name, const std::vector<int64_t>& values) {
  const std::string raw(reinterpret_cast<const char*>(values.data()),
                        values.size() * sizeof(int64_t));
  return Initializer(onnx_file::TensorHead(name, kInt64Type, {std::ssize(values)}) +
                     protobuf::Bytes(9, raw));
}
std::string Perm(const std::vector<int64_t>& axes) {
  std::string attribute = protobuf::Bytes(1, "perm");
  for (const int64_t axis : axes) attribute += protobuf::Number(8, axis);
  return protobuf::Bytes(5, attribute + protobuf::Number(20, 7));
}

// How an attention is written, and what of it is another one.
struct Form {
  std::optional<float> masked = kLowest;  // What is added for padding; nothing: no mask.
  bool mask_first = false;                // Add(mask, scores).
  bool multiplies = false;                // Mul(scores, factor) instead of Div(scores, factor).
  float factor = 4.0f;
  bool keys_in_two_steps = false;
  std::vector<int64_t> query_axes = {0, 2, 1, 3};
  int64_t softmax_axis = -1;
  int64_t key_heads = kHeads;
  bool learned_query = false;      // Of an initializer [1, 4, kWidth].
  std::string reshape_domain;      // Of the last one.
  bool lengths = false;            // The length in shapes is a list of one, as far as one can see.
  bool heads_mask = false;         // [1, kHeads, 1, 1] times the mask.
  bool mask_turned_round = false;  // The last tokens are seen.
  bool dead_layer = false;         // A layer of the same input, which nothing reads.
  std::string batch_of;  // The value whose first dimension is the queries' batch; empty: their own.
  bool turned_round =
      false;         // The output's last row first: rows of padding are in the texts' places.
  std::string more;  // Other nodes and outputs.
};

// [batch, length, kHeads, kHeadDim] of the dimensions of `of`, as PyTorch's exporter writes it.
std::string SplitShape(const std::string& name, const std::string& of, const std::string& batch_of,
                       const std::vector<std::string>& sizes) {
  const auto dimension = [&](const std::string& axis, const std::string& value) {
    const std::string n = name + axis;
    return GraphNode(Node("Shape", {value}, {n + ".shape"})) +
           GraphNode(Node("Gather", {n + ".shape", axis}, {n + ".size"}, IntAttribute("axis", 0))) +
           GraphNode(Node("Unsqueeze", {n + ".size", "axes0"}, {n + ".dim"}));
  };
  std::vector<std::string> parts = {name + "at0.dim", name + "at1.dim"};
  parts.insert(parts.end(), sizes.begin(), sizes.end());
  return dimension("at0", batch_of) + dimension("at1", of) +
         GraphNode(Node("Concat", parts, {name}, IntAttribute("axis", 0)));
}

// The shape of "rows" joined, from pieces of which one may be of any length.
std::string LengthsShape() {
  return Integers("second", {1}) + GraphNode(Node("Shape", {"rows"}, {"rows.shape"})) +
         GraphNode(Node("Gather", {"rows.shape", "at0"}, {"rows.batch"}, IntAttribute("axis", 0))) +
         GraphNode(Node("Unsqueeze", {"rows.batch", "axes0"}, {"rows.dim"})) +
         GraphNode(
             Node("Gather", {"rows.shape", "second"}, {"rows.lengths"}, IntAttribute("axis", 0))) +
         GraphNode(Node("Concat", {"rows.dim", "rows.lengths", "width"}, {"shape.rows"},
                        IntAttribute("axis", 0)));
}

// "wide", [batch, 1, 1, length].
std::string MaskSource(const Form& form) {
  if (!form.mask_turned_round)
    return GraphNode(Node("Unsqueeze", {"attention_mask", "axes12"}, {"wide"}));
  return Integers("back", {-1}) + Integers("front", {INT64_MIN}) + Integers("along", {1}) +
         GraphNode(
             Node("Slice", {"attention_mask", "back", "front", "along", "back"}, {"turned"})) +
         GraphNode(Node("Unsqueeze", {"turned", "axes12"}, {"wide"}));
}

// hidden -> attention -> + hidden.
std::string AttentionModel(const Form& form = {}) {
  std::string graph = protobuf::Bytes(2, "g") + Values("table", {kTableRows, kWidth}) +
                      Integers("axes0", {0}) + Integers("heads", {kHeads}) +
                      Integers("head_dim", {kHeadDim}) + Integers("width", {kWidth}) +
                      Scalar("factor", form.factor);
  if (form.key_heads != kHeads)
    graph +=
        Integers("key_heads", {form.key_heads}) + Integers("key_dim", {kWidth / form.key_heads});
  for (const int64_t at : {0, 1}) {
    graph += Initializer(
        onnx_file::TensorHead("at" + std::to_string(at), kInt64Type, {}) +
        protobuf::Bytes(9, std::string_view(reinterpret_cast<const char*>(&at), sizeof at)));
  }
  graph += GraphNode(Node("Gather", {"table", "input_ids"}, {"hidden"}));
  if (form.learned_query) graph += Values("learned", {1, 4, kWidth});
  if (form.dead_layer) {
    graph += Values("wd", {kWidth, kWidth}) + GraphNode(Node("MatMul", {"hidden", "wd"}, {"dead"}));
  }
  const std::vector<std::string> heads = {"heads", "head_dim"},
                                 key_heads = {"key_heads", "key_dim"};
  for (const std::string name : {"q", "k", "v"}) {
    const std::string source = name == "q" && form.learned_query ? "learned" : "hidden";
    graph += Values("w" + name, {kWidth, kWidth}) + Values("b" + name, {kWidth}) +
             GraphNode(Node("MatMul", {source, "w" + name}, {"p" + name})) +
             GraphNode(Node("Add", {"p" + name, "b" + name}, {name})) +
             SplitShape("shape." + name, name,
                        name == "q" && !form.batch_of.empty() ? form.batch_of : name,
                        name == "q" || form.key_heads == kHeads ? heads : key_heads) +
             GraphNode(Node("Reshape", {name, "shape." + name}, {name + "4"}));
  }
  graph += GraphNode(Node("Transpose", {"q4"}, {"queries"}, Perm(form.query_axes))) +
           GraphNode(Node("Transpose", {"v4"}, {"values"}, Perm({0, 2, 1, 3})));
  if (form.keys_in_two_steps) {
    graph += GraphNode(Node("Transpose", {"k4"}, {"keys4"}, Perm({0, 2, 1, 3}))) +
             GraphNode(Node("Transpose", {"keys4"}, {"keys"}, Perm({0, 1, 3, 2})));
  } else {
    graph += GraphNode(Node("Transpose", {"k4"}, {"keys"}, Perm({0, 2, 3, 1})));
  }
  graph += GraphNode(Node("MatMul", {"queries", "keys"}, {"products"})) +
           GraphNode(form.multiplies ? Node("Mul", {"products", "factor"}, {"scaled"})
                                     : Node("Div", {"products", "factor"}, {"scaled"}));
  std::string scores = "scaled";
  if (form.masked) {
    graph += Integers("axes12", {1, 2}) + Scalar("one", 1.0f) + Scalar("masked", *form.masked) +
             MaskSource(form) +
             GraphNode(Node("Cast", {"wide"}, {"ones"}, IntAttribute("to", kFloatType))) +
             GraphNode(Node("Sub", {"one", "ones"}, {"zeros"})) +
             GraphNode(Node("Mul", {"zeros", "masked"}, {form.heads_mask ? "one_mask" : "mask"}));
    if (form.heads_mask) {
      graph += Values("by_head", {1, kHeads, 1, 1}) +
               GraphNode(Node("Mul", {"one_mask", "by_head"}, {"mask"}));
    }
    graph += GraphNode(form.mask_first ? Node("Add", {"mask", "scaled"}, {"scores"})
                                       : Node("Add", {"scaled", "mask"}, {"scores"}));
    scores = "scores";
  }
  graph +=
      GraphNode(Node("Softmax", {scores}, {"weights"}, IntAttribute("axis", form.softmax_axis))) +
      GraphNode(Node("MatMul", {"weights", "values"}, {"context4"})) +
      GraphNode(Node("Transpose", {"context4"}, {"rows"}, Perm({0, 2, 1, 3}))) +
      (form.lengths ? LengthsShape() : SplitShape("shape.rows", "rows", "rows", {"width"})) +
      GraphNode(Node("Reshape", {"rows", "shape.rows"}, {"context"}, "", form.reshape_domain)) +
      Values("wo", {kWidth, kWidth}) + GraphNode(Node("MatMul", {"context", "wo"}, {"out"})) +
      GraphNode(Node("Add", {"out", "hidden"}, {form.turned_round ? "sum" : "last_hidden_state"}));
  if (form.turned_round) {
    graph +=
        Integers("last", {-1}) + Integers("end", {INT64_MIN}) + Integers("axes1", {1}) +
        GraphNode(Node("Slice", {"sum", "last", "end", "axes1", "last"}, {"last_hidden_state"}));
  }
  return Model(graph + form.more + GraphInput("input_ids") + GraphInput("attention_mask") +
               GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth}));
}

AttentionPlan PlanOf(const Form& form, size_t num_linear = 4) {
  const OnnxFolder folder(AttentionModel(form));
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  const LinearPlan linear = PlanLinearLayers(*file, "last_hidden_state", nullptr, 0);
  EXPECT_EQ(linear.layers.size(), num_linear);
  return PlanAttention(*file, "last_hidden_state", nullptr, linear);
}

TEST(AttentionPlan, ItIsWhatIsBetweenTheLinearLayersAndTheLastReshape) {
  const AttentionPlan plan = PlanOf({});
  ASSERT_EQ(plan.nodes.size(), 1u);
  const AttentionPlan::Layer& layer = plan.nodes.begin()->second;
  EXPECT_EQ((std::vector{layer.query, layer.key, layer.value, layer.mask, layer.output}),
            (std::vector<std::string>{"q", "k", "v", "mask", "context"}));
  EXPECT_EQ(layer.num_heads, kHeads);
  EXPECT_EQ(layer.scale, 0.25f);
  // Four shapes of 7 nodes, 3 Reshapes, 4 Transposes, 2 products, Div, Add and Softmax.
  EXPECT_EQ(plan.dropped.size(), 4u * 7 + 3 + 4 + 2 + 3);
  EXPECT_EQ(plan.initializers, (std::set<std::string, std::less<>>{"at0", "at1", "axes0", "factor",
                                                                   "head_dim", "heads", "width"}));
}

TEST(AttentionPlan, ExportersWriteItInSeveralWays) {
  for (const Form& form :
       {Form{.mask_first = true}, Form{.multiplies = true, .factor = 0.25f},
        Form{.keys_in_two_steps = true}, Form{.softmax_axis = 3}, Form{.batch_of = "hidden"}}) {
    const AttentionPlan plan = PlanOf(form);
    ASSERT_EQ(plan.nodes.size(), 1u);
    EXPECT_EQ(plan.nodes.begin()->second.mask, "mask");
    EXPECT_EQ(plan.nodes.begin()->second.scale, 0.25f);
  }
  const AttentionPlan plan = PlanOf({.masked = std::nullopt});
  ASSERT_EQ(plan.nodes.size(), 1u);
  EXPECT_EQ(plan.nodes.begin()->second.mask, "");
}

TEST(AttentionPlan, WhatIsAnotherLayerStays) {
  const auto stays = [](const Form& form) {
    const AttentionPlan plan = PlanOf(form);
    return plan.nodes.empty() && plan.dropped.empty() && plan.initializers.empty();
  };
  EXPECT_TRUE(stays({.query_axes = {0, 2, 3, 1}}));
  EXPECT_TRUE(stays({.softmax_axis = 2}));
  EXPECT_TRUE(stays({.key_heads = 2}));
  // A batch of which nobody knows that it is the queries'.
  EXPECT_TRUE(stays({.batch_of = "input_ids"}));
  EXPECT_TRUE(stays({.learned_query = true}));
  // The kernel's scale is positive, and a number.
  EXPECT_TRUE(stays({.multiplies = true, .factor = -0.25f}));
  EXPECT_TRUE(stays({.factor = -4.0f}));
  EXPECT_TRUE(stays({.factor = 0.0f}));
  EXPECT_TRUE(stays({.factor = 1e-39f}));
  EXPECT_TRUE(stays({.reshape_domain = "my"}));
  EXPECT_TRUE(stays({.lengths = true}));
}

TEST(AttentionPlan, WhatIsReadElsewhereStays) {
  const auto reads = [](const std::string& value) {
    return Form{.more = GraphNode(Node("Identity", {value}, {"logits"})) + GraphOutput("logits")};
  };
  for (const char* value : {"weights", "scores", "q4", "keys", "rows"})
    EXPECT_TRUE(PlanOf(reads(value)).nodes.empty()) << value;
  // What nothing else within is made of.
  for (const char* value : {"mask", "context", "shape.rows"}) {
    const AttentionPlan plan = PlanOf(reads(value));
    EXPECT_EQ(plan.nodes.size(), std::string_view(value) == "shape.rows" ? 0u : 1u) << value;
  }
}

class AttentionLayersTest : public OnnxRuntimeTest {
 protected:
  void SetUp() override {
    OnnxRuntimeTest::SetUp();
    const auto isa = kernels::ChooseIsa(Isa::kAuto);
    if (isa && isa->isa == Isa::kScalar)
      GTEST_SKIP() << "with the scalar kernels nothing is taken out of a graph";
  }

  static OnnxRuntimeParams Params(int threads) {
    OnnxRuntimeParams params;
    params.num_threads = threads;
    params.max_positions = 512;
    params.least_linear_bytes = 0;
    return params;
  }

  // Token t has the id 5 t.
  static std::vector<float> RowsOf(const Backend& backend, int team_size,
                                   std::span<const int32_t> borders, bool only_first_rows = false) {
    std::vector<int32_t> ids(static_cast<size_t>(borders.back()));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 5 % kTableRows);
    const RaggedBatch batch{
        .input_ids = ids, .cu_seqlens = borders, .only_first_rows = only_first_rows};
    const auto session = backend.NewSession(ids.size(), 1);
    const auto rows = backend.Compute(batch, {.size = team_size}, *session);
    EXPECT_TRUE(rows) << rows.error().message();
    std::vector<float> values;
    for (size_t r = 0; rows && r < rows->rows(); ++r)
      values.insert(values.end(), rows->row(r).begin(), rows->row(r).end());
    return values;
  }

  // Few, so that there is padding.
  inline static const std::vector<int32_t> kBuckets = {1, 10, 50, 512};

  // The same graph by ONNX Runtime alone, and with our operators; lone texts, and several.
  static void ExpectSameRows(const Form& form, float bound = 2e-5f) {
    const OnnxFolder folder(AttentionModel(form));
    OnnxRuntimeParams params = Params(1);
    params.options.optimization = GraphOptimization::kExtended;
    params.options.shape_buckets = kBuckets;
    const auto theirs = folder.Load(params);
    ASSERT_TRUE(theirs) << theirs.error().message();
    ASSERT_EQ((*theirs)->Info().detail.find("by Akin"), std::string::npos);
    for (const int threads : {1, 2, 3}) {
      params = Params(threads);
      params.options.shape_buckets = kBuckets;
      const auto ours = folder.Load(params);
      ASSERT_TRUE(ours) << ours.error().message();
      EXPECT_NE((*ours)->Info().detail.find("linear layers and the attention by Akin"),
                std::string::npos)
          << (*ours)->Info().detail;
      EXPECT_TRUE((*ours)->Info().notes.empty()) << (*ours)->Info().notes[0];
      for (const std::vector<int32_t>& borders :
           {std::vector{0, 1}, {0, 7}, {0, 3, 4, 40}, {0, 130, 137, 300}}) {
        const std::vector<float> expected = RowsOf(**theirs, 1, borders);
        const std::vector<float> found = RowsOf(**ours, threads, borders);
        ASSERT_EQ(found.size(), expected.size());
        for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], bound) << i;
        EXPECT_EQ(found, RowsOf(**ours, 1, borders)) << threads << " threads";
      }
    }
  }
};

TEST_F(AttentionLayersTest, TheRowsAreOnnxRuntimes) {
  for (const Form& form : {Form{}, Form{.masked = -10000.0f}, Form{.mask_first = true},
                           Form{.multiplies = true, .factor = 0.25f, .keys_in_two_steps = true}}) {
    ExpectSameRows(form);
  }
}

// One that leaves padding some weight, and none at all: then padding is attended to.
TEST_F(AttentionLayersTest, MasksOfOtherKindsAreAdded) {
  ExpectSameRows({.masked = -2.0f});
  ExpectSameRows({.masked = std::nullopt});
}

// As of texts that are padded on the left: the kernel takes the keys that are seen.
TEST_F(AttentionLayersTest, TheLastKeysMayBeTheOnesThatAreSeen) {
  ExpectSameRows({.mask_turned_round = true});
}

// Scores so large that -10000 does not hide a key: then it is added, and not left out.
TEST_F(AttentionLayersTest, KeysAreLeftOutOnlyWhereNothingWouldBeLeftOfThem) {
  ExpectSameRows({.masked = -10000.0f, .multiplies = true, .factor = 1e5f}, 2e-2f);
}

TEST_F(AttentionLayersTest, ALayerThatNothingReadsLeavesItsNodeToTheOthers) {
  ExpectSameRows({.dead_layer = true});
}

// A mask that is another for each head is found out when the graph is run; the linear layers stay.
TEST_F(AttentionLayersTest, AMaskOfAnotherShapeCostsTheAttentionOnly) {
  const OnnxFolder folder(AttentionModel({.heads_mask = true}));
  OnnxRuntimeParams params = Params(1);
  params.options.optimization = GraphOptimization::kExtended;
  const auto theirs = folder.Load(params), ours = folder.Load(Params(2));
  ASSERT_TRUE(theirs && ours);
  EXPECT_NE((*ours)->Info().detail.find("4 linear layers by Akin"), std::string::npos);
  ASSERT_EQ((*ours)->Info().notes.size(), 1u);
  EXPECT_NE((*ours)->Info().notes[0].find("not used: attention by Akin's kernels"),
            std::string::npos);
  const std::vector<int32_t> borders = {0, 3, 4, 40};
  const std::vector<float> expected = RowsOf(**theirs, 1, borders);
  const std::vector<float> found = RowsOf(**ours, 2, borders);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-5) << i;
}

// The operator gives a row of every query, padding's too, as the nodes did.
TEST_F(AttentionLayersTest, RowsOfPaddingAreThoseOfTheGraph) {
  ExpectSameRows({.turned_round = true});
  ExpectSameRows({.masked = -2.0f, .turned_round = true});
}

// A model that pools by its first token: the last layer has one query a text.
TEST_F(AttentionLayersTest, FirstRowsAreThoseOfAll) {
  for (const float masked : {kLowest, -2.0f}) {
    const OnnxFolder folder(AttentionModel({.masked = masked}));
    OnnxRuntimeParams params = Params(1);
    params.options.optimization = GraphOptimization::kExtended;
    params.options.shape_buckets = kBuckets;
    const auto theirs = folder.Load(params);
    ASSERT_TRUE(theirs) << theirs.error().message();
    for (const int threads : {1, 2}) {
      params = Params(threads);
      params.options.shape_buckets = kBuckets;
      params.wants_only_first_rows = true;
      const auto ours = folder.Load(params);
      ASSERT_TRUE(ours) << ours.error().message();
      EXPECT_NE((*ours)->Info().detail.find("and the attention by Akin"), std::string::npos);
      EXPECT_TRUE((*ours)->Info().notes.empty()) << (*ours)->Info().notes[0];
      const std::vector<int32_t> borders = {0, 3, 4, 40, 300};
      const std::vector<float> all = RowsOf(**theirs, 1, borders);
      const std::vector<float> first = RowsOf(**ours, threads, borders, true);
      ASSERT_EQ(first.size(), all.size());
      for (size_t s = 0; s + 1 < borders.size(); ++s) {
        for (size_t i = 0; i < kWidth; ++i) {
          const size_t at = static_cast<size_t>(borders[s]) * kWidth + i;
          EXPECT_NEAR(first[at], all[at], 2e-5) << "sequence " << s;
        }
      }
    }
  }
}

}  // namespace
}  // namespace akin::backends::onnxruntime
