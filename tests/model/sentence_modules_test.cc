#include "model/sentence_modules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "model/model_directory.h"
#include "model/module_rows.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin::model {
namespace {

constexpr std::string_view kPoolingFile = "1_Pooling/config.json";
constexpr std::string_view kTransformerFile = "sentence_bert_config.json";
constexpr std::string_view kPromptsFile = "config_sentence_transformers.json";

// "Pooling Normalize".
std::string TypesOf(const SentenceModules& modules) {
  std::string types;
  for (const Module& module : modules.heads[0].modules) {
    types += types.empty() ? "" : " ";
    types += std::holds_alternative<Pooling>(module) ? "Pooling" : "Normalize";
  }
  return types;
}

std::vector<PoolingMode> ModesOf(const SentenceModules& modules) {
  return std::get<Pooling>(modules.heads[0].modules[0]).modes;
}

class SentenceModulesTest : public ::testing::Test {
 protected:
  SentenceModulesTest() {
    WriteModules({"Transformer", "Pooling", "Normalize"});
    Write(kPoolingFile, R"({"word_embedding_dimension": 4, "pooling_mode_cls_token": true,)"
                        R"("pooling_mode_mean_tokens": false})");
  }

  void Write(std::string_view file, std::string_view content) { folder_.Write(file, content); }

  // modules.json with `types` of the package, in folders "", "1_<type>", ...
  void WriteModules(const std::vector<std::string>& types,
                    std::string_view package = "sentence_transformers.models.") {
    std::string text;
    for (size_t i = 0; i < types.size(); ++i) {
      const std::string path = i == 0 ? "" : StrCat(i, '_', types[i]);
      text += StrCat(i == 0 ? "[" : ",", "{\"idx\":", i, ",\"name\":\"", i, "\",\"path\":\"", path,
                     "\",\"type\":\"", package, types[i], "\"}");
    }
    Write("modules.json", text + "]");
  }

  Result<SentenceModules> Load(std::string_view route = {}) {
    const auto directory = ModelDirectory::Open(folder_.path().string());
    return LoadSentenceModules(*directory, std::nullopt, route);
  }
  // With one file replaced, for this call only.
  Result<SentenceModules> LoadWith(std::string_view file, std::string_view content) {
    Write(file, content);
    return Load();
  }

