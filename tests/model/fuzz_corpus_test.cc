// The corpora of the fuzzers of model folders (tests/data/fuzz), replayed with any compiler.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "fuzz/model_targets.h"

namespace akin::fuzz {
namespace {

TEST(ModelFuzzCorpus, Config) {
  int num_files = 0;
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "fuzz" / "model_config";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    const std::string text = bytes.str();
    LoadConfig(text);
    // Every prefix, as a file that was cut.
    for (size_t size = 0; size < text.size(); size += 7) LoadConfig(text.substr(0, size));
    ++num_files;
  }
  EXPECT_GT(num_files, 30);
}

}  // namespace
}  // namespace akin::fuzz
