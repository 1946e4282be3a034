// `akin embed`: texts -> vectors. Three threads, so that reading, computing and writing overlap:
//
//   read and check lines -> [chunks] -> Embedder (its own threads) -> [vectors] -> format and write
//
// Both queues hold one chunk, so that memory stays the same for an input of any length.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "akin/embedder.h"

#include "cli/bounded_queue.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"
#include "cli/vector_sink.h"

namespace akin::cli {
namespace {

constexpr size_t kMaxSingleTextBytes = LineReader::kMaxLineBytes;

// A chunk holds some two seconds of work: long enough that the engine always has full batches,
// short enough that progress moves. Its vectors take 4 MiB at most, so
// that the three chunks on their way stay far below 64 MiB.
constexpr double kChunkSeconds = 2;
constexpr size_t kFirstChunkBytes = size_t{256} << 10;
constexpr size_t kLeastChunkBytes = size_t{64} << 10;
constexpr size_t kMostChunkBytes = size_t{1} << 20;
constexpr size_t kMostVectorBytes = size_t{4} << 20;
constexpr size_t kMostTexts = 4096;

struct EmbedArguments {
  ModelArguments model;
  TextArguments text;
  InputArguments input;
  std::string output;
  std::string format;
  bool quiet = false;
  bool json = false;
};

struct ComputedChunk {
  std::vector<std::string> ids;
  Embeddings embeddings;
};

struct Totals {
  int64_t texts = 0;
  int64_t truncated = 0;
};

class Pipeline {
 public:
  Pipeline(const Embedder& embedder, const EmbedOptions& options, TextSource& source,
           VectorSink& sink, StopSignal& stop, Progress& progress)
      : embedder_(embedder),
        options_(options),
        source_(source),
        sink_(sink),
        stop_(stop),
        progress_(progress),
        max_texts_(std::clamp<size_t>(
            kMostVectorBytes /
                (sizeof(float) * static_cast<size_t>(std::max(1, embedder.Info().dimension))),
            1, kMostTexts)) {}

  // Everything from the source to the sink, in order. The first error ends all three.
  Result<Totals> Run() {
    std::thread reader([this] { Guarded([this] { return Read(); }, read_status_); });
    std::thread writer;
    Status status;
    Guarded(
        [&]() -> Status {
          // In here, so that the reader is joined when the system has no second thread.
          writer = std::thread([this] { Guarded([this] { return Write(); }, write_status_); });
          return Compute();
        },
        status);
    stop_.Stop();  // The reader may wait for input that nobody needs any more.
    read_.Close();
    computed_.Close();
    reader.join();
    if (writer.joinable()) writer.join();
    AKIN_TRY(std::move(write_status_));
    AKIN_TRY(std::move(status));
    AKIN_TRY(std::move(read_status_));
    return totals_;
  }

 private:
  // A thread's entry is where exceptions (memory that is used up) become values. Whatever ends a
  // stage closes both queues, so that its neighbours end too.
  template <typename Stage>
  void Guarded(Stage stage, Status& status) {
    try {
      status = stage();
    } catch (const std::exception& error) {
      status = MakeError(ErrorCode::kInternal, "embed: ", error.what());
    }
    if (!status) {
      read_.Close();
      computed_.Close();
      stop_.Stop();
    }
  }

  Status Read() {
    while (true) {
      AKIN_TRY_ASSIGN(TextChunk chunk, source_.Next({max_texts_, chunk_bytes_.load()}));
      if (chunk.texts.empty()) break;
      if (!read_.Push(std::move(chunk))) return {};
    }
    read_.Close();
    return {};
  }

  Status Compute() {
    while (auto chunk = read_.Pop()) {
      AKIN_TRY_ASSIGN(Embeddings embeddings, EmbedChunk(embedder_, *chunk, source_, options_));
      Count(*chunk, embeddings.usage());
      if (!computed_.Push({std::move(chunk->ids), std::move(embeddings)})) return {};
    }
    return {};
  }

  Status Write() {
    while (auto chunk = computed_.Pop()) {
      AKIN_TRY(sink_.Write(chunk->ids, chunk->embeddings.vectors()));
    }
    return {};
  }

