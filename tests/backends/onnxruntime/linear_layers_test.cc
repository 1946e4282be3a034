// Linear layers taken out of a graph: which nodes they are made of, and that they compute what ONNX
// Runtime computes.
#include "backends/onnxruntime/linear_layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

#include "akin/embedder.h"

#include "backends/onnxruntime/tiny_graph.h"
#include "kernels/kernels.h"

namespace akin::backends::onnxruntime {
namespace {

using onnx_file::Model;
using onnx_file::Node;

// None is a multiple of a panel's or a tile's width.
constexpr int64_t kWidth = 20, kInner = 37;

// inner = GELU(sum), as exporters write it.
std::string GeluNodes() {
  return Scalar("root", std::numbers::sqrt2_v<float>) + Scalar("one", 1.0f) + Scalar("half", 0.5f) +
         GraphNode(Node("Div", {"sum", "root"}, {"scaled"})) +
         GraphNode(Node("Erf", {"scaled"}, {"erf"})) +
         GraphNode(Node("Add", {"erf", "one"}, {"factor"})) +
         GraphNode(Node("Mul", {"sum", "factor"}, {"twice"})) +
         GraphNode(Node("Mul", {"twice", "half"}, {"inner"}));
}

// hidden -> [W1 + b1, `active`] -> inner -> W2 -> + hidden. `active` makes inner of sum.
std::string FeedForwardModel(const std::string& active, const std::string& more = "",
                             int64_t num_inner = kInner) {
  return Model(protobuf::Bytes(2, "g") + Values("table", {kTableRows, kWidth}) +
               Values("w1", {kWidth, num_inner}) + Values("b1", {num_inner}) +
               Values("w2", {num_inner, kWidth}) +
               GraphNode(Node("Gather", {"table", "input_ids"}, {"hidden"})) +
               GraphNode(Node("MatMul", {"hidden", "w1"}, {"up"})) +
               GraphNode(Node("Add", {"b1", "up"}, {"sum"})) + active +
               GraphNode(Node("MatMul", {"inner", "w2"}, {"down"})) +
               GraphNode(Node("Add", {"down", "hidden"}, {"last_hidden_state"})) + more +
               GraphInput("input_ids") +
               GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth}));
}

LinearPlan PlanOf(const std::string& model, size_t least_bytes = 0) {
  const OnnxFolder folder(model);
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  LinearPlan plan = PlanLinearLayers(*file, "last_hidden_state", nullptr, least_bytes);
  for (LinearPlan::Layer& layer : plan.layers) layer.weight = layer.bias = nullptr;  // The file's.
  return plan;
}

TEST(LinearPlan, BiasAndGeluAreTheLayers) {
  const LinearPlan plan = PlanOf(FeedForwardModel(GeluNodes()));
  ASSERT_EQ(plan.layers.size(), 2u);
  EXPECT_TRUE(plan.layers[0].gelu);
  EXPECT_EQ(plan.layers[0].output, "inner");
  EXPECT_FALSE(plan.layers[1].gelu);
  EXPECT_EQ(plan.layers[1].output, "down");  // What is added to it is no bias.
  EXPECT_EQ(plan.absorbed, (std::set<size_t>{2, 3, 4, 5, 6, 7}));
  const std::set<std::string, std::less<>> unread = {"w1", "b1", "w2", "root", "one", "half"};
  EXPECT_EQ(plan.initializers, unread);
}

TEST(LinearPlan, WhatIsReadElsewhereStays) {
  // Two more outputs of the graph, and a second reader of a weight.
  const LinearPlan plan = PlanOf(FeedForwardModel(
      GeluNodes(), GraphNode(Node("Identity", {"sum"}, {"logits"})) +
                       GraphNode(Node("Identity", {"w2"}, {"again"})) + GraphOutput("logits")));
  ASSERT_EQ(plan.layers.size(), 2u);
  EXPECT_EQ(plan.layers[0].output, "sum");
  EXPECT_FALSE(plan.layers[0].gelu);
  EXPECT_EQ(plan.absorbed, std::set<size_t>{2});
  EXPECT_EQ(plan.initializers, (std::set<std::string, std::less<>>{"b1", "w1"}));
  // The sum with the bias itself.
  const LinearPlan product = PlanOf(FeedForwardModel(
      GeluNodes(), GraphNode(Node("Identity", {"up"}, {"logits"})) + GraphOutput("logits")));
  ASSERT_EQ(product.layers.size(), 2u);
  EXPECT_EQ(product.layers[0].output, "up");
  EXPECT_TRUE(product.absorbed.empty());
}

