#include "tokenizer/pipeline.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "tokenizer/added_vocabulary.h"
#include "tokenizer/models/model.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/post_processors/post_processor.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/truncation.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

constexpr formats::JsonLimits kLimits = {.max_bytes = size_t{256} << 20, .max_depth = 128};
constexpr size_t kMaxTextBytes = size_t{1} << 30;  // Positions are 32-bit, with room to grow.
constexpr size_t kMaxNormalizedBytes = std::numeric_limits<uint32_t>::max();
constexpr size_t kKeptElements = size_t{1} << 18;  // Of a vector in a Scratch, after a long text.

constexpr std::string_view kDecoders[] = {"BPEDecoder", "ByteFallback", "ByteLevel", "CTC",
                                          "Fuse",       "Metaspace",    "Replace",   "Sequence",
                                          "Strip",      "WordPiece"};

// What is told of a token when offsets are asked for.
struct TokenDetail {
  ByteRange source;  // In bytes of the caller's text.
  int32_t word;
  std::string token;
};

// Turns byte positions into code point positions, walking from the last one asked for.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}

  std::pair<int32_t, int32_t> Range(ByteRange bytes) {
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

Status CheckVersion(const JsonValue& root) {
  const std::optional<JsonValue> version = root.Find("version");
  if (!version) return {};
  AKIN_TRY_ASSIGN(const std::string_view text, version->AsString());
  if (text == "1.0") return {};
  return UnsupportedModel(version->Where(), " is ", version->Found(), ", expected 1.0");
}

// Nothing is decoded yet, but a decoder that nobody knows is reported.
Status CheckDecoder(const JsonValue& root) {
  const std::optional<JsonValue> decoder = root.Find("decoder");
  if (!decoder || decoder->is_null()) return {};
  AKIN_TRY(decoder->AsObject());
  AKIN_TRY_ASSIGN(const JsonValue type, decoder->Get("type"));
  AKIN_TRY_ASSIGN(const std::string_view name, type.AsString());
  if (std::ranges::find(kDecoders, name) != std::end(kDecoders)) return {};
  return UnsupportedType(type, false);
}

// A stage that may be null or missing.
template <typename Stage>
Result<std::unique_ptr<const Stage>> LoadOptional(const JsonValue& root, std::string_view key,
                                                  StageLoader<Stage>* load) {
  const std::optional<JsonValue> json = root.Find(key);
  if (!json || json->is_null()) return std::unique_ptr<const Stage>();
  return load(*json);
}

template <typename T>
void TrimVector(std::vector<T>& vector) {
  if (vector.capacity() > kKeptElements) vector = {};
}

}  // namespace

struct Scratch::Buffers {
  NormalizedText text;
  NormalizedText rewritten;  // A part of it, when the pre-tokenizer changes text.
  std::vector<TextPart> parts, normalized_parts;
  std::vector<ByteRange> pieces;
  std::vector<int32_t> ids;        // Of the whole text, without special tokens.
  std::vector<TokenPlace> places;  // Of one part, when details are asked for.
  ModelScratch model;
  std::vector<TokenDetail> details;  // One per id, when asked for.
  uint32_t num_words = 0;

  void Start() {
    ids.clear();
    details.clear();
    num_words = 0;
  }
  void Trim() {
    text.Trim();
    rewritten.Trim();
    TrimVector(parts);
    TrimVector(normalized_parts);
    TrimVector(pieces);
    TrimVector(ids);
    TrimVector(places);
    model.Trim();
    TrimVector(details);
  }
};

Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;
Scratch::~Scratch() = default;

// The stages of one file; those that may be null pass a text through.
struct Pipeline::Stages {
  std::unique_ptr<const Normalizer> normalizer;
  std::unique_ptr<const PreTokenizer> pre_tokenizer;
  std::unique_ptr<const Model> model;
  AddedVocabulary added;
  std::unique_ptr<const PostProcessor> post_processor;
  Truncation truncation;
  bool raw_bytes = false;  // The model takes bytes that the pre-tokenizer would map.

  using Buffers = Scratch::Buffers;

