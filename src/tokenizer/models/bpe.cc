// Byte-pair encoding: a piece starts as its characters, whose neighbours are merged
// (bpe_mergers.h). Before that the word cache is asked. A model without a pre-tokenizer gives whole
// texts as one piece: they are cut where no merge can join (MergeBorders), so that the cache has
// words to know.
//
// (Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units, 2016.)
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/byte_characters.h"
#include "tokenizer/models/bpe_mergers.h"
#include "tokenizer/models/bpe_merges.h"
#include "tokenizer/models/merge_borders.h"
#include "tokenizer/models/merge_table.h"
#include "tokenizer/models/model.h"
#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

constexpr size_t kMaxWholeBytes = 24;  // A longer piece is looked at for borders first.

constexpr size_t kAhead = 8;  // Pieces that are looked for in the cache at once.

constexpr size_t kMaxMarkBytes = 16;  // "##", "</w>": every character may carry them.

struct BpeOptions {
  std::optional<int32_t> unk_id;
  std::string prefix;  // continuing_subword_prefix, of every symbol but the first.
  std::string suffix;  // end_of_word_suffix, of the last symbol.
  bool fuse_unk = false;
  bool ignore_merges = false;
  bool byte_fallback = false;
};

// Writes ByteLevel's characters of `bytes`.
void MapBytes(std::string_view bytes, std::string& mapped) {
  mapped.resize(2 * bytes.size());
  char* end = mapped.data();
  for (const char byte : bytes)
    end += EncodeUtf8(kByteCharacters[static_cast<unsigned char>(byte)], end);
  mapped.resize(static_cast<size_t>(end - mapped.data()));
}

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocab, Merges merges, BpeOptions options)
      : vocab_(std::move(vocab)),
        merges_(std::move(merges.table)),
        borders_(std::move(merges.borders)),
        options_(std::move(options)),
        // Marks depend on the place in the piece; ignore_merges is about whole pieces.
        may_cut_(options_.prefix.empty() && options_.suffix.empty() && !options_.ignore_merges) {
    for (unsigned char c = 0; c < ascii_.size(); ++c) {
      ascii_[c] = vocab_.Id(std::string(1, static_cast<char>(c))).value_or(-1);
    }
    constexpr char kHex[] = "0123456789ABCDEF";
    for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
      const std::string token = {'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'};
      byte_ids_[byte] = vocab_.Id(token).value_or(-1);
      char character[kMaxUtf8Bytes];
      const size_t size = EncodeUtf8(kByteCharacters[byte], character);
      raw_ids_[byte] = vocab_.Id({character, size}).value_or(-1);
    }
    has_all_bytes_ = options_.prefix.empty() && options_.suffix.empty() &&
                     std::ranges::all_of(raw_ids_, [](int32_t id) { return id >= 0; });
  }

  void Tokenize(std::string_view text, std::span<const ByteRange> pieces,
                ModelOutput out) const override {
    const auto piece = [&](size_t i) {
      return text.substr(pieces[i].begin, pieces[i].end - pieces[i].begin);
    };
    if (out.places != nullptr) {
      for (size_t i = 0; i < pieces.size(); ++i) TokenizeWithPlaces(piece(i), pieces[i], i, out);
      return;
    }
    // The cache is larger than those of a core: some pieces wait for memory together.
    const uint32_t number = out.raw_bytes ? raw_model_number_ : model_number_;
    std::array<uint64_t, kAhead> hashes;
    for (size_t first = 0; first < pieces.size(); first += kAhead) {
      const size_t last = std::min(first + kAhead, pieces.size());
      for (size_t i = first; i < last; ++i) {
        hashes[i - first] = out.scratch.words.Hash(number, piece(i));
        out.scratch.words.Prefetch(hashes[i - first]);
      }
      for (size_t i = first; i < last; ++i) TokenizeCached(piece(i), hashes[i - first], out);
    }
  }

  bool reads_raw_bytes() const override { return true; }
  std::optional<int32_t> TokenToId(std::string_view token) const override {
    return vocab_.Id(token);
  }
  std::optional<std::string_view> IdToToken(int32_t id) const override { return vocab_.Piece(id); }
  size_t vocab_size() const override { return vocab_.size(); }
  int32_t max_id() const override { return vocab_.max_id(); }

 private:
  void TokenizeCached(std::string_view piece, uint64_t hash, ModelOutput& out) const {
    if (out.raw_bytes || !may_cut_ || piece.size() <= kMaxWholeBytes) {
      return TokenizeWord(piece, hash, out);
    }
    borders_.Cut(piece, [&](std::string_view word) {
      TokenizeWord(word, out.scratch.words.Hash(model_number_, word), out);
    });
  }

  // A raw piece is known by its bytes; ByteLevel's characters are written only for a new one.
  void TokenizeWord(std::string_view piece, uint64_t hash, ModelOutput& out) const {
    const uint32_t number = out.raw_bytes ? raw_model_number_ : model_number_;
    WordCache::Slot slot;
    const auto known = out.scratch.words.Find(number, piece, hash, slot);
    if (known.data() != nullptr) {
      out.ids.insert(out.ids.end(), known.begin(), known.end());
      return;
    }
    const size_t first = out.ids.size();
    const auto add = [&](int32_t id, size_t) { out.ids.push_back(id); };
    if (!out.raw_bytes) {
      TokenizePiece(piece, out.scratch, add);
    } else if (has_all_bytes_ && !options_.ignore_merges) {
      MergePiece<true>(piece, out.scratch, add);
    } else {
      MapBytes(piece, out.scratch.mapped);
      TokenizeMapped(piece, out.scratch, add);
    }
    out.scratch.words.Insert(number, piece, slot, std::span(out.ids).subspan(first));
  }

  // Places follow from the sizes of the symbols: after characters that vanished they slide left,
  // as in the reference.
  void TokenizeWithPlaces(std::string_view piece, ByteRange range, size_t index,
                          ModelOutput& out) const {
    uint32_t begin = range.begin;
    TokenizePiece(piece, out.scratch, [&](int32_t id, size_t bytes) {
      // Bytes of a prefix or suffix count when they fall back: they must not lead out of the piece.
      const uint32_t first = std::min(begin, range.end - 1);
      begin += static_cast<uint32_t>(bytes);
      out.Add(id, {first, std::min(begin, range.end)}, index);
    });
  }

  // A raw piece, whose characters are in scratch.mapped.
  template <typename Add>
  void TokenizeMapped(std::string_view piece, ModelScratch& scratch, Add add) const {
    const std::string_view mapped = scratch.mapped;
    if (!has_all_bytes_) return TokenizePiece(mapped, scratch, add);
    if (const auto id = vocab_.Id(mapped)) return add(*id, mapped.size());
    MergePiece<true>(piece, scratch, add);
  }

  // Calls add(id, bytes) for every token.
  template <typename Add>
  void TokenizePiece(std::string_view piece, ModelScratch& scratch, Add add) const {
    if (options_.ignore_merges) {
      if (const auto id = vocab_.Id(piece)) return add(*id, piece.size());
    }
    if (!may_cut_ || piece.size() <= kMaxWholeBytes) return MergePiece<false>(piece, scratch, add);
    borders_.Cut(piece, [&](std::string_view part) { MergePiece<false>(part, scratch, add); });
  }

  // The symbols of a raw piece are its bytes.
  template <bool raw_bytes, typename Add>
  void MergePiece(std::string_view piece, ModelScratch& scratch, Add add) const {
    const size_t capacity = raw_bytes ? piece.size() : MaxSymbols(piece);
    const auto add_symbols = [&](Symbols& symbols) {
      if constexpr (raw_bytes) {
        for (const char c : piece) symbols.Add(raw_ids_[static_cast<unsigned char>(c)], 1);
      } else {
        AddSymbols(piece, symbols);
      }
    };
    std::array<uint32_t, Symbols::kArrays * kShortPiece> memory;
    if (capacity <= kShortPiece) {
      Symbols symbols(memory.data(), capacity);
      add_symbols(symbols);
      ShortMerger(merges_, symbols).Run();
      for (size_t i = 0; i < symbols.count; ++i) {
        add(static_cast<int32_t>(symbols.ids[i]), symbols.sizes[i]);
      }
      return;
    }
    if (scratch.symbols.size() < Symbols::kArrays * capacity) {
      scratch.symbols.resize(Symbols::kArrays * capacity);
    }
    Symbols symbols(scratch.symbols.data(), capacity);
    add_symbols(symbols);
    HeapMerger(merges_, symbols, scratch.queue).Run();
    for (size_t i = 0; i < symbols.count; ++i) {
      add(static_cast<int32_t>(symbols.ids[i]), symbols.sizes[i]);
    }
  }

  // No piece begins with more symbols. Only bytes that fall back are more than the characters.
  size_t MaxSymbols(std::string_view piece) const {
    if (!options_.byte_fallback) {
      if (piece.size() <= kShortPiece) return piece.size();
      return piece.size() - static_cast<size_t>(std::ranges::count_if(piece, IsUtf8Continuation));
    }
    return piece.size() * (1 + options_.prefix.size()) + options_.suffix.size();
  }

  // The symbols that `piece` begins with: its characters, where the vocabulary has them.
  void AddSymbols(std::string_view piece, Symbols& symbols) const {
    const bool plain = options_.prefix.empty() && options_.suffix.empty();
    uint32_t unk_bytes = 0;  // Of an unknown token that is not written yet.
    for (size_t i = 0; i < piece.size();) {
      const std::string_view c = piece.substr(i, Utf8Length(piece[i]));
      const int32_t id = plain ? CharId(c) : MarkedCharId(c, i == 0, i + c.size() == piece.size());
      i += c.size();
      if (id >= 0) {
        if (unk_bytes > 0) symbols.Add(*options_.unk_id, unk_bytes);
        unk_bytes = 0;
        symbols.Add(id, c.size());
        continue;
      }
      if (options_.byte_fallback && AddBytes(c, i == c.size(), i == piece.size(), symbols))
        continue;
      if (!options_.unk_id) continue;
      if (unk_bytes > 0 && !options_.fuse_unk) {
        symbols.Add(*options_.unk_id, unk_bytes);
        unk_bytes = 0;
      }
      unk_bytes += static_cast<uint32_t>(c.size());
    }
    if (unk_bytes > 0) symbols.Add(*options_.unk_id, unk_bytes);
  }

  int32_t CharId(std::string_view c) const {
    return c.size() == 1 ? ascii_[static_cast<unsigned char>(c[0])] : vocab_.Id(c).value_or(-1);
  }

  std::string Marked(std::string_view c, bool first, bool last) const {
    std::string text;
    if (!first) text += options_.prefix;
    text += c;
    if (last) text += options_.suffix;
    return text;
  }
  int32_t MarkedCharId(std::string_view c, bool first, bool last) const {
    return vocab_.Id(Marked(c, first, last)).value_or(-1);
  }

  // One symbol for every byte of an unknown character, marks included, if all of them exist.
  bool AddBytes(std::string_view c, bool first, bool last, Symbols& symbols) const {
    const auto exists = [this](char byte) {
      return byte_ids_[static_cast<unsigned char>(byte)] >= 0;
    };
    const bool has_prefix = !first && !options_.prefix.empty();
    const bool has_suffix = last && !options_.suffix.empty();
    const std::string marked = has_prefix || has_suffix ? Marked(c, first, last) : std::string();
    const std::string_view bytes = marked.empty() ? c : marked;
    if (!std::ranges::all_of(bytes, exists)) return false;
    for (const char byte : bytes) symbols.Add(byte_ids_[static_cast<unsigned char>(byte)], 1);
    return true;
  }

  Vocabulary vocab_;
  MergeTable merges_;
  MergeBorders borders_;
  BpeOptions options_;
  bool may_cut_;                       // Pieces, at borders_.
  std::array<int32_t, 128> ascii_;     // Ids of single characters, -1: none,
  std::array<int32_t, 256> byte_ids_;  // and of <0x00> to <0xFF>,
  std::array<int32_t, 256> raw_ids_;   // and of ByteLevel's characters of all bytes.
  bool has_all_bytes_;                 // None of those is missing, and symbols have no marks.
  uint32_t model_number_ = WordCache::NewModelNumber();
  uint32_t raw_model_number_ = WordCache::NewModelNumber();  // Of raw pieces.
};

