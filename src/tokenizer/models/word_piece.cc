// WordPiece: a word is cut, from left to right, into the longest pieces that the vocabulary holds;
// pieces inside a word carry a prefix there ("##ing"). A word that cannot be cut completely is one
// unknown token.
//
// The longest match is one walk through a trie that remembers the last piece passed. After a match
// the walk starts again at the node of the prefix, so that a word costs at most (characters x
// longest piece) steps and in practice little more than one step a byte: most words are in the
// vocabulary whole. max_input_chars_per_word bounds the rest; a file in which neither that nor the
// length of the pieces does is refused.
#include <limits>
#include <utility>

#include "tokenizer/models/model.h"
#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {
namespace {

using Node = DoubleArrayTrie::Node;

// Steps that one token may cost.
constexpr int64_t kMaxSteps = kMaxPieceBytes;

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocab, int32_t unk_id, std::string_view prefix, size_t max_chars)
      : vocab_(std::move(vocab)),
        trie_(vocab_.MakeTrie()),
        unk_id_(unk_id),
        inside_word_(trie_.Walk(DoubleArrayTrie::kRoot, prefix)),
        max_chars_(max_chars) {}

  void Tokenize(std::string_view text, std::span<const ByteRange> pieces,
                ModelOutput out) const override {
    for (size_t i = 0; i < pieces.size(); ++i) TokenizeWord(text, pieces[i], i, out);
  }

  std::optional<int32_t> TokenToId(std::string_view token) const override {
    return vocab_.Id(token);
  }
  std::optional<std::string_view> IdToToken(int32_t id) const override { return vocab_.Piece(id); }
  size_t vocab_size() const override { return vocab_.size(); }
  int32_t max_id() const override { return vocab_.max_id(); }

 private:
  void TokenizeWord(std::string_view text, ByteRange word, size_t piece, ModelOutput out) const {
    const size_t first_token = out.ids.size();
    bool known = !IsTooLong(text, word);
    Node start = DoubleArrayTrie::kRoot;
    for (uint32_t begin = word.begin; known && begin < word.end;) {
      known = start != DoubleArrayTrie::kNoNode;
      if (!known) break;
      const auto match = trie_.LongestMatch(start, text.substr(begin, word.end - begin));
      known = match.value != DoubleArrayTrie::kNoValue;
      const uint32_t end = begin + static_cast<uint32_t>(match.length);
      if (known) out.Add(match.value, {begin, end}, piece);
      begin = end;
      start = inside_word_;
    }
    if (known) return;
    out.Drop(out.ids.size() - first_token);
    out.Add(unk_id_, word, piece);
  }

  bool IsTooLong(std::string_view text, ByteRange word) const {
    const size_t num_bytes = word.end - word.begin;
    return num_bytes > max_chars_ && CountUtf8(text.substr(word.begin, num_bytes)) > max_chars_;
  }

  Vocabulary vocab_;
  DoubleArrayTrie trie_;
  int32_t unk_id_;
  Node inside_word_;  // Where pieces inside a word begin; kNoNode if there are none.
  size_t max_chars_;
};

}  // namespace

Result<std::unique_ptr<const Model>> LoadWordPiece(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view prefix, GetString(json, "continuing_subword_prefix"));
  AKIN_TRY_ASSIGN(const int64_t max_chars,
                  GetInt(json, "max_input_chars_per_word", 0, std::numeric_limits<int64_t>::max()));
  AKIN_TRY_ASSIGN(const formats::JsonValue vocab_json, json.Get("vocab"));
  AKIN_TRY_ASSIGN(Vocabulary vocab, Vocabulary::Load(vocab_json));
  AKIN_TRY_ASSIGN(const int32_t unk_id, GetUnkId(json, vocab));
  if (max_chars > kMaxSteps) AKIN_TRY(CheckPieceLength(vocab_json, vocab.longest_piece_bytes()));
  return MakeStage<Model, WordPiece>(std::move(vocab), unk_id, prefix,
                                     static_cast<size_t>(max_chars));
}

}  // namespace akin::tokenizer
