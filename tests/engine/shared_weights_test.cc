// The weights of a model in a process: held once, whoever uses them, and read from a file that
// others may write to.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "akin/embedder.h"
#include "akin/system.h"

#include "support/expect_error.h"
#include "support/print.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

const std::string kTinyModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";

// A copy of a model, and an empty cache.
class OwnModel {
 public:
  OwnModel() {
    fs::copy(kTinyModel, folder_ / "model", fs::copy_options::recursive);
    setenv("AKIN_CACHE", (folder_ / "cache").c_str(), 1);
  }
  ~OwnModel() { unsetenv("AKIN_CACHE"); }
  std::string path() const { return folder_ / "model"; }
  std::string weights() const { return folder_ / "model/model.safetensors"; }
  size_t num_entries() const {
    if (!fs::exists(folder_ / "cache/packed")) return 0;
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_ / "cache/packed"), fs::directory_iterator()));
  }

 private:
  TemporaryFolder folder_;
};

std::vector<float> Vector(const Embedder& embedder) {
  const Embeddings e = embedder.Embed({"a quick cat finds the house"}).value();
  return {e[0].begin(), e[0].end()};
}

constexpr LoadOptions kInt8{.precision = Precision::kInt8, .num_threads = 2};

// VmRSS and the like, in KiB.
int64_t StatusKiB(std::string_view name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stoll(line.substr(name.size() + 1));
  }
  return -1;
}

TEST(SharedWeights, AreKeptForTheNextStartAndGiveTheSameBits) {
  const char* model = std::getenv("AKIN_TEST_MODEL");
  if (model == nullptr)
    GTEST_SKIP() << "AKIN_TEST_MODEL does not name the folder of all-MiniLM-L6-v2";
  const OwnModel own;  // For its cache.
  for (const Precision precision :
       {Precision::kBf16, Precision::kInt16, Precision::kW8, Precision::kInt8}) {
    const LoadOptions options{.precision = precision, .num_threads = 1};
    const size_t before = own.num_entries();
    const std::vector<float> packed = Vector(Embedder::Load(model, options).value());
    EXPECT_EQ(own.num_entries(), before + 1) << PrecisionName(precision);
    const std::vector<float> found = Vector(Embedder::Load(model, options).value());
    EXPECT_EQ(own.num_entries(), before + 1) << PrecisionName(precision);
    EXPECT_EQ(found, packed) << PrecisionName(precision);
  }
}

TEST(SharedWeights, OfATinyModelAreNotKept) {
  const OwnModel model;
  EXPECT_TRUE(Embedder::Load(model.path(), kInt8));
  EXPECT_EQ(model.num_entries(), 0u);
}

TEST(SharedWeights, OfAChangedFileAreMadeAnew) {
  const OwnModel model;
  const std::vector<float> first = Vector(Embedder::Load(model.path(), kInt8).value());
  std::string bytes;
  {
    std::ifstream file(model.weights(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  // Another mantissa for every number, in place and with the same size.
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  for (size_t i = 8 + header_bytes; i + 4 <= bytes.size(); i += 4) bytes[i + 2] ^= 0x20;
  std::ofstream(model.weights(), std::ios::binary | std::ios::in) << bytes;
  EXPECT_NE(Vector(Embedder::Load(model.path(), kInt8).value()), first);
}

TEST(SharedWeights, OfAModelInF32AreNotKept) {
  const char* model = std::getenv("AKIN_TEST_MODEL");
  if (model == nullptr)
    GTEST_SKIP() << "AKIN_TEST_MODEL does not name the folder of all-MiniLM-L6-v2";
  const OwnModel own;
  EXPECT_TRUE(Embedder::Load(model, {.precision = Precision::kF32}));
  EXPECT_EQ(own.num_entries(), 0u);
}

TEST(SharedWeights, TakeNoSecondCopyForASecondInstance) {
  const char* model = std::getenv("AKIN_TEST_MODEL");
  if (model == nullptr)
    GTEST_SKIP() << "AKIN_TEST_MODEL does not name the folder of all-MiniLM-L6-v2";
  setenv("AKIN_PACKED_CACHE_MIB", "0", 1);  // Else a second copy would be the cache's pages.
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    const LoadOptions options{.precision = precision, .num_threads = 1, .batch_tokens = 64};
    const Embedder first = Embedder::Load(model, options).value();
    const int64_t before = StatusKiB("VmData:");
    const Embedder second = Embedder::Load(model, options).value();
    // A workspace and a tokenizer, but not the 41 or 20 MiB of the layers' weights.
    EXPECT_LT(StatusKiB("VmData:") - before, 16 << 10) << PrecisionName(precision);
    EXPECT_EQ(Vector(first), Vector(second));
  }
  unsetenv("AKIN_PACKED_CACHE_MIB");
}

TEST(SharedWeights, AFileThatIsCutWhileInUseIsAnErrorAndNoSignal) {
  const OwnModel model;
  for (const LoadOptions& options : {LoadOptions{.precision = Precision::kF32}, kInt8}) {
    const Embedder embedder = Embedder::Load(model.path(), options).value();
    EXPECT_TRUE(embedder.Embed({"a cat"}));
    const auto size = fs::file_size(model.weights());
    fs::resize_file(model.weights(), 4096);
    const auto result = embedder.Embed({"the quick vector finds neighbours"});
    ExpectError(result, ErrorCode::kInvalidModel, "model.safetensors", "shorter");
    fs::resize_file(model.weights(), size);
    fs::copy(kTinyModel + "/model.safetensors", model.weights(),
             fs::copy_options::overwrite_existing);
  }
}

// The second one's encoder is the first one's, and reads the first one's file.
TEST(SharedWeights, AFileThatIsCutIsTheSameErrorToEveryInstance) {
  const OwnModel model;
  const Embedder first = Embedder::Load(model.path(), kInt8).value();
  const Embedder second = Embedder::Load(model.path(), kInt8).value();
  EXPECT_EQ(Vector(first), Vector(second));
  fs::resize_file(model.weights(), 4096);
  for (const Embedder& embedder : {second, first}) {
    ExpectError(embedder.Embed({"the quick vector finds neighbours"}), ErrorCode::kInvalidModel,
                "model.safetensors", "shorter");
  }
}

TEST(SharedWeights, AFileThatIsCutIsNotLoaded) {
  const OwnModel model;
  fs::resize_file(model.weights(), fs::file_size(model.weights()) - 8);
  const auto embedder = Embedder::Load(model.path());
  ExpectError(embedder, ErrorCode::kInvalidModel, "model.safetensors");
}

}  // namespace
}  // namespace akin
