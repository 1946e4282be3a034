#include "model/model_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/regular_file.h"
#include "base/strings.h"

namespace akin::model {
namespace {

namespace fs = std::filesystem;

bool LiesIn(std::string_view path, std::string_view folder) {
  return !folder.empty() && path.size() > folder.size() && path.starts_with(folder) &&
         path[folder.size()] == '/';
}

// The path of an open file without links, as the system knows it.
std::string RealPathOf(const UniqueFd& file) {
  char buffer[PATH_MAX];
  const std::string link = StrCat("/proc/self/fd/", file.get());
  const ssize_t length = readlink(link.c_str(), buffer, sizeof buffer);
  return length > 0 ? std::string(buffer, static_cast<size_t>(length)) : std::string();
}

// A hub cache keeps a revision as <repository>/snapshots/<revision>, whose files are links into
// <repository>/blobs.
bool IsHubSnapshot(const fs::path& folder) {
  return folder.parent_path().filename() == "snapshots";
}

// "org/name" of a snapshot in ".../models--org--name"; nothing for other repositories.
std::optional<std::string> HubName(const fs::path& folder) {
  std::string name = folder.parent_path().parent_path().filename().string();
  constexpr std::string_view kPrefix = "models--";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.erase(0, kPrefix.size());
  if (const size_t dashes = name.find("--"); dashes != std::string::npos)
    name.replace(dashes, 2, "/");
  return name;
}

// A relative path whose parts are names: nothing that climbs or starts elsewhere.
bool IsPlainRelativePath(std::string_view file) {
  if (file.empty() || file.front() == '/' || file.find('\0') != std::string_view::npos)
    return false;
  for (const fs::path& part : fs::path(file)) {
    if (part == "..") return false;
  }
  return true;
}

}  // namespace

Result<ModelDirectory> ModelDirectory::Open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return ModelNotFound("model folder '", path, "' is not there");
  if (!fs::is_directory(status))
    return InvalidModel("'", path, "' is not a folder; a model is a folder with config.json");
  const fs::path real = fs::canonical(path, error);
  if (error) return InvalidModel("model folder '", path, "': ", error.message());

  ModelDirectory directory;
  directory.path_ = path;
  directory.real_path_ = real.string();
  directory.name_ = real.filename().string();
  if (IsHubSnapshot(real)) {
    directory.name_ = HubName(real).value_or(directory.name_);
    const fs::path repository = real.parent_path().parent_path();
    directory.blobs_path_ = (repository / "blobs").string();
    if (HubName(real)) directory.shared_blobs_path_ = (repository.parent_path() / "blobs").string();
  }
  return directory;
}

ModelDirectory ModelDirectory::In(std::string_view folder) const {
  ModelDirectory inside = *this;
  if (folder.empty()) return inside;
  inside.prefix_ = StrCat(prefix_, folder, "/");
  inside.path_ = StrCat(path_, "/", folder);
  return inside;
}

bool ModelDirectory::Exists(std::string_view file) const {
  struct stat status;
  return lstat(StrCat(path_, "/", file).c_str(), &status) == 0;
}

Result<UniqueFd> ModelDirectory::OpenFile(std::string_view name) const {
  const std::string file = StrCat(prefix_, name);
  if (!IsPlainRelativePath(file))
    return InvalidModel("'", file, "' is not a path inside the model folder");
  Result<UniqueFd> opened = OpenRegularFile(StrCat(real_path_, "/", file), file);
  if (!opened) {
    const bool missing = opened.error().message().ends_with(" is not there");
    return ModelNotFound(
        missing && Exists(name) ? StrCat(file, " is a link to nothing") : opened.error().message(),
        " (model folder '", path_.substr(0, path_.size() - prefix_.size()), "')");
  }
  UniqueFd fd = *std::move(opened);
  const std::string real = RealPathOf(fd);
  if (!LiesIn(real, real_path_) && !LiesIn(real, blobs_path_) &&
      !LiesIn(real, shared_blobs_path_)) {
    return InvalidModel(file, " is a link that leads out of the model folder");
  }
  return fd;
}

Result<std::string> ModelDirectory::ReadFile(std::string_view file, size_t max_bytes) const {
  AKIN_TRY_ASSIGN(const UniqueFd fd, OpenFile(file));
  return akin::ReadFile(fd, StrCat(prefix_, file), max_bytes);
}

Result<MappedFile> ModelDirectory::MapFile(std::string_view file) const {
  AKIN_TRY_ASSIGN(const UniqueFd fd, OpenFile(file));
  return MappedFile::Map(fd, StrCat(prefix_, file));
}

Result<formats::JsonDocument> ModelDirectory::ReadJson(std::string_view file,
                                                       size_t max_bytes) const {
  AKIN_TRY_ASSIGN(const std::string text, ReadFile(file, max_bytes));
  return formats::JsonDocument::Parse(text, StrCat(prefix_, file), {.max_bytes = max_bytes});
}

Result<std::optional<formats::JsonDocument>> ModelDirectory::ReadJsonIfExists(
    std::string_view file) const {
  if (!Exists(file)) return std::optional<formats::JsonDocument>();
  AKIN_TRY_ASSIGN(formats::JsonDocument document, ReadJson(file));
  return std::optional(std::move(document));
}

}  // namespace akin::model
