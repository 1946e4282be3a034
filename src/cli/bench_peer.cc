#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "cli/bench_command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/line_reader.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/text_source.h"
#include "cli/vector_sink.h"
#include "cli/version.h"

namespace akin::cli {
namespace {

using Clock = std::chrono::steady_clock;

// As far as a file of texts is kept in memory.
constexpr size_t kMostTexts = 10'000'000;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One request: its members are read by name, with defaults.
class Request {
 public:
  static Result<Request> Parse(simdjson::dom::parser& parser, std::string_view line) {
    Request request;
    if (const auto code = parser.parse(line.data(), line.size()).get(request.object_)) {
      return InvalidInput("the request is no JSON object: ", simdjson::error_message(code));
    }
    return request;
  }

  Result<std::string> Text(std::string_view key) const {
    std::string_view text;
    if (object_[key].get(text)) return InvalidInput("the request has no text \"", key, '"');
    return std::string(text);
  }
  // A missing number is 0, as null is.
  Result<int64_t> Count(std::string_view key) const {
    simdjson::dom::element element;
    if (object_[key].get(element) || element.is_null()) return 0;
    int64_t count = 0;
    if (element.get(count) || count < 0 || count > (int64_t{1} << 30)) {
      return InvalidInput("the request's \"", key, "\" is no count");
    }
    return count;
  }

 private:
  simdjson::dom::object object_;
};

class Peer {
 public:
  explicit Peer(const Embedder& embedder) : embedder_(embedder) {}

  // The answer to a request; errors become answers in Answer.
  Result<std::string> Handle(const Request& request, const std::string& op) {
    AKIN_TRY_ASSIGN(const EmbedOptions options, OptionsOf(request));
    AKIN_TRY_ASSIGN(const std::string file, request.Text("file"));
    AKIN_TRY_ASSIGN(const auto texts, TextsOf(file));
    if (op == "latency") return Latency(request, texts, options);
    if (op == "throughput") return Throughput(request, texts, options);
    if (op == "embed") return Embed(request, texts, options);
    return MakeError(ErrorCode::kUnsupportedModel, "unknown op \"", op, '"');
  }

 private:
  using Texts = std::span<const std::string>;

  Result<EmbedOptions> OptionsOf(const Request& request) const {
    EmbedOptions options;
    options.normalize = true;  // The harness compares unit vectors.
    AKIN_TRY_ASSIGN(const int64_t max_len, request.Count("max_len"));
    if (max_len > embedder_.Info().max_positions) {
      return MakeError(ErrorCode::kUnsupportedModel, "max_len ", max_len, ": the model has ",
                       embedder_.Info().max_positions, " positions");
    }
    if (max_len > 0) options.max_tokens = static_cast<int>(max_len);
    return options;
  }

  // The texts of a file, read once.
  Result<Texts> TextsOf(const std::string& file) {
    const auto known = files_.find(file);
    if (known != files_.end()) return Texts(known->second);
    SourceOptions options;
    options.input = file;
    options.format = LineFormat::kJson;
    AKIN_TRY_ASSIGN(auto source, OpenTextSource(options, nullptr));
    AKIN_TRY_ASSIGN(TextChunk all, ReadAllTexts(*source, kMostTexts));
    if (all.texts.empty()) return InvalidInput(file, ": holds no text");
    return Texts(files_[file] = std::move(all.texts));
  }

