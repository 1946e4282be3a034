#include "engine/text_reader.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "engine/windows.h"

namespace akin::engine {
namespace {

// `prompt` and `text` as one, in `memory` if it takes any.
std::string_view WithPrompt(std::string_view prompt, std::string_view text, std::string& memory) {
  if (prompt.empty()) return text;
  memory.assign(prompt).append(text);
  return memory;
}

bool MakesWindows(Overflow overflow) {
  return overflow == Overflow::kAverage || overflow == Overflow::kChunks ||
         overflow == Overflow::kLate;
}

// The byte at which code point `at` of `text` begins.
size_t ByteOf(std::string_view text, int32_t at) {
  size_t byte = 0;
  for (; at > 0 && byte < text.size(); --at) byte += Utf8Length(text[byte]);
  return byte;
}

// What is left of `text` when its tokens are cut: from the first one that is kept to the last one.
Result<std::string_view> CutText(std::string_view text, const tokenizer::Pipeline& tokenizer,
                                 EncodeOptions encode, tokenizer::Scratch& scratch) {
  encode.with_offsets = true;
  AKIN_TRY_ASSIGN(const Encoding encoding, tokenizer.Encode(text, encode, scratch));
  int32_t first = INT32_MAX, last = 0;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special_tokens_mask[i] != 0) continue;
    first = std::min<int32_t>(first, encoding.offsets[i].first);
    last = std::max<int32_t>(last, encoding.offsets[i].second);
  }
  if (first >= last) return std::string_view();
  const size_t begin = ByteOf(text, first);
  return text.substr(begin, ByteOf(text, last) - begin);
}

}  // namespace

Result<std::string_view> TextReader::Prompt(const EmbedOptions& options) const {
  if (options.prompt && !options.prompt_name.empty()) {
    return InvalidInput("prompt and prompt_name are both given; they exclude each other");
  }
  if (options.prompt) return std::string_view(*options.prompt);
  std::string name = options.prompt_name.empty() ? info_.default_prompt_name : options.prompt_name;
  if (name.empty() && settings_.late) name = "document";
  if (name.empty()) return std::string_view();
  const auto found = std::ranges::find(info_.prompts, name, &NamedPrompt::name);
  if (found != info_.prompts.end()) return std::string_view(found->text);
  std::string known;
  for (const NamedPrompt& prompt : info_.prompts)
    known += StrCat(known.empty() ? "" : ", ", prompt.name);
  return InvalidInput("prompt_name is \"", name, "\"; model '", info_.model, "' has ",
                      known.empty() ? "no prompts" : known)
      .Of("prompt_name");
}

Result<int> TextReader::MaxTokens(std::optional<int> asked, int own) const {
  const int max_tokens = asked.value_or(own);
  if (max_tokens < 1 || max_tokens > info_.max_positions) {
    const auto& buckets = info_.shape_buckets;
    const bool by_buckets = !buckets.empty() && buckets.back() == info_.max_positions;
    return InvalidInput("max_tokens is ", max_tokens, ", expected 1 to ", info_.max_positions,
                        by_buckets ? ", the last of the shape buckets of model '"
                                   : ", the number of positions of model '",
                        info_.model, "'")
        .Of("max_tokens");
  }
  return max_tokens;
}

Result<int32_t> TextReader::ExcludedTokens(std::string_view prompt) const {
  if (prompt.empty() || !settings_.excludes_prompt) return 0;
  tokenizer::Scratch scratch;
  AKIN_TRY_ASSIGN(const Encoding encoding,
                  tokenizer_.Encode(
                      prompt, {.max_tokens = info_.max_positions, .with_offsets = true}, scratch));
  // An end token that the tokenizer adds stands behind the text, not behind the prompt.
  const bool ends = !encoding.ids.empty() && encoding.special_tokens_mask.back() != 0;
  return static_cast<int32_t>(encoding.ids.size()) - (ends ? 1 : 0);
}

