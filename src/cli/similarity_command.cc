// `akin similarity`: how near texts are to each other.
#include <unistd.h>

#include "akin/json_floats.h"

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/similarity_table.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

// A matrix of a million values is the most that anybody reads, or waits for.
constexpr size_t kMostTexts = 1000;

struct SimilarityArguments {
  ModelArguments model;
  TextArguments text;
  VectorArguments vector;
  InputArguments input;
  bool json = false;
};

// As float32, which the vectors are: of the double's further digits none is known, and a text's
// cosine with itself would be 0.9999999999999999.
std::string MatrixJson(const std::vector<std::vector<double>>& matrix) {
  std::vector<std::string> rows;
  for (const auto& values : matrix) {
    const std::vector<float> rounded(values.begin(), values.end());
    AppendJsonFloats(rows.emplace_back(), rounded);
  }
  return JsonArray(rows);
}

std::string ForPeople(const std::vector<std::vector<double>>& matrix,
                      const std::vector<std::string>& labels) {
  const Style style(STDOUT_FILENO);
  std::string out = SimilarityTable(matrix, labels, TerminalWidth(STDOUT_FILENO));
  if (matrix.size() == 2) {
    out += StrCat("\nThe two texts have similarity ", style.Bold(Fixed(matrix[0][1], 4)),
                  " (1 is the same direction, 0 unrelated).\n");
  }
  return out;
}

VerbResult Similarity(const SimilarityArguments& arguments) {
  AKIN_TRY_ASSIGN(auto source, arguments.input.Open(
                                   "similarity", arguments.json || arguments.model.quiet, nullptr));
  AKIN_TRY_ASSIGN(const TextChunk texts, ReadAllTexts(*source, kMostTexts));
  if (texts.texts.size() < 2) {
    return InvalidInput("similarity compares two texts or more, found ", texts.texts.size());
  }
  AKIN_TRY_ASSIGN(const Embedder embedder,
                  LoadEmbedder(arguments.model, arguments.vector.says_normalize()));
  AKIN_TRY_ASSIGN(EmbedOptions options, arguments.text.ToEmbedOptions());
  arguments.vector.Set(options);
  AKIN_TRY_ASSIGN(const Embeddings embeddings, EmbedChunk(embedder, texts, *source, options));
  const auto matrix = CosineMatrix(embeddings.vectors());
  if (arguments.json) {
    const JsonObject out =
        JsonObject().AddRaw("ids", JsonArray(texts.ids)).AddRaw("similarity", MatrixJson(matrix));
    AKIN_TRY(WriteToStdout(out.str() + '\n'));
  } else {
    AKIN_TRY(WriteToStdout(ForPeople(matrix, texts.texts)));
  }
  arguments.input.SayIfJson(*source, arguments.json || arguments.model.quiet);
  if (const int64_t cut = embeddings.usage().truncated_texts; cut > 0) {
    const auto num_texts = static_cast<int64_t>(texts.texts.size());
    SayOnStderr(TruncationNote(cut, num_texts, embedder.Info(), options.max_tokens));
  }
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin similarity 'A dog barks.' 'A puppy yelps.' 'Interest rates rise.'\n"
    "  akin similarity < lines.txt\n"
    "  akin similarity --input texts.jsonl --json\n";

}  // namespace

void AddSimilarityCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "similarity", "Compare texts with each other", kExamples);
  auto arguments = std::make_shared<SimilarityArguments>();
  arguments->input.AddTo(verb);
  arguments->model.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/true);
  arguments->vector.AddTo(verb);
  AddQuietOption(verb, arguments->model.quiet);
  verb.add_flag("--json", arguments->json,
                "Print one object: {\"ids\":[...],\"similarity\":[[...]]}");
  verbs[&verb] = [arguments] { return Similarity(*arguments); };
}

}  // namespace akin::cli
