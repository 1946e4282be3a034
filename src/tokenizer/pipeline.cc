#include "tokenizer/pipeline.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "tokenizer/added_vocabulary.h"
#include "tokenizer/assembly.h"
#include "tokenizer/decoders/decoder.h"
#include "tokenizer/models/model.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/padding.h"
#include "tokenizer/post_processors/post_processor.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/truncation.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

constexpr formats::JsonLimits kLimits = {.max_bytes = size_t{256} << 20, .max_depth = 128};
constexpr size_t kMaxTextBytes = size_t{1} << 30;       // Positions are 32-bit, with room to grow.
constexpr size_t kMaxDecodedBytes = size_t{256} << 20;  // Of the tokens, before they are decoded.
constexpr size_t kMaxStages = 256;                 // Of one kind: each of them goes over the text.
constexpr size_t kKeptElements = size_t{1} << 18;  // Of a vector in a Scratch, after a long text.

Status CheckVersion(const JsonValue& root) {
  const std::optional<JsonValue> version = root.Find("version");
  if (!version) return {};
  AKIN_TRY_ASSIGN(const std::string_view text, version->AsString());
  if (text == "1.0") return {};
  return UnsupportedModel(version->Where(), " is ", version->Found(), ", expected 1.0");
}

// Objects with a "type", in `json` and below it.
size_t CountStages(const JsonValue& json) {
  size_t count = json.Find("type").has_value();
  for (const JsonValue child : json.elements()) count += CountStages(child);
  return count;
}

// A stage that may be null or missing.
template <typename Stage>
Result<std::unique_ptr<const Stage>> LoadOptional(const JsonValue& root, std::string_view key,
                                                  StageLoader<Stage>* load) {
  const std::optional<JsonValue> json = root.Find(key);
  if (!json || json->is_null()) return std::unique_ptr<const Stage>();
  if (const size_t count = CountStages(*json); count > kMaxStages) {
    return UnsupportedModel(json->Where(), " has ", count, " stages, at most ", kMaxStages,
                            " are supported");
  }
  return load(*json);
}

Status CheckText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return InvalidInput("text has ", text.size(), " bytes, at most ", kMaxTextBytes,
                        " are allowed");
  }
  const size_t valid = Utf8ValidUpTo(text);
  if (valid != text.size()) return InvalidInput("text is not UTF-8 at byte ", valid);
  return {};
}

// Cuts each text into parts, of which the first one is kept; the number of tokens cut.
Result<size_t> CutTexts(const Truncation& truncation, size_t max_length, bool with_overflowing,
                        std::vector<TextTokens>& texts) {
  std::optional<size_t> second;
  if (texts.size() > 1) second = texts[1].ids.size();
  AKIN_TRY_ASSIGN(const KeptLengths lengths,
                  Truncate(texts[0].ids.size(), second, max_length, truncation.strategy));
  size_t cut = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    TextTokens& text = texts[i];
    const size_t kept = i == 0 ? lengths.first : lengths.second;
    AKIN_TRY_ASSIGN(text.parts, CutIntoParts(text.ids.size(), kept, truncation));
    if (!with_overflowing) text.parts.resize(1);
    cut += text.ids.size() - text.parts[0].size();
  }
  return cut;
}