Result<TextReader::Plan> TextReader::MakePlan(const EmbedOptions& options) const {
  Plan plan;
  AKIN_TRY_ASSIGN(plan.prompt, Prompt(options));
  AKIN_TRY_ASSIGN(plan.excluded_tokens, ExcludedTokens(plan.prompt));
  AKIN_TRY_ASSIGN(plan.encode.max_tokens, MaxTokens(options.max_tokens, info_.max_tokens));
  plan.encode.add_special_tokens = settings_.add_special_tokens;
  plan.encode.truncation_side =
      options.truncation_side ? options.truncation_side : settings_.truncation_side;
  if (settings_.late) AKIN_TRY(PlanLateInteraction(options, plan));
  return plan;
}

Status TextReader::PlanLateInteraction(const EmbedOptions& options, Plan& plan) const {
  const model::LateInteraction& late = *settings_.late;
  const bool query = ReadsQueries(options);
  std::optional<int> length = query ? late.query_length : late.document_length;
  if (query && late.expansion) {
    length = late.expansion->length;
    if (!late.expansion->attend && *length > settings_.max_partly_attended) {
      return UnsupportedModel(
          "model '", info_.model, "' fills its queries up to ", *length,
          " tokens with mask tokens that no token attends to "
          "(attend_to_expansion_tokens is false); this backend can do that for ",
          settings_.max_partly_attended, " tokens; documents are supported");
    }
    plan.pad_to = *length;
    for (const std::string_view mask : {"[MASK]", "<mask>"}) {
      if (const auto id = tokenizer_.TokenToId(mask)) {
        plan.pad_id = *id;
        break;
      }
    }
  }
  if (!length || options.max_tokens) return {};
  AKIN_TRY_ASSIGN(plan.encode.max_tokens, MaxTokens(std::nullopt, *length));
  return {};
}

Status TextReader::ReadText(std::string_view text, const Plan& plan,
                            SequenceBuilder& sequence) const {
  const size_t first = sequence.input_ids.size();
  const std::string_view prompted = WithPrompt(plan.prompt, text, sequence.text);
  AKIN_TRY(tokenizer_.Encode(prompted, plan.encode, sequence.scratch, sequence.input_ids,
                             &sequence.token_type_ids, sequence.truncated));
  const size_t length = sequence.input_ids.size() - first;
  // The tables and the workspace end at the limit. A template that uses the text twice is the one
  // way to exceed it.
  if (length > static_cast<size_t>(*plan.encode.max_tokens)) {
    return InvalidModel("tokenizer.json: the post-processor makes ", length,
                        " tokens of a text that is cut to ", *plan.encode.max_tokens);
  }
  if (plan.excluded_tokens > 0 && length <= static_cast<size_t>(plan.excluded_tokens)) {
    return InvalidInput("the prompt, which this model leaves out of the vector, fills all ", length,
                        " tokens");
  }
  sequence.excluded = plan.excluded_tokens;
  if (sequence.kept_text != nullptr) {
    std::string_view kept = prompted;
    if (sequence.truncated > 0) {
      AKIN_TRY_ASSIGN(kept, CutText(prompted, tokenizer_, plan.encode, sequence.scratch));
    }
    *sequence.kept_text = kept;
  }
  if (static_cast<size_t>(plan.pad_to) > length) {
    sequence.input_ids.resize(first + static_cast<size_t>(plan.pad_to), plan.pad_id);
    sequence.token_type_ids.resize(first + static_cast<size_t>(plan.pad_to), 0);
    if (!settings_.late->expansion->attend) sequence.attended = static_cast<int32_t>(length);
  }
  return {};
}

Status TextReader::CheckOverflow(const TokenizedTexts& sequences, int max_tokens) const {
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (const int cut = sequences.truncated()[i]; cut > 0) {
      const int tokens = sequences.lengths()[i] + cut;
      return InvalidInput("text ", i, " has ", tokens, " tokens, the limit is ", max_tokens,
                          " and overflow is an error")
          .With(TooManyTokens{tokens, max_tokens})
          .Of("texts");
    }
  }
  return {};
}

