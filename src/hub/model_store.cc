// Where models are on this machine: FindModel and ListModelLocations of akin/system.h.
#include "hub/model_store.h"

#include <dirent.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "akin/hub.h"
#include "akin/system.h"

#include "base/cache_folder.h"
#include "base/door.h"
#include "base/strings.h"
#include "hub/hub_cache.h"
#include "hub/hub_name.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

using hub::Environment;

// The folders in which model folders lie, in the order in which they are looked at.
std::vector<fs::path> Locations() {
  std::vector<fs::path> locations;
  if (const std::string models = Environment("AKIN_MODELS_DIR"); !models.empty())
    locations.emplace_back(models);
  if (const std::string cache = CacheFolder(); !cache.empty())
    locations.push_back(fs::path(cache) / "models");
  return locations;
}

bool IsModelFolder(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "config.json", error);
}

// By opendir: std::filesystem's iterator ends the process when memory runs out (libstdc++ 12).
std::vector<std::string> ModelsIn(const fs::path& location) {
  struct Close {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  std::vector<std::string> models;
  const std::unique_ptr<DIR, Close> folder(opendir(location.c_str()));
  while (const dirent* entry = folder ? readdir(folder.get()) : nullptr) {
    // Folders that begin with a dot are downloads under way.
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') && IsModelFolder(location / name)) models.emplace_back(name);
  }
  return models;
}

// A name has no way out of the location that it is looked up in.
bool IsName(std::string_view model) {
  return !model.empty() && model != "." && model != ".." &&
         model.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string_view OrganizationOf(std::string_view hub_name) {
  return hub_name.substr(0, hub_name.find('/'));
}

ModelLocation HubLocation() {
  ModelLocation location{.path = hub::HubCacheFolder()};
  std::error_code error;
  location.exists = fs::is_directory(location.path, error);
  const auto cached = ListCachedModels();
  if (!cached) return location;
  for (const CachedModel& model : *cached) {
    if (std::ranges::any_of(model.revisions, &CachedRevision::loadable))
      location.models.push_back(model.name);
  }
  return location;
}

bool HoldsInAnyCase(std::string_view name, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return !std::ranges::search(name, part, {}, lower, lower).empty();
}

// For the message of a name that is none: the models that may have been meant, else those that
// there are.
std::string WhatIsThere(std::string_view model) {
  constexpr size_t kMostNames = 10;
  std::vector<std::string> names;
  for (const fs::path& location : Locations()) {
    const std::vector<std::string> some = ModelsIn(location);
    names.insert(names.end(), some.begin(), some.end());
  }
  const ModelLocation hub = HubLocation();
  names.insert(names.end(), hub.models.begin(), hub.models.end());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.empty()) return {};
  std::vector<std::string> meant;
  std::ranges::copy_if(names, std::back_inserter(meant), [&](const std::string& name) {
    return HoldsInAnyCase(name, model) || HoldsInAnyCase(model, name);
  });
  const bool is_guess = !meant.empty();
  if (!is_guess) meant = std::move(names);
  std::string list;
  for (size_t i = 0; i < std::min(meant.size(), kMostNames); ++i)
    list += StrCat(i == 0 ? "" : ", ", meant[i]);
  if (meant.size() > kMostNames) list += StrCat(" and ", meant.size() - kMostNames, " more");
  return StrCat(is_guess ? "; did you mean " : "; there is: ", list, is_guess ? "?" : "");
}

Result<std::string> Find(std::string_view model) {
  if (model.empty()) return InvalidInput("the model's name is empty; expected a name or a folder");
  if (model.find('\0') != std::string_view::npos)
    return InvalidInput("the model's name holds a NUL character");
  std::error_code error;
  const fs::path path(model);
  if (fs::exists(path, error)) return path.string();
  if (IsHubName(model)) {
    AKIN_TRY_ASSIGN(const hub::HubName name, hub::ParseHubName(model));
    if (auto snapshot = hub::FindSnapshot(name)) return *std::move(snapshot);
    if (!IsPulledIfMissing(model)) {
      return ModelNotFound("no folder ", model, " here, though ", OrganizationOf(model),
                           "/ is; the hub is not asked (akin pull ", model, " asks it)");
    }
    return ModelNotFound("model '", model, "' is neither a folder here nor complete in the cache ",
                         hub::HubCacheFolder(), "; akin pull ", model, " fetches it");
  }
  if (!IsName(model)) return ModelNotFound("model folder '", model, "' is not there");
  std::string places;
  for (const fs::path& location : Locations()) {
    if (IsModelFolder(location / path)) return (location / path).string();
    places += StrCat(places.empty() ? "" : ", ", location.string());
  }
  return ModelNotFound(
      "model '", model, "' is not in ", places.empty() ? "any folder (HOME is not set)" : places,
      WhatIsThere(model),
      "; give a folder by its path or a model of the hub as ORG/NAME (the default one is there as "
      "sentence-transformers/",
      kDefaultModel, ")");
}

}  // namespace

namespace hub {

Result<std::string> FindOrPull(std::string_view model) {
  Result<std::string> found = Find(model);
  const bool missing = !found && found.error().code() == ErrorCode::kModelNotFound;
  if (!missing || !IsPulledIfMissing(model)) return found;
  Result<PulledModel> pulled = PullModel(model);
  if (!pulled) return NotHereEither(model, pulled.error());
  return std::move(pulled->path);
}

}  // namespace hub

Error NotHereEither(std::string_view model, const Error& error) {
  const bool path = model.find('@') == model.npos;
  const bool found_nothing =
      error.code() == ErrorCode::kModelNotFound || error.code() == ErrorCode::kServiceUnavailable;
  if (!path || !found_nothing) return error;
  return error.Reworded(StrCat("no folder ", model, " here, and ", error.message()));
}

bool IsPulledIfMissing(std::string_view model) {
  if (!IsHubName(model)) return false;
  std::error_code error;
  return model.find('@') != model.npos || !fs::is_directory(OrganizationOf(model), error);
}

std::vector<ModelLocation> ListModelLocations() try {
  std::vector<ModelLocation> result;
  for (const fs::path& path : Locations()) {
    ModelLocation location{.path = path.string()};
    std::error_code error;
    location.exists = fs::is_directory(path, error);
    location.models = ModelsIn(path);
    std::ranges::sort(location.models);
    result.push_back(std::move(location));
  }
  if (!hub::HubCacheFolder().empty()) result.push_back(HubLocation());
  return result;
} catch (const std::exception&) {
  return {};
}

Result<std::string> FindModel(std::string_view model) {
  return AtTheDoor("cannot look for the model", model, [&] { return Find(model); });
}

}  // namespace akin