  TemporaryFolder folder_;
};

TEST_F(SentenceModulesTest, PoolingAndNormalizeAreTheFiles) {
  const auto modules = Load();
  ASSERT_TRUE(modules) << modules.error().message();
  EXPECT_EQ(TypesOf(*modules), "Pooling Normalize");
  EXPECT_EQ(ModesOf(*modules), std::vector{PoolingMode::kCls});
  EXPECT_EQ(modules->text.default_prompt_name, "");
}

TEST_F(SentenceModulesTest, WithoutNormalizeNothingIsNormalized) {
  WriteModules({"Transformer", "Pooling"});
  EXPECT_EQ(TypesOf(*Load()), "Pooling");
}

TEST_F(SentenceModulesTest, NewTypeNamesAreTheOldOnes) {
  Write("modules.json", R"([
    {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
    {"path": "2_Normalize", "type": "sentence_transformers.sentence_transformer.modules.normalize.Normalize"}])");
  const auto modules = Load();
  ASSERT_TRUE(modules) << modules.error().message();
  EXPECT_EQ(TypesOf(*modules), "Pooling Normalize");
}

TEST_F(SentenceModulesTest, BareTransformersFolderHasMeanPooling) {
  folder_.Remove("modules.json");
  Write("config.json", "{}");
  const auto modules = Load();
  ASSERT_TRUE(modules);
  EXPECT_EQ(TypesOf(*modules), "Pooling");
  EXPECT_EQ(ModesOf(*modules), std::vector{PoolingMode::kMean});
  EXPECT_TRUE(modules->pooling_is_assumed);
  const auto directory = ModelDirectory::Open(folder_.path().string());
  EXPECT_FALSE(LoadSentenceModules(*directory, PoolingMode::kMean)->pooling_is_assumed);
}

TEST_F(SentenceModulesTest, EveryPoolingModeHasItsOldFlagAndItsNewName) {
  struct Row {
    PoolingMode mode;
    const char* flag;
    const char* name;
  };
  for (const Row& row :
       {Row{PoolingMode::kCls, "pooling_mode_cls_token", "cls"},
        Row{PoolingMode::kMax, "pooling_mode_max_tokens", "max"},
        Row{PoolingMode::kMean, "pooling_mode_mean_tokens", "mean"},
        Row{PoolingMode::kMeanSqrtLen, "pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
        Row{PoolingMode::kWeightedMean, "pooling_mode_weightedmean_tokens", "weightedmean"},
        Row{PoolingMode::kLastToken, "pooling_mode_lasttoken", "lasttoken"}}) {
    SCOPED_TRACE(row.name);
    const bool mean = row.mode == PoolingMode::kMean;
    Write(kPoolingFile, StrCat("{\"word_embedding_dimension\":4,\"", row.flag, "\":true",
                               mean ? "" : ",\"pooling_mode_mean_tokens\":false", "}"));
    EXPECT_EQ(ModesOf(*Load()), std::vector{row.mode});
    for (const std::string& value : {StrCat('"', row.name, '"'), StrCat("[\"", row.name, "\"]")}) {
      Write(kPoolingFile, StrCat("{\"embedding_dimension\":4,\"pooling_mode\":", value, "}"));
      EXPECT_EQ(ModesOf(*Load()), std::vector{row.mode});
    }
  }
}

TEST_F(SentenceModulesTest, MeanIsTheDefaultOfTheOldFlags) {
  EXPECT_EQ(ModesOf(*LoadWith(kPoolingFile, R"({"word_embedding_dimension": 4})")),
            std::vector{PoolingMode::kMean});
}

TEST_F(SentenceModulesTest, PoolingOfNoOrOfUnknownModesIsAnError) {
  ExpectError(LoadWith(kPoolingFile, R"({"pooling_mode_mean_tokens": false})"),
              ErrorCode::kInvalidModel, kPoolingFile);
  ExpectError(LoadWith(kPoolingFile, R"({"pooling_mode": []})"), ErrorCode::kInvalidModel,
              kPoolingFile);
  ExpectError(LoadWith(kPoolingFile, R"({"pooling_mode": "median"})"), ErrorCode::kUnsupportedModel,
              kPoolingFile, "median");
  ExpectError(LoadWith(kPoolingFile, R"({"pooling_mode": 1})"), ErrorCode::kInvalidModel,
              "pooling_mode");
  ExpectError(LoadWith(kPoolingFile, R"({"pooling_mode_cls_token": "true"})"),
              ErrorCode::kInvalidModel, "pooling_mode_cls_token");
  ExpectError(LoadWith(kPoolingFile, "{pooling: 1}"), ErrorCode::kInvalidModel, kPoolingFile);
  ExpectError(LoadWith(kPoolingFile, "[]"), ErrorCode::kInvalidModel, kPoolingFile);
}

TEST_F(SentenceModulesTest, OldFlagsAreJoinedInTheOrderOfTheModes) {
  const std::vector clsMaxMean{PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean};
  EXPECT_EQ(ModesOf(*LoadWith(kPoolingFile, R"({"pooling_mode_max_tokens": true,)"
                                            R"("pooling_mode_cls_token": true})")),
            clsMaxMean);
}

TEST_F(SentenceModulesTest, ModesOfAListAreJoinedInItsOrder) {
  const std::vector meanCls{PoolingMode::kMean, PoolingMode::kCls};
  EXPECT_EQ(ModesOf(*LoadWith(kPoolingFile, R"({"pooling_mode": ["mean", "cls"]})")), meanCls);
}

TEST_F(SentenceModulesTest, PoolingsDimensionIsAPositiveNumber) {
  for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
    Write(kPoolingFile, StrCat("{\"", key, "\": 8, \"pooling_mode\": \"cls\"}"));
    EXPECT_EQ(std::get<Pooling>(Load()->heads[0].modules[0]).dimension, 8);
    ExpectError(LoadWith(kPoolingFile, StrCat("{\"", key, "\": 0, \"pooling_mode\": \"cls\"}")),
                ErrorCode::kInvalidModel, kPoolingFile, key);
  }
}

TEST_F(SentenceModulesTest, OtherModulesAreRefusedByName) {
  Write("modules.json", R"([{"path": "", "type": "sentence_transformers.models.Transformer"},)"
                        R"({"path": "x", "type": "my_pkg.Evil"}])");
  ExpectError(Load(), ErrorCode::kUnsupportedModel, "modules.json", "my_pkg.Evil");
  Write("modules.json", R"([{"path": "", "type": "my_pkg.Transformer"}])");
  ExpectError(Load(), ErrorCode::kUnsupportedModel, "my_pkg.Transformer");
  WriteModules({"Transformer", "Pooling", "Dense"});
  ExpectError(Load(), ErrorCode::kModelNotFound, "2_Dense");
  Write("2_Dense/config.json", "{}");
  ExpectError(Load(), ErrorCode::kInvalidModel, "2_Dense/config.json", "in_features");
  WriteModules({"Transformer", "LSTM"});
  ExpectError(Load(), ErrorCode::kUnsupportedModel, "modules.json", "LSTM");
}

TEST_F(SentenceModulesTest, TheTransformerComesFirstAndOnce) {
  Write("1_Transformer/config.json", "{}");
  for (const std::vector<std::string>& types : std::vector<std::vector<std::string>>{
           {"Pooling"}, {"Pooling", "Transformer"}, {"Transformer", "Transformer"}}) {
    WriteModules(types);
    ExpectError(Load(), ErrorCode::kUnsupportedModel, "modules.json", types[0]);
  }
  ExpectError(LoadWith("modules.json", "[]"), ErrorCode::kUnsupportedModel, "modules.json");
}

TEST_F(SentenceModulesTest, ModulesKeepTheirOrder) {
  Write("2_Pooling/config.json", R"({"pooling_mode": "cls"})");
  WriteModules({"Transformer", "Normalize", "Pooling", "Normalize"});
  EXPECT_EQ(TypesOf(*Load()), "Normalize Pooling Normalize");
}

TEST_F(SentenceModulesTest, ModulesJsonIsAnArrayOfModules) {
  for (const char* text :
       {"{}", "[1]", "[{}]", "[{\"type\": 1}]", "x",
        R"([{"type": "sentence_transformers.models.Transformer"}])",
        R"([{"type": "sentence_transformers.models.Transformer", "path": 1}])"}) {
    SCOPED_TRACE(text);
    ExpectError(LoadWith("modules.json", text), ErrorCode::kInvalidModel, "modules.json");
  }
}

TEST_F(SentenceModulesTest, ModulePathsStayInsideTheFolder) {
  for (const char* path : {"../../outside", "/etc", "1_Pooling/../.."}) {
    Write("modules.json",
          StrCat(R"([{"path": "", "type": "sentence_transformers.models.Transformer"},)",
                 R"({"type": "sentence_transformers.models.Pooling", "path": ")", path, "\"}]"));
    ExpectError(Load(), ErrorCode::kInvalidModel, "modules.json", path);
  }
}

