// The normalization of a SentencePiece model: texts are replaced by texts, found in a trie.
//
// `precompiled_charsmap` is, in base64: the size of the trie in bytes (little-endian, 32 bits), the
// trie, and the replacements end to end, each with a NUL behind it. The trie is darts-clone's
// double array: a unit holds the label by which it is reached, the way to its children, and
// whether a key ends there; its value is an offset into the replacements.
//
// A grapheme cluster of less than six bytes is looked up as a whole, and the *shortest* key that it
// begins with replaces all of it: U+FF21 U+0301 becomes "A", without the accent. Otherwise each of
// its characters is looked up alone. (The reference's spm_precompiled; not what SentencePiece
// does.)
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

constexpr size_t kLongCluster = 6;  // Bytes.
// Bounds how much a hostile file can make a text grow; real ones stay below forty bytes.
constexpr size_t kMaxReplacementBytes = 256;

// One unit of darts-clone's array.
struct DartsUnit {
  uint32_t bits;
  bool ends_key() const { return (bits >> 8 & 1) != 0; }
  uint32_t value() const { return bits & 0x7FFFFFFF; }
  uint32_t label() const { return bits & 0x800000FF; }
  uint64_t offset() const { return uint64_t{bits >> 10} << ((bits & 1u << 9) >> 6); }
};

class Charsmap {
 public:
  Charsmap(std::vector<DartsUnit> units, std::string replacements)
      : units_(std::move(units)), replacements_(std::move(replacements)) {}

  // What replaces `text`: the replacement of its shortest prefix that is a key. data() is null if
  // there is none. The trie is not trusted: a way that leads out of it ends there.
  std::string_view Find(std::string_view text) const {
    uint64_t place = units_[0].offset();
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      place ^= byte;
      if (byte == 0 || place >= units_.size() || units_[place].label() != byte) return {};
      const DartsUnit unit = units_[place];
      place ^= unit.offset();
      if (!unit.ends_key()) continue;
      return place < units_.size() ? Replacement(units_[place].value()) : std::string_view();
    }
    return {};
  }

 private:
  std::string_view Replacement(size_t begin) const {
    if (begin > replacements_.size() || IsUtf8Continuation(replacements_.c_str()[begin])) return {};
    const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    return std::string_view(replacements_).substr(begin, end - begin);
  }

  std::vector<DartsUnit> units_;
  std::string replacements_;
};

// Writes the new text with the reference's alignments. It counts in characters, one change a
// written one: a character takes the place of one, or is inserted; what is removed goes to the
// account of the last one written, even if that was an insertion, and is forgotten at the beginning
// of a text, where everything after it slides to the left.
class ChangeWriter {
 public:
  explicit ChangeWriter(NormalizedText& text)
      : out_(text, "Precompiled"), tracked_(text.track_offsets()) {}

  // The next `bytes` bytes of the source, unchanged; `bytes` is not 0.
  void Copy(std::string_view source, size_t bytes) {
    if (in_step_) {
      Flush();
      out_.Copy(bytes);
      written_ = true;
      return;
    }
    for (size_t i = 0; i < bytes; i += Utf8Length(source[i])) Push(DecodeUtf8(&source[i]), 0);
  }

  // `num_chars` characters of the source become `text`.
  void Replace(size_t num_chars, std::string_view text) {
    const size_t num_new = CountUtf8(text);
    size_t i = 0;
    for (size_t at = 0; at < text.size(); at += Utf8Length(text[at])) {
      Push(DecodeUtf8(&text[at]), i++ < num_chars ? 0 : 1);
    }
    if (num_new < num_chars) Remove(num_chars - num_new);
  }

  void Finish() {
    Flush();
    out_.Finish();
  }

 private:
  void Push(char32_t c, int64_t change) {
    Flush();
    char_ = c;
    change_ = change;
    pending_ = true;
  }

  void Remove(size_t num_chars) {
    if (pending_) {
      change_ -= static_cast<int64_t>(num_chars);
    } else if (written_ || !tracked_) {
      Take(static_cast<int64_t>(num_chars));
    } else {
      in_step_ = false;
    }
  }

  void Flush() {
    if (!pending_) return;
    if (change_ <= 0) Take(1);
    out_.Put(char_);
    if (change_ < 0) Take(-change_);
    pending_ = false;
    written_ = true;
  }

  void Take(int64_t num_chars) {
    for (; num_chars > 0 && !out_.done(); --num_chars) out_.TakeChar();
  }

