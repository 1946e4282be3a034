#include "model/sentence_modules.h"

#include <algorithm>
#include <array>
#include <climits>
#include <span>
#include <variant>

#include "base/strings.h"
#include "formats/json.h"
#include "model/heads.h"
#include "model/model_directory.h"
#include "model/module_reader.h"
#include "model/module_rows.h"

namespace akin::model {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

// What gives the first rows: a transformer or a static table.
Status CheckInput(std::span<const ModuleRow> rows) {
  if (rows.empty()) {
    return UnsupportedModel("modules.json: no modules; the first is a Transformer or a ",
                            "StaticEmbedding");
  }
  const std::string& first = rows[0].type;
  for (const std::string_view input :
       {"Transformer", "MLMTransformer", "StaticEmbedding", "SparseStaticEmbedding"}) {
    if (first == input) return {};
  }
  return UnsupportedModel("modules.json: the first module is ", first,
                          "; supported: Transformer, MLMTransformer, StaticEmbedding, ",
                          "SparseStaticEmbedding");
}

// --- Late interaction ---

Result<std::optional<int>> ReadLength(JsonValue root, std::string_view key) {
  const auto value = root.Find(key);
  if (!value || value->is_null()) return std::optional<int>();
  AKIN_TRY_ASSIGN(const int64_t length, value->AsIntIn(1, INT_MAX));
  return std::optional<int>(static_cast<int>(length));
}

Result<bool> ReadFlag(JsonValue root, std::string_view key, bool absent) {
  const auto value = root.Find(key);
  if (!value || value->is_null()) return absent;
  return value->AsBool();
}

// sentence-transformers: {"strategy": "fixed", "attend": false, "length": 32} in
// sentence_bert_config.json.
Status ReadExpansion(JsonValue root, LateInteraction& late) {
  const auto value = root.Find("query_expansion");
  if (!value || value->is_null()) return {};
  late.expansion.emplace();
  AKIN_TRY_ASSIGN(const auto length, ReadLength(*value, "length"));
  late.expansion->length = length.value_or(late.expansion->length);
  AKIN_TRY_ASSIGN(late.expansion->attend, ReadFlag(*value, "attend", false));
  if (const auto token = value->Find("token"); token && !token->is_null()) {
    return UnsupportedModel(token->Where(), " is ", token->Found(),
                            "; supported: none, the tokenizer's mask token");
  }
  return {};
}

// PyLate: flat keys in config_sentence_transformers.json; expansion is on unless they say no.
Status ReadPylate(JsonValue root, ModuleReader& reader, SentenceModules& result) {
  LateInteraction& late = result.late;
  AKIN_TRY_ASSIGN(const bool expands, ReadFlag(root, "do_query_expansion", true));
  if (expands) {
    late.expansion.emplace();
    late.expansion->length = late.query_length.value_or(late.expansion->length);
    AKIN_TRY_ASSIGN(late.expansion->attend, ReadFlag(root, "attend_to_expansion_tokens", false));
  }
  for (const char c : std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))
    late.skiplist_words.emplace_back(1, c);
  AKIN_TRY(reader.ReadSkiplist(root));
  // Prefixes are prompts: what stands in front of a text.
  constexpr std::array<std::array<std::string_view, 2>, 2> kPrefixes = {
      {{"query_prefix", "query"}, {"document_prefix", "document"}}};
  for (const auto& [key, name] : kPrefixes) {
    const auto prefix = root.Find(key);
    if (!prefix || prefix->is_null()) continue;
    AKIN_TRY_ASSIGN(const std::string_view text, prefix->AsString());
    auto& prompts = result.text.prompts;
    const auto prompt = std::ranges::find(prompts, name, &NamedPrompt::name);
    if (prompt == prompts.end()) {
      prompts.push_back({std::string(name), std::string(text)});
    } else if (!prompt->text.starts_with(text)) {
      prompt->text = StrCat(text, prompt->text);
    }
  }
  return {};
}

