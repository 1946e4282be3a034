// Unigram: every piece of the vocabulary has a score, the logarithm of its probability; a text is
// cut into the pieces whose scores sum highest.
//
// One pass from left to right (Viterbi): best[i] is the best sum of any cut of the first i bytes,
// and where its last piece begins. From every character the pieces that begin there are one walk
// through a trie. A character that is no piece itself may be an unknown token, at the lowest score
// less ten; neighbouring unknown ones are fused. Of equal sums the piece that begins earlier wins,
// as in the reference, whose double arithmetic is repeated operation by operation.
//
// (Kudo: Subword Regularization, 2018.)
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/models/model.h"
#include "tokenizer/models/score.h"
#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

constexpr double kUnkPenalty = 10.0;
constexpr size_t kShortPiece = 256;  // Bytes; the path of a longer one is not on the stack.
constexpr uint32_t kNowhere = ~uint32_t{0};

// The pieces in file order: a piece's index is its id.
struct ScoredPieces {
  std::string text;          // All end to end.
  std::vector<size_t> ends;  // Of each in text.
  std::vector<double> scores;

  std::string_view Piece(size_t id) const {
    const size_t begin = id == 0 ? 0 : ends[id - 1];
    return std::string_view(text).substr(begin, ends[id] - begin);
  }

  // Of equal pieces the last one counts.
  DoubleArrayTrie MakeTrie() const {
    std::vector<DoubleArrayTrie::Entry> keys;
    keys.reserve(ends.size());
    for (size_t id = 0; id < ends.size(); ++id) {
      keys.emplace_back(Piece(id), static_cast<int32_t>(id));
    }
    return DoubleArrayTrie(std::move(keys));
  }
};

class Unigram final : public Model {
 public:
  Unigram(ScoredPieces pieces, int32_t unk_id, bool byte_fallback)
      : pieces_(std::move(pieces)),
        trie_(pieces_.MakeTrie()),
        unk_id_(unk_id),
        unk_score_(*std::ranges::min_element(pieces_.scores) - kUnkPenalty) {
    constexpr char kHex[] = "0123456789ABCDEF";
    byte_ids_.fill(DoubleArrayTrie::kNoValue);
    for (size_t byte = 0; byte_fallback && byte < byte_ids_.size(); ++byte) {
      const char token[] = {'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'};
      byte_ids_[byte] = trie_.Find({token, sizeof token});
    }
  }

