#include "model/module_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"
#include "model/model_directory.h"
#include "model/route_choice.h"

namespace akin::model {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr std::string_view kModulesFile = "modules.json";

// sentence-transformers' modules that are known and not implemented.
constexpr std::string_view kUnsupportedModules[] = {
    "WeightedLayerPooling", "CNN",       "LSTM",       "BoW", "WordEmbeddings",
    "SparseAutoEncoder",    "CLIPModel", "WordWeights"};
constexpr std::string_view kModules[] = {
    "Transformer", "MLMTransformer", "StaticEmbedding", "Pooling",       "Dense",
    "LayerNorm",   "Normalize",      "Dropout",         "SpladePooling", "SparseStaticEmbedding",
    "Router",      "Asym",           "MultiVectorMask"};

bool IsRouter(const ModuleRow& row) { return row.type == "Router" || row.type == "Asym"; }

// "sentence_transformers.models.Pooling", "sentence_transformers.<any.module>.Pooling" of newer
// versions, "pylate.models.Dense.Dense".
Result<std::string> ModuleType(JsonValue type) {
  AKIN_TRY_ASSIGN(const std::string_view full_name, type.AsString());
  const std::string_view name = full_name.substr(full_name.rfind('.') + 1);
  const bool known_package =
      full_name.starts_with("sentence_transformers.") || full_name.starts_with("pylate.");
  if (known_package &&
      std::ranges::find(kUnsupportedModules, name) != std::end(kUnsupportedModules))
    return UnsupportedModel(type.Where(), " is ", type.Found(), ", a module that is not supported");
  if (!known_package || std::ranges::find(kModules, name) == std::end(kModules)) {
    return UnsupportedModel(type.Where(), " is ", type.Found(), ", a module that is not known");
  }
  return std::string(name);
}

Status CheckPath(JsonValue where, std::string_view path) {
  if (path.starts_with('/') || path.find("..") != std::string_view::npos) {
    return InvalidModel(where.Where(), " is ", where.Found(),
                        ", expected a folder inside the model folder");
  }
  return {};
}

Status CheckFolder(const ModuleRow& module, std::string_view file,
                   const ModelDirectory& directory) {
  const bool has_files = module.type != "Normalize" && module.type != "Dropout";
  if (has_files && !module.path.empty() && !directory.Exists(module.path)) {
    return ModelNotFound("folder '", module.path, "', which ", file, " names, is not there");
  }
  return {};
}

Result<ModuleRow> ReadModuleRow(JsonValue row, const ModelDirectory& directory) {
  AKIN_TRY(row.AsObject());
  ModuleRow module;
  AKIN_TRY_ASSIGN(const JsonValue type, row.Get("type"));
  AKIN_TRY_ASSIGN(const JsonValue path, row.Get("path"));
  AKIN_TRY_ASSIGN(const std::string_view path_text, path.AsString());
  AKIN_TRY(CheckPath(path, path_text));
  module.path = std::string(path_text);
  AKIN_TRY_ASSIGN(module.type, ModuleType(type));
  AKIN_TRY(CheckFolder(module, kModulesFile, directory));
  return module;
}

// The rows as the file has them.
Result<std::vector<ModuleRow>> ReadRows(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory.ReadJson(kModulesFile));
  AKIN_TRY_ASSIGN(const auto rows, document.root().AsArray());
  std::vector<ModuleRow> modules;
  for (const JsonValue row : rows) {
    AKIN_TRY_ASSIGN(ModuleRow module, ReadModuleRow(row, directory));
    modules.push_back(std::move(module));
  }
  return modules;
}

// {"types": {"query_0_Dense": "sentence_transformers...Dense"},
//  "structure": {"query": ["query_0_Dense"], "document": [...]},
//  "parameters": {"default_route": "document", "allow_empty_key": true,
//                 "route_mappings": {"('search', 'text')": "query"}}}
class RouterFile {
 public:
  static Result<RouterFile> Read(const ModelDirectory& directory, const ModuleRow& router) {
    const std::string folder = router.path.empty() ? "" : router.path + "/";
    const std::string own = folder + "router_config.json";
    AKIN_TRY_ASSIGN(JsonDocument document,
                    directory.ReadJson(directory.Exists(own) ? own : folder + "config.json"));
    RouterFile file(std::move(document), folder);
    AKIN_TRY(file.root().AsObject());
    return file;
  }

  Result<Routes> ReadRoutes() const {
    Routes routes;
    AKIN_TRY_ASSIGN(const JsonValue structure, root().Get("structure"));
    AKIN_TRY_ASSIGN(const auto entries, structure.AsObject());
    RouteChoice choice;
    for (const JsonValue route : entries) choice.routes.emplace_back(route.key());
    if (choice.routes.empty()) return InvalidModel(structure.Where(), " has no route");
    if (const auto parameters = root().Find("parameters")) {
      AKIN_TRY(ReadMappings(*parameters, choice));
      AKIN_TRY(ReadDefault(*parameters, choice));
    } else {
      choice.default_route = choice.routes.front();
    }
    routes = choice.OfTexts();
    if (routes.names.empty())
      return UnsupportedModel(structure.Where(), ": no route of \"structure\" is for texts");
    return routes;
  }