  Rewriter out_;
  bool tracked_;
  bool in_step_ = true;   // What is read is what is taken.
  bool written_ = false;  // Something was.
  bool pending_ = false;  // The last character waits: its change is not known before the next.
  char32_t char_ = 0;
  int64_t change_ = 0;  // 1: inserted; 0: replaces a character; -n: and n more are removed.
};

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {
    for (unsigned char c = 0; c < 128; ++c) {
      const char text = static_cast<char>(c);
      plain_[c] = c != '\r' && map_.Find({&text, 1}).data() == nullptr;
    }
  }

  void Normalize(NormalizedText& text) const override {
    const std::string_view source = text.text();
    const size_t unchanged = PlainPrefix(source);
    if (unchanged == source.size()) return;
    ChangeWriter out(text);
    if (unchanged > 0) out.Copy(source, unchanged);
    for (size_t i = unchanged; i < source.size();) {
      const std::string_view rest = source.substr(i);
      size_t length = PlainPrefix(rest);
      if (length > 0) {
        out.Copy(rest, length);
      } else {
        length = unicode::GraphemeLength(rest);
        WriteCluster(rest.substr(0, length), out);
      }
      i += length;
    }
    out.Finish();
  }

 private:
  // Bytes that are clusters of their own and stay: ASCII before ASCII or the end.
  size_t PlainPrefix(std::string_view text) const {
    size_t i = 0;
    while (i < text.size() && plain_[static_cast<unsigned char>(text[i])]) ++i;
    return i > 0 && i < text.size() && !IsAscii(text[i]) ? i - 1 : i;
  }

  void WriteCluster(std::string_view cluster, ChangeWriter& out) const {
    const size_t first_bytes = Utf8Length(cluster[0]);
    if (cluster.size() < kLongCluster || cluster.size() == first_bytes) {
      const std::string_view replacement = map_.Find(cluster);
      if (replacement.data() != nullptr) return out.Replace(CountUtf8(cluster), replacement);
      if (cluster.size() == first_bytes) return out.Copy(cluster, cluster.size());
    }
    for (size_t i = 0; i < cluster.size();) {
      const std::string_view c = cluster.substr(i, Utf8Length(cluster[i]));
      const std::string_view replacement = map_.Find(c);
      if (replacement.data() != nullptr) {
        out.Replace(1, replacement);
      } else {
        out.Copy(c, c.size());
      }
      i += c.size();
    }
  }

  Charsmap map_;
  std::array<bool, 256> plain_ = {};  // ASCII that is not replaced; CR may be one with LF.
};

// Six bits of base64 (RFC 4648), or -1.
int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Whole groups of four with padding, no bits left over. The bytes, or nothing.
std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  size_t num_bits = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int digit = Base64Digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes += static_cast<char>(bits >> num_bits & 0xFF);
    bits &= (1u << num_bits) - 1;
  }
  if (bits != 0) return std::nullopt;
  return bytes;
}

uint32_t LittleEndian32(const char* p) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(p[i]);
  return value;
}

bool HasLongReplacement(std::string_view replacements) {
  for (size_t begin = 0; begin < replacements.size();) {
    const size_t end = std::min(replacements.find('\0', begin), replacements.size());
    if (end - begin > kMaxReplacementBytes) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadPrecompiled(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue map, json.Get("precompiled_charsmap"));
  AKIN_TRY_ASSIGN(const std::string_view base64, map.AsString());
  const std::optional<std::string> bytes = DecodeBase64(base64);
  if (!bytes) return InvalidModel(map.Where(), " is not base64");
  if (bytes->size() < 4) return InvalidModel(map.Where(), " has ", bytes->size(), " bytes");
  const size_t trie_bytes = LittleEndian32(bytes->data());
  if (trie_bytes < 4 || trie_bytes > bytes->size() - 4) {
    return InvalidModel(map.Where(), " has a trie of ", trie_bytes, " bytes in ", bytes->size());
  }
  std::vector<DartsUnit> units(trie_bytes / 4);
  for (size_t i = 0; i < units.size(); ++i) units[i].bits = LittleEndian32(&(*bytes)[4 + 4 * i]);
  std::string replacements = bytes->substr(4 + 4 * units.size());
  if (Utf8ValidUpTo(replacements) != replacements.size()) {
    return InvalidModel(map.Where(), " has replacements that are not UTF-8");
  }
  if (HasLongReplacement(replacements)) {
    return UnsupportedModel(map.Where(), " has a replacement of more than ", kMaxReplacementBytes,
                            " bytes");
  }
  return MakeStage<Normalizer, Precompiled>(Charsmap(std::move(units), std::move(replacements)));
}

}  // namespace akin::tokenizer