// `vector = {}` would assign an empty list, and keep the memory.
template <typename T>
void TrimVector(std::vector<T>& vector) {
  if (vector.capacity() > kKeptElements) std::vector<T>().swap(vector);
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
  // Of the text: what the normalizer may write, what the pre-tokenizer, and how long all texts of
  // tokens may be together.
  Budget normalizing{0}, rewriting{0}, naming{0};

  void Start(size_t text_bytes) {
    normalizing = rewriting = naming = Budget(text_bytes);
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
  std::unique_ptr<const Decoder> decoder;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
  bool raw_bytes = false;  // The model takes bytes that the pre-tokenizer would map.

  using Buffers = Scratch::Buffers;

  // What holds for one call: the options' truncation or the file's. Error: InvalidInput.
  struct Limit {
    std::optional<Truncation> truncation;
    size_t max_length = std::numeric_limits<size_t>::max();  // Without special tokens.
  };
  Result<Limit> LimitFor(const EncodeOptions& options, bool is_pair) const;
  // One text or, of a pair, two.
  Result<Encoding> EncodeTexts(std::span<const std::string_view> input,
                               const EncodeOptions& options, Buffers& buffers) const;

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

  // Details of the added token at text[range].
  Status AddDetail(std::string_view text, ByteRange range, ByteRange source,
                   Buffers& buffers) const;
  std::string_view TokenText(int32_t id) const;
};

Result<Pipeline::Stages::Limit> Pipeline::Stages::LimitFor(const EncodeOptions& options,
                                                           bool is_pair) const {
  Limit limit;
  limit.truncation = truncation;
  if (const auto* given = std::get_if<Truncation>(&options.truncation)) {
    AKIN_TRY(CheckTruncation(*given, post_processor->num_special_tokens()));
    limit.truncation = *given;
  } else if (std::holds_alternative<Off>(options.truncation)) {
    limit.truncation.reset();
  }
  if (options.max_tokens) {
    if (!limit.truncation) limit.truncation.emplace();
    limit.truncation->max_length = *options.max_tokens;
    limit.truncation->stride = 0;
  }
  if (!limit.truncation) return limit;
  if (options.truncation_side) limit.truncation->side = *options.truncation_side;
  const int num_special =
      options.add_special_tokens ? post_processor->num_special_tokens(is_pair) : 0;
  const int64_t max_length = limit.truncation->max_length;
  if (max_length < num_special) {
    return InvalidInput(options.max_tokens ? "max_tokens is " : "max_length is ", max_length,
                        ", fewer than the ", num_special, " special tokens")
        .Of(options.max_tokens ? "max_tokens" : "");
  }
  limit.max_length = static_cast<size_t>(max_length - num_special);
  return limit;
}

Status Pipeline::Stages::Tokenize(std::string_view text, bool detailed, Buffers& buffers) const {
  buffers.Start(text.size());
  added.in_text().Cut(text, buffers.parts);
  for (const TextPart part : buffers.parts) {
    if (part.id == TextPart::kNoToken) {
      AKIN_TRY(TokenizePart(text, part.range, detailed, buffers));
      continue;
    }
    buffers.ids.push_back(part.id);
    if (detailed) AKIN_TRY(AddDetail(text, part.range, part.range, buffers));
    ++buffers.num_words;
  }
  return {};
}

// What stands between two added tokens: normalized on its own.
Status Pipeline::Stages::TokenizePart(std::string_view text, ByteRange part, bool detailed,
                                      Buffers& buffers) const {
  buffers.text.Assign(text.substr(part.begin, part.end - part.begin), part.begin, detailed,
                      buffers.normalizing);
  if (normalizer != nullptr) normalizer->Normalize(buffers.text);
  AKIN_TRY(buffers.text.status());
  const std::string_view normalized = buffers.text.text();
  if (!buffers.normalizing.Take(normalized.size())) {
    return buffers.normalizing.TooLong("normalizer");
  }
  added.in_normalized().Cut(normalized, buffers.normalized_parts);
  for (const TextPart sub : buffers.normalized_parts) {
    if (sub.id == TextPart::kNoToken) {
      AKIN_TRY(TokenizeNormalized(sub.range, detailed, buffers));
      continue;
    }
    buffers.ids.push_back(sub.id);
    if (detailed) {
      AKIN_TRY(AddDetail(normalized, sub.range, buffers.text.Original(sub.range), buffers));
    }
    ++buffers.num_words;
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
    text->AssignPart(buffers.text, part, buffers.rewriting);
    part = {0, part.end - part.begin};
  }
  buffers.pieces.assign(1, part);
  if (pre_tokenizer != nullptr) pre_tokenizer->PreTokenize(*text, buffers.pieces, leaves_bytes);
  AKIN_TRY(text->status());
  if (text == &buffers.rewritten && !buffers.rewriting.Take(text->text().size())) {
    return buffers.rewriting.TooLong("pre_tokenizer");
  }
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
    const std::string_view token =
        id == model->id_named_by_text()
            ? text->text().substr(place.range.begin, place.range.end - place.range.begin)
            : TokenText(id);
    if (!buffers.naming.Take(token.size())) return buffers.naming.TooLong("tokens");
    buffers.details.push_back({text->Original(place.range),
                               static_cast<int32_t>(buffers.num_words + place.piece),
                               std::string(token)});
  }
  buffers.num_words += static_cast<uint32_t>(buffers.pieces.size());
  return {};
}

