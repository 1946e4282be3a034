// Plug-ins through the library's own door: what a good one gets and gives, and that a bad one costs
// an error and nothing else.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "akin/embedder.h"
#include "akin/profile.h"
#include "akin/scheduler.h"
#include "akin/system.h"
#include "akin/tokenizer.h"

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

const std::string kModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";
const std::string kPrompted = std::string(AKIN_TEST_DATA) + "/models/bert-cls-prompts";
const std::string kReranker = std::string(AKIN_TEST_DATA) + "/models/cross-bert";
const std::string kStatic = std::string(AKIN_TEST_DATA) + "/models/static-embedding";
const std::string kHash = AKIN_HASH_PLUGIN;

std::string Faulty(const std::string& name = "faulty") {
  return std::string(AKIN_FAULTY_PLUGINS) + "/" + name + ".so";
}

using Options = std::vector<std::pair<std::string, std::string>>;

LoadOptions With(std::string library, Options options = {}) {
  LoadOptions load{.backend = BackendKind::kPlugin, .num_threads = 1};
  load.plugin = {std::move(library), std::move(options)};
  return load;
}

Result<Embedder> LoadFault(const std::string& fault) {
  return Embedder::Load(kModel, With(Faulty(), {{"fault", fault}}));
}

int OpenModels() {
  void* handle = dlopen(Faulty().c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (handle == nullptr) return 0;  // Not even loaded.
  const auto* count = static_cast<std::atomic<int>*>(dlsym(handle, "faulty_open_models"));
  const int open = count->load();
  dlclose(handle);
  return open;
}

// What the plug-in for tests makes of a text that it reads.
std::vector<float> FactsOf(std::string_view text) {
  float sum = 0;
  for (const char c : text) sum += static_cast<float>(static_cast<unsigned char>(c));
  const auto byte = [&](size_t i) {
    return static_cast<float>(static_cast<unsigned char>(text[i]));
  };
  return {static_cast<float>(text.size()), text.empty() ? 0 : byte(0),
          text.empty() ? 0 : byte(text.size() - 1), sum};
}

std::vector<float> Values(std::span<const float> row) { return {row.begin(), row.end()}; }

TEST(Plugin, TheExampleGivesTheVectorsThatItsHeadDescribes) {
  const Embedder embedder =
      Embedder::Load(kModel, With(kHash, {{"dimension", "32"}, {"seed", "7"}})).value();
  const Embeddings vectors =
      embedder.Embed({"the cat", "a house", "the cat"}, {.return_ids = true}).value();
  ASSERT_EQ(vectors.dimension(), 32u);
  const auto mix = [](uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  };
  for (size_t i = 0; i < 3; ++i) {
    std::vector<double> sum(32);
    for (const int32_t id : vectors.ids(i)) {
      const uint64_t bits = mix(mix(7 ^ mix(static_cast<uint64_t>(id))));
      for (size_t j = 0; j < sum.size(); ++j) sum[j] += (bits >> j & 1) != 0 ? 1 : -1;
    }
    const double norm = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
    for (size_t j = 0; j < sum.size(); ++j) EXPECT_NEAR(vectors[i][j], sum[j] / norm, 1e-6);
  }
  EXPECT_EQ(Values(vectors[0]), Values(vectors[2]));
}

TEST(Plugin, ItsTimeIsAStageOfItsOwn) {
  const Embedder embedder =
      Embedder::Load(kModel, With(Faulty(), {{"rows", "states"}, {"width", "64"}})).value();
  const std::vector<std::string> texts = {"the cat", "a house"};
  const StageProfile profile = ProfileStages(embedder, texts).value();
  std::vector<std::string> stages;
  for (const StageTime& stage : profile.stages) stages.push_back(stage.stage);
  EXPECT_NE(std::ranges::find(stages, "else in the backend"), stages.end());
}

TEST(Plugin, TheModelInformationSaysWhatRuns) {
  const Embedder embedder = Embedder::Load(kModel, With(Faulty())).value();
  const ModelInfo& info = embedder.Info();
  EXPECT_EQ(info.backend, "plugin");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.isa, "cpu");
  EXPECT_EQ(info.dimension, 4);
  EXPECT_FALSE(info.batch_invariant);
  EXPECT_EQ(info.backend_detail, "faulty 0.1.0 (" + Faulty() + "): for tests");
  EXPECT_TRUE(info.notes.empty());

  LoadOptions other = With(Faulty());
  other.precision = Precision::kBf16;
  const Embedder in_bf16 = Embedder::Load(kModel, other).value();
  ASSERT_EQ(in_bf16.Info().notes.size(), 1u);
  EXPECT_EQ(in_bf16.Info().notes[0], "not used: precision bf16, the plug-in runs f32");
}

