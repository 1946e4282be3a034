// Several outputs of one pass, and models that choose their modules by the task.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "akin/embedder.h"
#include "akin/scheduler.h"

#include "base/strings.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

const std::string kModels = std::string(AKIN_GOLDEN_MODELS) + "/modules/";
const std::vector<std::string_view> kTexts = {"", "How do cats sleep?",
                                              "a river and a jar of honey, a river", "東京 ①"};

Embedder Load(const std::string& path, Precision precision = Precision::kF32) {
  Result<Embedder> embedder = Embedder::Load(path, {.precision = precision, .num_threads = 2});
  EXPECT_TRUE(embedder) << embedder.error().message();
  return std::move(embedder).value();
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST(Outputs, OnePassGivesTheSameBitsAsOneForEachOutput) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    const Embedder embedder = Load(kModels + "bge-m3", precision);
    const std::array all_outputs{Output::kDense, Output::kSparse, Output::kMultiVector,
                                 Output::kTokens};
    const auto all = embedder.EmbedAll(kTexts, all_outputs);
    ASSERT_TRUE(all) << all.error().message();
    const auto dense = embedder.Embed(kTexts);
    const auto sparse = embedder.EmbedSparse(kTexts);
    const auto multi = embedder.EmbedMultiVector(kTexts);
    const auto tokens = embedder.EmbedTokens(kTexts);
    ASSERT_TRUE(dense && sparse && multi && tokens);
    for (size_t i = 0; i < kTexts.size(); ++i) {
      EXPECT_TRUE(SameBits(all->dense[i], (*dense)[i]));
      EXPECT_EQ(all->sparse[i].indices, (*sparse)[i].indices);
      EXPECT_EQ(all->sparse[i].values, (*sparse)[i].values);
      ASSERT_EQ(all->multi_vector[i].rows(), (*multi)[i].rows());
      for (size_t t = 0; t < (*multi)[i].rows(); ++t)
        EXPECT_TRUE(SameBits(all->multi_vector[i].row(t), (*multi)[i].row(t)));
      // The first token's vector is left out.
      EXPECT_EQ(all->multi_vector[i].rows() + 1, (*tokens)[i].rows());
      EXPECT_EQ(all->tokens[i].rows(), (*tokens)[i].rows());
    }
  }
}

TEST(Outputs, WhatWasNotAskedForIsEmpty) {
  const auto all = Load(kModels + "bge-m3").EmbedAll(kTexts, std::array{Output::kSparse});
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(all->sparse.size(), kTexts.size());
  EXPECT_EQ(all->dense.size() + all->multi_vector.size() + all->tokens.size(), 0u);
}

TEST(Outputs, CutsHoldForEveryVectorOfAPass) {
  const Embedder embedder = Load(kModels + "bge-m3");
  const std::array outputs{Output::kDense, Output::kMultiVector};
  const auto whole = embedder.EmbedAll(kTexts, outputs);
  const auto cut = embedder.EmbedAll(kTexts, outputs, {.truncate_dim = 8});
  ASSERT_TRUE(whole && cut) << cut.error().message();
  EXPECT_EQ(cut->dense.dimension(), 8u);
  EXPECT_EQ(cut->multi_vector.dimension(), 8u);
  EXPECT_TRUE(SameBits(cut->multi_vector[1].row(0), whole->multi_vector[1].row(0).first(8)));
  ExpectError(embedder.EmbedMultiVector(kTexts, {.dimensions = 65}), ErrorCode::kInvalidInput,
              "dimensions is 65", "1 to 64");
  ExpectError(embedder.EmbedSparse(kTexts, {.dimensions = 8}), ErrorCode::kInvalidInput,
              "dimensions", "top_k");
  ExpectError(embedder.EmbedAll(kTexts, std::array{Output::kScores}), ErrorCode::kInvalidInput,
              "Classify");
}

