// The corpora of the tokenizer's fuzzers (tests/data/fuzz), replayed with any compiler.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "fuzz/tokenizer_targets.h"

namespace akin::fuzz {
namespace {

void Replay(const char* corpus, void (*run)(std::string_view)) {
  int num_files = 0;
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "fuzz" / corpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    run(bytes.str());
    ++num_files;
  }
  EXPECT_GT(num_files, 10);
}

TEST(FuzzCorpus, TokenizerLoad) { Replay("tokenizer_load", LoadTokenizer); }
TEST(FuzzCorpus, TokenizerEncode) { Replay("tokenizer_encode", EncodeText); }
TEST(FuzzCorpus, TokenizerRegex) { Replay("tokenizer_regex", MatchRegex); }

}  // namespace
}  // namespace akin::fuzz