TEST(Plugin, ARaggedBatchOfIdsIsWhatTheTokenizerMade) {
  const Embedder embedder = Embedder::Load(kModel, With(Faulty())).value();
  const std::vector<std::string> texts = {"the cat sat", "", "a", "the house and the cat !"};
  const Embeddings vectors = embedder.Embed(texts, {.return_ids = true}).value();
  for (size_t i = 0; i < texts.size(); ++i) {
    float ids = 0, places = 0;
    for (size_t t = 0; t < vectors.ids(i).size(); ++t) {
      ids += static_cast<float>(vectors.ids(i)[t]);
      places += static_cast<float>(t);
    }
    EXPECT_EQ(Values(vectors[i]),
              (std::vector<float>{ids, places, 0, static_cast<float>(vectors.num_tokens(i))}));
  }
}

TEST(Plugin, StatesOfTokensArePooledByTheModelsOwnModules) {
  const Embedder embedder =
      Embedder::Load(kModel, With(Faulty(), {{"rows", "states"}, {"width", "64"}})).value();
  EXPECT_EQ(embedder.Info().pooling, "mean");
  const Embeddings vectors =
      embedder.Embed({"the cat", "a"}, {.return_ids = true, .normalize = false}).value();
  for (size_t i = 0; i < 2; ++i) {
    const auto ids = vectors.ids(i);
    const auto n = static_cast<float>(ids.size());
    EXPECT_NEAR(vectors[i][0], static_cast<float>(std::accumulate(ids.begin(), ids.end(), 0)) / n,
                1e-3);
    EXPECT_NEAR(vectors[i][1], (n - 1) / 2, 1e-6);
    EXPECT_EQ(vectors[i][3], 1.0f);
  }
  EXPECT_EQ(embedder.EmbedTokens(std::vector<std::string_view>{"a"}).value()[0].rows(),
            static_cast<size_t>(vectors.num_tokens(1)));
}

TEST(Plugin, LogitsBecomeScores) {
  const Embedder embedder =
      Embedder::Load(kReranker, With(Faulty(), {{"rows", "logits"}, {"width", "1"}})).value();
  const Scores scores = embedder
                            .Rerank("the", std::vector<std::string_view>{"cat", "house"},
                                    {.return_ids = true, .activation = ScoreActivation::kRaw})
                            .value();
  for (size_t i = 0; i < 2; ++i) {
    const auto ids = scores.ids(i);
    EXPECT_EQ(scores[i][0], static_cast<float>(std::accumulate(ids.begin(), ids.end(), 0)));
  }
}

TEST(Plugin, TextsComeWithTheirPromptsAndCutAtTheLimit) {
  const Embedder embedder = Embedder::Load(kPrompted, With(Faulty(), {{"input", "texts"}})).value();
  ASSERT_FALSE(embedder.Info().prompts.empty());
  const NamedPrompt& prompt = embedder.Info().prompts.front();
  const std::vector<std::string> texts = {"the cat", "", "Über the house, 日本"};
  const Embeddings plain =
      embedder.Embed(texts, {.prompt = std::string(), .normalize = false}).value();
  const Embeddings prompted =
      embedder.Embed(texts, {.prompt_name = prompt.name, .normalize = false}).value();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(Values(plain[i]), FactsOf(texts[i]));
    EXPECT_EQ(Values(prompted[i]), FactsOf(prompt.text + texts[i]));
  }
  // Special tokens take two of the five.
  const std::vector<std::string_view> longer = {"the cat and the cat"};
  EmbedOptions cut{.max_tokens = 5, .prompt = std::string(), .normalize = false};
  const Embeddings right = embedder.Embed(longer, cut).value();
  EXPECT_EQ(Values(right[0]), FactsOf("the cat and"));
  EXPECT_GT(right.truncated(0), 0);
  cut.truncation_side = TruncationSide::kLeft;
  EXPECT_EQ(Values(embedder.Embed(longer, cut).value()[0]), FactsOf("and the cat"));
}

