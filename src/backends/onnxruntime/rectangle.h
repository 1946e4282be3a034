// A run of ONNX Runtime: sequences as the rows of a rectangle, padded at their ends, and the rows
// that come back. Its buffers are reused from run to run.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "backends/onnxruntime/first_rows.h"
#include "backends/onnxruntime/library.h"
#include "backends/onnxruntime/ort_session.h"
#include "backends/onnxruntime/run_watch.h"
#include "backends/onnxruntime/shape_rules.h"
#include "backends/onnxruntime/signature.h"
#include "base/ragged_batch.h"

namespace akin::backends::onnxruntime {

// What a run needs to know of the graph besides its session.
struct RunParams {
  const Library* library = nullptr;
  const Signature* signature = nullptr;
  RunWatch* watch = nullptr;
  int32_t pad_token_id = 0;
  int64_t width = 0;            // Values of a row; 0: not known yet.
  bool takes_num_rows = false;  // The graph has the input of first_rows.h.
};

// Serves one thread at a time.
class Rectangle {
 public:
  static Result<std::unique_ptr<Rectangle>> Create(const OrtSessionOwner& session,
                                                   const RunParams& params);

  // Runs the sequences [first, last) of `batch` as a rectangle of `shape`, which is large enough,
  // and writes their rows to `rows`: [tokens of the sequences, width] or [sequences, width]. Of
  // batch.only_first_rows, where the graph can, those of the first tokens only.
  // Errors: Internal (ONNX Runtime failed), DeadlineExceeded, Cancelled (nobody wants it any more).
  Status Run(const RaggedBatch& batch, size_t first, size_t last, Shape shape,
             std::span<float> rows);

  // Runs one sequence of `length` pad tokens and returns the output's dimensions: what the graph's
  // own description may leave open. Errors as Run's, and InvalidModel (values that are not finite).
  Result<std::vector<int64_t>> Probe(Shape shape);

 private:
  Rectangle(const OrtSessionOwner& session, const RunParams& params)
      : session_(session), params_(params) {}

  void Fill(const RaggedBatch& batch, size_t first, size_t last, Shape shape);
  template <typename Index>
  void FillInput(InputRole role, const RaggedBatch& batch, size_t first, size_t last, Shape shape,
                 std::vector<Index>& values) const;
  Status BindInputs(Shape shape);
  Status BindInput(const std::string& name, formats::OnnxType type, void* data,
                   std::span<const int64_t> dims);
  Status BindOutput(Shape shape, float* destination);
  Status Execute(const WantedUntil* wanted_until = nullptr);
  Error Ended(RunWatch::Reason reason) const;
  Status CheckFinite(OrtValue* value, std::span<const int64_t> dims) const;
  Status Check(OrtStatus* status) const;
  bool per_token() const { return HasRowsOfTokens(params_.signature->rows); }
  void CopyRows(const RaggedBatch& batch, size_t first, size_t last, Shape shape,
                std::span<float> rows) const;
  void CopyFirstRows(const RaggedBatch& batch, size_t first, size_t last,
                     std::span<float> rows) const;
  void ReadOutput(size_t first, std::span<float> to) const;

  const OrtSessionOwner& session_;
  const RunParams& params_;
  Handle<OrtMemoryInfo> memory_;
  Handle<OrtIoBinding> binding_;
  Handle<OrtRunOptions> run_options_;
  std::vector<std::vector<int64_t>> wide_;    // By input; [batch, length] of the int64 ones,
  std::vector<std::vector<int32_t>> narrow_;  // and of the int32 ones.
  std::array<int64_t, 1> num_rows_ = {kAllRows};
  std::optional<Shape> bound_;     // The inputs are bound for this shape.
  std::vector<std::byte> output_;  // As the graph gives it, when it is not direct.
};

}  // namespace akin::backends::onnxruntime
