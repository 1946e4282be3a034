#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace akin {

// A new folder, removed with everything in it at the end of its life.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "akin-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = std::filesystem::canonical(pattern);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view file) const { return path_ / file; }

  // Writes a file and the folders above it.
  void Write(std::string_view file, std::string_view content) const {
    const std::filesystem::path place = path_ / file;
    std::filesystem::create_directories(place.parent_path());
    std::ofstream(place, std::ios::binary | std::ios::trunc) << content;
  }
  void Link(std::string_view file, const std::filesystem::path& target) const {
    const std::filesystem::path place = path_ / file;
    std::filesystem::create_directories(place.parent_path());
    std::filesystem::create_symlink(target, place);
  }
  void Remove(std::string_view file) const { std::filesystem::remove_all(path_ / file); }

 private:
  std::filesystem::path path_;
};

}  // namespace akin