TEST(Plugin, TextsOfWindowsAreTheirs) {
  const Embedder embedder = Embedder::Load(kModel, With(Faulty(), {{"input", "texts"}})).value();
  const std::vector<std::string_view> texts = {"the cat and the cat", "a"};
  EmbedOptions options{.max_tokens = 5, .overflow = Overflow::kChunks, .normalize = false};
  const Embeddings chunks = embedder.Embed(texts, options).value();
  ASSERT_EQ(chunks.size(), 3u);
  for (size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks.chunks()[i];
    EXPECT_EQ(Values(chunks[i]), FactsOf(texts[chunk.text].substr(
                                     chunk.begin_byte, chunk.end_byte - chunk.begin_byte)));
  }
  options.overflow = Overflow::kLate;
  ExpectError(embedder.Embed(texts, options), ErrorCode::kUnsupportedModel, "late", "plugin");
}

TEST(Plugin, LateChunkingOfAStaticModelIsRefused) {
  const Embedder embedder = Embedder::Load(kStatic).value();
  ExpectError(embedder.Embed({"the cat and the house and the cat"},
                             {.max_tokens = 2, .overflow = Overflow::kLate}),
              ErrorCode::kUnsupportedModel, "late", "native");
}

TEST(Plugin, TextsGoThroughTheScheduler) {
  const Embedder embedder = Embedder::Load(kModel, With(Faulty(), {{"input", "texts"}})).value();
  const auto scheduler = Scheduler::Start({.num_threads = 1}).value();
  // The second one has the tokens of the first one, and is another text all the same.
  const std::vector<std::string> texts = {"the cat", "THE CAT", "", "a house", "the cat"};
  std::atomic<bool> ready = false;
  Result<AllEmbeddings> result = Error(ErrorCode::kInternal, "not called");
  const auto ticket =
      scheduler->Submit({.embedder = embedder, .texts = texts, .options = {.normalize = false}},
                        [&](Result<AllEmbeddings> given) {
                          result = std::move(given);
                          ready = true;
                          ready.notify_one();
                        });
  ASSERT_TRUE(ticket);
  ready.wait(false);
  ASSERT_TRUE(result) << result.error().message();
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(Values(result->dense[i]), FactsOf(texts[i]));
}

TEST(Plugin, PairsCannotBeReadAsTexts) {
  const Embedder embedder =
      Embedder::Load(kReranker,
                     With(Faulty(), {{"rows", "logits"}, {"width", "1"}, {"input", "texts"}}))
          .value();
  ExpectError(embedder.Rerank("the", std::vector<std::string_view>{"cat"}),
              ErrorCode::kUnsupportedModel, "pairs");
}

TEST(Plugin, NoMoreCallsAreUnderWayThanItWants) {
  LoadOptions options = With(Faulty(), {{"calls", "1"}});
  options.num_threads = 4;
  const Embedder embedder = Embedder::Load(kModel, options).value();
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) failed += embedder.Embed({"the cat"}) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

