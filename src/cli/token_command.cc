// `akin sparse` and `akin multivector`: texts -> weights of vocabulary entries, vectors of tokens.
#include <memory>

#include "cli/answer_lines.h"
#include "cli/stream_verb.h"
#include "cli/type_arguments.h"

namespace akin::cli {
namespace {

struct TokenArguments {
  StreamArguments stream;
  TextArguments text;
  TypeArguments type;

  Result<EmbedOptions> ToOptions() const {
    AKIN_TRY_ASSIGN(EmbedOptions options, text.ToEmbedOptions());
    options.return_ids = stream.ids;
    return options;
  }
};

struct SparseArguments : TokenArguments {
  int top_k = 0;
};

struct MultivectorArguments : TokenArguments {
  CutArguments cut;
  bool all_tokens = false;
};

VerbResult Sparse(const SparseArguments& arguments) {
  AKIN_TRY_ASSIGN(EmbedOptions options, arguments.ToOptions());
  if (arguments.top_k > 0) options.top_k = arguments.top_k;
  LineOptions lines{.with_ids = arguments.stream.ids};
  AKIN_TRY_ASSIGN(lines.value.type, arguments.type.ToFloatType("sparse", "sparse weights"));
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
             return SparseLines(chunk.ids, vectors, lines);
           },
       .no_dimensions = "a sparse vector has a weight for every vocabulary entry; --top-k N keeps "
                        "the N largest"});
}

VerbResult Multivector(const MultivectorArguments& arguments) {
  AKIN_TRY_ASSIGN(EmbedOptions options, arguments.ToOptions());
  AKIN_TRY(arguments.type.Check());
  AKIN_TRY(arguments.type.CheckWriteRanges(arguments.stream.input, arguments.stream.output));
  arguments.cut.Set(options);
  const Output output = arguments.all_tokens ? Output::kTokens : Output::kMultiVector;
  LineOptions lines{.with_ids = arguments.stream.ids};
  QuantizationRanges measured;
  AKIN_TRY_ASSIGN(const int status,
                  RunStream<TokenEmbeddings>(
                      arguments.stream,
                      {.name = "multivector",
                       .max_tokens = options.max_tokens,
                       .check = [&](const ModelInfo& info) -> Status {
                         AKIN_TRY_ASSIGN(lines.value, arguments.type.ToValueType(info, output));
                         return {};
                       },
                       .compute = [&](const Embedder& embedder,
                                      const TextChunk& chunk) -> Result<TokenEmbeddings> {
                         const EmbedOptions of_chunk = OptionsOfChunk(chunk, options);
                         auto answer =
                             output == Output::kTokens
                                 ? embedder.EmbedTokens(ViewsOf(chunk.texts), of_chunk)
                                 : embedder.EmbedMultiVector(ViewsOf(chunk.texts), of_chunk);
                         if (!answer && answer.error().code() != ErrorCode::kUnsupportedModel)
                           AKIN_TRY(RequireOutput(embedder.Info(), output, "multivector"));
                         return answer;
                       },
                       .lines = [&](const Embedder&, const TextChunk& chunk,
                                    const TokenEmbeddings& vectors) -> Result<std::string> {
                         for (size_t i = 0; arguments.type.measures() && i < vectors.size(); ++i)
                           AKIN_TRY(measured.Include(vectors[i]));
                         return TokenLines(chunk.ids, vectors, lines);
                       }}));
  AKIN_TRY(arguments.type.WriteRanges(measured));
  return status;
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
  auto arguments = std::make_shared<SparseArguments>();
  arguments->stream.AddTo(verb);
  arguments->stream.RefuseDimensions(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/true);
  arguments->type.AddFloatsTo(verb);
  verb.add_option("--top-k", arguments->top_k, "Keep the N largest weights (default: all)")
      ->type_name("N")
      ->check(Between(1, 1 << 20));
  verbs[&verb] = [arguments] { return Sparse(*arguments); };
}

void AddMultivectorCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "multivector", "Turn texts into a vector for each token", kMultivectorExamples);
  auto arguments = std::make_shared<MultivectorArguments>();
  arguments->stream.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/true);
  arguments->cut.AddTo(verb);
  arguments->type.AddTo(verb);
  verb.add_flag("--tokens", arguments->all_tokens,
                "The states of all tokens, special ones included, of any model");
  verbs[&verb] = [arguments] { return Multivector(*arguments); };
}

}  // namespace akin::cli