TEST(Outputs, LayersThatAreOnlyPicklesAreRefusedWithTheWayOut) {
  const TemporaryFolder folder;
  std::filesystem::copy(kModels + "bge-m3", folder.path(),
                        std::filesystem::copy_options::recursive);
  folder.Remove("sparse_linear.safetensors");
  folder.Remove("colbert_linear.safetensors");
  const Embedder embedder = Load(folder.path().string());
  EXPECT_TRUE(embedder.Embed(kTexts));
  ExpectError(embedder.EmbedSparse(kTexts), ErrorCode::kUnsupportedModel, "sparse_linear.pt",
              "pickle", "sparse_linear.safetensors");
  ExpectError(embedder.EmbedMultiVector(kTexts), ErrorCode::kUnsupportedModel, "colbert_linear.pt",
              "safetensors");
  folder.Remove("model.safetensors");
  folder.Write("pytorch_model.bin", "a pickle");
  ExpectError(Embedder::Load(folder.path().string()), ErrorCode::kUnsupportedModel,
              "pytorch_model.bin", "model.safetensors");
}

TEST(Routes, APromptsNameIsTheTask) {
  const Embedder embedder = Load(kModels + "router-dense");
  const auto query = embedder.Embed(kTexts, {.prompt_name = "query"});
  const auto document = embedder.Embed(kTexts, {.prompt_name = "document"});
  const auto by_default = embedder.Embed(kTexts);
  ASSERT_TRUE(query && document && by_default);
  EXPECT_FALSE(SameBits((*query)[1], (*document)[1]));
  EXPECT_TRUE(SameBits((*by_default)[1], (*document)[1]));
  ExpectError(embedder.Embed(kTexts, {.prompt_name = "passage"}), ErrorCode::kInvalidInput, "query",
              "document");
}

using Change = std::pair<std::string, std::string>;

// A copy of router-encoders whose router_config.json has other text in some places.
void CopyRouter(const TemporaryFolder& folder, std::initializer_list<Change> changes) {
  std::filesystem::copy(kModels + "router-encoders", folder.path(),
                        std::filesystem::copy_options::recursive);
  std::ifstream in(folder / "router_config.json");
  std::string json{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [from, to] : changes) {
    ASSERT_NE(json.find(from), std::string::npos) << from;
    json.replace(json.find(from), from.size(), to);
  }
  folder.Write("router_config.json", json);
}

TEST(Routes, AMappedTaskTakesItsRoute) {
  const TemporaryFolder folder;
  CopyRouter(folder, {{R"("route_mappings": {})",
                       R"x("route_mappings": {"('store', 'text')": "document"})x"}});
  const Embedder embedder = Load(folder.path().string());
  const auto store = embedder.Embed(kTexts, {.prompt_name = "store"});
  const auto document = embedder.Embed(kTexts, {.prompt_name = "document"});
  const auto by_default = embedder.Embed(kTexts);
  ASSERT_TRUE(store) << store.error().message();
  ASSERT_TRUE(document && by_default);
  EXPECT_TRUE(SameBits((*store)[1], (*document)[1]));
  EXPECT_FALSE(SameBits((*store)[1], (*by_default)[1]));
  EXPECT_TRUE(embedder.Health());
}

TEST(Routes, WithoutADefaultACallHasToNameOne) {
  const TemporaryFolder folder;
  CopyRouter(folder, {{R"("default_route": "query")", R"("default_route": null)"},
                      {R"("allow_empty_key": true)", R"("allow_empty_key": false)"}});
  const Embedder embedder = Load(folder.path().string());
  ExpectError(embedder.Embed(kTexts), ErrorCode::kInvalidInput, "query, document");
  EXPECT_TRUE(embedder.Embed(kTexts, {.prompt_name = "document"}));
  EXPECT_TRUE(embedder.Health());
}

// colbert-bert with its Dense for documents and a changed one for queries.
void MakeMultiVectorRouter(const TemporaryFolder& folder) {
  std::filesystem::copy(std::string(AKIN_GOLDEN_MODELS) + "/shared/colbert-bert", folder.path(),
                        std::filesystem::copy_options::recursive);
  std::filesystem::create_directory(folder / "1_Router");
  for (const char* route : {"query", "document"}) {
    std::filesystem::copy(folder / "1_Dense", folder / StrCat("1_Router/", route, "_0_Dense"),
                          std::filesystem::copy_options::recursive);
  }
  folder.Write("modules.json",
               R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
                   {"type": "sentence_transformers.models.Router", "path": "1_Router"}])");
  folder.Write("1_Router/router_config.json",
               R"({"types": {"query_0_Dense": "sentence_transformers.models.Dense",
                             "document_0_Dense": "sentence_transformers.models.Dense"},
                   "structure": {"query": ["query_0_Dense"], "document": ["document_0_Dense"]},
                   "parameters": {"default_route": "document"}})");
  // The last weight's sign and exponent.
  std::fstream file(folder / "1_Router/query_0_Dense/model.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x40');
  ASSERT_TRUE(file.good());
}

