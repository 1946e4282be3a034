// The corpora of the fuzzers of model folders (tests/data/fuzz), replayed with any compiler.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "fuzz/model_targets.h"
#include "fuzz/module_targets.h"
#include "fuzz/onnx_graph_targets.h"

namespace akin::fuzz {
namespace {

// Every file of a corpus, and its prefixes, as files that were cut; returns how many files.
int Replay(const char* corpus, void (*run)(std::string_view), size_t step) {
  int num_files = 0;
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "fuzz" / corpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    const std::string text = bytes.str();
    run(text);
    for (size_t size = 0; size < text.size(); size += step) run(text.substr(0, size));
    ++num_files;
  }
  return num_files;
}

TEST(ModelFuzzCorpus, Config) { EXPECT_GT(Replay("model_config", LoadConfig, 7), 30); }
TEST(ModelFuzzCorpus, Modules) { EXPECT_GT(Replay("model_modules", LoadModules, 61), 12); }
TEST(ModelFuzzCorpus, Ranges) { EXPECT_GE(Replay("quantization_ranges", LoadRanges, 1), 10); }

TEST(ModelFuzzCorpus, OnnxGraph) {
  EXPECT_GE(Replay("onnx_graph", [](std::string_view input) { LoadOnnxGraph(input); }, 97), 15);
}

// What a fuzzer finds may be added beside them and be known to any node or to none.
TEST(ModelFuzzCorpus, EverySeedOfOnnxGraphsIsKnownToItsLastNode) {
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "fuzz/onnx_graph";
  for (const std::string_view seed :
       {"cross-bert-Exporter", "cross-bert-LinearTurned", "cross-bert-QuantizedByRow",
        "cross-bert-WrittenOut", "cross-distilbert-LookedUpByColumn", "cross-distilbert-Quantized",
        "cross-electra-Exporter", "cross-xlm-roberta-Exporter", "splade-bert-MaskedLmExporter",
        "splade-bert-MaskedLmWrittenOut", "splade-distilbert-FoldedDecoder",
        "splade-distilbert-MaskedLmQuantized"}) {
    std::ifstream in(folder / seed, std::ios::binary);
    ASSERT_TRUE(in.is_open()) << seed;
    std::stringstream bytes;
    bytes << in.rdbuf();
    EXPECT_TRUE(LoadOnnxGraph(bytes.str())) << seed;
  }
}

// Zero points of MatMulInteger of types that no matrix has: read as bytes, there are none of
// strings and too few of int4.
TEST(ModelFuzzCorpus, ZeroPointsOfOtherTypesAreRefused) {
  const auto folder = std::filesystem::path(AKIN_TEST_DATA) / "fuzz/onnx_graph";
  for (const std::string_view seed :
       {"cross-bert-ZeroOfStrings", "cross-bert-ZeroOfInt4", "cross-bert-ZeroOfInt64"}) {
    std::ifstream in(folder / seed, std::ios::binary);
    ASSERT_TRUE(in.is_open()) << seed;
    std::stringstream bytes;
    bytes << in.rdbuf();
    EXPECT_FALSE(LoadOnnxGraph(bytes.str())) << seed;
  }
}

}  // namespace
}  // namespace akin::fuzz
