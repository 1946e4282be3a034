#include "server/embed_texts.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

// Ids are decoded and encoded again, as TEI does: so they get the model's special tokens and
// limits.
Result<std::string> TextOf(const ServedModel& model, TextOrIds& input) {
  if (!input.is_ids) return std::move(input.text);
  const Tokenizer& tokenizer = model.tokenizer();
  const auto size = static_cast<int64_t>(tokenizer.vocab_size());
  for (const int32_t id : input.ids) {
    if (id >= size) {
      return InvalidInput("token id ", id, " is not in the vocabulary of ", size, " tokens")
          .Of("texts");
    }
  }
  return tokenizer.Decode(input.ids);
}

Result<std::vector<std::string>> PlainTextsOf(const ServedModel& model, EmbedCall& call) {
  std::vector<std::string> texts;
  texts.reserve(call.inputs.size());
  for (TextOrIds& input : call.inputs) {
    AKIN_TRY_ASSIGN(std::string text, TextOf(model, input));
    texts.push_back(std::move(text));
  }
  return texts;
}

// Chunks -> their document, with a space where two would run together.
std::vector<std::string> AsOneDocument(const std::vector<std::string>& chunks,
                                       EmbedOptions& options) {
  std::string document;
  for (const std::string& chunk : chunks) {
    const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
    const bool runs_together = !document.empty() && !chunk.empty() && !is_space(document.back()) &&
                               !is_space(chunk.front());
    // The space belongs to the chunk before it.
    if (runs_together) ++options.chunk_ends.back(), document += ' ';
    document += chunk;
    options.chunk_ends.push_back(document.size());
  }
  options.overflow = Overflow::kLate;
  return {std::move(document)};
}

void ChoosePrompt(const ModelInfo& info, EmbedCall& call) {
  for (const std::string& name : call.prompts) {
    if (std::ranges::find(info.prompts, name, &NamedPrompt::name) == info.prompts.end()) continue;
    call.options.prompt_name = name;
    return;
  }
}

}  // namespace

Result<std::vector<std::string>> TextsOf(const ServedModel& model, EmbedCall& call) {
  ChoosePrompt(model.info(), call);
  AKIN_TRY_ASSIGN(std::vector<std::string> texts, PlainTextsOf(model, call));
  if (call.is_one_document) texts = AsOneDocument(texts, call.options);
  return texts;
}

}  // namespace akin::server
