// Text in, vectors out.
//
//   AKIN_TRY_ASSIGN(auto embedder, akin::Embedder::Load("all-MiniLM-L6-v2"));
//   AKIN_TRY_ASSIGN(akin::Embeddings e, embedder.Embed({"a text", "another"}));
//   e.vectors().row(0);      // std::span<const float>, Info().dimension values
//   e.usage().total_tokens;  // exact, special tokens included
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/options.h"
#include "akin/result.h"

namespace akin {
namespace engine {
struct EmbedderAccess;
}

// What a call cost.
struct Usage {
  int64_t total_tokens = 0;      // Tokens computed, special tokens included, after truncation.
  int64_t truncated_texts = 0;   // Texts that were longer than the limit.
  int64_t truncated_tokens = 0;  // Tokens cut from them, in sum.
  double duration_ms = 0;        // Wall time of the whole call.
  double tokenize_ms = 0;        // Wall time of its stages: text to ids,
  double compute_ms = 0;         // ids to vectors.
  double queue_ms = 0;           // Waiting for its turn, in a Scheduler.
};

// The vectors of one call, in the order of the texts, in one contiguous row-major matrix.
class Embeddings {
 public:
  Embeddings() = default;
  Embeddings(std::vector<float> values, size_t dimension, std::vector<int32_t> num_tokens,
             std::vector<int32_t> truncated, Usage usage);

  // [num_texts, dimension]; valid as long as this object.
  MatrixView<const float> vectors() const { return {values_.data(), size(), dimension_}; }
  std::span<const float> operator[](size_t i) const { return vectors().row(i); }
  size_t size() const { return num_tokens_.size(); }
  size_t dimension() const { return dimension_; }

  // Tokens of text i as computed, special tokens included.
  int num_tokens(size_t i) const { return num_tokens_[i]; }
  // Tokens cut from text i because it was longer than the limit; 0 for most.
  int truncated(size_t i) const { return truncated_[i]; }
  const Usage& usage() const { return usage_; }

 private:
  std::vector<float> values_;
  size_t dimension_ = 0;
  std::vector<int32_t> num_tokens_;
  std::vector<int32_t> truncated_;
  Usage usage_;
};

// What was loaded and how it runs.
struct ModelInfo {
  std::string model;         // The name given to Load, or the last part of the folder's path.
  std::string path;          // The folder.
  std::string architecture;  // config.json's "model_type".
  int dimension = 0;         // Values in a vector.
  int max_tokens = 0;     // Limit of a text unless a call says otherwise, from the model's files.
  int max_positions = 0;  // What a call may raise it to.
  int num_layers = 0;
  int hidden_size = 0;
  int num_heads = 0;
  int vocab_size = 0;
  int64_t num_parameters = 0;
  std::string pooling;     // "mean", "cls", ...
  bool normalize = false;  // The model's own modules end with a normalization.
  std::string backend;     // "native"
  std::string precision;   // "f32"
  // Why: "requested", or what the gate of Precision::kAuto measured.
  std::string precision_reason;
  std::string isa;  // "avx512"
  int num_threads = 0;
  int batch_tokens = 0;
  bool batch_invariant = false;  // A text's vector has the same bits alone and in any batch.
  // Of a backend outside of Akin: what runs which file,
  std::string backend_detail;  // "onnx/model.onnx in ONNX Runtime 1.32.0 (/usr/lib/...)"
  // what was asked for and could not be had, or is worth knowing,
  std::vector<std::string> notes;
  // and how many of the graph's nodes each execution provider ran; empty: not counted.
  struct ProviderNodes {
    std::string name;  // "CPUExecutionProvider"
    int num_nodes = 0;
  };
  std::vector<ProviderNodes> execution_providers;
  double load_ms = 0;
};

// A loaded model. Immutable after Load; a copy is a cheap second handle to the same model, and all
// calls may be made from many threads at once: no lock is held while a model computes.
class Embedder {
 public:
  // `model` is the path of a sentence-transformers folder, the name of a model in Akin's cache, as
  // "all-MiniLM-L6-v2", or of one on the hub, as "org/name" or "org/name@revision", which is pulled
  // if it is not in the hub's cache (akin/hub.h). On return the model is warm: the first Embed is as fast as the others.
  // Errors: ModelNotFound, InvalidModel, UnsupportedModel, InvalidInput (an option).
  static Result<Embedder> Load(std::string_view model, const LoadOptions& options = {});

  // Embeds `texts` (UTF-8). An empty text is a text of special tokens only; no text at all gives no
  // vector. Errors: InvalidInput (not UTF-8, an option out of range; the message names the text by
  // its index), Internal.
  Result<Embeddings> Embed(std::span<const std::string_view> texts,
                           const EmbedOptions& options = {}) const;
  Result<Embeddings> Embed(std::span<const std::string> texts,
                           const EmbedOptions& options = {}) const;
  Result<Embeddings> Embed(std::initializer_list<std::string_view> texts,
                           const EmbedOptions& options = {}) const;

  const ModelInfo& Info() const;

  // Embeds one tiny text end to end and checks the result.
  Status Health() const;

 private:
  friend struct engine::EmbedderAccess;
  class Impl;
  explicit Embedder(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace akin
