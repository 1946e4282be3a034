// `akin bridge`: a child process that embeds, by AkiDB's subprocess protocol: a JSON object a line
// on standard input, an answer a line on standard output, in the order of the requests.
#include <unistd.h>

#include <optional>

#include "akin/embedder.h"
#include "akin/json_floats.h"

#include "cli/bridge_request.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/line_reader.h"
#include "cli/model_access.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

struct BridgeArguments {
  ModelArguments model;
  std::vector<std::string> ignored;  // The script that a Python would have run.
};

// The models' names are the database's; with --model one model answers to all of them.
class Bridge {
 public:
  explicit Bridge(const ModelArguments& arguments) : arguments_(arguments) {}

  // The answer to a line, with its end.
  std::string Answer(std::string_view line) {
    Result<BridgeRequest> request = parser_.Parse(line);
    Result<JsonObject> answer = request ? Do(*request) : Result<JsonObject>(request.error());
    if (answer) return answer->str() + '\n';
    return JsonObject()
               .Add("status", "error")
               .Add("message", answer.error().message())
               .Add("category", CategoryName(answer.error().code()))
               .str() +
           '\n';
  }

 private:
  Result<JsonObject> Do(const BridgeRequest& request) {
    if (request.method == BridgeMethod::kPing)
      return JsonObject().Add("status", "ok").Add("message", "pong");
    AKIN_TRY(Load(request.model));
    if (request.method == BridgeMethod::kLoadModel) return Loaded();
    return Embed(request);
  }

  Status Load(const std::string& model) {
    ModelArguments wanted = arguments_;
    if (wanted.model.empty()) wanted.model = model;
    if (embedder_ && (model.empty() || wanted.model == loaded_)) return {};
    AKIN_TRY_ASSIGN(Embedder embedder, LoadEmbedder(wanted, /*normalize_is_said=*/true));
    embedder_ = std::move(embedder);
    loaded_ = wanted.model;
    return {};
  }

  JsonObject Loaded() const {
    const ModelInfo& info = embedder_->Info();
    return JsonObject()
        .Add("status", "ok")
        .Add("message", StrCat("loaded ", info.model))
        .Add("model", info.model)
        .Add("dimension", info.dimension)
        .Add("max_tokens", info.max_tokens);
  }

  Result<JsonObject> Embed(const BridgeRequest& request) const {
    AKIN_TRY_ASSIGN(const Embeddings vectors,
                    embedder_->Embed(std::span<const std::string>(request.texts),
                                     {.normalize = request.normalize}));
    std::string rows = "[";
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (i > 0) rows += ',';
      AppendJsonFloats(rows, vectors[i]);
    }
    const Usage& usage = vectors.usage();
    return JsonObject()
        .Add("status", "ok")
        .AddRaw("embeddings", rows + ']')
        .Add("dimension", static_cast<int64_t>(vectors.dimension()))
        .Add("count", static_cast<int64_t>(vectors.size()))
        .Add("model", embedder_->Info().model)
        .AddRaw("usage", JsonObject()
                             .Add("total_tokens", usage.total_tokens)
                             .Add("duration_ms", usage.duration_ms)
                             .str());
  }

  const ModelArguments& arguments_;
  BridgeRequestParser parser_;
  std::optional<Embedder> embedder_;
  std::string loaded_;  // The name by which it was asked for.
};

VerbResult Serve(const BridgeArguments& arguments) {
  AKIN_TRY(arguments.model.ToLoadOptions());
  LineReader reader(STDIN_FILENO, "standard input", nullptr);
  Bridge bridge(arguments.model);
  while (true) {
    std::string_view line;
    AKIN_TRY_ASSIGN(const LineReader::Event event, reader.Next(line, false));
    if (event == LineReader::Event::kEnd) return kSuccess;
    if (line.find_first_not_of(" \t") == line.npos) continue;
    AKIN_TRY(WriteToStdout(bridge.Answer(line)));
  }
}

constexpr char kExamples[] =
    "  echo '{\"method\":\"embed_batch\",\"params\":{\"texts\":[\"A text.\"]}}' | akin bridge\n"
    "  akin bridge --model ORG/NAME script-that-is-ignored.py\n";

}  // namespace

void AddBridgeCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "bridge", "Embed for AkiDB as its child process (JSON lines)", kExamples);
  auto arguments = std::make_shared<BridgeArguments>();
  verb.add_option("SCRIPT", arguments->ignored, "Ignored: what a Python would have run")
      ->type_name("");
  arguments->model.AddTo(verb);
  verbs[&verb] = [arguments] { return Serve(*arguments); };
}

}  // namespace akin::cli
