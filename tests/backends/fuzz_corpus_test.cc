// The fuzzer's corpus, with any compiler.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz/backend_targets.h"

namespace akin::backends {
namespace {

TEST(BackendFuzzCorpus, EveryInputIsReadWithoutAFinding) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(AKIN_TEST_DATA "/fuzz/backend_answer")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    for (size_t cut = 0; cut <= bytes.size(); ++cut)
      fuzz::ReadBackendAnswer(std::string_view(bytes).substr(0, cut));
    ++count;
  }
  EXPECT_GT(count, 8);
}

}  // namespace
}  // namespace akin::backends