TEST(Routes, RerankReadsTheQueryByItsOwnRoute) {
  const TemporaryFolder folder;
  MakeMultiVectorRouter(folder);
  const Embedder embedder = Load(folder.path().string());
  const std::vector<std::string_view> documents = {"a river", "Cats sleep.", "How do cats sleep?"};
  const std::string_view query = "How do cats sleep?";
  const std::array queries = {query};
  const auto of_query = embedder.EmbedMultiVector(queries, {.prompt_name = "query"});
  const auto by_document_route = embedder.EmbedMultiVector(queries, {.prompt_name = "document"});
  const auto of_documents = embedder.EmbedMultiVector(documents, {.prompt_name = "document"});
  const auto scores = embedder.Rerank(query, documents);
  ASSERT_TRUE(of_query && by_document_route && of_documents);
  ASSERT_TRUE(scores) << scores.error().message();
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ((*scores)[i][0], MaxSim((*of_query)[0], (*of_documents)[i])) << i;
    EXPECT_NE((*scores)[i][0], MaxSim((*by_document_route)[0], (*of_documents)[i])) << i;
  }
}

TEST(Routes, RerankCountsAQueryOfItsOwnRouteAsAnyOther) {
  const TemporaryFolder folder;
  MakeMultiVectorRouter(folder);
  const Embedder two_routes = Load(folder.path().string());
  const Embedder one_route = Load(std::string(AKIN_GOLDEN_MODELS) + "/shared/colbert-bert");
  std::string query = "How do cats sleep?";
  while (query.size() < 10000) query += " How do cats sleep?";  // More than a query may have.
  const std::vector<std::string_view> documents = {"a river", "Cats sleep."};
  const auto got = two_routes.Rerank(query, documents);
  const auto expected = one_route.Rerank(query, documents);
  ASSERT_TRUE(got && expected);
  EXPECT_EQ(expected->usage().truncated_texts, 1);
  EXPECT_EQ(got->usage().total_tokens, expected->usage().total_tokens);
  EXPECT_EQ(got->usage().truncated_texts, expected->usage().truncated_texts);
  EXPECT_EQ(got->usage().truncated_tokens, expected->usage().truncated_tokens);
}

// What a scheduler makes of a request, the thread on which it tells, and what it has counted then.
struct Told {
  Scores scores;
  std::thread::id thread;
  SchedulerCounts counts;
};
Told Rerank(const Embedder& embedder, bool may_compute_here) {
  const auto scheduler = Scheduler::Start({.num_threads = 1});  // Documents are shared out else.
  EXPECT_TRUE(scheduler) << scheduler.error().message();
  std::promise<Told> told;
  RerankRequest request{.embedder = embedder,
                        .query = "How do cats sleep?",
                        .documents = {"a river", "Cats sleep.", "How do cats sleep?"}};
  request.terms.may_compute_here = may_compute_here;
  EXPECT_TRUE((*scheduler)->Submit(std::move(request), [&](const Result<Scores>& scores) {
    EXPECT_TRUE(scores) << scores.error().message();
    told.set_value({*scores, std::this_thread::get_id(), (*scheduler)->Counts()});
  }));
  return told.get_future().get();
}