TEST_F(SentenceModulesTest, LimitIsMaxSeqLengthWithinThePositions) {
  EXPECT_EQ(LoadWith(kTransformerFile, R"({"max_seq_length": 48})")->text.MaxTokens(64), 48);
  EXPECT_EQ(LoadWith(kTransformerFile, R"({"max_seq_length": 1})")->text.MaxTokens(64), 1);
  EXPECT_EQ(LoadWith(kTransformerFile, R"({"max_seq_length": 4096})")->text.MaxTokens(64), 64);
  for (const char* value : {"0", "-1", "48.5", "\"48\"", "1e30", "true"}) {
    ExpectError(LoadWith(kTransformerFile, StrCat("{\"max_seq_length\": ", value, "}")),
                ErrorCode::kInvalidModel, kTransformerFile, "max_seq_length");
  }
}

TEST_F(SentenceModulesTest, WithoutMaxSeqLengthTheTokenizersLimitCounts) {
  EXPECT_EQ(Load()->text.MaxTokens(64), 64);
  EXPECT_EQ(LoadWith("tokenizer_config.json", "{}")->text.MaxTokens(64), 64);
  EXPECT_EQ(LoadWith("tokenizer_config.json", R"({"model_max_length": 16})")->text.MaxTokens(64),
            16);
  EXPECT_EQ(LoadWith(kTransformerFile, R"({"max_seq_length": null})")->text.MaxTokens(64), 16);
  for (const char* value : {"512", "1000000000000000019884624838656", "1e30", "null"}) {
    EXPECT_EQ(LoadWith("tokenizer_config.json", StrCat("{\"model_max_length\": ", value, "}"))
                  ->text.MaxTokens(64),
              64)
        << value;
  }
  EXPECT_EQ(LoadWith(kTransformerFile, R"({"max_seq_length": 48})")->text.MaxTokens(64), 48);
  for (const char* value : {"0", "-5", "0.5", "\"16\""}) {
    ExpectError(LoadWith("tokenizer_config.json", StrCat("{\"model_max_length\": ", value, "}")),
                ErrorCode::kInvalidModel, "tokenizer_config.json", "model_max_length");
  }
}

