// `akin models`: what is in the hub's cache, verified or removed, and the folders beside it.
#include <algorithm>

#include "akin/hub.h"
#include "akin/system.h"

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/pull_progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

struct ModelsArguments {
  std::vector<std::string> models;
  bool verify = false, remove = false, names = false, json = false;
};

std::string RevisionJson(const CachedRevision& revision) {
  return JsonObject()
      .Add("commit", revision.commit)
      .AddRaw("names", JsonStrings(revision.names))
      .Add("path", revision.path)
      .Add("files", revision.files)
      .Add("bytes", revision.bytes)
      .Add("loadable", revision.loadable)
      .str();
}

std::string ModelJson(const CachedModel& model) {
  std::vector<std::string> revisions;
  for (const CachedRevision& revision : model.revisions)
    revisions.push_back(RevisionJson(revision));
  return JsonObject()
      .Add("model", model.name)
      .Add("bytes", model.bytes)
      .AddRaw("revisions", JsonArray(revisions))
      .str();
}

std::string NamesOf(const CachedRevision& revision) {
  std::string names;
  for (const std::string& name : revision.names) names += StrCat(names.empty() ? "" : ", ", name);
  return StrCat(revision.commit.substr(0, 12), names.empty() ? "" : StrCat("  ", names),
                revision.loadable ? "" : "  (incomplete)");
}

std::string ModelText(const CachedModel& model, size_t width) {
  std::string text;
  for (const CachedRevision& revision : model.revisions) {
    text += StrCat(PadToWidth(text.empty() ? model.name : "", width), "  ",
                   PadToWidth(text.empty() ? BytesText(model.bytes) : "", 9), "  ",
                   NamesOf(revision), '\n');
  }
  return text.empty() ? StrCat(PadToWidth(model.name, width), "  no revision\n") : text;
}

// A model folder where models are looked for by name; the hub's cache has none of these.
struct NamedFolder {
  std::string name, path;
};

std::vector<NamedFolder> NamedFolders() {
  std::vector<NamedFolder> folders;
  for (const ModelLocation& location : ListModelLocations()) {
    for (const std::string& name : location.models) {
      if (!IsHubName(name)) folders.push_back({name, StrCat(location.path, '/', name)});
    }
  }
  return folders;
}

std::string FolderJson(const NamedFolder& folder) {
  return JsonObject().Add("model", folder.name).Add("path", folder.path).str();
}

// Completions of shells take them as words, so that one that a shell could read as more is none.
bool IsPlainName(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '/' || c == '-';
  });
}

// What --model takes.
VerbResult ListNames() {
  AKIN_TRY_ASSIGN(const std::vector<CachedModel> models, ListCachedModels());
  std::string text;
  const auto add = [&text](const std::string& name) {
    if (IsPlainName(name)) text += name + '\n';
  };
  for (const NamedFolder& folder : NamedFolders()) add(folder.name);
  for (const CachedModel& model : models) {
    if (std::ranges::any_of(model.revisions, &CachedRevision::loadable)) add(model.name);
  }
  AKIN_TRY(WriteToStdout(text));
  return kSuccess;
}