  // Modules of one route, which lie in folders of the Router's own.
  Result<std::vector<ModuleRow>> ReadRoute(std::string_view route,
                                           const ModelDirectory& directory) const {
    AKIN_TRY_ASSIGN(const JsonValue structure, root().Get("structure"));
    AKIN_TRY_ASSIGN(const JsonValue types, root().Get("types"));
    AKIN_TRY_ASSIGN(const JsonValue list, structure.Get(route));
    AKIN_TRY_ASSIGN(const auto ids, list.AsArray());
    std::vector<ModuleRow> modules;
    for (const JsonValue id : ids) {
      AKIN_TRY_ASSIGN(const std::string_view name, id.AsString());
      AKIN_TRY_ASSIGN(const JsonValue type, types.Get(name));
      AKIN_TRY(CheckPath(id, name));
      ModuleRow module{.path = StrCat(folder_, name)};
      AKIN_TRY_ASSIGN(module.type, ModuleType(type));
      if (IsRouter(module)) {
        return UnsupportedModel(type.Where(), " is ", type.Found(), ", a Router inside a Router");
      }
      AKIN_TRY(CheckFolder(module, root().Where(), directory));
      modules.push_back(std::move(module));
    }
    return modules;
  }

 private:
  RouterFile(JsonDocument document, std::string folder)
      : document_(std::move(document)), folder_(std::move(folder)) {}
  JsonValue root() const { return document_.root(); }

  static Result<std::string> RouteName(JsonValue value, const RouteChoice& choice) {
    AKIN_TRY_ASSIGN(const std::string_view name, value.AsString());
    if (!choice.Has(name)) {
      return InvalidModel(value.Where(), " is ", value.Found(),
                          ", which \"structure\" does not have");
    }
    return std::string(name);
  }

  static Status ReadMappings(JsonValue parameters, RouteChoice& choice) {
    const auto mappings = parameters.Find("route_mappings");
    if (!mappings || mappings->is_null()) return {};
    AKIN_TRY_ASSIGN(const auto entries, mappings->AsObject());
    for (const JsonValue entry : entries) {
      AKIN_TRY_ASSIGN(std::string route, RouteName(entry, choice));
      const auto key = ParseMappingKey(entry.key());
      if (!key) {
        return InvalidModel(entry.Where(),
                            ": the key is no pair of a task and a modality, ('task', 'modality'), "
                            "either of them None");
      }
      if (!key->is_for_texts) continue;
      choice.mappings.push_back({key->task, key->modality, std::move(route)});
    }
    return {};
  }

  // "allow_empty_key" makes the first route the default where none is named.
  static Status ReadDefault(JsonValue parameters, RouteChoice& choice) {
    bool first_is_default = true;
    if (const auto flag = parameters.Find("allow_empty_key"); flag && !flag->is_null()) {
      AKIN_TRY_ASSIGN(first_is_default, flag->AsBool());
    }
    const auto name = parameters.Find("default_route");
    if (name && !name->is_null()) {
      AKIN_TRY_ASSIGN(choice.default_route, RouteName(*name, choice));
    } else if (first_is_default) {
      choice.default_route = choice.routes.front();
    }
    return {};
  }

  JsonDocument document_;
  std::string folder_;  // "" or with a slash at its end.
};

}  // namespace

Result<Routes> ReadRoutes(const ModelDirectory& directory) {
  if (!directory.Exists(kModulesFile)) return Routes();
  AKIN_TRY_ASSIGN(const std::vector<ModuleRow> rows, ReadRows(directory));
  const auto router = std::ranges::find_if(rows, IsRouter);
  if (router == rows.end()) return Routes();
  AKIN_TRY_ASSIGN(const RouterFile file, RouterFile::Read(directory, *router));
  return file.ReadRoutes();
}

Result<std::vector<ModuleRow>> ReadModuleRows(const ModelDirectory& directory,
                                              std::string_view route) {
  AKIN_TRY_ASSIGN(const std::vector<ModuleRow> rows, ReadRows(directory));
  std::vector<ModuleRow> modules;
  for (const ModuleRow& row : rows) {
    if (!IsRouter(row)) {
      modules.push_back(row);
      continue;
    }
    AKIN_TRY_ASSIGN(const RouterFile file, RouterFile::Read(directory, row));
    AKIN_TRY_ASSIGN(std::vector<ModuleRow> chosen, file.ReadRoute(route, directory));
    std::ranges::move(chosen, std::back_inserter(modules));
  }
  return modules;
}

}  // namespace akin::model