Result<ReadTexts> TextReader::Read(std::span<const std::string_view> texts,
                                   const EmbedOptions& options, const WorkerPool& pool) const {
  AKIN_TRY_ASSIGN(const Plan plan, MakePlan(options));
  if (!options.chunk_ends.empty() && options.overflow != Overflow::kLate) {
    return InvalidInput("chunk_ends are given and overflow is \"", OverflowName(options.overflow),
                        "\"; they go with \"late\"");
  }
  ReadTexts result{.num_texts = texts.size()};
  const auto bytes = [&](size_t i) { return texts[i].size(); };
  const auto read = [&](size_t i, SequenceBuilder& sequence) {
    return ReadText(texts[i], plan, sequence);
  };
  AKIN_TRY_ASSIGN(result.sequences,
                  TokenizedTexts::Make(texts.size(), bytes, read, pool, settings_.keeps_texts));
  if (options.overflow == Overflow::kError)
    AKIN_TRY(CheckOverflow(result.sequences, *plan.encode.max_tokens));
  if (options.overflow == Overflow::kLate && !settings_.gives_token_states) {
    return UnsupportedModel("overflow is \"late\", which needs a state of each token; backend ",
                            info_.backend, " gives a vector of each text of model '", info_.model,
                            "'");
  }
  if (MakesWindows(options.overflow)) {
    return SplitIntoWindows(texts, std::move(result),
                            {.tokenizer = tokenizer_,
                             .options = options,
                             .encode = plan.encode,
                             .prompt = plan.prompt,
                             .excludes_prompt = settings_.excludes_prompt,
                             .keeps_texts = settings_.keeps_texts,
                             .max_positions = info_.max_positions});
  }
  return result;
}

Result<ReadTexts> TextReader::ReadScored(std::span<const ScoredText> texts,
                                         const ScoreOptions& options,
                                         const WorkerPool& pool) const {
  if (MakesWindows(options.overflow)) {
    return InvalidInput("overflow is \"", OverflowName(options.overflow),
                        "\"; scores take \"truncate\" or \"error\"");
  }
  AKIN_TRY_ASSIGN(const Plan plan, MakePlan({.max_tokens = options.max_tokens,
                                             .truncation_side = options.truncation_side}));
  EncodeOptions encode_pair{.truncation_side = plan.encode.truncation_side};
  encode_pair.max_tokens = plan.encode.max_tokens;
  ReadTexts result{.num_texts = texts.size()};
  const auto bytes = [&](size_t i) {
    return texts[i].first.size() + texts[i].second.value_or("").size();
  };
  const auto read = [&](size_t i, SequenceBuilder& sequence) -> Status {
    if (!texts[i].second) return ReadText(texts[i].first, plan, sequence);
    if (settings_.keeps_texts) {
      return UnsupportedModel("pairs of texts cannot be scored: backend ", info_.backend,
                              " reads single texts");
    }
    AKIN_TRY_ASSIGN(const Encoding encoding, tokenizer_.EncodePair(texts[i].first, *texts[i].second,
                                                                   encode_pair, sequence.scratch));
    sequence.input_ids.insert(sequence.input_ids.end(), encoding.ids.begin(), encoding.ids.end());
    sequence.token_type_ids.insert(sequence.token_type_ids.end(), encoding.type_ids.begin(),
                                   encoding.type_ids.end());
    sequence.truncated = encoding.truncated;
    return {};
  };
  AKIN_TRY_ASSIGN(result.sequences,
                  TokenizedTexts::Make(texts.size(), bytes, read, pool, settings_.keeps_texts));
  if (options.overflow == Overflow::kError)
    AKIN_TRY(CheckOverflow(result.sequences, *plan.encode.max_tokens));
  return result;
}

}  // namespace akin::engine