TEST(LinearPlan, SmallLayersAndGraphsWithBodiesStay) {
  constexpr size_t kBytes = kWidth * kInner * sizeof(float);
  EXPECT_EQ(PlanOf(FeedForwardModel(GeluNodes()), kBytes).layers.size(), 2u);
  EXPECT_TRUE(PlanOf(FeedForwardModel(GeluNodes()), kBytes + 1).layers.empty());
  const std::string body =
      protobuf::Bytes(5, protobuf::Bytes(1, "then_branch") +
                             protobuf::Bytes(6, protobuf::Bytes(2, "b")) + protobuf::Number(20, 5));
  EXPECT_TRUE(PlanOf(FeedForwardModel(GeluNodes(), GraphNode(Node("If", {"sum"}, {"other"}, body))))
                  .layers.empty());
}

// Three layers of `hidden`, two with a bias, and the sum of what they make.
std::string SameInputModel(int num_layers = 3, const std::string& more = "") {
  std::string nodes = Values("table", {kTableRows, kWidth}) +
                      GraphNode(Node("Gather", {"table", "input_ids"}, {"hidden"}));
  std::string sum = "hidden";
  for (int i = 0; i < num_layers; ++i) {
    const std::string n = std::to_string(i);
    nodes += Values("w" + n, {kWidth, kWidth}) + Values("b" + n, {kWidth}) +
             GraphNode(Node("MatMul", {"hidden", "w" + n}, {"p" + n}));
    if (i > 0) nodes += GraphNode(Node("Add", {"p" + n, "b" + n}, {"made" + n}));
    const std::string to = i + 1 < num_layers ? "s" + n : "last_hidden_state";
    nodes += GraphNode(Node("Add", {sum, i > 0 ? "made" + n : "p" + n}, {to}));
    sum = to;
  }
  return Model(protobuf::Bytes(2, "g") + nodes + more + GraphInput("input_ids") +
               GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth}));
}

TEST(LinearPlan, LayersOfOneInputAreOneNodeAtThePlaceOfTheFirst) {
  const LinearPlan plan = PlanOf(SameInputModel());
  ASSERT_EQ(plan.layers.size(), 3u);
  // Gather, then MatMul and Add, then twice MatMul, Add and Add.
  EXPECT_EQ(plan.nodes, (std::map<size_t, std::vector<size_t>>{{1, {0, 1, 2}}}));
  EXPECT_EQ(plan.absorbed, (std::set<size_t>{3, 4, 6, 7}));
  EXPECT_EQ(plan.initializers, (std::set<std::string, std::less<>>{"w0", "w1", "b1", "w2", "b2"}));
  // Two of one input, and one of what they make.
  EXPECT_EQ(PlanOf(FeedForwardModel(GeluNodes())).nodes,
            (std::map<size_t, std::vector<size_t>>{{1, {0}}, {8, {1}}}));
}

// x -> [W, and a bias of its own if there is one] -> tanh, again and again.
std::string SameWeightModel(int num_layers, bool biases) {
  std::string nodes = Values("table", {kTableRows, kWidth}) + Values("w", {kWidth, kWidth}) +
                      GraphNode(Node("Gather", {"table", "input_ids"}, {"x0"}));
  for (int i = 0; i < num_layers; ++i) {
    const std::string n = std::to_string(i);
    nodes += GraphNode(Node("MatMul", {"x" + n, "w"}, {"p" + n}));
    if (biases) {
      nodes += Values("b" + n, {kWidth}) + GraphNode(Node("Add", {"p" + n, "b" + n}, {"s" + n}));
    }
    const std::string to = i + 1 < num_layers ? "x" + std::to_string(i + 1) : "last_hidden_state";
    nodes += GraphNode(Node("Tanh", {(biases ? "s" : "p") + n}, {to}));
  }
  return Model(protobuf::Bytes(2, "g") + nodes + GraphInput("input_ids") +
               GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth}));
}

