// The engine as the verbs use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "akin/embedder.h"

#include "cli/command.h"
#include "cli/text_source.h"
#include "cli/tune_store.h"

namespace akin::cli {

// The model named by the arguments, or the default one.
std::string_view ModelNameOf(const ModelArguments& arguments);

// Whether a note of ModelInfo's is worth a line to everybody who loads the model: what was asked
// for and is not done or gains nothing, or vectors that may not be those the model was made for.
bool IsSaidUnasked(std::string_view note);
// As `akin tune` has found to be best, where no option says otherwise. Says such notes on standard
// error, unless `arguments` are quiet; `normalize_is_said`: an option, or what the verb gives,
// makes it no matter whether the model normalizes its vectors.
Result<Embedder> LoadEmbedder(const ModelArguments& arguments, bool normalize_is_said);
// For who describes the model, and says its notes there: `tuning` gets what was used of that.
Result<Embedder> LoadDescribed(const ModelArguments& arguments, std::optional<Tuning>& tuning);
// By the options alone.
Result<Embedder> LoadUntuned(const ModelArguments& arguments);

// Embeds a chunk. An error that names a text by its place in the chunk, "text 3", names it by its
// place in the input instead: "texts.jsonl, line 4100".
Result<Embeddings> EmbedChunk(const Embedder& embedder, const TextChunk& chunk,
                              const TextSource& source, const EmbedOptions& options);

// What a line of the input says of its own reading, over what the options say.
EmbedOptions OptionsOfChunk(const TextChunk& chunk, const EmbedOptions& options);
// The error of a call with the chunk's texts, with their places in the input, as above.
Error WithPlaces(const Error& error, const TextChunk& chunk, const TextSource& source);

// Error: InvalidInput for a model that does not give this, saying what it is and which verb fits.
Status RequireOutput(const ModelInfo& info, Output output, std::string_view verb);

// "3 of 100 texts were longer than 256 tokens and were cut; --max-tokens raises the limit".
std::string TruncationNote(int64_t truncated_texts, int64_t num_texts, const ModelInfo& info,
                           std::optional<int> max_tokens);

}  // namespace akin::cli
