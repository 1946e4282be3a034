// A plug-in's shared library and its table, checked.
#pragma once

#include <string>
#include <string_view>

#include "akin/plugin.h"
#include "akin/result.h"

namespace akin::backends::plugin {

class Library {
 public:
  // `path` as the user gave it. The library stays loaded as long as the process: threads of its own
  // may run in it. Errors: InvalidInput (not there, no shared library, no plug-in, a table that
  // lacks something), UnsupportedModel (made for another version of the interface).
  static Result<Library> Load(const std::string& path);

  const akin_plugin& table() const { return *table_; }
  const std::string& path() const { return path_; }  // Absolute.
  std::string_view name() const { return table_->name; }
  std::string_view version() const { return table_->version; }
  // What messages begin with: "plug-in 'candle'".
  std::string Title() const;

  // What a call said, as an error; none for AKIN_PLUGIN_OK.
  Status Check(int32_t code, const akin_plugin_error& error) const;

 private:
  Library(std::string path, const akin_plugin* table) : path_(std::move(path)), table_(table) {}

  std::string path_;
  const akin_plugin* table_;
};

// Text of a plug-in in an array of `size` bytes, which a NUL ends if there is one.
std::string_view TextIn(const char* text, size_t size);

}  // namespace akin::backends::plugin