TEST(LinearPlan, AMatrixIsPackedOnceForAllLayersThatAreTheSame) {
  const OnnxFolder folder(SameWeightModel(3, false));
  const auto file = model::OnnxFile::Open(folder.Open(), "model.onnx");
  const LinearPlan plan = PlanLinearLayers(*file, "last_hidden_state", nullptr, 0);
  ASSERT_EQ(plan.layers.size(), 3u);
  const auto kernels = kernels::SelectKernels(Isa::kScalar, Precision::kF32);
  const LinearWeights weights(*file, plan, *kernels);
  EXPECT_EQ(weights.layers()[1].linear.panels, weights.layers()[0].linear.panels);
  EXPECT_EQ(weights.layers()[2].linear.panels, weights.layers()[0].linear.panels);
}

TEST(LinearPlan, ASmallFileMakesNoLargeModel) {
  EXPECT_EQ(PlanOf(SameWeightModel(2, true)).layers.size(), 2u);
  EXPECT_TRUE(PlanOf(SameWeightModel(3, true)).layers.empty());
}

TEST(LinearPlan, AFileWithOperatorsOfThatDomainIsLeftAlone) {
  EXPECT_TRUE(PlanOf(SameInputModel() + onnx_file::Opset(1, "akin")).layers.empty());
}

TEST(LinearPlan, ANodeHasNoMoreThanFourLayers) {
  const LinearPlan plan = PlanOf(SameInputModel(6));
  EXPECT_EQ(plan.nodes, (std::map<size_t, std::vector<size_t>>{{1, {0, 1, 2, 3}}, {12, {4, 5}}}));
}

class LinearLayersTest : public OnnxRuntimeTest {
 protected:
  void SetUp() override {
    OnnxRuntimeTest::SetUp();
    const auto isa = kernels::ChooseIsa(Isa::kAuto);
    if (isa && isa->isa == Isa::kScalar)
      GTEST_SKIP() << "with the scalar kernels nothing is taken out of a graph";
  }

  static int32_t Id(size_t token) { return static_cast<int32_t>(token * 5 % kTableRows); }

  // Rows of 40 tokens in sequences of several lengths.
  static std::vector<float> Rows(const Backend& backend, int team_size) {
    return RowsOf(backend, team_size, std::array<int32_t, 4>{0, 3, 4, 40});
  }

  // Token t has Id(t).
  static std::vector<float> RowsOf(const Backend& backend, int team_size,
                                   std::span<const int32_t> borders) {
    std::vector<int32_t> ids(static_cast<size_t>(borders.back()));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = Id(i);
    const auto session = backend.NewSession(ids.size(), 1);
    const auto rows = backend.Compute({ids, {}, borders}, {.size = team_size}, *session);
    EXPECT_TRUE(rows) << rows.error().message();
    std::vector<float> values;
    for (size_t r = 0; rows && r < rows->rows(); ++r)
      values.insert(values.end(), rows->row(r).begin(), rows->row(r).end());
    return values;
  }
};

TEST_F(LinearLayersTest, TheRowsAreOnnxRuntimes) {
  const std::string relu = GraphNode(Node("Relu", {"sum"}, {"inner"}));
  for (const std::string& active : {GeluNodes(), relu}) {
    const OnnxFolder folder(FeedForwardModel(active));
    const auto theirs = folder.Load();
    ASSERT_TRUE(theirs) << theirs.error().message();
    EXPECT_EQ((*theirs)->Info().detail.find("by Akin"), std::string::npos);
    const std::vector<float> expected = Rows(**theirs, 1);
    ASSERT_EQ(expected.size(), 40u * kWidth);
    for (const int threads : {1, 2, 3}) {
      OnnxRuntimeParams params;
      params.num_threads = threads;
      params.least_linear_bytes = 0;
      const auto ours = folder.Load(params);
      ASSERT_TRUE(ours) << ours.error().message();
      EXPECT_NE((*ours)->Info().detail.find("2 linear layers by Akin"), std::string::npos)
          << (*ours)->Info().detail;
      EXPECT_TRUE((*ours)->Info().notes.empty()) << (*ours)->Info().notes[0];
      for (const int team_size : {1, threads}) {
        const std::vector<float> found = Rows(**ours, team_size);
        ASSERT_EQ(found.size(), expected.size());
        for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-5) << i;
      }
    }
  }
}