Status ReadLateInteraction(const ModelDirectory& directory, ModuleReader& reader,
                           SentenceModules& result) {
  bool pylate = false;
  for (const auto& [folder, file] :
       {std::pair(&directory, kSentenceConfigFile),
        std::pair(&reader.input(), std::string_view("sentence_bert_config.json"))}) {
    AKIN_TRY_ASSIGN(const auto document, folder->ReadJsonIfExists(file));
    if (!document) continue;
    const JsonValue root = document->root();
    AKIN_TRY_ASSIGN(const auto query_length, ReadLength(root, "query_length"));
    AKIN_TRY_ASSIGN(const auto document_length, ReadLength(root, "document_length"));
    if (query_length) result.late.query_length = query_length;
    if (document_length) result.late.document_length = document_length;
    AKIN_TRY(ReadExpansion(root, result.late));
    const auto type = root.Find("model_type");
    if (type && type->AsString().value_or("") == "ColBERT") {
      pylate = true;
      AKIN_TRY(ReadPylate(root, reader, result));
    }
  }
  // PyLate normalizes in its code; sentence-transformers has a module for it.
  std::vector<Module>& modules = result.heads[0].modules;
  if (pylate) modules.push_back(Normalize{});
  for (const std::string_view name : {"query", "document"}) {
    auto& prompts = result.text.prompts;
    if (std::ranges::find(prompts, name, &NamedPrompt::name) == prompts.end())
      prompts.push_back({std::string(name), ""});
  }
  return {};
}

// --- BGE-M3 ---

// A linear layer in a file of its own beside the model's; a pickle of it is not read.
Status ReadLinearFile(const ModelDirectory& directory, const std::string& name, Output output,
                      RowActivation activation, SentenceModules& result) {
  const std::string file = name + ".safetensors";
  if (!directory.Exists(file)) {
    if (directory.Exists(name + ".pt")) {
      result.unreadable.emplace_back(
          output, StrCat(name, ".pt is a pickle, which can run code and is not read; write ", file,
                         " beside it (in Python: safetensors.torch.save_file(torch.load('", name,
                         ".pt', weights_only=True), '", file, "'))"));
    }
    return {};
  }
  AKIN_TRY_ASSIGN(TensorIndex tensors, TensorIndex::OpenFile(directory, file));
  Dense dense{.folder = file, .activation = activation};
  const auto shape = tensors.Shape("weight");
  if (!shape || shape->size() != 2 || (output == Output::kSparse && (*shape)[0] != 1)) {
    return InvalidModel(file, ": tensor 'weight' is missing or not [",
                        output == Output::kSparse ? "1" : "width", ", hidden_size]");
  }
  AKIN_TRY_ASSIGN(dense.weight,
                  tensors.Get("weight", {{"outputs", (*shape)[0]}, {"inputs", (*shape)[1]}}));
  AKIN_TRY_ASSIGN(dense.bias, tensors.Get("bias", {{"outputs", (*shape)[0]}}));
  result.weights.push_back(std::move(tensors));
  Head head{output, {std::move(dense)}};
  if (output == Output::kMultiVector) head.modules.push_back(Normalize{file});
  result.heads.push_back(std::move(head));
  return {};
}

Status ReadBgeHeads(const ModelDirectory& directory, SentenceModules& result) {
  AKIN_TRY(
      ReadLinearFile(directory, "sparse_linear", Output::kSparse, RowActivation::kRelu, result));
  AKIN_TRY(ReadLinearFile(directory, "colbert_linear", Output::kMultiVector,
                          RowActivation::kIdentity, result));
  result.late.skip_first = true;
  return {};
}

// --- The whole ---

bool Pools(const Head& head) {
  return std::ranges::any_of(head.modules, [](const Module& module) {
    return std::holds_alternative<Pooling>(module) ||
           std::holds_alternative<VocabularyPooling>(module);
  });
}

Status ReadModules(const ModelDirectory& directory, std::span<const ModuleRow> rows,
                   ModuleReader& reader, SentenceModules& result) {
  Head head;
  for (const ModuleRow& row : rows.subspan(1)) AKIN_TRY(reader.Read(row, head));
  if (rows[0].type == "StaticEmbedding") {
    result.kind = ModelKind::kStatic;
    result.input = InputKind::kTokenTable;
    result.heads.push_back(std::move(head));
    return {};
  }
  if (rows[0].type == "SparseStaticEmbedding") {
    if (!head.modules.empty()) {
      return UnsupportedModel("modules.json: modules follow the SparseStaticEmbedding in folder '",
                              rows[0].path, "'; supported: none");
    }
    result.kind = ModelKind::kSparse;
    result.input = InputKind::kTokenWeights;
    result.heads.push_back({Output::kSparse, {}});
    return {};
  }
  if (head.modules.empty()) {
    // A cross-encoder, as newer versions save it.
    AKIN_TRY_ASSIGN(const JsonDocument* const config, reader.Config());
    if (IsArchitecture(config->root(), "ForSequenceClassification")) return reader.ReadClassifier();
  }
  if (head.output == Output::kSparse) {
    result.kind = ModelKind::kSparse;
  } else if (!Pools(head)) {
    result.kind = ModelKind::kMultiVector;
    head.output = Output::kMultiVector;
  }
  result.heads.push_back(std::move(head));
  if (result.kind == ModelKind::kMultiVector) return ReadLateInteraction(directory, reader, result);
  return ReadBgeHeads(directory, result);
}

