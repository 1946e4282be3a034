#include "backends/onnxruntime/optimized_graph.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/checksum.h"
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

std::string Hex(uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

// What stands behind a kept graph and tells whether it is as it was written.
constexpr std::string_view kSealTitle = "\nakin graph ";
constexpr size_t kSealBytes = kSealTitle.size() + 16;

std::string SealOf(std::span<const std::byte> graph) {
  return StrCat(kSealTitle, Hex(Checksum(graph)));
}

bool Seal(const std::string& path) {
  std::string seal;
  {
    const Result<UniqueFd> fd = OpenRegularFile(path, path);
    if (!fd) return false;
    const Result<MappedFile> file = MappedFile::Map(*fd, path);
    if (!file) return false;
    seal = SealOf(file->bytes());
  }
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << seal;
  out.close();
  return out.good();
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
  uint64_t size = file.bytes().size();
  std::string key = StrCat(library.version(), ' ', GraphOptimizationName(options.optimization), ' ',
                           GetCpuInfo().name, ' ', Checksum(use.rewritten));
  for (const auto& [name, mapped] : file.external_files()) size += mapped->bytes().size();
  if (size > kMaxModelBytes) return graph;
  key += StrCat(' ', Checksum(file.bytes()));
  for (const auto& [name, mapped] : file.external_files())
    key += StrCat(' ', Checksum(mapped->bytes()));
  const uint64_t hash = Checksum(std::as_bytes(std::span(key)));
  graph.path_ = (folder / (Hex(hash) + ".onnx")).string();

  graph.Open();
  if (!graph.found()) graph.Forget();
  return graph;
}

// A graph that is there and as it was written; what is damaged is made anew.
void OptimizedGraph::Open() {
  const Result<UniqueFd> fd = OpenRegularFile(path_, path_);
  if (!fd) return;
  Result<MappedFile> file = MappedFile::Map(*fd, path_);
  if (!file || file->bytes().size() < kSealBytes) return;
  const std::span<const std::byte> graph = file->bytes().first(file->bytes().size() - kSealBytes);
  const std::string seal = SealOf(graph);
  if (!std::ranges::equal(file->bytes().last(kSealBytes), std::as_bytes(std::span(seal)))) return;
  if (formats::ParseOnnx(graph, path_)) found_ = std::move(*file);
}

std::span<const std::byte> OptimizedGraph::bytes() const {
  return found_->bytes().first(found_->bytes().size() - kSealBytes);
}

void OptimizedGraph::Forget() {
  static std::atomic<int> counter{0};
  found_.reset();
  temporary_ = StrCat(path_, '.', getpid(), '.', counter.fetch_add(1), ".tmp");
}

void OptimizedGraph::Keep() const {
  if (temporary_.empty()) return;
  std::error_code error;
  if (Seal(temporary_)) fs::rename(temporary_, path_, error);
  fs::remove(temporary_, error);  // What has no name now: the next load optimizes again.
}

void OptimizedGraph::Discard() const {
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

}  // namespace akin::backends::onnxruntime
