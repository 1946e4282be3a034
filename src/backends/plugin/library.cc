#include "backends/plugin/library.h"

#include <dlfcn.h>
#include <string.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/shared_library.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace akin::backends::plugin {
namespace {

namespace fs = std::filesystem;

constexpr char kEntry[] = "akin_plugin_entry";
constexpr size_t kMostNameBytes = 64;

// The loader's last word.
std::string LoaderError() {
  const char* error = dlerror();
  return error != nullptr ? error : "unknown error";
}

// A word that can stand in a message or in JSON as it is.
bool IsName(const char* text) {
  if (text == nullptr) return false;
  const std::string_view name = TextIn(text, kMostNameBytes + 1);
  return !name.empty() && name.size() <= kMostNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '+';
  });
}

Status CheckOptions(const std::string& path, const akin_plugin& table) {
  if (table.num_options > 0 && table.options == nullptr)
    return InvalidInput("plug-in '", path, "': its table has ", table.num_options,
                        " options, but no list of them");
  for (size_t i = 0; i < table.num_options; ++i) {
    if (!IsName(table.options[i].name) || table.options[i].value == nullptr)
      return InvalidInput("plug-in '", path, "': option ", i,
                          " of its table has no name or no description");
  }
  return {};
}

Status CheckTable(const std::string& path, const akin_plugin* table) {
  if (table == nullptr) return InvalidInput("plug-in '", path, "': ", kEntry, " gave no table");
  if (table->abi_version != AKIN_PLUGIN_ABI_VERSION) {
    return UnsupportedModel("plug-in '", path, "' is made for version ", table->abi_version,
                            " of akin/plugin.h, this akin has version ", AKIN_PLUGIN_ABI_VERSION);
  }
  // All of today's fields are fields of the first table: nothing smaller was ever whole.
  if (table->struct_size < sizeof(akin_plugin)) {
    return InvalidInput("plug-in '", path, "': its table has ", table->struct_size,
                        " bytes, expected ", sizeof(akin_plugin));
  }
  if (!IsName(table->name) || !IsName(table->version)) {
    return InvalidInput("plug-in '", path,
                        "': its table has no name or version, or one that is no word of at most ",
                        kMostNameBytes, " letters, digits and \"-_.+\"");
  }
  const auto lacks = [&](const char* function) {
    return InvalidInput("plug-in '", path, "': its table lacks the function ", function);
  };
  if (table->load == nullptr) return lacks("load");
  if (table->describe == nullptr) return lacks("describe");
  if (table->embed == nullptr) return lacks("embed");
  if (table->close == nullptr) return lacks("close");
  return CheckOptions(path, *table);
}

// `text`, with '?' in place of what is not well-formed.
std::string ToUtf8(std::string_view text) {
  std::string out(text);
  for (size_t bad; (bad = Utf8ValidUpTo(out)) < out.size();) out[bad] = '?';
  return out;
}

ErrorCode CodeOf(int32_t code) {
  switch (code) {
    case AKIN_PLUGIN_INVALID_INPUT: return ErrorCode::kInvalidInput;
    case AKIN_PLUGIN_DEADLINE_EXCEEDED: return ErrorCode::kDeadlineExceeded;
    case AKIN_PLUGIN_MODEL_NOT_FOUND: return ErrorCode::kModelNotFound;
    case AKIN_PLUGIN_OVERLOADED: return ErrorCode::kOverloaded;
    case AKIN_PLUGIN_INVALID_MODEL: return ErrorCode::kInvalidModel;
    case AKIN_PLUGIN_UNSUPPORTED_MODEL: return ErrorCode::kUnsupportedModel;
    case AKIN_PLUGIN_UNAVAILABLE: return ErrorCode::kServiceUnavailable;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

std::string_view TextIn(const char* text, size_t size) { return {text, strnlen(text, size)}; }

Result<Library> Library::Load(const std::string& given_path) {
  if (given_path.empty())
    return InvalidInput("backend plugin needs a library, expected plugin:PATH[,option=value...]");
  std::error_code error;
  // A name without a slash would be looked for among the system's libraries.
  const std::string path = fs::absolute(given_path, error).string();
  AKIN_TRY(CheckSharedLibrary(path, StrCat("plug-in '", given_path, "'")));
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return InvalidInput("cannot load plug-in: ", LoaderError());
  const auto entry = reinterpret_cast<const akin_plugin* (*)()>(dlsym(handle, kEntry));
  dlclose(handle);  // It stays: RTLD_NODELETE.
  if (entry == nullptr)
    return InvalidInput("'", path, "' is no plug-in of akin: it has no function ", kEntry);
  const akin_plugin* const table = entry();
  AKIN_TRY(CheckTable(path, table));
  return Library(path, table);
}

std::string Library::Title() const { return StrCat("plug-in '", name(), "'"); }

Status Library::Check(int32_t code, const akin_plugin_error& error) const {
  if (code == AKIN_PLUGIN_OK) return {};
  const std::string_view text = TextIn(error.message, sizeof error.message);
  return MakeError(CodeOf(code), Title(), ": ",
                   text.empty() ? StrCat("error ", code, " without a reason") : ToUtf8(text));
}

}  // namespace akin::backends::plugin