TEST_F(SentenceModulesTest, TruncationSideIsTheTokenizersOwn) {
  EXPECT_FALSE(Load()->text.truncation_side.has_value());
  EXPECT_EQ(
      LoadWith("tokenizer_config.json", R"({"truncation_side": "left"})")->text.truncation_side,
      TruncationSide::kLeft);
  EXPECT_EQ(
      LoadWith("tokenizer_config.json", R"({"truncation_side": "right"})")->text.truncation_side,
      TruncationSide::kRight);
  ExpectError(LoadWith("tokenizer_config.json", R"({"truncation_side": "up"})"),
              ErrorCode::kInvalidModel, "tokenizer_config.json", "truncation_side");
}

TEST_F(SentenceModulesTest, LowerCasingIsAsTheFileSays) {
  EXPECT_FALSE(Load()->text.lower_case);
  EXPECT_TRUE(LoadWith(kTransformerFile, R"({"do_lower_case": true})")->text.lower_case);
  ExpectError(LoadWith(kTransformerFile, R"({"do_lower_case": 1})"), ErrorCode::kInvalidModel,
              kTransformerFile, "do_lower_case");
}

TEST_F(SentenceModulesTest, PromptsHaveNamesAndOneMayBeTheDefault) {
  const auto modules = LoadWith(
      kPromptsFile,
      R"({"prompts": {"query": "q: ", "document": "d: "}, "default_prompt_name": "query"})");
  ASSERT_EQ(modules->text.prompts.size(), 2u);
  EXPECT_EQ(modules->text.prompts[1].text, "d: ");
  EXPECT_EQ(modules->text.default_prompt_name, "query");
  EXPECT_EQ(LoadWith(kPromptsFile, R"({"prompts": {"query": "q: "}, "default_prompt_name": null})")
                ->text.default_prompt_name,
            "");
  ExpectError(LoadWith(kPromptsFile, R"({"prompts": {}, "default_prompt_name": "query"})"),
              ErrorCode::kInvalidModel, kPromptsFile, "query");
  ExpectError(LoadWith(kPromptsFile, R"({"prompts": {"q": 1}, "default_prompt_name": "q"})"),
              ErrorCode::kInvalidModel, "prompts.q");
}

TEST_F(SentenceModulesTest, AnotherPoolingMayBeAskedFor) {
  const auto directory = ModelDirectory::Open(folder_.path().string());
  const auto modules = LoadSentenceModules(*directory, PoolingMode::kLastToken);
  EXPECT_EQ(ModesOf(*modules), std::vector{PoolingMode::kLastToken});
}