  // Where the tokens of a text that are kept stand among all of its tokens.
  struct Kept {
    size_t begin, count, cut;
  };

  Status CheckOptions(std::string_view text, const EncodeOptions& options) const;
  Kept Truncate(size_t num_tokens, const EncodeOptions& options) const;

  // Fills buffers.ids, and details when `detailed`, with the tokens of `text`.
  Status Tokenize(std::string_view text, bool detailed, Buffers& buffers) const;
  Status TokenizePart(std::string_view text, ByteRange part, bool detailed, Buffers& buffers) const;
  Status TokenizeNormalized(ByteRange part, bool detailed, Buffers& buffers) const;
  // Whether the pieces are bytes that the model maps to ByteLevel's characters itself: where
  // offsets are asked for, they are of the characters.
  bool LeavesBytes(const Buffers& buffers) const {
    return raw_bytes && !buffers.text.track_offsets();
  }
  Result<const NormalizedText*> PreTokenize(ByteRange part, Buffers& buffers) const;

  std::string TokenText(int32_t id) const;
};

// What is checked of the caller's input.
Status Pipeline::Stages::CheckOptions(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    return InvalidInput("text has ", text.size(), " bytes, at most ", kMaxTextBytes,
                        " are allowed");
  }
  const size_t valid = Utf8ValidUpTo(text);
  if (valid != text.size()) return InvalidInput("text is not UTF-8 at byte ", valid);
  if (!options.max_tokens) return {};
  const int least = options.add_special_tokens ? post_processor->num_special_tokens() : 0;
  if (*options.max_tokens >= least) return {};
  return InvalidInput("max_tokens is ", *options.max_tokens, ", fewer than the ", least,
                      " special tokens");
}

Pipeline::Stages::Kept Pipeline::Stages::Truncate(size_t num_tokens,
                                                  const EncodeOptions& options) const {
  const std::optional<int64_t> limit =
      options.max_tokens ? std::optional<int64_t>(*options.max_tokens) : truncation.max_length;
  if (!limit) return {0, num_tokens, 0};
  const int num_special = options.add_special_tokens ? post_processor->num_special_tokens() : 0;
  const size_t count = std::min(num_tokens, static_cast<size_t>(*limit - num_special));
  const size_t cut = num_tokens - count;
  const bool keep_end = options.truncation_side ? *options.truncation_side == TruncationSide::kLeft
                                                : truncation.keep_end;
  return {keep_end ? cut : 0, count, cut};
}

Status Pipeline::Stages::Tokenize(std::string_view text, bool detailed, Buffers& buffers) const {
  buffers.Start();
  added.in_text().Cut(text, buffers.parts);
  for (const TextPart part : buffers.parts) {
    if (part.id == TextPart::kNoToken) {
      AKIN_TRY(TokenizePart(text, part.range, detailed, buffers));
      continue;
    }
    buffers.ids.push_back(part.id);
    const auto word = static_cast<int32_t>(buffers.num_words++);
    if (!detailed) continue;
    const auto token = text.substr(part.range.begin, part.range.end - part.range.begin);
    buffers.details.push_back({part.range, word, std::string(token)});
  }
  return {};
}

// What stands between two added tokens: normalized on its own.
Status Pipeline::Stages::TokenizePart(std::string_view text, ByteRange part, bool detailed,
                                      Buffers& buffers) const {
  buffers.text.Assign(text.substr(part.begin, part.end - part.begin), part.begin, detailed);
  if (normalizer != nullptr) normalizer->Normalize(buffers.text);
  AKIN_TRY(buffers.text.status());
  const std::string_view normalized = buffers.text.text();
  if (normalized.size() > kMaxNormalizedBytes) {
    return InvalidInput("text grows to ", normalized.size(), " bytes when it is normalized");
  }
  added.in_normalized().Cut(normalized, buffers.normalized_parts);
  for (const TextPart sub : buffers.normalized_parts) {
    if (sub.id == TextPart::kNoToken) {
      AKIN_TRY(TokenizeNormalized(sub.range, detailed, buffers));
      continue;
    }
    buffers.ids.push_back(sub.id);
    const auto word = static_cast<int32_t>(buffers.num_words++);
    if (!detailed) continue;
    const auto token = normalized.substr(sub.range.begin, sub.range.end - sub.range.begin);
    buffers.details.push_back({buffers.text.Original(sub.range), word, std::string(token)});
  }
  return {};
}