// A token of blanks that takes up the blanks behind it has, n times in a run of n, the text of all
// that are left: both their sum and the way back to each begin are counted.
Status Pipeline::Stages::AddDetail(std::string_view text, ByteRange range, ByteRange source,
                                   Buffers& buffers) const {
  const size_t bytes = range.end - range.begin;
  if (!buffers.naming.Take(std::max<size_t>(bytes, source.end - source.begin))) {
    return buffers.naming.TooLong("added_tokens");
  }
  buffers.details.push_back({source, static_cast<int32_t>(buffers.num_words),
                             std::string(text.substr(range.begin, bytes))});
  return {};
}

std::string_view Pipeline::Stages::TokenText(int32_t id) const {
  if (const auto token = model->IdToToken(id)) return *token;
  const AddedToken* token = added.FindId(id);
  return token == nullptr ? std::string_view() : token->content;
}

Result<std::unique_ptr<const Pipeline>> Pipeline::Load(std::string_view json, std::string name,
                                                       bool lower_case) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  formats::JsonDocument::Parse(json, std::move(name), kLimits));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  AKIN_TRY(CheckVersion(root));
  auto stages = std::make_unique<Stages>();
  AKIN_TRY_ASSIGN(stages->normalizer, LoadOptional(root, "normalizer", &LoadNormalizer));
  if (lower_case) stages->normalizer = LowercaseFirst(std::move(stages->normalizer));
  AKIN_TRY_ASSIGN(stages->pre_tokenizer, LoadOptional(root, "pre_tokenizer", &LoadPreTokenizer));
  AKIN_TRY_ASSIGN(const JsonValue model, root.Get("model"));
  AKIN_TRY_ASSIGN(stages->model, LoadModel(model));
  stages->raw_bytes = stages->pre_tokenizer != nullptr && stages->pre_tokenizer->maps_bytes() &&
                      stages->model->reads_raw_bytes();
  AKIN_TRY_ASSIGN(stages->added, AddedVocabulary::Load(root.Find("added_tokens"), *stages->model,
                                                       stages->normalizer.get()));
  AKIN_TRY_ASSIGN(stages->post_processor, LoadOptional(root, "post_processor", &LoadPostProcessor));
  if (stages->post_processor == nullptr) {
    stages->post_processor = std::make_unique<PostProcessor>(PassThrough());
  }
  AKIN_TRY_ASSIGN(stages->truncation, ReadTruncation(root.Find("truncation"),
                                                     stages->post_processor->num_special_tokens()));
  AKIN_TRY_ASSIGN(stages->padding, ReadPadding(root.Find("padding")));
  AKIN_TRY_ASSIGN(stages->decoder, LoadOptional(root, "decoder", &LoadDecoder));
  return std::unique_ptr<const Pipeline>(new Pipeline(std::move(stages)));
}

Pipeline::Pipeline(std::unique_ptr<const Stages> stages) : stages_(std::move(stages)) {}
Pipeline::~Pipeline() = default;

Status Pipeline::Encode(std::string_view text, const EncodeOptions& options, Scratch& scratch,
                        std::vector<int32_t>& ids, std::vector<int32_t>* type_ids,
                        int32_t& truncated) const {
  AKIN_TRY(CheckText(text));
  AKIN_TRY_ASSIGN(const Stages::Limit limit, stages_->LimitFor(options, false));
  Scratch::Buffers& buffers = *scratch.buffers_;
  AKIN_TRY(stages_->Tokenize(text, false, buffers));
  TokenRange kept = {0, buffers.ids.size()};
  if (limit.truncation) {
    AKIN_TRY_ASSIGN(const KeptLengths lengths,
                    Truncate(kept.end, std::nullopt, limit.max_length, limit.truncation->strategy));
    if (lengths.first < kept.end && lengths.first > 0) {
      AKIN_TRY(CheckStride(*limit.truncation, lengths.first));
    }
    kept = KeptPart(kept.end, lengths.first, limit.truncation->side);
  }
  const auto first = buffers.ids.begin() + static_cast<std::ptrdiff_t>(kept.begin);
  for (const TemplateItem& item : stages_->post_processor->single()) {
    if (item.is_text) {
      ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(kept.size()));
    } else if (options.add_special_tokens) {
      ids.push_back(item.id);
    }
    if (type_ids != nullptr) type_ids->resize(ids.size(), item.type_id);
  }
  truncated = static_cast<int32_t>(buffers.ids.size() - kept.size());
  buffers.Trim();
  return {};
}