// The query's network is another one than the documents': a batch of its own, computed as any.
TEST(Routes, TheSchedulerComputesAQueryOfItsOwnRoute) {
  const TemporaryFolder folder;
  MakeMultiVectorRouter(folder);
  const Embedder embedder = Load(folder.path().string());
  const auto expected = embedder.Rerank(
      "How do cats sleep?",
      std::vector<std::string_view>{"a river", "Cats sleep.", "How do cats sleep?"});
  ASSERT_TRUE(expected) << expected.error().message();
  for (const bool here : {false, true}) {
    const Told told = Rerank(embedder, here);
    EXPECT_EQ(told.thread == std::this_thread::get_id(), here);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(told.scores[i][0], (*expected)[i][0]) << i;
    EXPECT_EQ(told.scores.usage().total_tokens, expected->usage().total_tokens);
    EXPECT_EQ(told.counts.batch_sequences, 4) << "the query too, whose document is no equal";
    EXPECT_EQ(told.counts.batch_tokens, expected->usage().total_tokens);
    EXPECT_EQ(told.counts.batches, here ? 1 : 2);
  }
}

TEST(Routes, TheSchedulerKeepsThemApart) {
  const Embedder embedder = Load(kModels + "router-encoders");
  const auto scheduler = Scheduler::Start({.num_threads = 2});
  ASSERT_TRUE(scheduler) << scheduler.error().message();
  for (int round = 0; round < 4; ++round) {
    for (const char* task : {"query", "document"}) {
      std::promise<Result<AllEmbeddings>> answer;
      EmbedRequest request{.embedder = embedder, .texts = {"How do cats sleep?", "a river"}};
      request.options.prompt_name = task;
      const auto expected = embedder.Embed({"How do cats sleep?", "a river"}, request.options);
      ASSERT_TRUE((*scheduler)->Submit(std::move(request), [&](Result<AllEmbeddings> result) {
        answer.set_value(std::move(result));
      }));
      const Result<AllEmbeddings> got = answer.get_future().get();
      ASSERT_TRUE(got) << got.error().message();
      for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(SameBits(got->dense[i], (*expected)[i]));
    }
  }
}

// --- What config_sentence_transformers.json says of results ---

// A copy of a model in tests/data with that file.
Result<Embedder> LoadWithSettings(const TemporaryFolder& folder, const std::string& model,
                                  const std::string& settings) {
  std::filesystem::copy(std::string(AKIN_TEST_DATA) + "/models/" + model, folder.path(),
                        std::filesystem::copy_options::recursive);
  folder.Write("config_sentence_transformers.json", settings);
  return Embedder::Load(folder.path().string(), {.precision = Precision::kF32, .num_threads = 1});
}

TEST(SavedSettings, TruncateDimCutsUnlessACallSaysElse) {
  const TemporaryFolder folder;
  const auto embedder = LoadWithSettings(folder, "bert-mean", R"({"truncate_dim": 16})");
  ASSERT_TRUE(embedder) << embedder.error().message();
  EXPECT_EQ(embedder->Info().dimension, 16);
  EXPECT_FALSE(embedder->Info().normalize);
  const auto cut = embedder->Embed(kTexts), full = embedder->Embed(kTexts, {.truncate_dim = 64});
  const auto shorter = embedder->Embed(kTexts, {.truncate_dim = 8});
  ASSERT_TRUE(cut && full && shorter);
  ASSERT_EQ((*cut)[1].size(), 16u);
  ASSERT_EQ((*full)[1].size(), 64u);
  EXPECT_TRUE(SameBits((*cut)[1], (*full)[1].first(16)));  // Not normalized again.
  EXPECT_TRUE(SameBits((*shorter)[1], (*full)[1].first(8)));
  ExpectError(embedder->Embed(kTexts, {.truncate_dim = 65}), ErrorCode::kInvalidInput, "64");
}

float LengthOf(std::span<const float> vector) {
  return std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0f));
}

TEST(SavedSettings, AWishForLengthOneHoldsForCutVectors) {
  const TemporaryFolder folder;
  const auto embedder = LoadWithSettings(folder, "bert-mean", R"({"truncate_dim": 16})");
  ASSERT_TRUE(embedder) << embedder.error().message();
  const auto as_saved = embedder->Embed(kTexts);
  ASSERT_TRUE(as_saved);
  ASSERT_LT(LengthOf((*as_saved)[1]), 0.99f);
  for (const std::optional<int> call_cut : {std::optional<int>(), std::optional<int>(8)}) {
    const auto unit = embedder->Embed(kTexts, {.normalize = true, .truncate_dim = call_cut});
    const auto plain = embedder->Embed(kTexts, {.normalize = false, .truncate_dim = call_cut});
    ASSERT_TRUE(unit && plain);
    ASSERT_EQ((*unit)[1].size(), static_cast<size_t>(call_cut.value_or(16)));
    EXPECT_NEAR(LengthOf((*unit)[1]), 1.0f, 1e-6f);
    const float scale = LengthOf((*plain)[1]);
    EXPECT_GT(std::abs(scale - 1.0f), 0.01f);
    for (size_t j = 0; j < (*unit)[1].size(); ++j)
      EXPECT_NEAR((*unit)[1][j] * scale, (*plain)[1][j], 1e-5f * scale) << j;
  }
}