struct Fault {
  const char* name;
  ErrorCode code;
  const char* mention;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
std::string NameOfFault(const testing::TestParamInfo<Fault>& info) {
  std::string name = info.param.name;
  std::erase(name, '-');
  return name;
}

class PluginAtLoad : public testing::TestWithParam<Fault> {};
TEST_P(PluginAtLoad, IsOneErrorThatNamesIt) {
  const int open = OpenModels();
  const auto loaded = LoadFault(GetParam().name);
  ExpectError(loaded, GetParam().code, "plug-in 'faulty'", GetParam().mention);
  EXPECT_LE(loaded.error().message().size(), 2048u);
  EXPECT_EQ(OpenModels(), open) << "a model stayed open";
}
INSTANTIATE_TEST_SUITE_P(
    Faults, PluginAtLoad,
    testing::Values(
        Fault{"load-fails", ErrorCode::kInvalidModel, "weights.bin: has 3 bytes, expected 12"},
        Fault{"load-silent", ErrorCode::kServiceUnavailable, "error 14 without a reason"},
        Fault{"load-unknown-code", ErrorCode::kInternal, "what is 77?"},
        Fault{"load-dirty-text", ErrorCode::kModelNotFound, "a?b ?[31m ?? end"},
        Fault{"load-endless-text", ErrorCode::kInvalidInput, "xxxx"},
        Fault{"load-throws", ErrorCode::kInternal, "thrown over the fence"},
        Fault{"load-no-model", ErrorCode::kInternal, "no model"},
        Fault{"describe-fails", ErrorCode::kInternal, "no idea"},
        Fault{"describe-input", ErrorCode::kInternal, "input 9"},
        Fault{"describe-rows", ErrorCode::kInternal, "rows -1"},
        Fault{"describe-width", ErrorCode::kInternal, "width 0"},
        Fault{"describe-wide", ErrorCode::kInternal, "width 1073741824"},
        Fault{"describe-max-tokens", ErrorCode::kInternal, "max_tokens 0"},
        Fault{"describe-types", ErrorCode::kInternal, "type_vocab_size -1"},
        Fault{"describe-flags", ErrorCode::kInternal, "flags"},
        Fault{"describe-endless", ErrorCode::kInternal, "no printable text"},
        Fault{"describe-control", ErrorCode::kInternal, "no printable text"},
        Fault{"health", ErrorCode::kServiceUnavailable, "not well"}),
    NameOfFault);

class PluginAtEmbed : public testing::TestWithParam<Fault> {};
TEST_P(PluginAtEmbed, CostsItsOwnCallAnErrorAndNoOther) {
  const int open = OpenModels();
  {
    const Embedder embedder = LoadFault(GetParam().name).value();
    ExpectError(embedder.Embed({"the cat", "a house"}), GetParam().code, "plug-in 'faulty'",
                GetParam().mention);
    EXPECT_TRUE(embedder.Embed({"the cat"}));
  }
  EXPECT_EQ(OpenModels(), open) << "a model stayed open";
}
INSTANTIATE_TEST_SUITE_P(
    Faults, PluginAtEmbed,
    testing::Values(Fault{"embed-fails", ErrorCode::kServiceUnavailable, "the device is gone"},
                    Fault{"embed-throws", ErrorCode::kInternal, "thrown over the fence"},
                    Fault{"embed-few-rows", ErrorCode::kInternal, "1 rows for 2 sequences"},
                    Fault{"embed-many-rows", ErrorCode::kInternal, "3 rows for 2 sequences"},
                    Fault{"embed-width", ErrorCode::kInternal, "rows of 5 values, describe said 4"},
                    Fault{"embed-nan", ErrorCode::kInternal, "row 0 of 2"},
                    Fault{"embed-infinite", ErrorCode::kInternal, "row 0 of 2"},
                    Fault{"embed-unwritten", ErrorCode::kInternal, "row 1 of 2"}),
    NameOfFault);

class PluginTable : public testing::TestWithParam<Fault> {};
TEST_P(PluginTable, IsCheckedWhenTheLibraryIsLoaded) {
  const std::string library = Faulty(std::string("faulty_") + GetParam().name);
  ExpectError(Embedder::Load(kModel, With(library)), GetParam().code, library, GetParam().mention);
  ExpectError(DescribePlugin(library), GetParam().code, library, GetParam().mention);
}
INSTANTIATE_TEST_SUITE_P(
    Faults, PluginTable,
    testing::Values(Fault{"version", ErrorCode::kUnsupportedModel, "made for version 2"},
                    Fault{"size", ErrorCode::kInvalidInput, "16 bytes"},
                    Fault{"function", ErrorCode::kInvalidInput, "lacks the function embed"},
                    Fault{"name", ErrorCode::kInvalidInput, "name"},
                    Fault{"null", ErrorCode::kInvalidInput, "gave no table"},
                    Fault{"options", ErrorCode::kInvalidInput, "no list of them"},
                    Fault{"entry", ErrorCode::kInvalidInput, "no function akin_plugin_entry"}),
    NameOfFault);

TEST(PluginLibrary, ThatIsNoneIsRefused) {
  const TemporaryFolder folder;
  folder.Write("text.so", "not a library");
  const std::string path = folder / "text.so";
  ExpectError(Embedder::Load(kModel, With(path)), ErrorCode::kInvalidInput, "text.so");
  ExpectError(Embedder::Load(kModel, With(folder.path().string())), ErrorCode::kInvalidInput,
              "is not a regular file");
  ExpectError(Embedder::Load(kModel, With("libm.so.6")), ErrorCode::kInvalidInput,
              "'libm.so.6' is not there");
  ExpectError(Embedder::Load(kModel, With("")), ErrorCode::kInvalidInput, "plugin:PATH");
}

TEST(PluginOptions, ThatAreNoneAreRefusedBeforeLoad) {
  ExpectError(Embedder::Load(kModel, With(kHash, {{"dimensions", "3"}})), ErrorCode::kInvalidInput,
              "no option 'dimensions'; it has dimension, seed");
  ExpectError(Embedder::Load(kModel, With(kHash, {{"seed", "3"}, {"seed", "4"}})),
              ErrorCode::kInvalidInput, "'seed' is given twice");
  ExpectError(Embedder::Load(kModel, With(kHash, {{"dimension", "0"}})), ErrorCode::kInvalidInput,
              "plug-in 'hash': dimension is 1 to 65536, not '0'");
}

TEST(PluginModel, MustHaveAUseForTheRows) {
  ExpectError(Embedder::Load(kReranker, With(Faulty())), ErrorCode::kUnsupportedModel, "vectors",
              "reranker");
  ExpectError(Embedder::Load(kModel, With(Faulty(), {{"rows", "logits"}})),
              ErrorCode::kUnsupportedModel, "logits", "dense");
  ExpectError(Embedder::Load(kReranker, With(Faulty(), {{"rows", "logits"}})),
              ErrorCode::kInvalidModel, "4 logits");
}

TEST(PluginModel, OfScoresNeedsAHeadForStatesOfTokens) {
  const TemporaryFolder folder;
  fs::copy(kReranker, folder / "model", fs::copy_options::recursive);
  folder.Remove("model/model.safetensors");
  folder.Write("model/model.onnx", "whose head is not known");
  ExpectError(Embedder::Load((folder / "model").string(), With(Faulty(), {{"rows", "states"}})),
              ErrorCode::kUnsupportedModel, "states of tokens and no logits",
              "no weights of a head", "backend plugin");
}

TEST(PluginModel, MustHaveTheWidthThatItsModulesRead) {
  ExpectError(Embedder::Load(kModel, With(Faulty(), {{"rows", "states"}})),
              ErrorCode::kInvalidModel, "4 values");
}

TEST(PluginModel, MustKnowTheTokensOfTheTokenizer) {
  ExpectError(LoadFault("describe-vocab"), ErrorCode::kInvalidModel, "vocab_size 2");
}

TEST(PluginModel, LimitsTexts) {
  const Embedder embedder = Embedder::Load(kModel, With(Faulty(), {{"max-tokens", "4"}})).value();
  EXPECT_EQ(embedder.Info().max_tokens, 4);
  const Embeddings vectors = embedder.Embed({"the cat and the house"}).value();
  EXPECT_EQ(vectors.num_tokens(0), 4);
  EXPECT_GT(vectors.truncated(0), 0);
}

TEST(ParseBackend, TakesAPluginWithItsOptions) {
  LoadOptions options;
  ASSERT_TRUE(ParseBackend("plugin:/a/b.so,seed=1,text=x\\,y,empty=", options));
  EXPECT_EQ(options.backend, BackendKind::kPlugin);
  EXPECT_EQ(options.plugin.library, "/a/b.so");
  EXPECT_EQ(options.plugin.options, (Options{{"seed", "1"}, {"text", "x,y"}, {"empty", ""}}));
  ASSERT_TRUE(ParseBackend("native", options));
  EXPECT_EQ(options.backend, BackendKind::kNative);
  ExpectError(ParseBackend("plugin:/a/b.so,seed", options), ErrorCode::kInvalidInput, "'seed'",
              "plugin:PATH[,option=value...]");
  ExpectError(ParseBackend("plug:/a/b.so", options), ErrorCode::kInvalidInput, "plug:/a/b.so",
              "plugin");
}

TEST(ParseBackend, TakesAServerAndAChildWithTheirOptions) {
  LoadOptions options;
  ASSERT_TRUE(ParseBackend("remote:http://gpu:8080/v1,dialect=tei,model=bge-m3", options));
  EXPECT_EQ(options.backend, BackendKind::kRemote);
  EXPECT_EQ(options.remote.url, "http://gpu:8080/v1");
  EXPECT_EQ(options.remote.dialect, RemoteDialect::kTei);
  EXPECT_EQ(options.remote.model, "bge-m3");
  ASSERT_TRUE(ParseBackend("python:./engine.py,interpreter=/opt/python3,library=x", options));
  EXPECT_EQ(options.backend, BackendKind::kPython);
  EXPECT_EQ(options.python.child, "./engine.py");
  EXPECT_EQ(options.python.interpreter, "/opt/python3");
  EXPECT_EQ(options.python.library, "x");
  LoadOptions untouched;
  ExpectError(ParseBackend("remote:http://gpu,colour=red", untouched), ErrorCode::kInvalidInput,
              "backend remote", "'colour'", "dialect, model");
  ExpectError(ParseBackend("python:x,colour=red", untouched), ErrorCode::kInvalidInput,
              "backend python", "'colour'", "interpreter, library");
  ExpectError(ParseBackend("remote:http://gpu,dialect=soap", untouched), ErrorCode::kInvalidInput,
              "soap");
  for (const char* word :
       {"python:x,interpreter=a,interpreter=b", "remote:http://gpu,model=a,model=a"})
    ExpectError(ParseBackend(word, untouched), ErrorCode::kInvalidInput, word, "is given twice");
  EXPECT_EQ(untouched.backend, BackendKind::kAuto);
}

}  // namespace
}  // namespace akin