TEST_F(SentenceModulesTest, ThePromptMayBeLeftOut) {
  EXPECT_TRUE(std::get<Pooling>(Load()->heads[0].modules[0]).include_prompt);
  Write(kPoolingFile, R"({"pooling_mode": "mean", "include_prompt": false})");
  EXPECT_FALSE(std::get<Pooling>(Load()->heads[0].modules[0]).include_prompt);
}

// A Transformer and a Router, which pools queries and documents in different ways.
class RouterTest : public SentenceModulesTest {
 protected:
  RouterTest() {
    WriteModules({"Transformer", "Router", "Normalize"});
    WriteRouter(kStructure, R"({"default_route": "document"})");
    Write("1_Router/query_0_Pooling/config.json", R"({"pooling_mode": "max"})");
    Write("1_Router/document_0_Pooling/config.json", R"({"pooling_mode": "cls"})");
  }
  void WriteRouter(std::string_view structure, std::string_view parameters) {
    Write("1_Router/router_config.json",
          StrCat(R"({"types": {"query_0_Pooling": "sentence_transformers.models.Pooling",)",
                 R"("document_0_Pooling": "sentence_transformers.models.Pooling"},)",
                 R"("structure": )", structure, R"(, "parameters": )", parameters, "}"));
  }
  Result<Routes> LoadRoutes() {
    const auto directory = ModelDirectory::Open(folder_.path().string());
    return ReadRoutes(*directory);
  }
  static constexpr std::string_view kStructure =
      R"({"query": ["query_0_Pooling"], "document": ["document_0_Pooling"]})";
};

TEST_F(RouterTest, EveryRouteHasTheModulesAroundTheRouterAndItsOwn) {
  const auto query = Load("query"), document = Load("document");
  ASSERT_TRUE(query && document) << query.error().message();
  EXPECT_EQ(TypesOf(*query), "Pooling Normalize");
  EXPECT_EQ(ModesOf(*query), std::vector{PoolingMode::kMax});
  EXPECT_EQ(ModesOf(*document), std::vector{PoolingMode::kCls});
}

TEST_F(RouterTest, RoutesKeepTheirOrderAndTheirDefault) {
  const auto routes = LoadRoutes();
  ASSERT_TRUE(routes) << routes.error().message();
  EXPECT_EQ(routes->names, (std::vector<std::string>{"query", "document"}));
  EXPECT_EQ(routes->default_name, "document");
  WriteRouter(kStructure, R"({"allow_empty_key": true})");
  EXPECT_EQ(LoadRoutes()->default_name, "query");
  WriteRouter(kStructure, R"({"allow_empty_key": false, "default_route": null})");
  EXPECT_EQ(LoadRoutes()->default_name, "");
}

using Tasks = std::vector<Routes::Task>;

// As Router._resolve_route of sentence-transformers 6.2 chooses for texts.
TEST_F(RouterTest, MappingsOfATextGoBeforeNamesAndTheDefault) {
  const auto routes_of = [&](std::string_view mappings) {
    WriteRouter(kStructure,
                StrCat(R"({"default_route": "document", "route_mappings": )", mappings, "}"));
    auto routes = LoadRoutes();
    EXPECT_TRUE(routes) << routes.error().message();
    return routes ? std::move(*routes) : Routes();
  };
  // A task of its own, and names stay tasks.
  Routes routes = routes_of(R"x({"('search', 'text')": "query", "('store', None)": "document"})x");
  EXPECT_EQ(routes.tasks, (Tasks{{"query", "query"},
                                 {"document", "document"},
                                 {"search", "query"},
                                 {"store", "document"}}));
  EXPECT_EQ(routes.default_name, "document");
  // A pair goes before a task with any modality, that before any task with a modality.
  routes = routes_of(R"x({"('a', None)": "document", "('a', 'text')": "query",
                          "(None, 'text')": "query", "('b', None)": "document"})x");
  EXPECT_EQ(routes.tasks,
            (Tasks{{"query", "query"}, {"document", "query"}, {"a", "query"}, {"b", "document"}}));
  EXPECT_EQ(routes.default_name, "query");
  // Any task with any modality comes last of them, before names.
  routes = routes_of(R"x({"(None, None)": "query"})x");
  EXPECT_EQ(routes.tasks, (Tasks{{"query", "query"}, {"document", "query"}}));
  EXPECT_EQ(routes.default_name, "query");
  EXPECT_EQ(routes.names, std::vector<std::string>{"query"});
}

