// `akin sparse` and `akin multivector`: texts -> weights of vocabulary entries, vectors of tokens.
#include <memory>

#include "cli/answer_lines.h"
#include "cli/stream_verb.h"

namespace akin::cli {
namespace {

struct TokenArguments {
  StreamArguments stream;
  TextArguments text;
  int top_k = 0;
  bool all_tokens = false;

  Result<EmbedOptions> ToOptions() const {
    AKIN_TRY_ASSIGN(EmbedOptions options, text.ToEmbedOptions());
    if (top_k > 0) options.top_k = top_k;
    options.return_ids = stream.ids;
    return options;
  }
};

VerbResult Sparse(const TokenArguments& arguments) {
  AKIN_TRY_ASSIGN(const EmbedOptions options, arguments.ToOptions());
  return RunStream<SparseEmbeddings>(
      arguments.stream,
      {.name = "sparse",
       .max_tokens = options.max_tokens,
       .check = [](const ModelInfo&) { return Status(); },
       .compute = [&](const Embedder& embedder,
                      const TextChunk& chunk) -> Result<SparseEmbeddings> {
         // A head that is there and cannot be read is the library's to explain.
         auto answer = embedder.EmbedSparse(ViewsOf(chunk.texts), OptionsOfChunk(chunk, options));
         if (!answer && answer.error().code() != ErrorCode::kUnsupportedModel)
           AKIN_TRY(RequireOutput(embedder.Info(), Output::kSparse, "sparse"));
         return answer;
       },
       .lines =
           [&](const Embedder&, const TextChunk& chunk, const SparseEmbeddings& vectors) {
             return SparseLines(chunk.ids, vectors, options.return_ids);
           }});
}

VerbResult Multivector(const TokenArguments& arguments) {
  AKIN_TRY_ASSIGN(const EmbedOptions options, arguments.ToOptions());
  const Output output = arguments.all_tokens ? Output::kTokens : Output::kMultiVector;
  return RunStream<TokenEmbeddings>(
      arguments.stream,
      {.name = "multivector",
       .max_tokens = options.max_tokens,
       .check = [](const ModelInfo&) { return Status(); },
       .compute = [&](const Embedder& embedder, const TextChunk& chunk) -> Result<TokenEmbeddings> {
         const EmbedOptions of_chunk = OptionsOfChunk(chunk, options);
         auto answer = output == Output::kTokens
                           ? embedder.EmbedTokens(ViewsOf(chunk.texts), of_chunk)
                           : embedder.EmbedMultiVector(ViewsOf(chunk.texts), of_chunk);
         if (!answer && answer.error().code() != ErrorCode::kUnsupportedModel)
           AKIN_TRY(RequireOutput(embedder.Info(), output, "multivector"));
         return answer;
       },
       .lines =
           [&](const Embedder&, const TextChunk& chunk, const TokenEmbeddings& vectors) {
             return TokenLines(chunk.ids, vectors, options.return_ids);
           }});
}

constexpr char kSparseExamples[] =
    "  akin sparse -m splade 'How do cats sleep?'\n"
    "  akin sparse -m splade --top-k 64 --input texts.jsonl --output sparse.jsonl\n";
constexpr char kMultivectorExamples[] =
    "  akin multivector -m colbert --prompt-name query 'How do cats sleep?'\n"
    "  akin multivector -m colbert --prompt-name document --input texts.jsonl -o tokens.jsonl\n"
    "  akin multivector --tokens 'Every token of an ordinary embedding model.'\n";

}  // namespace

void AddSparseCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "sparse", "Turn texts into sparse vectors of vocabulary weights",
                           kSparseExamples);
  auto arguments = std::make_shared<TokenArguments>();
  arguments->stream.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/true);
  verb.add_option("--top-k", arguments->top_k, "Keep the N largest weights (default: all)")
      ->type_name("N")
      ->check(Between(1, 1 << 20));
  verbs[&verb] = [arguments] { return Sparse(*arguments); };
}

void AddMultivectorCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "multivector", "Turn texts into a vector for each token", kMultivectorExamples);
  auto arguments = std::make_shared<TokenArguments>();
  arguments->stream.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/true);
  verb.add_flag("--tokens", arguments->all_tokens,
                "The states of all tokens, special ones included, of any model");
  verbs[&verb] = [arguments] { return Multivector(*arguments); };
}

}  // namespace akin::cli