// A bare transformers folder.
Status ReadBareFolder(const ModelDirectory& directory, ModuleReader& reader,
                      SentenceModules& result) {
  AKIN_TRY_ASSIGN(const JsonDocument* const config, reader.Config());
  if (IsArchitecture(config->root(), "ForSequenceClassification")) return reader.ReadClassifier();
  if (const auto type = config->root().Find("model_type");
      type && type->AsString().value_or("") == "model2vec") {
    result.kind = ModelKind::kStatic;
    result.input = InputKind::kTokenTable;
    Head head;
    AKIN_TRY_ASSIGN(const bool normalize, ReadFlag(config->root(), "normalize", true));
    if (normalize) head.modules.push_back(Normalize{});
    result.heads.push_back(std::move(head));
    return {};
  }
  result.heads.push_back({Output::kDense, {Pooling{.modes = {PoolingMode::kMean}}}});
  result.pooling_is_assumed = true;
  result.normalizing_is_assumed = true;
  if (IsArchitecture(config->root(), "ForMaskedLM")) {
    result.unreadable.emplace_back(Output::kSparse,
                                   "only if it is loaded with pooling \"splade\", which is made "
                                   "with its masked-language-model head");
  }
  return ReadBgeHeads(directory, result);
}

Status OverridePooling(PoolingMode mode, SentenceModules& result) {
  for (Head& head : result.heads) {
    if (head.output != Output::kDense) continue;
    for (Module& module : head.modules) {
      auto* const pooling = std::get_if<Pooling>(&module);
      if (pooling == nullptr) continue;
      pooling->modes = {mode};
      result.pooling_is_assumed = false;
      return {};
    }
  }
  return InvalidInput("pooling \"", PoolingModeName(mode), "\" was asked for, but this model (",
                      ModelKindName(result.kind), ") has no pooling to replace");
}

Status ReadMatryoshka(const ModelDirectory& input, SentenceModules& result) {
  AKIN_TRY_ASSIGN(const auto config, input.ReadJsonIfExists(kConfigFile));
  if (!config) return {};
  const auto sizes = config->root().Find("matryoshka_dimensions");
  if (!sizes || sizes->is_null()) return {};
  AKIN_TRY_ASSIGN(const auto elements, sizes->AsArray());
  for (const JsonValue size : elements) {
    AKIN_TRY_ASSIGN(const int64_t dimension, size.AsIntIn(1, INT_MAX));
    result.matryoshka_dimensions.push_back(static_cast<int>(dimension));
  }
  return {};
}

}  // namespace

Result<SentenceModules> LoadSentenceModules(const ModelDirectory& directory,
                                            std::optional<PoolingMode> pooling,
                                            std::string_view route) {
  SentenceModules result;
  std::vector<ModuleRow> rows;
  if (directory.Exists(kModulesFile)) {
    AKIN_TRY_ASSIGN(rows, ReadModuleRows(directory, route));
    AKIN_TRY(CheckInput(rows));
    result.input_folder = rows[0].path;
  }
  ModuleReader reader(directory, directory.In(result.input_folder), result);
  AKIN_TRY_ASSIGN(result.text, LoadTextSettings(directory, reader.input()));
  const bool transformer = rows.empty() || rows[0].type.ends_with("Transformer");
  if (pooling == PoolingMode::kSplade && transformer) {
    AKIN_TRY(reader.ReadMaskedLm());
  } else {
    AKIN_TRY(rows.empty() ? ReadBareFolder(directory, reader, result)
                          : ReadModules(directory, rows, reader, result));
    if (pooling) AKIN_TRY(OverridePooling(*pooling, result));
  }
  AKIN_TRY(ReadMatryoshka(reader.input(), result));
  return result;
}

Status AddOnnxHead(const ModelDirectory& directory, SentenceModules& modules) {
  return ModuleReader(directory, directory.In(modules.input_folder), modules).AddOnnxHead();
}

}  // namespace akin::model
