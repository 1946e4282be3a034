// Vectors -> bytes of an output file, in the formats that other programs read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "akin/embeddings.h"
#include "akin/options.h"
#include "akin/quantize.h"
#include "akin/result.h"

#include "cli/output_file.h"
#include "cli/type_arguments.h"

namespace akin::cli {

enum class VectorFormat {
  kJsonl,  // {"id":0,"embedding":[...]} a line.
  kNpy,    // NumPy's array file, version 1.0: C order, [num_vectors, values].
  kRaw,    // The same values without a header.
};

// "jsonl", "npy", "raw". Error: InvalidInput listing them.
Result<VectorFormat> ParseVectorFormat(std::string_view name);
// By the ending of `path`: .jsonl .ndjson .json, .npy, .f32 .raw .bin; JSON lines for standard
// output, devices and names without an ending. Error: InvalidInput for another ending.
Result<VectorFormat> FormatOfPath(std::string_view path);
// By the ending alone, if it is one of these.
std::optional<VectorFormat> FormatOfEnding(std::string_view path);

struct SinkOptions {
  size_t dimension = 0;
  ValueType value;
  bool with_ids = false;  // JSON lines hold the token ids too.
};

class VectorSink {
 public:
  // `dimension` is the length of vectors while there are none. Error: InvalidInput when the format
  // needs to go back in the output and the output cannot.
  static Result<std::unique_ptr<VectorSink>> Create(VectorFormat format, OutputFile output,
                                                    const SinkOptions& options);
  VectorSink(OutputFile output, const SinkOptions& options)
      : output_(std::move(output)), options_(options), dimension_(options.dimension) {}
  virtual ~VectorSink() = default;

  // Vectors in order; `ids` [texts] are JSON scalars. Errors: kWriteFailed, kClosedPipe; Internal
  // for a value that is not finite; InvalidInput (vectors of another length than those before, in a
  // format that has one; a type that does not fit).
  Status Write(std::span<const std::string> ids, const Embeddings& embeddings);
  // Everything was written. Only now the file has its name.
  Status Finish();

 protected:
  virtual Status WriteRows(std::span<const std::string> ids, const Embeddings& embeddings) = 0;
  virtual bool has_one_length() const { return true; }
  virtual Status WriteEnd() { return {}; }

  OutputFile output_;
  const SinkOptions options_;
  size_t dimension_;
  int64_t num_rows_ = 0;
};

// The header of a [rows, cols] array, kNpyHeaderBytes long for every shape.
inline constexpr size_t kNpyHeaderBytes = 128;
std::string NpyHeader(int64_t rows, size_t cols, OutputType type = OutputType::kFloat32);

}  // namespace akin::cli
