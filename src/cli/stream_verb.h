// What verbs that answer a stream of texts with JSON lines have in common.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "akin/embedder.h"

#include "cli/chunk_pipeline.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/model_access.h"
#include "cli/output_file.h"
#include "cli/terminal.h"
#include "cli/vector_sink.h"

namespace akin::cli {

struct StreamArguments {
  ModelArguments model;
  InputArguments input;
  std::string output;
  bool ids = false;
  std::string refused;  // An option that other verbs have and this one cannot mean.

  void AddTo(CLI::App& verb) {
    input.AddTo(verb);
    verb.add_option("-o,--output", output, "File of JSON lines to write (default: standard output)")
        ->type_name("FILE");
    verb.add_flag("--ids", ids, "Write the token ids too");
    model.AddTo(verb);
    AddQuietOption(verb, model.quiet);
  }

  // Takes the options that cut vectors, so that the refusal can say why.
  void RefuseDimensions(CLI::App& verb) {
    for (const std::string name : {"--dimensions", "--truncate-dim"}) {
      const auto refuse = [this, name](const CLI::results_t&) {
        refused = name;
        return true;
      };
      verb.add_option(name, refuse)->group("");  // Not in --help.
    }
  }
};

// How a verb answers: `check` is asked once, with the model; `max_tokens` is what a note on
// truncation speaks of.
template <typename Answer>
struct StreamVerb {
  std::string name;
  std::optional<int> max_tokens;
  std::function<Status(const ModelInfo&)> check;
  std::function<Result<Answer>(const Embedder&, const TextChunk&)> compute;
  std::function<Result<std::string>(const Embedder&, const TextChunk&, const Answer&)> lines;
  std::string no_dimensions;  // Why --dimensions is refused, where it is.
};

template <typename Answer>
VerbResult RunStream(const StreamArguments& arguments, const StreamVerb<Answer>& verb) {
  if (!arguments.refused.empty())
    return InvalidInput("akin ", verb.name, ": ", arguments.refused, ": ", verb.no_dimensions);
  if (const auto format = FormatOfPath(arguments.output);
      format && *format != VectorFormat::kJsonl) {
    return InvalidInput("--output ", arguments.output, ": akin ", verb.name,
                        " writes lines of JSON, for which the ending is .jsonl");
  }
  AKIN_TRY(arguments.input.CheckOutput("--output", arguments.output));
  StopSignal stop;
  AKIN_TRY_ASSIGN(auto source, arguments.input.Open(verb.name, arguments.model.quiet, &stop));
  AKIN_TRY_ASSIGN(OutputFile output, OutputFile::Create(arguments.output));
  AKIN_TRY_ASSIGN(const Embedder embedder,
                  LoadEmbedder(arguments.model, /*normalize_is_said=*/true));
  AKIN_TRY(verb.check(embedder.Info()));
  Progress progress(arguments.model.quiet, source->total_bytes());
  ChunkPipeline<Answer> pipeline(
      {.source = *source,
       .stop = stop,
       .progress = progress,
       .max_texts = 256,  // Answers of one text may be a hundred times as long as a vector.
       .compute = [&](const TextChunk& chunk) -> Result<Answer> {
         auto answer = verb.compute(embedder, chunk);
         if (!answer) return WithPlaces(answer.error(), chunk, *source);
         return answer;
       },
       .write = [&](const TextChunk& chunk, const Answer& answer) -> Status {
         AKIN_TRY_ASSIGN(const std::string lines, verb.lines(embedder, chunk, answer));
         return output.Write(lines);
       }});
  AKIN_TRY_ASSIGN(const Totals totals, pipeline.Run());
  AKIN_TRY(output.Commit());
  progress.Erase();
  arguments.input.SayIfJson(*source, arguments.model.quiet);
  if (totals.truncated > 0) {
    SayOnStderr(TruncationNote(totals.truncated, totals.texts, embedder.Info(), verb.max_tokens));
  }
  return kSuccess;
}

// The texts of a chunk as the library takes them.
inline std::vector<std::string_view> ViewsOf(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace akin::cli
