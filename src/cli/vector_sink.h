// Vectors -> bytes of an output file, in the formats that other programs read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "cli/output_file.h"

namespace akin::cli {

enum class VectorFormat {
  kJsonl,  // {"id":0,"embedding":[...]} a line.
  kNpy,    // NumPy's array file, version 1.0: '<f4', C order, [num_texts, dimension].
  kRaw,    // The same values without a header.
};

// "jsonl", "npy", "raw". Error: InvalidInput listing them.
Result<VectorFormat> ParseVectorFormat(std::string_view name);
// By the ending of `path`: .jsonl .ndjson .json, .npy, .f32 .raw .bin; JSON lines for standard
// output, devices and names without an ending. Error: InvalidInput for another ending.
Result<VectorFormat> FormatOfPath(std::string_view path);

class VectorSink {
 public:
  // `dimension` is the length of every vector. Error: InvalidInput when the format needs to go back
  // in the output and the output cannot.
  static Result<std::unique_ptr<VectorSink>> Create(VectorFormat format, OutputFile output,
                                                    size_t dimension);
  VectorSink(OutputFile output, size_t dimension)
      : output_(std::move(output)), dimension_(dimension) {}
  virtual ~VectorSink() = default;

  // Rows in order; `ids` [vectors.rows()] are JSON scalars. Errors: kWriteFailed, kClosedPipe;
  // Internal for a value that is not finite.
  Status Write(std::span<const std::string> ids, MatrixView<const float> vectors);
  // Everything was written. Only now the file has its name.
  Status Finish();

 protected:
  virtual Status WriteRows(std::span<const std::string> ids, MatrixView<const float> vectors) = 0;
  virtual Status WriteEnd() { return {}; }

  OutputFile output_;
  const size_t dimension_;
  int64_t num_rows_ = 0;
};

// The header of a [rows, cols] float32 array, kNpyHeaderBytes long for every shape.
inline constexpr size_t kNpyHeaderBytes = 128;
std::string NpyHeader(int64_t rows, size_t cols);

}  // namespace akin::cli
