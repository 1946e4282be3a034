// `akin rerank` and `akin classify`: pairs of texts, or texts -> scores.
#include <memory>
#include <vector>

#include "cli/answer_lines.h"
#include "cli/option_value.h"
#include "cli/stream_verb.h"
#include "cli/strings.h"
#include "cli/type_arguments.h"

namespace akin::cli {
namespace {

struct ScoreArguments {
  StreamArguments stream;
  TextArguments text;
  TypeArguments type;
  std::string activation = "model";
  std::string query;

  Result<ScoreOptions> ToOptions() const {
    AKIN_TRY_ASSIGN(ScoreOptions options, text.ToScoreOptions());
    AKIN_TRY_ASSIGN(options.activation, ValueOf("--activation", ParseScoreActivation(activation)));
    options.return_ids = stream.ids;
    return options;
  }
  Result<LineOptions> ToLineOptions(std::string_view verb) const {
    LineOptions options{.with_ids = stream.ids};
    AKIN_TRY_ASSIGN(options.value.type, type.ToFloatType(verb, "scores"));
    return options;
  }
  void AddTo(CLI::App& verb) {
    stream.AddTo(verb);
    stream.RefuseDimensions(verb);
    text.AddTo(verb, /*windows=*/false, /*prompts=*/false);
    type.AddFloatsTo(verb);
    verb.add_option("--activation", activation,
                    "What is made of the logits (default: what the model's files say)")
        ->type_name("{model,sigmoid,softmax,raw}");
  }
};

constexpr char kNoDimensions[] = "scores have one value for each label; there is nothing to cut";

// A line may say how its text is read; what has no meaning for a score is not passed over.
Status CheckLinesOfScores(const TextChunk& chunk) {
  const std::string_view key = !chunk.prompt_name.empty() ? "prompt_name"
                               : chunk.truncate_dim       ? "truncate_dim"
                                                          : "";
  if (key.empty()) return {};
  return InvalidInput("text 0: \"", key, "\" has no meaning for a score; it is for embed and ",
                      "multivector", key == "prompt_name" ? " and sparse" : "");
}

// The error of a call with text `i` of a chunk and its query alone.
Error AtText(size_t i, const Error& error) {
  constexpr std::string_view kOnly = "text 0", kQuery = "the query";
  const std::string_view message = error.message();
  if (message.starts_with(kOnly))
    return error.Reworded(StrCat("text ", i, message.substr(kOnly.size())));
  return message.starts_with(kQuery) ? error.Reworded(StrCat("text ", i, ": ", message)) : error;
}

Result<Scores> RerankChunk(const Embedder& embedder, const TextChunk& chunk,
                           const std::string& query, const ScoreOptions& options) {
  if (embedder.Info().Gives(Output::kScores)) {
    std::vector<TextPair> pairs;
    for (size_t i = 0; i < chunk.texts.size(); ++i)
      pairs.push_back({query.empty() ? chunk.seconds[i] : query, chunk.texts[i]});
    return embedder.ScorePairs(pairs, options);
  }
  // A multi-vector model: the documents of one query at a time.
  const std::vector<std::string_view> documents = ViewsOf(chunk.texts);
  if (!query.empty()) return embedder.Rerank(query, documents, options);
  std::vector<float> values;
  std::vector<int32_t> num_tokens, truncated;
  Usage usage;
  for (size_t i = 0; i < documents.size(); ++i) {
    const Result<Scores> one = embedder.Rerank(chunk.seconds[i], {&documents[i], 1}, options);
    if (!one) return AtText(i, one.error());
    values.push_back((*one)[0][0]);
    num_tokens.push_back(one->num_tokens(0));
    truncated.push_back(one->truncated(0));
    usage.total_tokens += one->usage().total_tokens;
    usage.truncated_texts += one->usage().truncated_texts;
    usage.truncated_tokens += one->usage().truncated_tokens;
    usage.duration_ms += one->usage().duration_ms;
  }
  return Scores(std::move(values), 1,
                TextReport(std::move(num_tokens), std::move(truncated), usage));
}

VerbResult Rerank(const ScoreArguments& given) {
  ScoreArguments arguments = given;
  InputArguments& input = arguments.stream.input;
  if (!input.texts.empty() && arguments.query.empty()) {
    if (input.texts.size() < 2)
      return InvalidInput("akin rerank QUERY DOCUMENT...: there is a query and no document");
    arguments.query = input.texts.front();
    input.texts.erase(input.texts.begin());
  }
  const bool lines_named = !input.file.input.empty() || !input.file.format.empty();
  if (input.texts.empty() && !lines_named && arguments.query.empty()) {
    return InvalidInput("akin rerank takes QUERY DOCUMENT..., --query with documents as lines of ",
                        "standard input, or --input FILE of {\"query\":...,\"document\":...}");
  }
  if (arguments.query.empty()) input.second_field = "query";
  AKIN_TRY_ASSIGN(const ScoreOptions options, arguments.ToOptions());
  AKIN_TRY_ASSIGN(const LineOptions line_options, arguments.ToLineOptions("rerank"));
  return RunStream<Scores>(
      arguments.stream,
      {.name = "rerank",
       .max_tokens = options.max_tokens,
       .check =
           [](const ModelInfo& info) {
             return info.Gives(Output::kMultiVector)
                        ? Status()
                        : RequireOutput(info, Output::kScores, "rerank");
           },
       .compute = [&](const Embedder& embedder, const TextChunk& chunk) -> Result<Scores> {
         AKIN_TRY(CheckLinesOfScores(chunk));
         return RerankChunk(embedder, chunk, arguments.query, options);
       },
       .lines =
           [&](const Embedder&, const TextChunk& chunk, const Scores& scores) {
             return ScoreLines(chunk.ids, scores, {}, line_options);
           },
       .no_dimensions = kNoDimensions});
}

VerbResult Classify(const ScoreArguments& arguments, const std::string& pair_field) {
  AKIN_TRY_ASSIGN(const ScoreOptions options, arguments.ToOptions());
  AKIN_TRY_ASSIGN(const LineOptions line_options, arguments.ToLineOptions("classify"));
  StreamArguments stream = arguments.stream;
  InputArguments& input = stream.input;
  input.second_field = pair_field;
  if (!pair_field.empty() && input.file.input.empty() && input.file.format.empty())
    return InvalidInput("--pair-field is for --input FILE");
  return RunStream<Scores>(
      stream,
      {.name = "classify",
       .max_tokens = options.max_tokens,
       .check =
           [](const ModelInfo& info) { return RequireOutput(info, Output::kScores, "classify"); },
       .compute = [&](const Embedder& embedder, const TextChunk& chunk) -> Result<Scores> {
         AKIN_TRY(CheckLinesOfScores(chunk));
         ScoreOptions of_model = options;
         // Several labels share one certainty, unless the model or the caller says otherwise.
         if (options.activation == ScoreActivation::kModel && embedder.Info().labels.size() > 1)
           of_model.activation = ScoreActivation::kSoftmax;
         if (pair_field.empty()) return embedder.Classify(ViewsOf(chunk.texts), of_model);
         std::vector<TextPair> pairs;
         for (size_t i = 0; i < chunk.texts.size(); ++i)
           pairs.push_back({chunk.texts[i], chunk.seconds[i]});
         return embedder.ScorePairs(pairs, of_model);
       },
       .lines =
           [&](const Embedder& embedder, const TextChunk& chunk, const Scores& scores) {
             return ScoreLines(chunk.ids, scores, embedder.Info().labels, line_options);
           },
       .no_dimensions = kNoDimensions});
}

constexpr char kRerankExamples[] =
    "  akin rerank -m ms-marco 'How do cats sleep?' 'Cats sleep a lot.' 'Dogs bark.'\n"
    "  akin rerank -m ms-marco --query 'How do cats sleep?' --input documents.txt\n"
    "  akin rerank -m ms-marco --input pairs.jsonl --output scores.jsonl\n";
constexpr char kClassifyExamples[] =
    "  akin classify -m sentiment 'What a lovely day!'\n"
    "  akin classify -m nli --input pairs.jsonl --field premise --pair-field hypothesis\n";

}  // namespace

void AddRerankCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "rerank", "Score how well documents answer a query", kRerankExamples);
  auto arguments = std::make_shared<ScoreArguments>();
  arguments->stream.input.default_field = "document";
  arguments->AddTo(verb);
  verb.add_option("--query", arguments->query, "The query of all documents")->type_name("TEXT");
  verbs[&verb] = [arguments] { return Rerank(*arguments); };
}

void AddClassifyCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "classify", "Score texts by a classifier's labels", kClassifyExamples);
  auto arguments = std::make_shared<ScoreArguments>();
  auto pair_field = std::make_shared<std::string>();
  arguments->AddTo(verb);
  verb.add_option("--pair-field", *pair_field, "Field of a JSON line that holds a second text")
      ->type_name("NAME");
  verbs[&verb] = [arguments, pair_field] { return Classify(*arguments, *pair_field); };
}

}  // namespace akin::cli