// Fills buffers.pieces with the pieces of `part`, and returns the text that they are pieces of.
Result<const NormalizedText*> Pipeline::Stages::PreTokenize(ByteRange part,
                                                            Buffers& buffers) const {
  NormalizedText* text = &buffers.text;
  const bool leaves_bytes = LeavesBytes(buffers);
  if (pre_tokenizer != nullptr && pre_tokenizer->rewrites(leaves_bytes)) {
    text = &buffers.rewritten;
    text->AssignPart(buffers.text, part);
    part = {0, part.end - part.begin};
  }
  buffers.pieces.assign(1, part);
  if (pre_tokenizer != nullptr) pre_tokenizer->PreTokenize(*text, buffers.pieces, leaves_bytes);
  AKIN_TRY(text->status());
  return text;
}

Status Pipeline::Stages::TokenizeNormalized(ByteRange part, bool detailed, Buffers& buffers) const {
  AKIN_TRY_ASSIGN(const NormalizedText* text, PreTokenize(part, buffers));
  const size_t first_token = buffers.ids.size();
  buffers.places.clear();
  model->Tokenize(
      text->text(), buffers.pieces,
      {buffers.ids, detailed ? &buffers.places : nullptr, buffers.model, LeavesBytes(buffers)});
  for (size_t i = 0; i < buffers.places.size(); ++i) {
    const TokenPlace& place = buffers.places[i];
    const int32_t id = buffers.ids[first_token + i];
    const auto source = text->text().substr(place.range.begin, place.range.end - place.range.begin);
    buffers.details.push_back(
        {text->Original(place.range), static_cast<int32_t>(buffers.num_words + place.piece),
         id == model->id_named_by_text() ? std::string(source) : TokenText(id)});
  }
  buffers.num_words += static_cast<uint32_t>(buffers.pieces.size());
  return {};
}

std::string Pipeline::Stages::TokenText(int32_t id) const {
  if (const auto token = model->IdToToken(id)) return std::string(*token);
  const AddedToken* token = added.FindId(id);
  return token == nullptr ? std::string() : token->content;
}

Result<std::unique_ptr<const Pipeline>> Pipeline::Load(std::string_view json, std::string name) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  formats::JsonDocument::Parse(json, std::move(name), kLimits));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  AKIN_TRY(CheckVersion(root));
  auto stages = std::make_unique<Stages>();
  AKIN_TRY_ASSIGN(stages->normalizer, LoadOptional(root, "normalizer", &LoadNormalizer));
  AKIN_TRY_ASSIGN(stages->pre_tokenizer, LoadOptional(root, "pre_tokenizer", &LoadPreTokenizer));
  AKIN_TRY_ASSIGN(const JsonValue model, root.Get("model"));
  AKIN_TRY_ASSIGN(stages->model, LoadModel(model));
  stages->raw_bytes = stages->pre_tokenizer != nullptr && stages->pre_tokenizer->maps_bytes() &&
                      stages->model->reads_raw_bytes();
  AKIN_TRY_ASSIGN(stages->added, AddedVocabulary::Load(root.Find("added_tokens"), *stages->model,
                                                       stages->normalizer.get()));
  AKIN_TRY_ASSIGN(stages->post_processor, LoadOptional(root, "post_processor", &LoadPostProcessor));
  if (stages->post_processor == nullptr) {
    stages->post_processor =
        std::make_unique<PostProcessor>(std::vector<TemplateItem>{{.is_text = true}});
  }
  AKIN_TRY_ASSIGN(stages->truncation, ReadTruncation(root.Find("truncation"),
                                                     stages->post_processor->num_special_tokens()));
  AKIN_TRY(CheckPadding(root.Find("padding")));
  AKIN_TRY(CheckDecoder(root));
  return std::unique_ptr<const Pipeline>(new Pipeline(std::move(stages)));
}