TEST_F(LinearLayersTest, LayersOfOneInputMakeTheirOwnRows) {
  for (const int num_layers : {2, 3, 6}) {
    const OnnxFolder folder(SameInputModel(num_layers));
    const auto theirs = folder.Load();
    ASSERT_TRUE(theirs) << theirs.error().message();
    for (const int threads : {1, 2, 3, 8}) {
      OnnxRuntimeParams params;
      params.num_threads = threads;
      params.least_linear_bytes = 0;
      params.max_positions = 512;
      const auto ours = folder.Load(params);
      ASSERT_TRUE(ours) << ours.error().message();
      EXPECT_NE((*ours)->Info().detail.find(std::to_string(num_layers) + " linear layers by Akin"),
                std::string::npos)
          << (*ours)->Info().detail;
      for (const int32_t length : {1, 7, 300}) {  // By columns, and by rows.
        const std::array<int32_t, 2> text = {0, length};
        const std::vector<float> expected = RowsOf(**theirs, 1, text);
        const std::vector<float> found = RowsOf(**ours, threads, text);
        ASSERT_EQ(found.size(), static_cast<size_t>(length * kWidth));
        ASSERT_EQ(expected.size(), found.size());
        for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-5) << i;
        EXPECT_EQ(found, RowsOf(**ours, 1, text)) << threads << " threads";
      }
    }
  }
}

// The columns of a short text are divided: of a layer with more panels than there are threads, and
// of one with fewer.
TEST_F(LinearLayersTest, DividedColumnsHaveTheBitsOfDividedRowsAndOfOneThread) {
  constexpr int64_t kManyInner = 1000;
  const OnnxFolder folder(FeedForwardModel(GeluNodes(), "", kManyInner));
  const auto theirs = folder.Load();
  ASSERT_TRUE(theirs) << theirs.error().message();
  for (const int threads : {2, 3, 8}) {
    OnnxRuntimeParams params;
    params.num_threads = threads;
    params.least_linear_bytes = 0;
    params.max_positions = 512;
    const auto ours = folder.Load(params);
    ASSERT_TRUE(ours) << ours.error().message();
    ASSERT_NE((*ours)->Info().detail.find("2 linear layers by Akin"), std::string::npos);
    const std::array<int32_t, 2> long_text = {0, 300};  // 32 rows for each of the threads.
    const std::vector<float> by_rows = RowsOf(**ours, threads, long_text);
    ASSERT_EQ(by_rows.size(), 300u * kWidth);
    for (int32_t length = 3; length <= 9; ++length) {
      const std::array<int32_t, 2> text = {0, length};
      const std::vector<float> expected = RowsOf(**theirs, 1, text);
      const std::vector<float> alone = RowsOf(**ours, 1, text);
      const std::vector<float> by_columns = RowsOf(**ours, threads, text);
      ASSERT_EQ(by_columns.size(), static_cast<size_t>(length * kWidth));
      ASSERT_EQ(expected.size(), by_columns.size());
      EXPECT_EQ(by_columns, alone) << length << " tokens, " << threads << " threads";
      // A row is of its token alone.
      EXPECT_TRUE(std::equal(by_columns.begin(), by_columns.end(), by_rows.begin()))
          << length << " tokens, " << threads << " threads";
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(by_columns[i], expected[i], 2e-5) << i;
    }
  }
}

TEST_F(LinearLayersTest, TheyAreOfTheInstructionSetThatIsAskedFor) {
  const OnnxFolder folder(FeedForwardModel(GeluNodes()));
  OnnxRuntimeParams params;
  params.least_linear_bytes = 0;
  for (const IsaStatus& status : kernels::ListIsas()) {
    if (!status.usable) continue;
    params.isa = status.isa;
    const auto backend = folder.Load(params);
    ASSERT_TRUE(backend) << backend.error().message();
    const std::string detail = (*backend)->Info().detail;
    if (status.isa == Isa::kScalar) {
      EXPECT_EQ(detail.find("by Akin"), std::string::npos) << detail;
    } else {
      EXPECT_NE(detail.find("by Akin (" + std::string(IsaName(status.isa)) + ")"),
                std::string::npos)
          << detail;
    }
  }
}

