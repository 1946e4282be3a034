// ONNX graphs of a few nodes, as model folders. The basic one looks tokens up in a table: the state
// of token t is row t, so that a test knows every value.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "akin/onnxruntime.h"

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "model/model_directory.h"
#include "support/protobuf_writer.h"
#include "support/temporary_folder.h"

namespace akin {

inline constexpr int kFloatType = 1, kInt32Type = 6, kInt64Type = 7, kFloat16Type = 10,
                     kBfloat16Type = 16;
inline constexpr int64_t kTableRows = 8, kTableWidth = 3;

// Row t is t + 0.25, t + 0.5, t + 0.75: exact in 16 bits too.
inline float TableValue(int64_t token, int64_t column) {
  return static_cast<float>(token) + 0.25f * static_cast<float>(column + 1);
}

inline std::string Table() {
  std::vector<float> values;
  for (int64_t t = 0; t < kTableRows; ++t) {
    for (int64_t c = 0; c < kTableWidth; ++c) values.push_back(TableValue(t, c));
  }
  return onnx_file::FloatTensor("table", {kTableRows, kTableWidth}, values);
}

inline std::string IntAttribute(std::string_view name, int64_t value) {
  return protobuf::Bytes(
      5, protobuf::Bytes(1, name) + protobuf::Number(3, value) + protobuf::Number(20, 2));
}

inline std::string GraphNode(std::string_view node) { return protobuf::Bytes(1, node); }
inline std::string GraphInput(std::string_view name, int type = kInt64Type,
                              const std::vector<int64_t>& dims = {-1, -1}) {
  return protobuf::Bytes(11, onnx_file::ValueInfo(name, type, dims));
}
inline std::string GraphOutput(std::string_view name, int type = kFloatType,
                               const std::vector<int64_t>& dims = {-1, -1, kTableWidth}) {
  return protobuf::Bytes(12, onnx_file::ValueInfo(name, type, dims));
}
inline std::string Initializer(std::string_view tensor) { return protobuf::Bytes(5, tensor); }
// Initializers of small numbers, others for each name.
inline std::string Values(std::string_view name, const std::vector<int64_t>& dims) {
  std::vector<float> values(static_cast<size_t>(
      std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>())));
  const auto seed = static_cast<float>(std::accumulate(name.begin(), name.end(), 0));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.25f * std::sin(seed + 1.7f * static_cast<float>(i));
  return Initializer(onnx_file::FloatTensor(name, dims, values));
}
inline std::string Scalar(std::string_view name, float value) {
  return Initializer(onnx_file::FloatTensor(name, {}, {value}));
}
inline std::string Lookup(std::string_view output = "last_hidden_state") {
  return GraphNode(onnx_file::Node("Gather", {"table", "input_ids"}, {std::string(output)}));
}

// The basic graph.
inline std::string LookupModel() {
  return onnx_file::Model(protobuf::Bytes(2, "g") + Initializer(Table()) + Lookup() +
                          GraphInput("input_ids") + GraphOutput("last_hidden_state"));
}

// A model folder with one ONNX file.
class OnnxFolder {
 public:
  explicit OnnxFolder(std::string_view model, const std::string& file = "model.onnx") {
    folder_.Write(file, model);
  }
  const TemporaryFolder& folder() const { return folder_; }
  model::ModelDirectory Open() const {
    return *model::ModelDirectory::Open(folder_.path().string());
  }

  Result<std::unique_ptr<backends::Backend>> Load(backends::OnnxRuntimeParams params = {}) const {
    if (params.max_positions == 0) params.max_positions = 64;
    return backends::LoadOnnxRuntimeBackend(Open(), params);
  }

 private:
  TemporaryFolder folder_;
};

// The rows of a batch of up to 64 tokens, end to end.
inline Result<std::vector<float>> ComputeRows(const backends::Backend& backend,
                                              const RaggedBatch& batch) {
  const auto session = backend.NewSession(64, 1);
  AKIN_TRY_ASSIGN(const auto rows, backend.Compute(batch, TeamMember{}, *session));
  std::vector<float> values;
  for (size_t r = 0; r < rows.rows(); ++r)
    values.insert(values.end(), rows.row(r).begin(), rows.row(r).end());
  return values;
}

// Skips aloud without the real library.
class OnnxRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("AKIN_ORT_LIBRARY") == nullptr) {
      std::error_code error;
      if (!std::filesystem::is_directory(AKIN_TEST_ORT_LIBRARY, error)) {
        GTEST_SKIP() << "ONNX Runtime's library is not in " AKIN_TEST_ORT_LIBRARY
                        " (./dev setup fetches it)";
      }
      setenv("AKIN_ORT_LIBRARY", AKIN_TEST_ORT_LIBRARY, 1);
    }
  }
};

}  // namespace akin