Pipeline::Pipeline(std::unique_ptr<const Stages> stages) : stages_(std::move(stages)) {}
Pipeline::~Pipeline() = default;

Status Pipeline::Encode(std::string_view text, const EncodeOptions& options, Scratch& scratch,
                        std::vector<int32_t>& ids, std::vector<int32_t>* type_ids,
                        int32_t& truncated) const {
  AKIN_TRY(stages_->CheckOptions(text, options));
  Scratch::Buffers& buffers = *scratch.buffers_;
  AKIN_TRY(stages_->Tokenize(text, false, buffers));
  const Stages::Kept kept = stages_->Truncate(buffers.ids.size(), options);
  const auto first = buffers.ids.begin() + static_cast<std::ptrdiff_t>(kept.begin);
  for (const TemplateItem& item : stages_->post_processor->single()) {
    if (item.is_text) {
      ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(kept.count));
    } else if (options.add_special_tokens) {
      ids.push_back(item.id);
    }
    if (type_ids != nullptr) type_ids->resize(ids.size(), item.type_id);
  }
  truncated = static_cast<int32_t>(kept.cut);
  buffers.Trim();
  return {};
}

Result<Encoding> Pipeline::Encode(std::string_view text, const EncodeOptions& options,
                                  Scratch& scratch) const {
  Encoding encoding;
  if (!options.with_offsets) {
    AKIN_TRY(Encode(text, options, scratch, encoding.ids, &encoding.type_ids, encoding.truncated));
    return encoding;
  }
  AKIN_TRY(stages_->CheckOptions(text, options));
  Scratch::Buffers& buffers = *scratch.buffers_;
  AKIN_TRY(stages_->Tokenize(text, true, buffers));
  const Stages::Kept kept = stages_->Truncate(buffers.ids.size(), options);
  const auto add = [&](int32_t id, int32_t type_id, std::pair<int32_t, int32_t> offsets,
                       std::string token, std::optional<int32_t> word) {
    encoding.ids.push_back(id);
    encoding.type_ids.push_back(type_id);
    encoding.offsets.push_back(offsets);
    encoding.tokens.push_back(std::move(token));
    encoding.special_tokens_mask.push_back(!word.has_value());
    encoding.word_ids.push_back(word);
  };
  CodePointCounter counter(text);
  for (const TemplateItem& item : stages_->post_processor->single()) {
    if (!item.is_text) {
      if (options.add_special_tokens) add(item.id, item.type_id, {0, 0}, item.token, std::nullopt);
      continue;
    }
    for (size_t i = kept.begin; i < kept.begin + kept.count; ++i) {
      const TokenDetail& detail = buffers.details[i];
      add(buffers.ids[i], item.type_id, counter.Range(detail.source), detail.token, detail.word);
    }
  }
  encoding.truncated = static_cast<int32_t>(kept.cut);
  buffers.Trim();
  return encoding;
}

std::optional<int32_t> Pipeline::TokenToId(std::string_view token) const {
  if (const AddedToken* added = stages_->added.FindContent(token)) return added->id;
  return stages_->model->TokenToId(token);
}

std::optional<std::string> Pipeline::IdToToken(int32_t id) const {
  if (const AddedToken* added = stages_->added.FindId(id)) return added->content;
  if (const auto token = stages_->model->IdToToken(id)) return std::string(*token);
  return std::nullopt;
}

size_t Pipeline::vocab_size() const {
  return stages_->model->vocab_size() + stages_->added.num_new_tokens();
}

int32_t Pipeline::max_id() const {
  int32_t max_id = std::max(stages_->model->max_id(), stages_->added.max_id());
  for (const TemplateItem& item : stages_->post_processor->single()) {
    max_id = std::max(max_id, item.id);
  }
  return max_id;
}

int32_t Pipeline::max_type_id() const {
  int32_t max_type_id = 0;
  for (const TemplateItem& item : stages_->post_processor->single()) {
    max_type_id = std::max(max_type_id, item.type_id);
  }
  return max_type_id;
}

int Pipeline::num_special_tokens() const { return stages_->post_processor->num_special_tokens(); }

}  // namespace akin::tokenizer
