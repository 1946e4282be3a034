// What the targets of the fuzzers share.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace akin::fuzz {

// What our own code must never break: libFuzzer keeps the input.
inline void Require(bool holds) {
  if (!holds) abort();
}

// A new folder, removed with everything in it at the end of its life.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "akin-fuzz-XXXXXX").string();
    Require(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // In folders that are there.
  void Write(std::string_view file, std::string_view content) const {
    std::ofstream out(path_ / file, std::ios::binary);
    out << content;
    Require(out.flush().good());  // A full disk is nothing that the input did.
  }

 private:
  std::filesystem::path path_;
};

}  // namespace akin::fuzz
