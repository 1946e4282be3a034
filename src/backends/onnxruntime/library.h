// ONNX Runtime's shared library, found and loaded while the program runs: nothing is linked, and
// without it everything but this backend works.
//
// Only this folder knows ONNX Runtime's header. A library may be older or newer than the header:
// its C interface only ever grows, and what a version lacks is asked for by api_version().
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::backends::onnxruntime {

// Below it names and places of functions that are used here do not exist (ONNX Runtime 1.18).
inline constexpr uint32_t kLeastApiVersion = 18;
// Providers by plug-in (ONNX Runtime 1.22).
inline constexpr uint32_t kPluginApiVersion = 22;

// Owns one of ONNX Runtime's objects.
template <typename T>
class Handle {
 public:
  using Release = void(ORT_API_CALL*)(T*);
  Handle() = default;
  Handle(T* object, Release release) : object_(object), release_(release) {}
  Handle(Handle&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(other.release_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(release_, other.release_);
    return *this;
  }
  ~Handle() {
    if (object_ != nullptr) release_(object_);
  }
  T* get() const { return object_; }

 private:
  T* object_ = nullptr;
  Release release_ = nullptr;
};

// A device that a provider's plug-in or the library itself offers.
struct EpDevice {
  const OrtEpDevice* device = nullptr;
  std::string provider;  // "OpenVINOExecutionProvider"
  std::string type;      // "cpu", "gpu", "npu"
};

class Library {
 public:
  // Looks at `path` if it is not empty; else at AKIN_ORT_LIBRARY in the environment, in the
  // program's folder and in lib/ beside it, and where the system keeps libraries. Loaded once a
  // process and never unloaded. Errors: InvalidInput (a path or AKIN_ORT_LIBRARY that cannot be
  // loaded), UnsupportedModel (none was found, or one that is too old); the message says how to get
  // one.
  static Result<const Library*> Load(const std::string& path);

  const OrtApi& api() const { return *api_; }
  OrtEnv* env() const { return env_; }
  uint32_t api_version() const { return api_version_; }
  const std::string& path() const { return path_; }        // What was loaded.
  const std::string& version() const { return version_; }  // "1.32.0"

  // The providers that are built in, by ONNX Runtime's names, the best first as it says.
  std::vector<std::string> BuiltInProviders() const;
  // Registers a provider's plug-in under a name. The same pair again does nothing. Errors:
  // InvalidInput (cannot be loaded, another library has the name), UnsupportedModel (the library is
  // too old).
  Status RegisterPlugin(const std::string& name, const std::string& path) const;
  // The names of plug-ins that offered no device when they were registered.
  std::vector<std::string> PluginsWithoutDevices() const;
  bool HasPlugin(std::string_view name) const;
  // Of plug-ins, and of the library itself where it offers them in that way.
  Result<std::vector<EpDevice>> EpDevices() const;

  // ONNX Runtime's error as ours; it is released. `doing` begins the message.
  Error ToError(OrtStatus* status, ErrorCode code, std::string_view doing) const;
  // The same where there may be none.
  Status Check(OrtStatus* status, ErrorCode code, std::string_view doing) const;

  // What ONNX Runtime has warned of since the last call, the oldest first; bounded.
  std::vector<std::string> TakeWarnings() const;

 private:
  Library() = default;
  static Result<std::unique_ptr<Library>> Open(const std::string& path);
  Status CreateEnv();
  static void ORT_API_CALL Log(void* library, OrtLoggingLevel severity, const char* category,
                               const char* logid, const char* code_location,
                               const char* message) noexcept;

  const OrtApi* api_ = nullptr;
  OrtEnv* env_ = nullptr;
  uint32_t api_version_ = 0;
  std::string path_;
  std::string version_;
  mutable std::mutex warnings_mutex_;
  mutable std::vector<std::string> warnings_;  // Guarded by warnings_mutex_.
  struct Plugin {
    std::string name, path;
    bool has_devices = true;
  };
  // Held while ONNX Runtime registers, which may call Log.
  mutable std::mutex plugins_mutex_;
  mutable std::vector<Plugin> plugins_;  // Guarded by plugins_mutex_.
};

}  // namespace akin::backends::onnxruntime