// A member that may be null or missing.
std::optional<JsonValue> FindSet(const JsonValue& json, std::string_view key) {
  const std::optional<JsonValue> value = json.Find(key);
  return value && !value->is_null() ? value : std::nullopt;
}
Result<bool> FindBool(const JsonValue& json, std::string_view key) {
  const std::optional<JsonValue> value = FindSet(json, key);
  return value ? value->AsBool() : false;
}
Result<std::string> FindString(const JsonValue& json, std::string_view key) {
  const std::optional<JsonValue> value = FindSet(json, key);
  if (!value) return std::string();
  AKIN_TRY_ASSIGN(const std::string_view text, value->AsString());
  return std::string(text);
}

// Merges left out at random are for training.
Status CheckDropout(const JsonValue& json) {
  const std::optional<JsonValue> dropout = FindSet(json, "dropout");
  if (!dropout) return {};
  AKIN_TRY_ASSIGN(const double probability, dropout->AsDouble());
  if (probability == 0) return {};
  if (!(probability > 0 && probability <= 1)) {
    return InvalidModel(dropout->Where(), " is ", dropout->Found(), ", expected 0 to 1");
  }
  return UnsupportedModel(dropout->Where(), " is ", dropout->Found(), ", only 0 is supported");
}

Result<BpeOptions> LoadOptions(const JsonValue& json, const Vocabulary& vocab) {
  AKIN_TRY(CheckDropout(json));
  BpeOptions options;
  AKIN_TRY_ASSIGN(options.prefix, FindString(json, "continuing_subword_prefix"));
  AKIN_TRY_ASSIGN(options.suffix, FindString(json, "end_of_word_suffix"));
  for (const std::string* mark : {&options.prefix, &options.suffix}) {
    if (mark->size() <= kMaxMarkBytes) continue;
    return UnsupportedModel(json.Where(), " has a prefix or suffix of ", mark->size(),
                            " bytes, at most ", kMaxMarkBytes, " are supported");
  }
  AKIN_TRY_ASSIGN(options.fuse_unk, FindBool(json, "fuse_unk"));
  AKIN_TRY_ASSIGN(options.byte_fallback, FindBool(json, "byte_fallback"));
  AKIN_TRY_ASSIGN(options.ignore_merges, FindBool(json, "ignore_merges"));
  if (!FindSet(json, "unk_token")) return options;
  AKIN_TRY_ASSIGN(options.unk_id, GetUnkId(json, vocab));
  return options;
}

}  // namespace

Result<std::unique_ptr<const Model>> LoadBpe(const JsonValue& json) {
  AKIN_TRY_ASSIGN(const JsonValue vocab_json, json.Get("vocab"));
  AKIN_TRY_ASSIGN(Vocabulary vocab, Vocabulary::Load(vocab_json));
  AKIN_TRY_ASSIGN(BpeOptions options, LoadOptions(json, vocab));
  AKIN_TRY_ASSIGN(const JsonValue merges_json, json.Get("merges"));
  AKIN_TRY_ASSIGN(Merges merges, LoadMerges(merges_json, vocab, options.prefix.size()));
  return MakeStage<Model, Bpe>(std::move(vocab), std::move(merges), std::move(options));
}

}  // namespace akin::tokenizer
