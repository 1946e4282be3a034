#include "backends/onnxruntime/optimized_graph.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/cpu_info.h"
#include "base/regular_file.h"
#include "base/strings.h"
#include "formats/onnx.h"

namespace akin::backends::onnxruntime {
namespace {

namespace fs = std::filesystem;

// What ONNX Runtime writes into one file at most (a protobuf's bound), with room for what rewriting
// adds.
constexpr uint64_t kMaxModelBytes = uint64_t{3} << 29;

// FNV-1a, 64 bits, over words: a key among one user's models, not a defence.
uint64_t Hash(std::span<const std::byte> bytes, uint64_t hash) {
  constexpr uint64_t kPrime = 0x100000001B3;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = 0;
    for (size_t b = 0; b < 8; ++b) word |= std::to_integer<uint64_t>(bytes[i + b]) << (8 * b);
    hash = (hash ^ word) * kPrime;
    hash ^= hash >> 29;
  }
  for (; i < bytes.size(); ++i) hash = (hash ^ std::to_integer<uint64_t>(bytes[i])) * kPrime;
  return hash;
}

std::string Hex(uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

}  // namespace

Result<OptimizedGraph> OptimizedGraph::Find(const Library& library, const model::OnnxFile& file,
                                            const OnnxRuntimeOptions& options,
                                            const GraphUse& use) {
  OptimizedGraph graph;
  if (options.optimized_model_cache.empty() || !use.only_cpu ||
      options.optimization == GraphOptimization::kNone) {
    return graph;
  }
  const fs::path folder = options.optimized_model_cache;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return InvalidInput("the cache of optimized models '", folder.string(),
                        "' cannot be made: ", error.message());
  }
  uint64_t size = file.bytes().size(), hash = Hash(file.bytes(), 0xCBF29CE484222325);
  for (const auto& [name, mapped] : file.external_files()) {
    size += mapped.bytes().size();
    hash = Hash(mapped.bytes(), hash);
  }
  if (size > kMaxModelBytes) return graph;
  hash = Hash(use.rewritten, hash);
  const std::string settings = StrCat(
      library.version(), ' ', GraphOptimizationName(options.optimization), ' ', GetCpuInfo().name);
  hash = Hash(std::as_bytes(std::span(settings)), hash);
  graph.path_ = (folder / (Hex(hash) + ".onnx")).string();

  graph.Open();
  if (!graph.found()) graph.Forget();
  return graph;
}

// A graph that is there and reads as one; what is damaged is made anew.
void OptimizedGraph::Open() {
  const Result<UniqueFd> fd = OpenRegularFile(path_, path_);
  if (!fd) return;
  Result<MappedFile> file = MappedFile::Map(*fd, path_);
  if (file && formats::ParseOnnx(file->bytes(), path_)) found_ = std::move(*file);
}

void OptimizedGraph::Forget() {
  static std::atomic<int> counter{0};
  found_.reset();
  temporary_ = StrCat(path_, '.', getpid(), '.', counter.fetch_add(1), ".tmp");
}

void OptimizedGraph::Keep() const {
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) fs::remove(temporary_, error);  // The next load optimizes again.
}

}  // namespace akin::backends::onnxruntime
