#include "cli/vector_sink.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

#include "cli/json_writer.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "floats are written as they lie");

constexpr size_t kFlushBytes = size_t{1} << 20;

struct Ending {
  std::string_view ending;
  VectorFormat format;
};
constexpr Ending kEndings[] = {
    {".jsonl", VectorFormat::kJsonl}, {".ndjson", VectorFormat::kJsonl},
    {".json", VectorFormat::kJsonl},  {".npy", VectorFormat::kNpy},
    {".f32", VectorFormat::kRaw},     {".raw", VectorFormat::kRaw},
    {".bin", VectorFormat::kRaw},
};

class JsonlSink : public VectorSink {
 public:
  using VectorSink::VectorSink;

 protected:
  Status WriteRows(std::span<const std::string> ids, MatrixView<const float> vectors) override {
    std::string out;
    for (size_t i = 0; i < vectors.rows(); ++i) {
      out += StrCat("{\"id\":", ids[i], ",\"embedding\":");
      AppendJsonFloats(out, vectors.row(i));
      out += "}\n";
      if (out.size() < kFlushBytes && i + 1 < vectors.rows()) continue;
      AKIN_TRY(output_.Write(out));
      out.clear();
    }
    return {};
  }
};

class RawSink : public VectorSink {
 public:
  using VectorSink::VectorSink;

 protected:
  Status WriteRows(std::span<const std::string>, MatrixView<const float> vectors) override {
    for (size_t i = 0; i < vectors.rows(); ++i) {
      const std::span<const char> bytes(reinterpret_cast<const char*>(vectors.row(i).data()),
                                        vectors.cols() * sizeof(float));
      block_.append(bytes.begin(), bytes.end());
      if (block_.size() >= kFlushBytes) AKIN_TRY(Flush());
    }
    return Flush();
  }

 private:
  Status Flush() {
    AKIN_TRY(output_.Write(block_));
    block_.clear();
    return {};
  }
  std::string block_;
};

// The number of rows stands in the header and is known at the end. Until then the header is zeros,
// so that an unfinished file, redirected from standard output, is no array to anybody.
class NpySink : public RawSink {
 public:
  using RawSink::RawSink;
  Status Begin() { return output_.Write(std::string(kNpyHeaderBytes, '\0')); }

 protected:
  Status WriteEnd() override { return output_.Overwrite(0, NpyHeader(num_rows_, dimension_)); }
};

bool AllFinite(MatrixView<const float> vectors) {
  for (size_t i = 0; i < vectors.rows(); ++i) {
    if (!std::ranges::all_of(vectors.row(i), [](float x) { return std::isfinite(x); }))
      return false;
  }
  return true;
}

}  // namespace

Result<VectorFormat> ParseVectorFormat(std::string_view name) {
  if (name == "jsonl") return VectorFormat::kJsonl;
  if (name == "npy") return VectorFormat::kNpy;
  if (name == "raw") return VectorFormat::kRaw;
  return InvalidInput("--format: \"", name, "\" is none of jsonl, npy, raw");
}

Result<VectorFormat> FormatOfPath(std::string_view path) {
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return VectorFormat::kJsonl;
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  const size_t dot = name.find_last_of('.');
  if (dot == name.npos || dot == 0) return VectorFormat::kJsonl;
  const auto found = std::ranges::find(kEndings, name.substr(dot), &Ending::ending);
  if (found != std::end(kEndings)) return found->format;
  return InvalidInput("--output ", path, ": the ending says no format; known are .jsonl, .npy, ",
                      ".f32, .raw and .bin, or --format");
}

std::string NpyHeader(int64_t rows, size_t cols) {
  std::string header =
      StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", cols, "), }");
  constexpr size_t kPrefixBytes = 10;  // Magic, version, length of the rest as 16 bits.
  constexpr size_t kRestBytes = kNpyHeaderBytes - kPrefixBytes;
  header.resize(kRestBytes - 1, ' ');  // Longest shape: 78 characters with 20 and 10 digits.
  header += '\n';
  const char prefix[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(kRestBytes), 0};
  return std::string(prefix, sizeof prefix) + header;
}

Result<std::unique_ptr<VectorSink>> VectorSink::Create(VectorFormat format, OutputFile output,
                                                       size_t dimension) {
  if (format == VectorFormat::kJsonl) {
    return std::unique_ptr<VectorSink>(std::make_unique<JsonlSink>(std::move(output), dimension));
  }
  if (format == VectorFormat::kRaw) {
    return std::unique_ptr<VectorSink>(std::make_unique<RawSink>(std::move(output), dimension));
  }
  if (!output.seekable()) {
    return InvalidInput(output.name(), ": npy needs a file, because its header is written last; ",
                        "pipes take --format jsonl or raw");
  }
  auto npy = std::make_unique<NpySink>(std::move(output), dimension);
  AKIN_TRY(npy->Begin());
  return std::unique_ptr<VectorSink>(std::move(npy));
}

Status VectorSink::Write(std::span<const std::string> ids, MatrixView<const float> vectors) {
  if (ids.size() != vectors.rows() || vectors.cols() != dimension_) {
    return MakeError(ErrorCode::kInternal, "the engine gave [", vectors.rows(), ", ",
                     vectors.cols(), "] values for ", ids.size(), " texts of dimension ",
                     dimension_);
  }
  if (!AllFinite(vectors)) {
    return MakeError(ErrorCode::kInternal, "the engine gave a value that is not finite");
  }
  AKIN_TRY(WriteRows(ids, vectors));
  num_rows_ += static_cast<int64_t>(ids.size());
  return {};
}

Status VectorSink::Finish() {
  AKIN_TRY(WriteEnd());
  return output_.Commit();
}

}  // namespace akin::cli
