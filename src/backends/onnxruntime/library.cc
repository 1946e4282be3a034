#include "backends/onnxruntime/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "base/shared_library.h"
#include "base/strings.h"

namespace akin::backends::onnxruntime {
namespace {

namespace fs = std::filesystem;

#ifdef __APPLE__
constexpr std::string_view kFileStem = "libonnxruntime.";
constexpr std::string_view kFileEnd = ".dylib";
constexpr const char* kSystemNames[] = {"libonnxruntime.dylib", "libonnxruntime.1.dylib"};
#else
constexpr std::string_view kFileStem = "libonnxruntime.so";
constexpr std::string_view kFileEnd = "";
constexpr const char* kSystemNames[] = {"libonnxruntime.so.1", "libonnxruntime.so"};
#endif
constexpr size_t kMaxWarnings = 16;
constexpr char kHowToGetIt[] =
    "; it comes with the Python package `onnxruntime` (onnxruntime/capi/libonnxruntime.so.*) and "
    "as `libonnxruntime` of newer systems. Name it with --ort-library PATH or AKIN_ORT_LIBRARY, or "
    "put it beside the program (in Akin's documentation: ONNX Runtime and its execution providers)";

// The library in `folder`, whatever version its name has; of several the last by name.
std::string FindIn(const fs::path& folder) {
  std::string found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kFileStem) && name.ends_with(kFileEnd) && entry.path().string() > found)
      found = entry.path().string();
  }
  return found;
}

std::vector<fs::path> FoldersBesideProgram() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const fs::path prefix = program.parent_path().parent_path();
  return {program.parent_path(), prefix / "lib", prefix / "lib" / "akin"};
}

std::vector<std::string> PlacesBesideProgram() {
  std::vector<std::string> places;
  for (const fs::path& folder : FoldersBesideProgram()) {
    if (std::string found = FindIn(folder); !found.empty()) places.push_back(std::move(found));
  }
  return places;
}

// What the loader says last; one line.
std::string LoaderError() {
  const char* error = dlerror();
  return error != nullptr ? error : "unknown error";
}

std::string DeviceTypeName(OrtHardwareDeviceType type) {
  switch (type) {
    case OrtHardwareDeviceType_GPU: return "gpu";
    case OrtHardwareDeviceType_NPU: return "npu";
    default: return "cpu";
  }
}

}  // namespace

Result<std::unique_ptr<Library>> Library::Open(const std::string& path) {
  // A name without a slash is looked for by the loader among the system's libraries.
  if (path.find('/') != path.npos)
    AKIN_TRY(CheckSharedLibrary(path, StrCat("ONNX Runtime's library '", path, "'")));
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return InvalidInput("cannot load ONNX Runtime: ", LoaderError());
  using GetApiBase = const OrtApiBase*(ORT_API_CALL*)();
  const auto get_base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr)
    return InvalidInput("'", path, "' is not ONNX Runtime: it has no OrtGetApiBase");
  const OrtApiBase* base = get_base();

  std::unique_ptr<Library> library(new Library);
  library->path_ = path;
  Dl_info where;
  if (dladdr(reinterpret_cast<void*>(get_base), &where) != 0 && where.dli_fname != nullptr)
    library->path_ = where.dli_fname;
  library->version_ = base->GetVersionString();
  // A version that it does not have gives no table, and a line on standard error, so that the
  // number is taken from its name: API 23 is ONNX Runtime 1.23.
  const int minor =
      library->version_.starts_with("1.") ? std::atoi(library->version_.c_str() + 2) : 0;
  const uint32_t version = std::min<uint32_t>(ORT_API_VERSION, static_cast<uint32_t>(minor));
  if (version < kLeastApiVersion) {
    return UnsupportedModel("'", path, "' is ONNX Runtime ", library->version_, ", expected 1.",
                            kLeastApiVersion, " or newer");
  }
  library->api_version_ = version;
  library->api_ = base->GetApi(version);
  if (library->api_ == nullptr)
    return UnsupportedModel("'", path, "' (ONNX Runtime ", library->version_, ") lacks API ",
                            version);
  AKIN_TRY(library->CreateEnv());
  return library;
}

Status Library::CreateEnv() {
  return Check(
      api_->CreateEnvWithCustomLogger(&Log, this, ORT_LOGGING_LEVEL_WARNING, "akin", &env_),
      ErrorCode::kInternal, "cannot start ONNX Runtime");
}