TEST_F(RouterTest, MappingsOfOtherModalitiesAreNotForTexts) {
  WriteRouter(R"({"text": ["query_0_Pooling"], "image": ["missing"]})",
              R"x({"route_mappings": {"(None, 'image')": "image",
                                      "('query', ('image', 'text'))": "image"}})x");
  const auto routes = LoadRoutes();
  ASSERT_TRUE(routes) << routes.error().message();
  EXPECT_EQ(routes->names, std::vector<std::string>{"text"});
  EXPECT_EQ(routes->tasks, (Tasks{{"text", "text"}}));
  EXPECT_EQ(routes->default_name, "text");
}

TEST_F(RouterTest, ARouterWithoutARouteForTextsIsRefused) {
  for (const std::string_view mappings : {"{}", R"x({"(None, 'image')": "image"})x"}) {
    WriteRouter(R"({"image": ["query_0_Pooling"]})",
                StrCat(R"({"allow_empty_key": false, "route_mappings": )", mappings, "}"));
    ExpectError(LoadRoutes(), ErrorCode::kUnsupportedModel, "router_config.json", "structure",
                "for texts");
  }
}

TEST_F(RouterTest, AMappingThatIsNoneIsRefusedByItsKey) {
  for (const std::string_view key :
       {"query", "('query')", "('query', 'text'", "('query', 'text') ", "(query, 'text')",
        "('query', 'text', 'more')", "('query', ())", "('a\\\\'b', 'text')", ""}) {
    WriteRouter(kStructure, StrCat(R"({"route_mappings": {")", key, R"(": "query"}})"));
    if (key.ends_with(' ')) {
      EXPECT_TRUE(LoadRoutes());  // Python reads it.
    } else {
      ExpectError(LoadRoutes(), ErrorCode::kInvalidModel, "route_mappings", "('task', 'modality')");
    }
  }
  WriteRouter(kStructure, R"x({"route_mappings": {"('query', 'text')": "nowhere"}})x");
  ExpectError(LoadRoutes(), ErrorCode::kInvalidModel, "route_mappings", "nowhere", "structure");
}

TEST_F(RouterTest, ARouterThatIsNotWholeIsRefusedByItsKey) {
  WriteRouter(kStructure, R"({"default_route": "nowhere"})");
  ExpectError(LoadRoutes(), ErrorCode::kInvalidModel, "router_config.json", "default_route",
              "nowhere");
  WriteRouter("{}", "{}");
  ExpectError(LoadRoutes(), ErrorCode::kInvalidModel, "structure");
  WriteRouter(R"({"query": ["query_1_Dense"]})", "{}");
  ExpectError(Load("query"), ErrorCode::kInvalidModel, "query_1_Dense");
  WriteRouter(R"({"query": ["../../etc"]})", "{}");
  ExpectError(Load("query"), ErrorCode::kInvalidModel);
  WriteRouter(kStructure, "{}");
  ExpectError(Load("passage"), ErrorCode::kInvalidModel, "structure", "passage");
}

TEST_F(RouterTest, AnEncoderInAFolderOfItsOwnIsReadThere) {
  WriteModules({"Router", "Normalize"});
  Write("router_config.json",
        R"({"types": {"a": "sentence_transformers.models.Transformer",)"
        R"("b": "sentence_transformers.models.Pooling"}, "structure": {"query": ["a", "b"]}})");
  Write("a/sentence_bert_config.json", R"({"max_seq_length": 17})");
  Write("b/config.json", R"({"pooling_mode": "mean"})");
  const auto modules = Load("query");
  ASSERT_TRUE(modules) << modules.error().message();
  EXPECT_EQ(modules->input_folder, "a");
  EXPECT_EQ(modules->text.max_seq_length, 17);
}

}  // namespace
}  // namespace akin::model
