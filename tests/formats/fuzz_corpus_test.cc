// The corpora of the fuzzers of ONNX and of safetensors files (tests/data/fuzz), replayed with any
// compiler: whole, and cut at every byte.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

#include "fuzz/onnx_targets.h"
#include "fuzz/safetensors_targets.h"

namespace akin::fuzz {
namespace {

// Runs `read` on every file of a corpus, of which there are at least `least`.
void Replay(const std::string& corpus, int least, void (*read)(std::span<const std::byte>)) {
  int num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(AKIN_TEST_DATA) / "fuzz" / corpus)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream stream;
    stream << in.rdbuf();
    const std::string bytes = stream.str();
    for (size_t size = 0; size <= bytes.size(); ++size)
      read(std::as_bytes(std::span(bytes)).first(size));
    ++num_files;
  }
  EXPECT_GE(num_files, least);
}

TEST(FuzzCorpus, Onnx) { Replay("onnx", 11, ReadOnnx); }
TEST(FuzzCorpus, Safetensors) { Replay("safetensors", 8, ReadSafetensors); }

}  // namespace
}  // namespace akin::fuzz
