#include "tokenizer/assembly.h"

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

using Offsets = std::pair<int32_t, int32_t>;

// Turns byte positions into code point positions, walking from the last one asked for.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}

  Offsets Range(ByteRange bytes) {
    // A begin behind the last character stays a byte position in the reference.
    if (bytes.begin >= text_.size()) {
      return {static_cast<int32_t>(bytes.begin), static_cast<int32_t>(bytes.end)};
    }
    const int32_t begin = Position(bytes.begin);
    return {begin, Position(bytes.end)};
  }

 private:
  int32_t Position(uint32_t byte) {
    while (byte_ < byte) position_ += !IsUtf8Continuation(text_[byte_++]);
    while (byte_ > byte) position_ -= !IsUtf8Continuation(text_[--byte_]);
    return position_;
  }

  std::string_view text_;
  uint32_t byte_ = 0;
  int32_t position_ = 0;  // Code points before byte_.
};

// Byte-level vocabularies write a blank as U+0120.
bool IsBlank(char32_t c) { return c == U'\u0120' || unicode::Is(c, unicode::kWhitespace); }

int32_t LeadingBlanks(std::string_view token) {
  int32_t count = 0;
  for (size_t i = 0; i < token.size() && IsBlank(DecodeUtf8(&token[i])); ++count) {
    i += Utf8Length(token[i]);
  }
  return count;
}

int32_t TrailingBlanks(std::string_view token) {
  int32_t count = 0;
  for (; !token.empty() && IsBlank(LastUtf8(token)); ++count) {
    while (IsUtf8Continuation(token.back())) token.remove_suffix(1);
    token.remove_suffix(1);
  }
  return count;
}

Offsets Trimmed(Offsets offsets, std::string_view token, bool is_first, OffsetTrim trim) {
  int32_t leading = LeadingBlanks(token);
  const int32_t trailing = TrailingBlanks(token);
  if (leading == 1 && trim.add_prefix_space && (is_first || offsets.first == 0)) leading = 0;
  offsets.first = std::min(offsets.first + leading, offsets.second);
  if (offsets.second >= trailing) {
    offsets.second = std::max(offsets.second - trailing, offsets.first);
  }
  return offsets;
}

// Which part of its text each item of a template holds; special tokens have a 0 too.
using Combination = std::vector<uint32_t>;

class Assembler {
 public:
  Assembler(const std::vector<TextTokens>& texts, const PostProcessor& processor,
            const AssemblyOptions& options)
      : texts_(texts),
        processor_(processor),
        items_(processor.Items(options.is_pair)),
        options_(options) {
    offsets_.resize(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      CodePointCounter counter(texts[i].text);
      for (const TokenDetail& detail : texts[i].details) {
        offsets_[i].push_back(counter.Range(detail.source));
      }
    }
  }

  // A bound of how many tokens all combinations have, or more than any machine holds.
  double TotalTokens() const {
    double combinations = 1, tokens = 0;
    for (const TemplateItem& item : items_) {
      tokens += 1 + static_cast<double>(item.token.size()) / 32;
      if (!item.is_text) continue;
      combinations *= static_cast<double>(Text(item).parts.size());
      size_t longest = 0;
      for (const TokenRange part : Text(item).parts) longest = std::max(longest, part.size());
      tokens += static_cast<double>(longest);
    }
    return combinations * tokens;
  }

  // The first one is what is kept. Built as the reference merges item by item: the overflow so far
  // with every part of the next text, then what is kept with the overflow of the next text.
  std::vector<Combination> Combinations() const {
    std::vector<Combination> all = {{}};
    for (const TemplateItem& item : items_) {
      const size_t num_parts = item.is_text ? Text(item).parts.size() : 1;
      if (num_parts == 1) {
        for (Combination& combination : all) combination.push_back(0);
        continue;
      }
      std::vector<Combination> next;
      next.reserve(all.size() * num_parts);
      next.push_back(With(all[0], 0));
      for (size_t i = 1; i < all.size(); ++i) {
        for (size_t part = 0; part < num_parts; ++part) next.push_back(With(all[i], part));
      }
      for (size_t part = 1; part < num_parts; ++part) next.push_back(With(all[0], part));
      all = std::move(next);
    }
    return all;
  }