TEST(SavedSettings, ATruncateDimOfMoreThanThereIsCutsNothing) {
  const TemporaryFolder folder;
  const auto embedder = LoadWithSettings(folder, "bert-mean", R"({"truncate_dim": 1000})");
  ASSERT_TRUE(embedder) << embedder.error().message();
  EXPECT_EQ(embedder->Info().dimension, 64);
  const TemporaryFolder wrong;
  ExpectError(LoadWithSettings(wrong, "bert-mean", R"({"truncate_dim": 0})"),
              ErrorCode::kInvalidModel, "config_sentence_transformers.json", "truncate_dim");
}

TEST(SavedSettings, MaxActiveDimsKeepsTheLargestUnlessACallSaysElse) {
  const TemporaryFolder folder;
  const auto embedder = LoadWithSettings(folder, "splade-bert", R"({"max_active_dims": 3})");
  ASSERT_TRUE(embedder) << embedder.error().message();
  const auto kept = embedder->EmbedSparse(kTexts),
             asked = embedder->EmbedSparse(kTexts, {.top_k = 3});
  const auto more = embedder->EmbedSparse(kTexts, {.top_k = 5});
  ASSERT_TRUE(kept && asked && more);
  EXPECT_EQ((*kept)[1].indices.size(), 3u);
  EXPECT_EQ((*kept)[1].indices, (*asked)[1].indices);
  EXPECT_EQ((*more)[1].indices.size(), 5u);
}

TEST(SavedSettings, ADenseThatSaysItHasNoBiasHasNoTensorOfIt) {
  const TemporaryFolder folder;
  std::filesystem::copy(std::string(AKIN_TEST_DATA) + "/models/bert-dense-tanh", folder.path(),
                        std::filesystem::copy_options::recursive);
  folder.Write("2_Dense/config.json",
               R"({"in_features": 32, "out_features": 32, "bias": false,
                   "activation_function": "torch.nn.modules.activation.Tanh"})");
  ExpectError(Embedder::Load(folder.path().string()), ErrorCode::kInvalidModel,
              "2_Dense/config.json", "\"bias\"", "linear.bias");
}

// As sentence-transformers 6.2 saves and loads a CrossEncoder.
TEST(SavedSettings, TheActivationOfScoresStandsBesideModulesJson) {
  const std::string identity = R"({"activation_fn": "torch.nn.modules.linear.Identity"})";
  const TemporaryFolder bare, saved, unknown;
  for (const TemporaryFolder* folder : {&saved, &unknown}) {
    folder->Write("modules.json",
                  R"([{"path": "", "type": "sentence_transformers.models.Transformer"}])");
  }
  const auto without = LoadWithSettings(bare, "cross-bert", identity);
  const auto with = LoadWithSettings(saved, "cross-bert", identity);
  ASSERT_TRUE(without && with);
  const std::vector<std::string_view> documents = {"b"};
  const auto sigmoid = without->Rerank("a", documents), raw = with->Rerank("a", documents);
  ASSERT_TRUE(sigmoid && raw);
  EXPECT_NEAR((*sigmoid)[0][0], 0.12178173f, 1e-5);  // That of sentence-transformers 6.2.0.
  EXPECT_NEAR((*raw)[0][0], -1.9756649f, 1e-5);      // Likewise.
  ExpectError(LoadWithSettings(unknown, "cross-bert", R"({"activation_fn": "torch.nn.ReLU6"})"),
              ErrorCode::kUnsupportedModel, "config_sentence_transformers.json", "activation_fn");
}

}  // namespace
}  // namespace akin
