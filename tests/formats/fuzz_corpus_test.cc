// The corpus of the ONNX reader's fuzzer (tests/data/fuzz/onnx), replayed with any compiler: whole,
// and cut at every byte.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

#include "fuzz/onnx_targets.h"

namespace akin::fuzz {
namespace {

TEST(FuzzCorpus, Onnx) {
  int num_files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(AKIN_TEST_DATA) / "fuzz/onnx")) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream stream;
    stream << in.rdbuf();
    const std::string bytes = stream.str();
    for (size_t size = 0; size <= bytes.size(); ++size)
      ReadOnnx(std::as_bytes(std::span(bytes)).first(size));
    ++num_files;
  }
  EXPECT_GT(num_files, 10);
}

}  // namespace
}  // namespace akin::fuzz
