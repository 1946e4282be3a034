#include <utility>

#include "tokenizer/models/model.h"
#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {
namespace {

// A piece is one token, or unknown.
class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocab, int32_t unk_id) : vocab_(std::move(vocab)), unk_id_(unk_id) {}

  void Tokenize(std::string_view text, std::span<const ByteRange> pieces,
                ModelOutput out) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      const ByteRange piece = pieces[i];
      const auto id = vocab_.Id(text.substr(piece.begin, piece.end - piece.begin));
      out.Add(id.value_or(unk_id_), piece, i);
    }
  }

  std::optional<int32_t> TokenToId(std::string_view token) const override {
    return vocab_.Id(token);
  }
  std::optional<std::string_view> IdToToken(int32_t id) const override { return vocab_.Piece(id); }
  size_t vocab_size() const override { return vocab_.size(); }
  int32_t max_id() const override { return vocab_.max_id(); }

 private:
  Vocabulary vocab_;
  int32_t unk_id_;
};

}  // namespace

Result<std::unique_ptr<const Model>> LoadWordLevel(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue vocab_json, json.Get("vocab"));
  AKIN_TRY_ASSIGN(Vocabulary vocab, Vocabulary::Load(vocab_json));
  AKIN_TRY_ASSIGN(const int32_t unk_id, GetUnkId(json, vocab));
  return MakeStage<Model, WordLevel>(std::move(vocab), unk_id);
}

}  // namespace akin::tokenizer