  // `warmup` + `calls` texts in turn, each alone; the time of the calls.
  Result<std::string> Latency(const Request& request, Texts texts, const EmbedOptions& options) {
    AKIN_TRY_ASSIGN(const int64_t warmup, request.Count("warmup"));
    AKIN_TRY_ASSIGN(const int64_t calls, request.Count("calls"));
    std::string ns = "[";
    for (int64_t i = 0; i < warmup + calls; ++i) {
      const Texts one = texts.subspan(static_cast<size_t>(i) % texts.size(), 1);
      const auto start = Clock::now();
      AKIN_TRY(embedder_.Embed(one, options));
      const auto took = Clock::now() - start;
      if (i < warmup) continue;
      if (ns.size() > 1) ns += ',';
      ns += StrCat(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
    }
    return JsonObject().AddRaw("ns", ns + ']').str();
  }

  Result<std::string> Throughput(const Request& request, Texts texts, const EmbedOptions& options) {
    AKIN_TRY_ASSIGN(const int64_t warmup, request.Count("warmup"));
    AKIN_TRY_ASSIGN(const int64_t runs, request.Count("runs"));
    AKIN_TRY_ASSIGN(const int64_t limit, request.Count("limit"));
    if (limit > 0) texts = texts.first(std::min(texts.size(), static_cast<size_t>(limit)));
    AKIN_TRY(WarmUp(texts, static_cast<size_t>(warmup), options));
    std::string seconds = "[";
    for (int64_t i = 0; i < runs; ++i) {
      const auto start = Clock::now();
      AKIN_TRY(embedder_.Embed(texts, options));
      if (i > 0) seconds += ',';
      AppendJsonDouble(seconds, SecondsSince(start));
    }
    return JsonObject().AddRaw("seconds", seconds + ']').str();
  }

  // Some `count` texts, evenly spread, so that all lengths are met.
  Status WarmUp(Texts texts, size_t count, const EmbedOptions& options) {
    if (count == 0) return {};
    const size_t step = std::max<size_t>(1, texts.size() / count);
    std::vector<std::string_view> spread;
    for (size_t i = 0; i < texts.size(); i += step) spread.push_back(texts[i]);
    AKIN_TRY(embedder_.Embed(std::span<const std::string_view>(spread), options));
    return {};
  }

  Result<std::string> Embed(const Request& request, Texts texts, const EmbedOptions& options) {
    AKIN_TRY_ASSIGN(const std::string path, request.Text("out"));
    AKIN_TRY_ASSIGN(const Embeddings embeddings, embedder_.Embed(texts, options));
    AKIN_TRY_ASSIGN(OutputFile output, OutputFile::Create(path));
    AKIN_TRY_ASSIGN(auto sink, VectorSink::Create(VectorFormat::kRaw, std::move(output),
                                                  {.dimension = embeddings.dimension()}));
    const std::vector<std::string> ids(embeddings.size());  // Raw vectors have none.
    AKIN_TRY(sink->Write(ids, embeddings));
    AKIN_TRY(sink->Finish());
    return JsonObject()
        .Add("rows", static_cast<int64_t>(embeddings.size()))
        .Add("dim", static_cast<int64_t>(embeddings.dimension()))
        .str();
  }

  const Embedder& embedder_;
  std::map<std::string, std::vector<std::string>> files_;
};

std::string AnswerOf(const Result<std::string>& result) {
  if (result) return *result;
  const bool unsupported = result.error().code() == ErrorCode::kUnsupportedModel;
  return JsonObject().Add(unsupported ? "unsupported" : "error", result.error().message()).str();
}

}  // namespace

Status ServePeer(const Embedder& embedder, double load_seconds) {
  AKIN_TRY(WriteToStdout(JsonObject()
                             .Add("ready", true)
                             .Add("load_s", load_seconds)
                             .Add("version", StrCat(VersionText(), ' ', embedder.Info().isa))
                             .str() +
                         '\n'));
  Peer peer(embedder);
  LineReader reader(STDIN_FILENO, "standard input", nullptr);
  simdjson::dom::parser parser;
  std::string_view line;
  while (true) {
    AKIN_TRY_ASSIGN(const auto event, reader.Next(line, false));
    if (event == LineReader::Event::kEnd) return {};
    const auto answer = [&]() -> Result<std::string> {
      AKIN_TRY_ASSIGN(const Request request, Request::Parse(parser, line));
      AKIN_TRY_ASSIGN(const std::string op, request.Text("op"));
      if (op == "quit") return std::string();
      return peer.Handle(request, op);
    }();
    if (answer && answer->empty()) return {};
    AKIN_TRY(WriteToStdout(AnswerOf(answer) + '\n'));
  }
}

}  // namespace akin::cli
