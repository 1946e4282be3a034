// Texts in, answers out, on three threads, so that reading, computing and writing overlap:
//
//   read and check lines -> [chunks] -> Embedder (its own threads) -> [answers] -> format and write
//
// Both queues hold one chunk, so that memory stays the same for an input of any length.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "akin/embeddings.h"
#include "akin/result.h"

#include "cli/bounded_queue.h"
#include "cli/line_reader.h"
#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/text_source.h"

namespace akin::cli {

// What is on its way at once, at most: in a stage, or in a queue between two.
inline constexpr size_t kMostChunkBytes = size_t{1} << 20;  // Of texts.
inline constexpr size_t kChunksUnderWay = 5, kAnswersUnderWay = 3;

struct Totals {
  int64_t texts = 0;
  int64_t truncated = 0;
};

// `Answer` is what an Embedder makes of the texts of a chunk, with a TextReport.
template <typename Answer>
class ChunkPipeline {
 public:
  struct Parts {
    TextSource& source;
    StopSignal& stop;
    Progress& progress;
    size_t max_texts = 4096;  // In a chunk: their answers lie in memory.
    std::function<Result<Answer>(const TextChunk&)> compute;
    std::function<Status(const TextChunk&, const Answer&)> write;
  };
  explicit ChunkPipeline(Parts parts) : parts_(std::move(parts)) {}

  // Everything from the source to `write`, in order. The first error ends all three.
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
    parts_.stop.Stop();  // The reader may wait for input that nobody needs any more.
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
  // A chunk holds some two seconds of work: long enough that the engine always has full batches,
  // short enough that progress moves.
  static constexpr double kChunkSeconds = 2;
  static constexpr size_t kFirstChunkBytes = size_t{256} << 10;
  static constexpr size_t kLeastChunkBytes = size_t{64} << 10;

  // A thread's entry is where exceptions (memory that is used up) become values. Whatever ends a
  // stage closes both queues, so that its neighbours end too.
  template <typename Stage>
  void Guarded(Stage stage, Status& status) {
    try {
      status = stage();
    } catch (const std::exception& error) {
      status = MakeError(ErrorCode::kInternal, error.what());
    }
    if (!status) {
      read_.Close();
      computed_.Close();
      parts_.stop.Stop();
    }
  }

  Status Read() {
    while (true) {
      AKIN_TRY_ASSIGN(TextChunk chunk, parts_.source.Next({parts_.max_texts, chunk_bytes_.load()}));
      if (chunk.texts.empty()) break;
      if (!read_.Push(std::move(chunk))) return {};
    }
    read_.Close();
    return {};
  }

  Status Compute() {
    while (auto chunk = read_.Pop()) {
      AKIN_TRY_ASSIGN(Answer answer, parts_.compute(*chunk));
      Count(*chunk, answer.usage());
      if (!computed_.Push({std::move(*chunk), std::move(answer)})) return {};
    }
    return {};
  }

  Status Write() {
    while (auto computed = computed_.Pop())
      AKIN_TRY(parts_.write(computed->first, computed->second));
    return {};
  }

  void Count(const TextChunk& chunk, const Usage& usage) {
    const auto num_texts = static_cast<int64_t>(chunk.texts.size());
    totals_.texts += num_texts;
    totals_.truncated += usage.truncated_texts;
    parts_.progress.Add(num_texts, usage.total_tokens, chunk.bytes_consumed);
    size_t bytes = 0;
    for (const std::string& text : chunk.texts) bytes += text.size();
    const double rate = static_cast<double>(bytes) / std::max(1e-3, usage.duration_ms / 1e3);
    chunk_bytes_ = static_cast<size_t>(
        std::clamp(rate * kChunkSeconds, double{kLeastChunkBytes}, double{kMostChunkBytes}));
  }

  Parts parts_;
  std::atomic<size_t> chunk_bytes_{kFirstChunkBytes};
  BoundedQueue<TextChunk> read_{1};
  BoundedQueue<std::pair<TextChunk, Answer>> computed_{1};
  Totals totals_;        // Of the computing thread,
  Status read_status_;   // of the reader,
  Status write_status_;  // of the writer; read after they were joined.
};

}  // namespace akin::cli
