// What calls of an Embedder give back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/options.h"

namespace akin {

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

// What every result says of the texts it was made of.
class TextReport {
 public:
  TextReport() = default;
  TextReport(std::vector<int32_t> num_tokens, std::vector<int32_t> truncated, Usage usage,
             std::vector<std::vector<int32_t>> ids = {})
      : num_tokens_(std::move(num_tokens)),
        truncated_(std::move(truncated)),
        ids_(std::move(ids)),
        usage_(usage) {}

  size_t num_texts() const { return num_tokens_.size(); }
  // Tokens of text i as computed, special tokens included.
  int num_tokens(size_t i) const { return num_tokens_[i]; }
  // Tokens cut from text i because it was longer than the limit; 0 for most.
  int truncated(size_t i) const { return truncated_[i]; }
  // Of text i, as computed; empty unless EmbedOptions::return_ids was set.
  std::span<const int32_t> ids(size_t i) const {
    return ids_.empty() ? std::span<const int32_t>() : std::span<const int32_t>(ids_[i]);
  }
  const Usage& usage() const { return usage_; }

 private:
  std::vector<int32_t> num_tokens_;
  std::vector<int32_t> truncated_;
  std::vector<std::vector<int32_t>> ids_;
  Usage usage_;
};

// A window of a text that has a vector of its own (Overflow::kChunks, kLate). Bytes are those of
// the text as it was given, without a prompt; tokens are counted without special tokens.
struct Chunk {
  size_t text = 0;
  size_t begin_byte = 0, end_byte = 0;
  int32_t begin_token = 0, end_token = 0;
};

// The vectors of one call, in the order of the texts, in one contiguous row-major matrix.
class Embeddings : public TextReport {
 public:
  Embeddings() = default;
  Embeddings(std::vector<float> values, size_t dimension, TextReport report,
             std::vector<Chunk> chunks = {});

  // [size(), dimension]; valid as long as this object.
  MatrixView<const float> vectors() const { return {values_.data(), size(), dimension_}; }
  std::span<const float> operator[](size_t i) const { return vectors().row(i); }
  // Vectors: one a text, or one a chunk.
  size_t size() const { return size_; }
  size_t dimension() const { return dimension_; }
  // Of each vector, where texts were cut into windows; else empty.
  std::span<const Chunk> chunks() const { return chunks_; }

 private:
  std::vector<float> values_;
  size_t dimension_ = 0;
  std::vector<Chunk> chunks_;
  size_t size_ = 0;
};

// One text's weights of vocabulary entries: indices ascending, values above 0.
struct SparseVector {
  std::vector<int32_t> indices;
  std::vector<float> values;
};

class SparseEmbeddings : public TextReport {
 public:
  SparseEmbeddings() = default;
  SparseEmbeddings(std::vector<SparseVector> vectors, TextReport report)
      : TextReport(std::move(report)), vectors_(std::move(vectors)) {}

  size_t size() const { return vectors_.size(); }
  const SparseVector& operator[](size_t i) const { return vectors_[i]; }

 private:
  std::vector<SparseVector> vectors_;
};

// A vector for each token, or for each that counts.
class TokenEmbeddings : public TextReport {
 public:
  TokenEmbeddings() = default;
  // `values` and `tokens` of each text: [count, dimension] and [count].
  TokenEmbeddings(std::vector<std::vector<float>> values, std::vector<std::vector<int32_t>> tokens,
                  size_t dimension, TextReport report)
      : TextReport(std::move(report)),
        values_(std::move(values)),
        tokens_(std::move(tokens)),
        dimension_(dimension) {}

  size_t size() const { return values_.size(); }
  size_t dimension() const { return dimension_; }
  // Of text i: [count, dimension].
  MatrixView<const float> operator[](size_t i) const {
    return {values_[i].data(), tokens_[i].size(), dimension_};
  }
  // The token ids that the rows of text i belong to, [count].
  std::span<const int32_t> tokens(size_t i) const { return tokens_[i]; }

 private:
  std::vector<std::vector<float>> values_;
  std::vector<std::vector<int32_t>> tokens_;
  size_t dimension_ = 0;
};

// What was asked for of one pass; the rest is empty.
struct AllEmbeddings {
  Embeddings dense;
  SparseEmbeddings sparse;
  TokenEmbeddings multi_vector;
  TokenEmbeddings tokens;
};

struct TextPair {
  std::string_view first;   // The query, or the premise.
  std::string_view second;  // The document, or the hypothesis.
};

// A row of scores for each text or pair, in their order: [size(), num_labels].
class Scores : public TextReport {
 public:
  Scores() = default;
  Scores(std::vector<float> values, size_t num_labels, TextReport report)
      : TextReport(std::move(report)), values_(std::move(values)), num_labels_(num_labels) {}

  size_t size() const { return num_texts(); }
  size_t num_labels() const { return num_labels_; }
  std::span<const float> operator[](size_t i) const {
    return MatrixView<const float>(values_.data(), size(), num_labels_).row(i);
  }
  // Indices by descending score of the first label, equal ones in their order.
  std::vector<size_t> Order() const;

 private:
  std::vector<float> values_;
  size_t num_labels_ = 0;
};

// Late interaction: the sum over the rows of `query` of the largest dot product with a row of
// `document`.
float MaxSim(MatrixView<const float> query, MatrixView<const float> document);
// The dot product of two sparse vectors.
float SparseDot(const SparseVector& a, const SparseVector& b);

}  // namespace akin
