#include "server/api/document_limit.h"

#include <algorithm>

namespace akin::server {
namespace {

// Where code point `count` begins, counted from the start of UTF-8.
size_t BytesOf(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && count-- == 0) break;
  }
  return at;
}

}  // namespace

Result<int64_t> CutDocument(const Tokenizer& tokenizer, size_t most, std::string& document) {
  const EncodeOptions options{
      .add_special_tokens = false, .with_offsets = true, .truncation = Off{}, .padding = Off{}};
  const auto encode = [&](const std::string& text) { return tokenizer.Encode(text, options); };
  return CutDocument(encode, most, document);
}

Result<int64_t> CutDocument(const EncodeDocument& encode, size_t most, std::string& document) {
  // A token is a byte at least.
  if (document.size() <= most) return int64_t{0};
  int64_t all = -1;
  // A word that is cut may have more pieces than its part of the whole had; then less is kept.
  for (size_t keep = most;; --keep) {
    AKIN_TRY_ASSIGN(const akin::Encoding encoding, encode(document));
    const size_t have = encoding.ids.size();
    if (all < 0) all = static_cast<int64_t>(have);
    // A tokenizer may have tokens for a text without any; there is nothing left to cut then.
    if (have <= most || document.empty()) return all - static_cast<int64_t>(have);
    const auto end =
        keep == 0 ? 0 : static_cast<size_t>(std::max(0, encoding.offsets[keep - 1].second));
    document.resize(BytesOf(document, end));
  }
}

}  // namespace akin::server