Result<Encoding> Pipeline::Encode(std::string_view text, const EncodeOptions& options,
                                  Scratch& scratch) const {
  if (options.with_offsets || options.with_overflowing) {
    return stages_->EncodeTexts({&text, 1}, options, *scratch.buffers_);
  }
  Encoding encoding;
  AKIN_TRY(Encode(text, options, scratch, encoding.ids, &encoding.type_ids, encoding.truncated));
  encoding.attention_mask.assign(encoding.ids.size(), 1);
  return encoding;
}

Result<Encoding> Pipeline::EncodePair(std::string_view first, std::string_view second,
                                      const EncodeOptions& options, Scratch& scratch) const {
  const std::string_view texts[] = {first, second};
  return stages_->EncodeTexts(texts, options, *scratch.buffers_);
}

Result<Encoding> Pipeline::Stages::EncodeTexts(std::span<const std::string_view> input,
                                               const EncodeOptions& options,
                                               Buffers& buffers) const {
  const bool is_pair = input.size() > 1;
  for (const std::string_view text : input) AKIN_TRY(CheckText(text));
  AKIN_TRY_ASSIGN(const Limit limit, LimitFor(options, is_pair));
  std::vector<TextTokens> texts(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    AKIN_TRY(Tokenize(input[i], options.with_offsets, buffers));
    texts[i].text = input[i];
    texts[i].ids.swap(buffers.ids);
    texts[i].details.swap(buffers.details);
    texts[i].parts = {{0, texts[i].ids.size()}};
  }
  size_t truncated = 0;
  if (limit.truncation) {
    AKIN_TRY_ASSIGN(truncated,
                    CutTexts(*limit.truncation, limit.max_length, options.with_overflowing, texts));
  }
  AKIN_TRY_ASSIGN(Encoding encoding, Assemble(texts, *post_processor,
                                              {.is_pair = is_pair,
                                               .add_special_tokens = options.add_special_tokens,
                                               .with_offsets = options.with_offsets}));
  encoding.truncated = static_cast<int32_t>(truncated);
  texts[0].ids.swap(buffers.ids);  // Memory for the next text.
  texts[0].details.swap(buffers.details);
  buffers.Trim();
  return encoding;
}

Status Pipeline::Pad(std::span<Encoding> batch, const EncodeOptions& options) const {
  const Padding* padding = std::get_if<Padding>(&options.padding);
  if (padding != nullptr) AKIN_TRY(CheckPadding(*padding));
  if (std::holds_alternative<AsInFile>(options.padding) && stages_->padding) {
    padding = &*stages_->padding;
  }
  if (padding != nullptr) tokenizer::Pad(batch, *padding, options.with_offsets);
  return {};
}

Result<std::string> Pipeline::Decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  size_t total_bytes = 0;
  for (const int32_t id : ids) {
    const std::optional<std::string_view> token = IdToToken(id);
    if (!token) continue;
    const AddedToken* added = stages_->added.FindContent(*token);
    if (skip_special_tokens && added != nullptr && added->special) continue;
    total_bytes += token->size();
    if (total_bytes > kMaxDecodedBytes) {
      return InvalidInput("the tokens have more than ", kMaxDecodedBytes, " bytes");
    }
    tokens.emplace_back(*token);
  }
  Budget budget(total_bytes);
  if (stages_->decoder != nullptr) AKIN_TRY(stages_->decoder->Decode(tokens, budget));
  size_t text_bytes = tokens.size();
  for (const std::string& token : tokens) text_bytes += token.size();
  std::string text;
  text.reserve(text_bytes);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && stages_->decoder == nullptr) text += ' ';
    text += tokens[i];
  }
  return text;
}

std::optional<int32_t> Pipeline::TokenToId(std::string_view token) const {
  if (const AddedToken* added = stages_->added.FindContent(token)) return added->id;
  return stages_->model->TokenToId(token);
}

std::optional<std::string_view> Pipeline::IdToToken(int32_t id) const {
  if (const AddedToken* added = stages_->added.FindId(id)) return added->content;
  return stages_->model->IdToToken(id);
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