  void Count(const TextChunk& chunk, const Usage& usage) {
    const auto num_texts = static_cast<int64_t>(chunk.texts.size());
    totals_.texts += num_texts;
    totals_.truncated += usage.truncated_texts;
    progress_.Add(num_texts, usage.total_tokens, chunk.bytes_consumed);
    size_t bytes = 0;
    for (const std::string& text : chunk.texts) bytes += text.size();
    const double rate = static_cast<double>(bytes) / std::max(1e-3, usage.duration_ms / 1e3);
    chunk_bytes_ = static_cast<size_t>(
        std::clamp(rate * kChunkSeconds, double{kLeastChunkBytes}, double{kMostChunkBytes}));
  }

  const Embedder& embedder_;
  const EmbedOptions& options_;
  TextSource& source_;
  VectorSink& sink_;
  StopSignal& stop_;
  Progress& progress_;
  const size_t max_texts_;
  std::atomic<size_t> chunk_bytes_{kFirstChunkBytes};
  BoundedQueue<TextChunk> read_{1};
  BoundedQueue<ComputedChunk> computed_{1};
  Totals totals_;        // Of the computing thread,
  Status read_status_;   // of the reader,
  Status write_status_;  // of the writer; read after they were joined.
};

Result<VectorFormat> FormatOf(const EmbedArguments& arguments) {
  if (!arguments.format.empty()) return ParseVectorFormat(arguments.format);
  return FormatOfPath(arguments.output);
}

// Everything that can be wrong without a model is found before one is loaded.
VerbResult EmbedStream(const EmbedArguments& arguments) {
  AKIN_TRY_ASSIGN(const VectorFormat format, FormatOf(arguments));
  StopSignal stop;
  AKIN_TRY_ASSIGN(auto source, arguments.input.Open("embed", arguments.quiet, &stop));
  AKIN_TRY_ASSIGN(OutputFile output, OutputFile::Create(arguments.output));
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadEmbedder(arguments.model));
  const ModelInfo& info = embedder.Info();
  AKIN_TRY_ASSIGN(auto sink, VectorSink::Create(format, std::move(output),
                                                static_cast<size_t>(info.dimension)));
  const EmbedOptions options = arguments.text.ToEmbedOptions();
  Progress progress(arguments.quiet, source->total_bytes());
  AKIN_TRY_ASSIGN(const Totals totals,
                  Pipeline(embedder, options, *source, *sink, stop, progress).Run());
  AKIN_TRY(sink->Finish());
  progress.Erase();
  if (totals.truncated > 0) {
    SayOnStderr(TruncationNote(totals.truncated, totals.texts, info, options));
  }
  return kSuccess;
}

Result<std::string> ReadSingleText(const EmbedArguments& arguments) {
  const SourceOptions& source = arguments.input.source;
  if (!source.input.empty() || !arguments.output.empty() || !arguments.format.empty()) {
    return InvalidInput("--json embeds one text, to standard output; files of texts are read and ",
                        "written without it");
  }
  if (source.texts.size() > 1) {
    return InvalidInput("--json embeds one text, found ", source.texts.size());
  }
  if (source.texts.size() == 1) return source.texts[0];
  return ReadAll(STDIN_FILENO, "standard input", kMaxSingleTextBytes);
}

// One text in, one JSON object out: for programs that start akin once a text.
VerbResult EmbedSingle(const EmbedArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string text, ReadSingleText(arguments));
  if (const auto at = FindInvalidUtf8(text)) {
    return InvalidInput("the text is not UTF-8 at byte ", *at + 1);
  }
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadEmbedder(arguments.model));
  AKIN_TRY_ASSIGN(const Embeddings embeddings,
                  embedder.Embed({text}, arguments.text.ToEmbedOptions()));
  std::string vector;
  AppendJsonFloats(vector, embeddings[0]);
  JsonObject out;
  out.AddRaw("embedding", vector);
  if (embeddings.truncated(0) > 0) out.Add("truncated_tokens", embeddings.truncated(0));
  AKIN_TRY(WriteToStdout(out.str() + '\n'));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin embed 'A first text.' 'And a second.'\n"
    "  akin embed < lines.txt > vectors.jsonl\n"
    "  akin embed --input texts.jsonl --field body --output vectors.npy\n"
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
  arguments->model.AddTo(verb);
  arguments->text.AddTo(verb);
  verb.add_flag("-q,--quiet", arguments->quiet, "No progress on the terminal");
  verb.add_flag("--json", arguments->json,
                "Read one text from standard input, print one object: {\"embedding\":[...]} or "
                "{\"error\":{...}}");
  verbs[&verb] = [arguments] {
    return arguments->json ? EmbedSingle(*arguments) : EmbedStream(*arguments);
  };
}

}  // namespace akin::cli