  void Tokenize(std::string_view text, std::span<const ByteRange> pieces,
                ModelOutput out) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      const ByteRange range = pieces[i];
      const std::string_view piece = text.substr(range.begin, range.end - range.begin);
      if (out.places != nullptr) {
        TokenizePiece(piece, out.scratch, [&](int32_t id, uint32_t begin, uint32_t end) {
          out.Add(id, {range.begin + begin, range.begin + end}, i);
        });
      } else {
        TokenizeCached(piece, out);
      }
    }
  }

  std::optional<int32_t> TokenToId(std::string_view token) const override {
    const int32_t id = trie_.Find(token);
    return id == DoubleArrayTrie::kNoValue ? std::nullopt : std::optional(id);
  }
  std::optional<std::string_view> IdToToken(int32_t id) const override {
    if (id < 0 || static_cast<size_t>(id) >= pieces_.ends.size()) return std::nullopt;
    return pieces_.Piece(static_cast<size_t>(id));
  }
  int32_t id_named_by_text() const override { return unk_id_; }
  size_t vocab_size() const override { return pieces_.ends.size(); }
  int32_t max_id() const override { return static_cast<int32_t>(pieces_.ends.size()) - 1; }

 private:
  void TokenizeCached(std::string_view piece, ModelOutput& out) const {
    WordCache::Slot slot;
    const auto known = out.scratch.words.Find(model_number_, piece, slot);
    if (known.data() != nullptr) {
      out.ids.insert(out.ids.end(), known.begin(), known.end());
      return;
    }
    const size_t first = out.ids.size();
    TokenizePiece(piece, out.scratch,
                  [&](int32_t id, uint32_t, uint32_t) { out.ids.push_back(id); });
    out.scratch.words.Insert(model_number_, piece, slot, std::span(out.ids).subspan(first));
  }

  // Calls add(id, begin, end) for every token.
  template <typename Add>
  void TokenizePiece(std::string_view piece, ModelScratch& scratch, Add add) const {
    std::array<PathNode, kShortPiece + 1> short_path;
    PathNode* path = short_path.data();
    if (piece.size() > kShortPiece) {
      if (scratch.path.size() <= piece.size()) scratch.path.resize(piece.size() + 1);
      path = scratch.path.data();
    }
    FindPath(piece, path);
    TurnPath(piece.size(), path);
    const auto size = static_cast<uint32_t>(piece.size());
    for (uint32_t begin = 0; begin < size;) {
      const int32_t id = path[begin].id;
      uint32_t end = path[begin].other;
      if (id == unk_id_) {
        while (end < size && path[end].id == unk_id_) end = path[end].other;
        AddUnknown(piece, begin, end, add);
      } else {
        add(id, begin, end);
      }
      begin = end;
    }
  }

  // path[i]: the best cut of the first i bytes, and the begin and id of its last token.
  void FindPath(std::string_view piece, PathNode* path) const {
    path[0].score = 0;
    for (size_t i = 1; i <= piece.size(); ++i) path[i].other = kNowhere;
    size_t length;
    for (size_t begin = 0; begin < piece.size(); begin += length) {
      length = Utf8Length(piece[begin]);
      const double score = path[begin].score;
      const auto offer = [&](size_t end, double token_score, int32_t id) {
        const double sum = token_score + score;
        if (path[end].other != kNowhere && !(sum > path[end].score)) return;
        path[end] = {sum, static_cast<uint32_t>(begin), id};
      };
      bool known = false;
      auto node = DoubleArrayTrie::kRoot;
      for (size_t end = begin; end < piece.size();) {
        node = trie_.Child(node, piece[end++]);
        if (node == DoubleArrayTrie::kNoNode) break;
        const int32_t id = trie_.Value(node);
        if (id == DoubleArrayTrie::kNoValue) continue;
        offer(end, pieces_.scores[static_cast<size_t>(id)], id);
        known |= end - begin == length;
      }
      if (!known) offer(begin + length, unk_score_, unk_id_);
    }
  }

  // Afterwards path[i] tells, for every i where a token of the best cut begins, its end and id.
  static void TurnPath(size_t size, PathNode* path) {
    auto end = static_cast<uint32_t>(size);
    PathNode node = path[end];
    while (end > 0) {
      const uint32_t begin = node.other;
      const PathNode before = path[begin];
      path[begin] = {node.score, end, node.id};
      node = before;
      end = begin;
    }
  }

  // Fused unknown tokens are looked up by their text once more: that may be a piece after all.
  template <typename Add>
  void AddUnknown(std::string_view piece, uint32_t begin, uint32_t end, Add add) const {
    const std::string_view text = piece.substr(begin, end - begin);
    const int32_t id = trie_.Find(text);
    if (id != DoubleArrayTrie::kNoValue) return add(id, begin, end);
    const auto byte_id = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    const auto exists = [&](char byte) { return byte_id(byte) != DoubleArrayTrie::kNoValue; };
    if (!std::ranges::all_of(text, exists)) return add(unk_id_, begin, end);
    for (const char byte : text) add(byte_id(byte), begin, end);
  }

  ScoredPieces pieces_;
  DoubleArrayTrie trie_;  // Piece -> id.
  int32_t unk_id_;
  double unk_score_;
  std::array<int32_t, 256> byte_ids_;  // Of <0x00> to <0xFF>; kNoValue without byte_fallback.
  uint32_t model_number_ = WordCache::NewModelNumber();
};

Result<ScoredPieces> LoadPieces(const JsonValue& json) {
  AKIN_TRY_ASSIGN(const auto values, json.AsArray());
  if (json.size() == 0) return InvalidModel(json.Where(), " is empty");
  ScoredPieces pieces;
  pieces.ends.reserve(json.size());
  pieces.scores.reserve(json.size());
  size_t longest = 0;
  for (const JsonValue value : values) {
    AKIN_TRY_ASSIGN(const auto parts, value.AsArray());
    if (value.size() != 2) {
      return InvalidModel(value.Where(), " has ", value.size(), " parts, expected 2");
    }
    auto part = parts.begin();
    AKIN_TRY_ASSIGN(const std::string_view piece, (*part).AsString());
    ++part;
    const JsonValue score_json = *part;
    if (score_json.number_text().empty()) AKIN_TRY(score_json.AsDouble());  // Not a number.
    const std::optional<double> score = ReadScore(score_json.number_text());
    if (!score) return InvalidModel(score_json.Where(), " is ", score_json.Found());
    pieces.text += piece;
    pieces.ends.push_back(pieces.text.size());
    pieces.scores.push_back(*score);
    longest = std::max(longest, piece.size());
  }
  AKIN_TRY(CheckPieceLength(json, longest));
  return pieces;
}

}  // namespace

Result<std::unique_ptr<const Model>> LoadUnigram(const JsonValue& json) {
  AKIN_TRY_ASSIGN(const JsonValue vocab, json.Get("vocab"));
  AKIN_TRY_ASSIGN(ScoredPieces pieces, LoadPieces(vocab));
  // Without it a text could meet a character that has no token.
  AKIN_TRY_ASSIGN(const int64_t unk_id,
                  GetInt(json, "unk_id", 0, static_cast<int64_t>(pieces.ends.size()) - 1));
  bool byte_fallback = false;
  if (const auto value = json.Find("byte_fallback")) {
    AKIN_TRY_ASSIGN(byte_fallback, value->AsBool());
  }
  return MakeStage<Model, Unigram>(std::move(pieces), static_cast<int32_t>(unk_id), byte_fallback);
}

}  // namespace akin::tokenizer