  Encoding Build(const Combination& parts) const {
    Encoding encoding;
    for (size_t i = 0; i < items_.size(); ++i) {
      const TemplateItem& item = items_[i];
      if (item.is_text) {
        AddText(item, parts[i], encoding);
      } else if (options_.add_special_tokens) {
        AddSpecialToken(item, encoding);
      }
    }
    encoding.attention_mask.assign(encoding.ids.size(), 1);
    return encoding;
  }

 private:
  const TextTokens& Text(const TemplateItem& item) const { return texts_[item.is_second]; }

  static Combination With(Combination combination, size_t part) {
    combination.push_back(static_cast<uint32_t>(part));
    return combination;
  }

  void AddSpecialToken(const TemplateItem& item, Encoding& encoding) const {
    encoding.ids.push_back(item.id);
    encoding.type_ids.push_back(item.type_id);
    if (!options_.with_offsets) return;
    encoding.offsets.emplace_back(0, 0);
    encoding.tokens.push_back(item.token);
    encoding.special_tokens_mask.push_back(1);
    encoding.word_ids.emplace_back();
  }

  // Overflow never takes its type from the template: in the reference that sets only what is kept.
  int32_t TypeId(const TemplateItem& item, size_t part) const {
    if (part == 0) return item.type_id;
    return processor_.overflow_has_type_0() && options_.add_special_tokens ? 0 : item.is_second;
  }

  void AddText(const TemplateItem& item, size_t part, Encoding& encoding) const {
    const TextTokens& text = Text(item);
    const TokenRange range = text.parts[part];
    const auto first = text.ids.begin() + static_cast<std::ptrdiff_t>(range.begin);
    encoding.ids.insert(encoding.ids.end(), first,
                        first + static_cast<std::ptrdiff_t>(range.size()));
    encoding.type_ids.resize(encoding.ids.size(), TypeId(item, part));
    if (!options_.with_offsets) return;
    for (size_t i = range.begin; i < range.end; ++i) {
      const TokenDetail& detail = text.details[i];
      Offsets offsets = offsets_[item.is_second][i];
      for (const OffsetTrim trim : processor_.trims()) {
        offsets = Trimmed(offsets, detail.token, i == range.begin, trim);
      }
      encoding.offsets.push_back(offsets);
      encoding.tokens.push_back(detail.token);
      encoding.special_tokens_mask.push_back(0);
      encoding.word_ids.emplace_back(detail.word);
    }
  }

  const std::vector<TextTokens>& texts_;
  const PostProcessor& processor_;
  const Template& items_;
  const AssemblyOptions options_;
  std::vector<std::vector<Offsets>> offsets_;  // Of every token of every text, when asked for.
};

// Overlapping parts and pairs of parts may be more than the texts, but not without bound.
constexpr double kFreeTokens = 1 << 22;
constexpr double kMaxGrowth = 64;

}  // namespace

Result<Encoding> Assemble(const std::vector<TextTokens>& texts, const PostProcessor& processor,
                          const AssemblyOptions& options) {
  const Assembler assembler(texts, processor, options);
  double text_tokens = 0;
  bool has_overflow = false;
  for (const TextTokens& text : texts) {
    text_tokens += static_cast<double>(text.ids.size());
    has_overflow |= text.parts.size() > 1;
  }
  if (has_overflow && assembler.TotalTokens() > kFreeTokens + kMaxGrowth * text_tokens) {
    return InvalidInput("the overflowing parts would have far more tokens than the texts have: ",
                        "a larger max_length or a smaller stride is needed");
  }
  const std::vector<Combination> combinations = assembler.Combinations();
  Encoding encoding = assembler.Build(combinations[0]);
  for (size_t i = 1; i < combinations.size(); ++i) {
    encoding.overflowing.push_back(assembler.Build(combinations[i]));
  }
  return encoding;
}

}  // namespace akin::tokenizer