Result<const Library*> Library::Load(const std::string& path) {
  static std::mutex mutex;
  static auto& loaded = *new std::map<std::string, std::unique_ptr<Library>>;  // By path.
  const std::lock_guard lock(mutex);
  const auto open = [](const std::string& file) -> Result<const Library*> {
    if (const auto found = loaded.find(file); found != loaded.end()) return found->second.get();
    AKIN_TRY_ASSIGN(std::unique_ptr<Library> library, Open(file));
    return loaded.emplace(file, std::move(library)).first->second.get();
  };

  const char* variable = std::getenv("AKIN_ORT_LIBRARY");
  std::string wanted = path;
  if (wanted.empty() && variable != nullptr) wanted = variable;
  if (!wanted.empty()) {
    std::error_code error;
    if (fs::is_directory(wanted, error)) {
      const std::string found = FindIn(wanted);
      if (found.empty()) {
        return InvalidInput("there is no ", kFileStem, kFileEnd, " in the folder '", wanted, "'",
                            kHowToGetIt);
      }
      wanted = found;
    }
    // Otherwise a mistyped name would be looked for among the system's libraries.
    if (!fs::exists(wanted, error))
      return InvalidInput("ONNX Runtime's library '", wanted, "' is not there", kHowToGetIt);
    return open(fs::absolute(wanted, error).string());
  }
  std::string reason;
  std::vector<std::string> places = PlacesBesideProgram();
  places.insert(places.end(), std::begin(kSystemNames), std::end(kSystemNames));
  for (const std::string& place : places) {
    Result<const Library*> library = open(place);
    if (library) return library;
    if (reason.empty() || place.front() == '/') reason = library.error().message();
  }
  std::string looked_in;
  for (const fs::path& folder : FoldersBesideProgram()) looked_in += StrCat(folder.string(), ", ");
  return UnsupportedModel("ONNX Runtime's library was not found in ", looked_in,
                          "nor where the system looks for libraries (", reason, ")", kHowToGetIt);
}

std::vector<std::string> Library::BuiltInProviders() const {
  char** names = nullptr;
  int count = 0;
  if (OrtStatus* status = api_->GetAvailableProviders(&names, &count); status != nullptr) {
    api_->ReleaseStatus(status);
    return {};
  }
  std::vector<std::string> providers(names, names + count);
  if (OrtStatus* status = api_->ReleaseAvailableProviders(names, count); status != nullptr)
    api_->ReleaseStatus(status);
  return providers;
}

Status Library::RegisterPlugin(const std::string& name, const std::string& given_path) const {
  if (api_version_ < kPluginApiVersion) {
    return UnsupportedModel("ONNX Runtime ", version_, " has no providers by plug-in, 1.",
                            kPluginApiVersion, " or newer has");
  }
  std::error_code error;
  // ONNX Runtime looks for a relative one beside itself.
  const std::string path = fs::absolute(given_path, error).string();
  // Over all of it, so that no two are registered at once: each counts its own devices.
  const std::lock_guard lock(plugins_mutex_);
  for (const Plugin& known : plugins_) {
    if (known.name != name) continue;
    if (known.path == path) return {};
    return InvalidInput("the provider library '", name, "' is already loaded from ", known.path);
  }
  AKIN_TRY(CheckSharedLibrary(path, StrCat("the provider library '", path, "' (", name, ")")));
  AKIN_TRY_ASSIGN(const std::vector<EpDevice> before, EpDevices());
  AKIN_TRY(Check(api_->RegisterExecutionProviderLibrary(env_, name.c_str(), path.c_str()),
                 ErrorCode::kInvalidInput,
                 StrCat("cannot load the provider library '", path, "'")));
  plugins_.push_back({name, path});
  AKIN_TRY_ASSIGN(const std::vector<EpDevice> after, EpDevices());
  plugins_.back().has_devices = after.size() > before.size();
  return {};
}

std::vector<std::string> Library::PluginsWithoutDevices() const {
  const std::lock_guard lock(plugins_mutex_);
  std::vector<std::string> names;
  for (const Plugin& plugin : plugins_) {
    if (!plugin.has_devices) names.push_back(plugin.name);
  }
  return names;
}

bool Library::HasPlugin(std::string_view name) const {
  const std::lock_guard lock(plugins_mutex_);
  return std::ranges::find(plugins_, name, &Plugin::name) != plugins_.end();
}

Result<std::vector<EpDevice>> Library::EpDevices() const {
  std::vector<EpDevice> devices;
  if (api_version_ < kPluginApiVersion) return devices;
  const OrtEpDevice* const* list = nullptr;
  size_t count = 0;
  AKIN_TRY(Check(api_->GetEpDevices(env_, &list, &count), ErrorCode::kInternal,
                 "cannot list the devices of ONNX Runtime"));
  for (size_t i = 0; i < count; ++i) {
    devices.push_back(
        {.device = list[i],
         .provider = api_->EpDevice_EpName(list[i]),
         .type = DeviceTypeName(api_->HardwareDevice_Type(api_->EpDevice_Device(list[i])))});
  }
  return devices;
}

Error Library::ToError(OrtStatus* status, ErrorCode code, std::string_view doing) const {
  const Error error = MakeError(code, doing, ": ", api_->GetErrorMessage(status));
  api_->ReleaseStatus(status);
  return error;
}

Status Library::Check(OrtStatus* status, ErrorCode code, std::string_view doing) const {
  if (status == nullptr) return {};
  return ToError(status, code, doing);
}

std::vector<std::string> Library::TakeWarnings() const {
  const std::lock_guard lock(warnings_mutex_);
  return std::exchange(warnings_, {});
}

void Library::Log(void* library, OrtLoggingLevel /*severity*/, const char* /*category*/,
                  const char* /*logid*/, const char* /*code_location*/,
                  const char* message) noexcept try {
  const auto* self = static_cast<const Library*>(library);
  const std::lock_guard lock(self->warnings_mutex_);
  if (self->warnings_.size() >= kMaxWarnings) self->warnings_.erase(self->warnings_.begin());
  self->warnings_.emplace_back(message);
} catch (...) {
  // ONNX Runtime calls this: a warning that finds no memory is lost.
}

}  // namespace akin::backends::onnxruntime
