// NFC, NFD, NFKC, NFKD (Unicode annex 15): decompose every character, put marks into the order of
// their combining classes, and for the composed forms join what composes.
//
// The alignment follows the reference: a decomposed character's first part replaces it, its other
// parts are inserted, parts keep that role when they are reordered, and composing takes away what
// was inserted or, if nothing was, the next source character.
#include <algorithm>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// A character of the result. `change` 1: inserted; 0: replaces one source character; -n: replaces
// one and removes the n after it.
struct Part {
  char32_t c;
  int change;
};

void Emit(Part part, Rewriter& out) {
  if (part.change <= 0) out.TakeChar();
  out.Put(part.c);
  for (int i = part.change; i < 0 && !out.done(); ++i) out.TakeChar();
}

// Joins parts, which come in canonical order, and emits them.
class Composer {
 public:
  explicit Composer(Rewriter& out) : out_(out) {}

  void Add(Part part) {
    const uint8_t combining_class = unicode::CombiningClass(part.c);
    if (!starter_) return AddFirst(part, combining_class);
    const bool blocked = last_class_ && *last_class_ >= combining_class;
    if (!blocked && Join(part)) return;
    if (combining_class == 0) {
      Flush();
      starter_ = part;
      return;
    }
    marks_.push_back(part);
    last_class_ = combining_class;
  }

  void Flush() {
    if (starter_) Emit(*starter_, out_);
    for (const Part mark : marks_) Emit(mark, out_);
    starter_.reset();
    last_class_.reset();
    marks_.clear();
  }

 private:
  void AddFirst(Part part, uint8_t combining_class) {
    if (combining_class == 0) {
      starter_ = part;
    } else {
      Emit(part, out_);
    }
  }

  bool Join(Part part) {
    const char32_t joined = unicode::Compose(starter_->c, part.c);
    if (joined == 0) return false;
    *starter_ = {joined, starter_->change + part.change - 1};
    return true;
  }

  Rewriter& out_;
  std::optional<Part> starter_;  // What following characters may join.
  std::optional<uint8_t> last_class_;
  std::vector<Part> marks_;  // Between the starter and the next character, in order.
};

template <typename Sink>
void FlushMarks(std::vector<Part>& marks, Sink&& sink) {
  std::ranges::stable_sort(marks, {},
                           [](const Part& part) { return unicode::CombiningClass(part.c); });
  for (const Part& part : marks) sink(part);
  marks.clear();
}

// Calls sink(Part) for all parts of the source of `out`, in canonical order.
template <typename Sink>
void ForEachPart(std::string_view source, bool compatibility, Sink&& sink) {
  std::vector<Part> marks;
  for (size_t i = 0; i < source.size(); i += Utf8Length(source[i])) {
    unicode::Decomposition storage;
    int change = 0;
    for (const char32_t c : unicode::Decompose(DecodeUtf8(&source[i]), compatibility, storage)) {
      const Part part{c, change};
      change = 1;
      if (unicode::CombiningClass(c) != 0) {
        marks.push_back(part);
        continue;
      }
      if (!marks.empty()) FlushMarks(marks, sink);
      sink(part);
    }
  }
  FlushMarks(marks, sink);
}

// Nothing below U+0300 takes part in composition with what is below it, and nothing below U+0080
// changes in any form.
bool IsNormalized(std::string_view text, bool compatibility, bool composed) {
  const unsigned char first_lead = composed && !compatibility ? 0xCC : 0x80;
  return std::ranges::none_of(text,
                              [=](char c) { return static_cast<unsigned char>(c) >= first_lead; });
}

// The begin of the first character of `text`, from `i` on, that NFC leaves alone wherever it
// stands, if `settled`, or of the first other one.
size_t Find(std::string_view text, size_t i, bool settled) {
  while (i < text.size() && unicode::Is(DecodeUtf8(&text[i]), unicode::kNotSettled) == settled) {
    i += Utf8Length(text[i]);
  }
  return i;
}

// NFC. What is not settled is composed together with the one character before it.
void ComposeUnsettled(std::string_view text, Rewriter& out) {
  Composer composer(out);
  for (size_t i = 0; i < text.size();) {
    const size_t unsettled = Find(text, i, false);
    size_t begin = unsettled;
    if (begin > i && begin < text.size()) {
      while (IsUtf8Continuation(text[--begin])) continue;
    }
    out.Copy(begin - i);
    i = Find(text, unsettled, true);
    ForEachPart(text.substr(begin, i - begin), false, [&](Part part) { composer.Add(part); });
    composer.Flush();
  }
}

void ComposeText(bool compatibility, NormalizedText& text) {
  const std::string_view source = text.text();
  if (IsNormalized(source, compatibility, true)) return;
  if (!compatibility && Find(source, 0, false) == source.size()) return;
  Rewriter out(text, "Unicode form");
  if (!compatibility) {
    ComposeUnsettled(source, out);
  } else {
    Composer composer(out);
    ForEachPart(source, true, [&](Part part) { composer.Add(part); });
    composer.Flush();
  }
  out.Finish();
}

class UnicodeForm final : public Normalizer {
 public:
  UnicodeForm(bool compatibility, bool composed)
      : compatibility_(compatibility), composed_(composed) {}

  void Normalize(NormalizedText& text) const override {
    if (composed_) {
      ComposeText(compatibility_, text);
    } else {
      DecomposeText(compatibility_, text);
    }
  }

 private:
  bool compatibility_, composed_;
};

}  // namespace

void DecomposeText(bool compatibility, NormalizedText& text) {
  if (IsNormalized(text.text(), compatibility, false)) return;
  Rewriter out(text, "Unicode form");
  ForEachPart(text.text(), compatibility, [&](Part part) { Emit(part, out); });
  out.Finish();
}

Result<std::unique_ptr<const Normalizer>> LoadNfc(const formats::JsonValue&) {
  return MakeStage<Normalizer, UnicodeForm>(false, true);
}
Result<std::unique_ptr<const Normalizer>> LoadNfd(const formats::JsonValue&) {
  return MakeStage<Normalizer, UnicodeForm>(false, false);
}
Result<std::unique_ptr<const Normalizer>> LoadNfkc(const formats::JsonValue&) {
  return MakeStage<Normalizer, UnicodeForm>(true, true);
}
Result<std::unique_ptr<const Normalizer>> LoadNfkd(const formats::JsonValue&) {
  return MakeStage<Normalizer, UnicodeForm>(true, false);
}

}  // namespace akin::tokenizer
