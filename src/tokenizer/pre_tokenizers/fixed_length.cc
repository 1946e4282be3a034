#include <limits>

#include "base/utf8.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

// Cuts after every `length` characters.
class FixedLength final : public Cutter {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    uint32_t begin = piece.begin;
    int64_t count = 0;
    for (uint32_t i = piece.begin; i < piece.end;) {
      i += static_cast<uint32_t>(Utf8Length(text[i]));
      if (++count < length_ && i < piece.end) continue;
      pieces.push_back({begin, i});
      begin = i;
      count = 0;
    }
  }

 private:
  int64_t length_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadFixedLength(const formats::JsonValue& json) {
  int64_t length = 5;  // The reference's default.
  if (const auto value = json.Find("length")) {
    AKIN_TRY_ASSIGN(length, value->AsIntIn(1, std::numeric_limits<int64_t>::max()));
  }
  return MakeStage<PreTokenizer, FixedLength>(length);
}

}  // namespace akin::tokenizer
