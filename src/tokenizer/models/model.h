// The "model" of tokenizer.json: turns the pieces of a text into tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/models/word_cache.h"
#include "tokenizer/normalized_text.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// Where a token stands: its bytes in the normalized text, and the piece it is of.
struct TokenPlace {
  ByteRange range;
  uint32_t piece;
};

// A place in the search for the best cut of a piece (Unigram).
struct PathNode {
  double score;
  uint32_t other;  // The other end of the token that begins or ends here.
  int32_t id;
};

// The memory of the models of one thread, kept from text to text.
struct ModelScratch {
  WordCache words;
  // For pieces too long for the stack.
  std::vector<uint32_t> symbols;
  std::vector<uint64_t> queue;
  std::vector<PathNode> path;
  std::string mapped;

  // Gives back what a very long piece needed.
  void Trim();
};

// What a model writes: ids, and places only when they are asked for.
struct ModelOutput {
  std::vector<int32_t>& ids;
  std::vector<TokenPlace>* places;
  ModelScratch& scratch;
  bool raw_bytes = false;  // Of the pieces, see Model::reads_raw_bytes.

  void Add(int32_t id, ByteRange range, size_t piece) {
    ids.push_back(id);
    if (places != nullptr) places->push_back({range, static_cast<uint32_t>(piece)});
  }
  // Takes back the last `count` tokens.
  void Drop(size_t count) {
    ids.resize(ids.size() - count);
    if (places != nullptr) places->resize(places->size() - count);
  }
};

// Immutable; Tokenize may be called from many threads.
class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of text[pieces[0]], text[pieces[1]], ... to `out`.
  virtual void Tokenize(std::string_view text, std::span<const ByteRange> pieces,
                        ModelOutput out) const = 0;

  // Whether Tokenize also takes pieces in which ByteLevel has not written the bytes as visible
  // characters yet (ModelOutput::raw_bytes, then without places).
  virtual bool reads_raw_bytes() const { return false; }

  virtual std::optional<int32_t> TokenToId(std::string_view token) const = 0;
  virtual std::optional<std::string_view> IdToToken(int32_t id) const = 0;
  // The id whose tokens are called by the text that they stand for (Unigram's unknown ones); -1:
  // none.
  virtual int32_t id_named_by_text() const { return -1; }
  virtual size_t vocab_size() const = 0;
  virtual int32_t max_id() const = 0;
};

// The model that `json` describes. Old files have no "type": there the fields tell.
StageLoader<Model> LoadModel;

// One loader a type, defined in the type's own file; model.cc has the table.
StageLoader<Model> LoadBpe, LoadUnigram, LoadWordLevel, LoadWordPiece;

}  // namespace akin::tokenizer
