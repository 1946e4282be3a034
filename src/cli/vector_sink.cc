#include "cli/vector_sink.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cli/answer_lines.h"
#include "cli/strings.h"
#include "cli/typed_values.h"

namespace akin::cli {
namespace {

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

std::string_view NpyType(OutputType type) {
  switch (type) {
    case OutputType::kFloat32: return "<f4";
    case OutputType::kFloat16: return "<f2";
    case OutputType::kInt8:
    case OutputType::kBinary: return "|i1";
    case OutputType::kUint8:
    case OutputType::kUbinary: return "|u1";
  }
  return "<f4";
}

class JsonlSink : public VectorSink {
 public:
  using VectorSink::VectorSink;

 protected:
  bool has_one_length() const override { return false; }

  Status WriteRows(std::span<const std::string> ids, const Embeddings& embeddings) override {
    std::string out;
    const bool chunked = !embeddings.chunks().empty();
    size_t number = 0;  // Of a chunk in its text.
    for (size_t i = 0; i < embeddings.size(); ++i) {
      const size_t text = chunked ? embeddings.chunks()[i].text : i;
      out += StrCat("{\"id\":", ids[text]);
      if (chunked) {
        const Chunk& chunk = embeddings.chunks()[i];
        number = i > 0 && embeddings.chunks()[i - 1].text == text ? number + 1 : 0;
        out += StrCat(",\"chunk\":", number, ",\"bytes\":[", chunk.begin_byte, ',', chunk.end_byte,
                      "],\"tokens\":[", chunk.begin_token, ',', chunk.end_token, ']');
      }
      out += ",\"embedding\":";
      AKIN_TRY_ASSIGN(const TypedValues vector,
                      TypedValues::Make(embeddings[i], options_.value.type, options_.value.ranges));
      vector.AppendJson(out);
      AppendReport(embeddings, text, options_.with_ids, out);
      out += "}\n";
      if (out.size() < kFlushBytes && i + 1 < embeddings.size()) continue;
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
  Status WriteRows(std::span<const std::string>, const Embeddings& embeddings) override {
    for (size_t i = 0; i < embeddings.size(); ++i) {
      AKIN_TRY_ASSIGN(const TypedValues vector,
                      TypedValues::Make(embeddings[i], options_.value.type, options_.value.ranges));
      const std::span<const char> bytes = vector.bytes();
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
  Status WriteEnd() override {
    return output_.Overwrite(
        0,
        NpyHeader(num_rows_, NumTypedValues(dimension_, options_.value.type), options_.value.type));
  }
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

std::optional<VectorFormat> FormatOfEnding(std::string_view path) {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  const size_t dot = name.find_last_of('.');
  if (dot == name.npos || dot == 0) return std::nullopt;
  const auto found = std::ranges::find(kEndings, name.substr(dot), &Ending::ending);
  return found == std::end(kEndings) ? std::nullopt : std::optional(found->format);
}

Result<VectorFormat> FormatOfPath(std::string_view path) {
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return VectorFormat::kJsonl;
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  const size_t dot = name.find_last_of('.');
  if (dot == name.npos || dot == 0) return VectorFormat::kJsonl;
  if (const auto format = FormatOfEnding(name)) return *format;
  return InvalidInput("--output ", path, ": the ending says no format; known are .jsonl, .npy, ",
                      ".f32, .raw and .bin, or --format");
}

std::string NpyHeader(int64_t rows, size_t cols, OutputType type) {
  std::string header = StrCat("{'descr': '", NpyType(type), "', 'fortran_order': False, 'shape': (",
                              rows, ", ", cols, "), }");
  constexpr size_t kPrefixBytes = 10;  // Magic, version, length of the rest as 16 bits.
  constexpr size_t kRestBytes = kNpyHeaderBytes - kPrefixBytes;
  header.resize(kRestBytes - 1, ' ');  // Longest shape: 78 characters with 20 and 10 digits.
  header += '\n';
  const char prefix[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(kRestBytes), 0};
  return std::string(prefix, sizeof prefix) + header;
}

Result<std::unique_ptr<VectorSink>> VectorSink::Create(VectorFormat format, OutputFile output,
                                                       const SinkOptions& options) {
  if (format == VectorFormat::kJsonl) {
    return std::unique_ptr<VectorSink>(std::make_unique<JsonlSink>(std::move(output), options));
  }
  if (format == VectorFormat::kRaw) {
    return std::unique_ptr<VectorSink>(std::make_unique<RawSink>(std::move(output), options));
  }
  if (!output.seekable()) {
    return InvalidInput(output.name(), ": npy needs a file, because its header is written last; ",
                        "pipes take --format jsonl or raw");
  }
  auto npy = std::make_unique<NpySink>(std::move(output), options);
  AKIN_TRY(npy->Begin());
  return std::unique_ptr<VectorSink>(std::move(npy));
}

Status VectorSink::Write(std::span<const std::string> ids, const Embeddings& embeddings) {
  if (ids.size() != embeddings.num_texts()) {
    return MakeError(ErrorCode::kInternal, "the engine gave answers for ", embeddings.num_texts(),
                     " of ", ids.size(), " texts");
  }
  if (num_rows_ == 0 && embeddings.size() > 0) dimension_ = embeddings.dimension();
  if (has_one_length() && embeddings.dimension() != dimension_) {
    return InvalidInput("vectors of ", embeddings.dimension(), " values after some of ", dimension_,
                        ": this format takes one length, --format jsonl any");
  }
  if (!AllFinite(embeddings.vectors())) {
    return MakeError(ErrorCode::kInternal, "the engine gave a value that is not finite");
  }
  AKIN_TRY(WriteRows(ids, embeddings));
  num_rows_ += static_cast<int64_t>(embeddings.size());
  return {};
}

Status VectorSink::Finish() {
  AKIN_TRY(WriteEnd());
  return output_.Commit();
}

}  // namespace akin::cli