TEST_F(LinearLayersTest, WhoLoadsAModelNamesTheInstructionSet) {
  const OnnxFolder folder(FeedForwardModel(GeluNodes(), "", 1000));  // Of more than 64 KiB.
  folder.folder().Write("config.json", R"({"model_type": "bert", "vocab_size": 8,
      "hidden_size": 20, "max_position_embeddings": 64})");
  folder.folder().Write("tokenizer.json", R"({"version": "1.0", "added_tokens": [],
      "pre_tokenizer": {"type": "Whitespace"},
      "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "b": 2}}})");
  const auto detail = [&](Isa isa) {
    const auto embedder =
        Embedder::Load(folder.folder().path().string(),
                       {.backend = BackendKind::kOnnxRuntime, .isa = isa, .num_threads = 1});
    EXPECT_TRUE(embedder) << embedder.error().message();
    return embedder ? embedder->Info().backend_detail : std::string();
  };
  EXPECT_NE(detail(Isa::kAuto).find("2 linear layers by Akin"), std::string::npos);
  EXPECT_EQ(detail(Isa::kScalar).find("by Akin"), std::string::npos);
}

TEST_F(LinearLayersTest, LowerLevelsLeaveThemToOnnxRuntime) {
  const OnnxFolder folder(FeedForwardModel(GeluNodes()));
  OnnxRuntimeParams params;
  params.least_linear_bytes = 0;
  params.options.optimization = GraphOptimization::kExtended;
  const auto backend = folder.Load(params);
  ASSERT_TRUE(backend) << backend.error().message();
  EXPECT_EQ((*backend)->Info().detail.find("by Akin"), std::string::npos);
}

TEST_F(LinearLayersTest, AProviderThatIsMissingLeavesThemToTheCpuAsOthers) {
  const OnnxFolder folder(FeedForwardModel(GeluNodes()));
  OnnxRuntimeParams params;
  params.least_linear_bytes = 0;
  params.num_threads = 2;
  const auto plain = folder.Load(params);
  ASSERT_TRUE(plain) << plain.error().message();
  params.options.providers = {{.name = "RknpuExecutionProvider"}};  // That no package has.
  const auto backend = folder.Load(params);
  ASSERT_TRUE(backend) << backend.error().message();
  const BackendInfo info = (*backend)->Info();
  EXPECT_EQ(info.isa, "cpu");
  EXPECT_NE(info.detail.find("2 linear layers by Akin"), std::string::npos) << info.detail;
  EXPECT_EQ(info.divides_batches, (*plain)->Info().divides_batches);
  EXPECT_EQ(Rows(**backend, 1), Rows(**plain, 1));
  const auto said = std::ranges::count_if(info.notes, [](const std::string& note) {
    return note.starts_with("not used: execution provider RknpuExecutionProvider");
  });
  EXPECT_EQ(said, 1);
}

TEST_F(LinearLayersTest, AKeptGraphHasItsLayers) {
  const OnnxFolder folder(FeedForwardModel(GeluNodes()));
  const TemporaryFolder cache;
  OnnxRuntimeParams params;
  params.num_threads = 2;
  params.least_linear_bytes = 0;
  const auto plain = folder.Load(params);
  ASSERT_TRUE(plain);
  const std::vector<float> expected = Rows(**plain, 1);
  params.options.optimized_model_cache = cache.path().string();
  for (int round = 0; round < 2; ++round) {
    const auto backend = folder.Load(params);
    ASSERT_TRUE(backend) << backend.error().message();
    EXPECT_NE((*backend)->Info().detail.find("by Akin"), std::string::npos);
    EXPECT_EQ(Rows(**backend, 1), expected) << "round " << round;
  }
  EXPECT_FALSE(std::filesystem::is_empty(cache.path()));
}

TEST_F(LinearLayersTest, RowsOfAnotherWidthAreTheFilesOwnError) {
  // hidden is 20 wide, the weight takes 21: the message is of the graph as it is in the file.
  const OnnxFolder folder(Model(protobuf::Bytes(2, "g") + Values("table", {kTableRows, kWidth}) +
                                Values("w", {kWidth + 1, kWidth}) +
                                GraphNode(Node("Gather", {"table", "input_ids"}, {"hidden"})) +
                                GraphNode(Node("MatMul", {"hidden", "w"}, {"last_hidden_state"})) +
                                GraphInput("input_ids") +
                                GraphOutput("last_hidden_state", kFloatType, {-1, -1, kWidth})));
  OnnxRuntimeParams params;
  params.least_linear_bytes = 0;
  const auto backend = folder.Load(params);
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code(), ErrorCode::kInvalidModel);
  EXPECT_EQ(backend.error().message().find("akin"), std::string::npos) << backend.error().message();
}

}  // namespace
}  // namespace akin::backends::onnxruntime
