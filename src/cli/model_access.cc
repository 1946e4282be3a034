#include "cli/model_access.h"

#include <charconv>

#include "akin/system.h"

#include "cli/isolated_load.h"
#include "cli/pull_progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

// Begins a note on what was asked for and is not done.
constexpr std::string_view kNotUsed = "not used";
// Begins one on what is done, and was asked for to no end.
constexpr std::string_view kNoFaster = "no faster than f32";
constexpr std::string_view kTextWord = "text ";

// The library counts the texts of a call from 0 and says "text 3"; see Embedder::Embed.
std::string WithPlace(const std::string& message, const TextChunk& chunk,
                      const TextSource& source) {
  const size_t at = message.find(kTextWord);
  if (at == message.npos) return message;
  const char* digits = message.data() + at + kTextWord.size();
  size_t index = 0;
  const auto parsed = std::from_chars(digits, message.data() + message.size(), index);
  if (parsed.ec != std::errc() || index >= chunk.places.size()) return message;
  return StrCat(message.substr(0, at), source.NameOf(chunk.places[index]),
                message.substr(static_cast<size_t>(parsed.ptr - message.data())));
}

// Of what the lines of a chunk say for themselves the library knows no line: all of them say it,
// the first one before the others.
bool IsOfWhatLinesSay(const std::string& message, const TextChunk& chunk) {
  return (!chunk.prompt_name.empty() && message.starts_with("prompt_name is ")) ||
         (chunk.truncate_dim && message.starts_with("truncate_dim is "));
}

// Of a folder that is there, but lacks files: it may be an option that asks for them.
Error WithReasonOfBackend(const ModelArguments& arguments, const Error& error) {
  const std::string option = arguments.onnxruntime.GivenOption();
  if (error.code() != ErrorCode::kModelNotFound || option.empty() ||
      arguments.backend != BackendKindName(BackendKind::kAuto) ||
      !FindModel(ModelNameOf(arguments)))
    return error;
  return error.Reworded(StrCat(error.message(), "; ", option, " asks for ONNX Runtime"));
}

}  // namespace

bool IsSaidUnasked(std::string_view note) {
  return note.starts_with(kNotUsed) || note.starts_with(kNoFaster) ||
         note.starts_with("no modules.json");
}

std::string_view ModelNameOf(const ModelArguments& arguments) {
  return arguments.model.empty() ? kDefaultModel : std::string_view(arguments.model);
}

Result<Embedder> LoadEmbedder(const ModelArguments& arguments, bool normalize_is_said) {
  std::optional<Tuning> tuning;
  Result<Embedder> embedder = LoadDescribed(arguments, tuning);
  if (!embedder) return embedder;
  for (const std::string& note : embedder->Info().notes) {
    const bool is_warning = note.starts_with(kNotUsed);
    const bool is_said = normalize_is_said && note.find("--normalize") != note.npos;
    if (is_warning || (IsSaidUnasked(note) && !arguments.quiet && !is_said)) SayOnStderr(note);
  }
  return embedder;
}

Result<Embedder> LoadDescribed(const ModelArguments& arguments, std::optional<Tuning>& tuning) {
  AKIN_TRY(arguments.ToLoadOptions());  // A wrong option is said before anything is looked up.
  AKIN_TRY(PullIfMissing(ModelNameOf(arguments), arguments.quiet));
  return LoadUntuned(WithTuning(arguments, &tuning));
}

Result<Embedder> LoadUntuned(const ModelArguments& arguments) {
  AKIN_TRY_ASSIGN(const LoadOptions options, arguments.ToLoadOptions());
  AKIN_TRY(PullIfMissing(ModelNameOf(arguments), arguments.quiet));
  if (arguments.onnxruntime.isolate_load) AKIN_TRY(TryLoadInChild(arguments));
  Result<Embedder> embedder = Embedder::Load(ModelNameOf(arguments), options);
  if (!embedder) return WithReasonOfBackend(arguments, embedder.error());
  return embedder;
}

EmbedOptions OptionsOfChunk(const TextChunk& chunk, const EmbedOptions& options) {
  EmbedOptions of_chunk = options;
  if (!chunk.prompt_name.empty()) {
    of_chunk.prompt_name = chunk.prompt_name;
    of_chunk.prompt.reset();
  }
  if (chunk.truncate_dim) {
    of_chunk.truncate_dim = chunk.truncate_dim;
    of_chunk.dimensions.reset();
  }
  return of_chunk;
}

Error WithPlaces(const Error& error, const TextChunk& chunk, const TextSource& source) {
  // What a text comes to may be the model's fault; other faults know no text of the input.
  if (error.code() == ErrorCode::kInternal && error.message().starts_with(kTextWord))
    return error.Reworded(WithPlace(error.message(), chunk, source));
  if (error.code() != ErrorCode::kInvalidInput) return error;
  if (IsOfWhatLinesSay(error.message(), chunk))
    return InvalidInput(source.NameOf(chunk.places.front()), ": ", error.message());
  return InvalidInput(WithPlace(error.message(), chunk, source));
}

Result<Embeddings> EmbedChunk(const Embedder& embedder, const TextChunk& chunk,
                              const TextSource& source, const EmbedOptions& options) {
  auto result =
      embedder.Embed(std::span<const std::string>(chunk.texts), OptionsOfChunk(chunk, options));
  if (!result) return WithPlaces(result.error(), chunk, source);
  return result;
}

Status RequireOutput(const ModelInfo& info, Output output, std::string_view verb) {
  if (info.Gives(output)) return {};
  std::string_view fits = "embed";
  switch (info.kind) {
    case ModelKind::kDense:
    case ModelKind::kStatic: break;
    case ModelKind::kSparse: fits = "sparse"; break;
    case ModelKind::kMultiVector: fits = "multivector"; break;
    case ModelKind::kReranker: fits = "rerank"; break;
    case ModelKind::kClassifier: fits = "classify"; break;
  }
  return InvalidInput("akin ", verb, ": model '", info.model, "' is a ", ModelKindName(info.kind),
                      " model and gives no ", OutputName(output),
                      output == Output::kScores ? "" : " vectors", "; what fits is: akin ", fits);
}

std::string TruncationNote(int64_t truncated_texts, int64_t num_texts, const ModelInfo& info,
                           std::optional<int> max_tokens) {
  const int limit = max_tokens.value_or(info.max_tokens);
  const std::string_view were = truncated_texts == 1 ? "was" : "were";
  std::string note = StrCat(Grouped(truncated_texts), " of ", Counted(num_texts, "text"), ' ', were,
                            " longer than ", Counted(limit, "token"), " and ", were, " cut");
  if (limit < info.max_positions) {
    note += StrCat("; --max-tokens raises the limit, up to ", info.max_positions);
  }
  return note;
}

}  // namespace akin::cli
