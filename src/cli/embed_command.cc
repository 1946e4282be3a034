// `akin embed`: texts -> dense vectors.
#include "cli/embed_command.h"

#include <unistd.h>

#include <algorithm>

#include "akin/embedder.h"

#include "cli/chunk_pipeline.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/option_value.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/type_arguments.h"
#include "cli/typed_values.h"
#include "cli/utf8.h"
#include "cli/vector_sink.h"

namespace akin::cli {
namespace {

constexpr size_t kMaxSingleTextBytes = LineReader::kMaxLineBytes;

constexpr size_t kMostTexts = 4096;

struct EmbedArguments {
  ModelArguments model;
  TextArguments text;
  VectorArguments vector;
  InputArguments input;
  std::string output;
  std::string format;
  TypeArguments type;
  bool ids = false;
  bool json = false;
};

Result<VectorFormat> FormatOf(const EmbedArguments& arguments) {
  if (arguments.format.empty()) return FormatOfPath(arguments.output);
  AKIN_TRY_ASSIGN(const VectorFormat format,
                  ValueOf("--format", ParseVectorFormat(arguments.format)));
  const auto by_ending = FormatOfEnding(arguments.output);
  if (by_ending && *by_ending != format)
    return InvalidInput("--format ", arguments.format, ": the ending of --output ",
                        arguments.output, " says another one");
  return format;
}

Result<EmbedOptions> OptionsOf(const EmbedArguments& arguments) {
  AKIN_TRY(arguments.type.Check());
  AKIN_TRY_ASSIGN(EmbedOptions options, arguments.text.ToEmbedOptions());
  options.return_ids = arguments.ids;
  arguments.vector.Set(options);
  return options;
}

bool GivesSeveralVectors(const EmbedOptions& options) {
  return options.overflow == Overflow::kChunks || options.overflow == Overflow::kLate;
}

// Everything that can be wrong without a model is found before one is loaded.
VerbResult EmbedStream(const EmbedArguments& arguments) {
  AKIN_TRY_ASSIGN(const VectorFormat format, FormatOf(arguments));
  AKIN_TRY_ASSIGN(const EmbedOptions options, OptionsOf(arguments));
  if (GivesSeveralVectors(options) && format != VectorFormat::kJsonl) {
    return InvalidInput("--overflow ", OverflowName(options.overflow),
                        " gives a text several vectors, and only lines of JSON say which is whose: "
                        "--format jsonl, or --output FILE.jsonl");
  }
  AKIN_TRY(arguments.input.CheckOutput("--output", arguments.output));
  AKIN_TRY(arguments.type.CheckWriteRanges(arguments.input, arguments.output));
  StopSignal stop;
  AKIN_TRY_ASSIGN(auto source, arguments.input.Open("embed", arguments.model.quiet, &stop));
  AKIN_TRY_ASSIGN(OutputFile output, OutputFile::Create(arguments.output));
  AKIN_TRY_ASSIGN(const Embedder embedder,
                  LoadEmbedder(arguments.model, arguments.vector.says_normalize()));
  const ModelInfo& info = embedder.Info();
  AKIN_TRY(RequireOutput(info, Output::kDense, "embed"));
  SinkOptions sink_options{.dimension = static_cast<size_t>(info.dimension),
                           .with_ids = arguments.ids};
  AKIN_TRY_ASSIGN(sink_options.value, arguments.type.ToValueType(info, Output::kDense));
  AKIN_TRY_ASSIGN(auto sink, VectorSink::Create(format, std::move(output), sink_options));
  QuantizationRanges measured;
  int64_t num_vectors = 0;
  size_t dimension = sink_options.dimension;
  // On the terminal that shows the vectors, a line of progress would stand among them.
  const bool shown = arguments.output.empty() && IsTerminal(STDOUT_FILENO);
  Progress progress(arguments.model.quiet || shown, source->total_bytes());
  const size_t vector_bytes = sizeof(float) * static_cast<size_t>(std::max(1, info.dimension));
  ChunkPipeline<Embeddings> pipeline(
      {.source = *source,
       .stop = stop,
       .progress = progress,
       .max_texts = std::clamp<size_t>(kMostVectorBytes / vector_bytes, 1, kMostTexts),
       .compute =
           [&](const TextChunk& chunk) { return EmbedChunk(embedder, chunk, *source, options); },
       .write = [&](const TextChunk& chunk, const Embeddings& embeddings) -> Status {
         num_vectors += static_cast<int64_t>(embeddings.size());
         dimension = embeddings.dimension();
         if (arguments.type.measures()) AKIN_TRY(measured.Include(embeddings.vectors()));
         return sink->Write(chunk.ids, embeddings);
       }});
  AKIN_TRY_ASSIGN(const Totals totals, pipeline.Run());
  AKIN_TRY(sink->Finish());
  AKIN_TRY(arguments.type.WriteRanges(measured));
  progress.Erase();
  if (progress.enabled() && !arguments.output.empty()) {
    SayOnStderr(
        StrCat(Counted(num_vectors, "vector"), " of ", dimension, " to ", arguments.output));
  }
  arguments.input.SayIfJson(*source, arguments.model.quiet);
  if (totals.truncated > 0) {
    SayOnStderr(TruncationNote(totals.truncated, totals.texts, info, options.max_tokens));
  }
  return kSuccess;
}

Result<std::string> ReadSingleText(const EmbedArguments& arguments) {
  const InputArguments& given = arguments.input;
  if (!given.file.input.empty() || !arguments.output.empty() || !arguments.format.empty()) {
    return InvalidInput("--json embeds one text, to standard output; files of texts are read and ",
                        "written without it");
  }
  if (!arguments.type.write_ranges.empty())
    return InvalidInput("--write-ranges measures a file of texts, --json embeds one text");
  if (!given.file.format.empty() || !given.file.field.empty()) {
    return InvalidInput("--json embeds one text as it is, without lines or fields: ",
                        given.file.format.empty() ? "--field" : "--input-format",
                        " is for files of texts");
  }
  if (given.texts.size() > 1) {
    return InvalidInput("--json embeds one text, found ", given.texts.size());
  }
  if (given.texts.size() == 1) return given.texts[0];
  return ReadAll(STDIN_FILENO, "standard input", kMaxSingleTextBytes);
}

// One text in, one JSON object out: for programs that start akin once a text.
VerbResult EmbedSingle(const EmbedArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string text, ReadSingleText(arguments));
  if (const auto at = FindInvalidUtf8(text)) {
    return InvalidInput("the text is not UTF-8 at byte ", *at + 1);
  }
  AKIN_TRY_ASSIGN(const EmbedOptions options, OptionsOf(arguments));
  if (GivesSeveralVectors(options)) {
    return InvalidInput("--json gives one vector, --overflow ", OverflowName(options.overflow),
                        " several for a longer text; without --json each is a line");
  }
  AKIN_TRY_ASSIGN(const Embedder embedder,
                  LoadEmbedder(arguments.model, arguments.vector.says_normalize()));
  AKIN_TRY(RequireOutput(embedder.Info(), Output::kDense, "embed"));
  AKIN_TRY_ASSIGN(const ValueType value,
                  arguments.type.ToValueType(embedder.Info(), Output::kDense));
  AKIN_TRY_ASSIGN(const Embeddings embeddings, embedder.Embed({text}, options));
  AKIN_TRY_ASSIGN(const TypedValues values,
                  TypedValues::Make(embeddings[0], value.type, value.ranges));
  std::string vector;
  values.AppendJson(vector);
  JsonObject out;
  out.AddRaw("embedding", vector);
  if (embeddings.truncated(0) > 0) out.Add("truncated_tokens", embeddings.truncated(0));
  AKIN_TRY(WriteToStdout(out.str() + '\n'));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin embed 'A first text.' 'And a second.'\n"
    "  akin embed --input lines.txt > vectors.jsonl\n"
    "  tail -f messages.log | akin embed\n"
    "  akin embed --input texts.jsonl --field body --output vectors.npy\n"
    "  akin embed --prompt-name query --dimensions 256 'How do cats sleep?'\n"
    "  akin embed --overflow chunks --window 256 --input books.jsonl --output chunks.jsonl\n"
    "  echo -n 'One text.' | akin embed --json\n";

}  // namespace

void AddEmbedCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "embed", "Turn texts into vectors", kExamples);
  auto arguments = std::make_shared<EmbedArguments>();
  arguments->input.AddTo(verb);
  verb.add_option("-o,--output", arguments->output,
                  "File to write; its ending is the format: .jsonl, .npy, .f32 (default: "
                  "JSON lines on standard output)")
      ->type_name("FILE");
  verb.add_option("--format", arguments->format, "Format, if the ending does not say it")
      ->type_name(Choices({"jsonl", "npy", "raw"}));
  arguments->type.AddTo(verb);
  verb.add_flag("--ids", arguments->ids, "Write the token ids too");
  arguments->model.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/true, /*prompts=*/true);
  arguments->vector.AddTo(verb);
  AddQuietOption(verb, arguments->model.quiet);
  verb.add_flag("--json", arguments->json,
                "Read one text from standard input, print one object: {\"embedding\":[...]} or "
                "{\"error\":{...}}");
  verbs[&verb] = [arguments] {
    return arguments->json ? EmbedSingle(*arguments) : EmbedStream(*arguments);
  };
}

}  // namespace akin::cli