// The cached ones among `wanted`, or all. Error: ModelNotFound.
Result<std::vector<CachedModel>> Chosen(const std::vector<std::string>& wanted) {
  AKIN_TRY_ASSIGN(std::vector<CachedModel> all, ListCachedModels());
  if (wanted.empty()) return all;
  std::vector<CachedModel> chosen;
  for (const std::string& name : wanted) {
    const auto found = std::ranges::find(all, name.substr(0, name.find('@')), &CachedModel::name);
    if (found == all.end()) {
      return MakeError(
          ErrorCode::kModelNotFound, "model '", name,
          "' is not in the hub's cache (akin models lists what is); a folder of a model is none");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

VerbResult List(const ModelsArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::vector<CachedModel> models, Chosen(arguments.models));
  std::vector<NamedFolder> folders;
  if (arguments.models.empty()) folders = NamedFolders();
  std::vector<std::string> json;
  size_t width = 0;
  for (const NamedFolder& folder : folders) width = std::max(width, folder.name.size());
  for (const CachedModel& model : models) width = std::max(width, model.name.size());
  std::string text =
      models.empty() && folders.empty() ? "no models here; akin pull ORG/NAME fetches one\n" : "";
  for (const CachedModel& model : models) {
    json.push_back(ModelJson(model));
    text += ModelText(model, width);
  }
  for (const NamedFolder& folder : folders) {
    json.push_back(FolderJson(folder));
    text += StrCat(PadToWidth(folder.name, width), "  ", PadToWidth("folder", 9), "  ", folder.path,
                   '\n');
  }
  AKIN_TRY(WriteToStdout(arguments.json ? JsonArray(json) + '\n' : text));
  return kSuccess;
}

VerbResult Verify(const ModelsArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::vector<CachedModel> models, Chosen(arguments.models));
  std::vector<std::string> json;
  std::string text;
  bool all_right = true;
  for (const CachedModel& model : models) {
    AKIN_TRY_ASSIGN(const std::vector<std::string> faults, VerifyCachedModel(model.name));
    all_right = all_right && faults.empty();
    json.push_back(
        JsonObject().Add("model", model.name).AddRaw("faults", JsonStrings(faults)).str());
    text += StrCat(model.name, faults.empty() ? ": all files are right\n" : ":\n");
    for (const std::string& fault : faults) text += StrCat("  ", fault, '\n');
  }
  AKIN_TRY(WriteToStdout(arguments.json ? JsonArray(json) + '\n' : text));
  return all_right ? kSuccess : ExitStatusOf(ErrorCode::kInvalidModel);
}

VerbResult Remove(const ModelsArguments& arguments) {
  if (arguments.models.empty())
    return InvalidInput("akin models --remove: which? expected ORG/NAME");
  AKIN_TRY(Chosen(arguments.models));  // One that is not there: nothing is removed.
  std::vector<std::string> json;
  std::string text;
  for (const std::string& model : arguments.models) {
    AKIN_TRY_ASSIGN(const int64_t bytes, RemoveCachedModel(model));
    json.push_back(JsonObject().Add("model", model).Add("freed_bytes", bytes).str());
    text += StrCat("removed ", model, ", ", BytesText(bytes), '\n');
  }
  AKIN_TRY(WriteToStdout(arguments.json ? JsonArray(json) + '\n' : text));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin models\n"
    "  akin models --verify\n"
    "  akin models --remove ORG/NAME\n"
    "  akin models --remove ORG/NAME@REVISION\n"
    "Environment:\n"
    "  AKIN_MODELS_DIR, AKIN_CACHE, HF_HOME and HF_HUB_CACHE say where models are "
    "(docs/hub.md#where-it-is-kept).\n";

}  // namespace

void AddModelsCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "models",
                           "List the models that are here; verify and remove the hub's", kExamples);
  auto arguments = std::make_shared<ModelsArguments>();
  verb.add_option("MODEL", arguments->models, "Only these (default: all)")->type_name("");
  auto* verify = verb.add_flag("--verify", arguments->verify, "Compare every file with its hash");
  auto* remove = verb.add_flag("--remove", arguments->remove, "Remove the models given");
  verify->excludes(remove);
  auto* names =
      verb.add_flag("--names", arguments->names,
                    "Print only the names that --model takes, one a line; without those of other "
                    "characters than letters, digits and ._/-");
  names->excludes(verify)->excludes(remove);
  verb.add_flag("--json", arguments->json, "Print one array");
  verbs[&verb] = [arguments]() -> VerbResult {
    if (arguments->names) return ListNames();
    if (arguments->verify) return Verify(*arguments);
    return arguments->remove ? Remove(*arguments) : List(*arguments);
  };
}

}  // namespace akin::cli
