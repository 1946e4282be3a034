#include "engine/tokenized_texts.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/strings.h"

namespace akin::engine {
namespace {

// A few hundred microseconds of tokenizing: enough to be worth a hand-over, small enough to share
// out evenly.
constexpr size_t kChunkBytes = size_t{32} << 10;

// The error of the text with the lowest index, whichever thread met its own first.
class FirstError {
 public:
  void Set(size_t text, const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_ || text < text_) {
      text_ = text;
      error_ = error;
    }
    failed_.store(true, std::memory_order_relaxed);
  }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  Status ToStatus(size_t num_texts) const {
    if (!error_) return {};
    const Error placed = OfText(text_, *error_);
    return num_texts == 1 ? placed.Reworded(error_->message()) : placed;
  }

 private:
  std::mutex mutex_;
  size_t text_ = 0;             // Guarded by mutex_.
  std::optional<Error> error_;  // Guarded by mutex_.
  std::atomic<bool> failed_{false};
};

}  // namespace

void TokenizedTexts::PlanChunks(size_t num_texts, FunctionRef<size_t(size_t)> bytes) {
  size_t chunk_bytes = 0;
  for (size_t i = 0; i < num_texts; ++i) {
    if (chunks_.empty() || chunk_bytes >= kChunkBytes) {
      chunks_.push_back({.first_text = i});
      chunk_bytes = 0;
    }
    chunk_bytes += bytes(i) + 16;
    chunks_.back().last_text = i + 1;
    places_[i].chunk = static_cast<uint32_t>(chunks_.size() - 1);
  }
}

Result<TokenizedTexts> TokenizedTexts::Make(size_t num_texts, FunctionRef<size_t(size_t)> bytes,
                                            Reader read, const WorkerPool& pool, bool keep_texts) {
  TokenizedTexts result;
  result.places_.resize(num_texts);
  result.lengths_.resize(num_texts);
  result.truncated_.resize(num_texts);
  result.excluded_.resize(num_texts);
  result.attended_.resize(num_texts);
  if (keep_texts) result.texts_.resize(num_texts);
  result.PlanChunks(num_texts, bytes);

  FirstError first_error;
  const auto read_one = [&](Chunk& chunk, size_t i) -> Status {
    thread_local tokenizer::Scratch scratch;
    thread_local std::string text;
    const size_t first_token = chunk.input_ids.size();
    result.places_[i].first_token = first_token;
    SequenceBuilder sequence{scratch, text, chunk.input_ids, chunk.token_type_ids};
    if (keep_texts) sequence.kept_text = &result.texts_[i];
    AKIN_TRY(read(i, sequence));
    result.lengths_[i] = static_cast<int32_t>(chunk.input_ids.size() - first_token);
    result.truncated_[i] = sequence.truncated;
    result.excluded_[i] = sequence.excluded;
    result.attended_[i] = sequence.attended;
    return {};
  };
  std::atomic<size_t> next_chunk{0};
  const auto work = [&](const TeamMember&) {
    for (size_t c;
         !first_error.failed() && (c = next_chunk.fetch_add(1)) < result.chunks_.size();) {
      Chunk& chunk = result.chunks_[c];
      size_t i = chunk.first_text;
      try {
        for (; i < chunk.last_text; ++i) {
          if (const Status status = read_one(chunk, i); !status)
            return first_error.Set(i, status.error());
        }
      } catch (const std::bad_alloc&) {
        return first_error.Set(i, OutOfMemory());
      }
    }
  };
  if (result.chunks_.size() == 1) {
    work(TeamMember{});
  } else {
    pool.Run(
        static_cast<int>(std::min(result.chunks_.size(), static_cast<size_t>(pool.num_threads()))),
        work);
  }
  AKIN_TRY(first_error.ToStatus(num_texts));
  return result;
}

TokenizedTexts TokenizedTexts::Join(std::span<const Source> sources) {
  TokenizedTexts result;
  for (const Source& source : sources) {
    const size_t i = source.text;
    const auto segments = source.texts->segments(i);
    result.Append({.input_ids = source.texts->input_ids(i),
                   .token_type_ids = source.texts->token_type_ids(i),
                   .truncated = source.texts->truncated()[i],
                   .excluded = source.texts->excluded()[i],
                   .attended = source.texts->attended()[i],
                   .segments = {segments.begin(), segments.end()},
                   .text = source.texts->text(i)});
  }
  return result;
}

void TokenizedTexts::Append(Sequence sequence) {
  if (chunks_.empty()) chunks_.emplace_back();
  Chunk& chunk = chunks_.back();
  places_.push_back(
      {.chunk = static_cast<uint32_t>(chunks_.size() - 1), .first_token = chunk.input_ids.size()});
  chunk.input_ids.insert(chunk.input_ids.end(), sequence.input_ids.begin(),
                         sequence.input_ids.end());
  chunk.token_type_ids.insert(chunk.token_type_ids.end(), sequence.token_type_ids.begin(),
                              sequence.token_type_ids.end());
  chunk.last_text = places_.size();
  if (!sequence.segments.empty() || !segments_.empty()) {
    segments_.resize(lengths_.size());
    segments_.push_back(std::move(sequence.segments));
  }
  if (!sequence.text.empty() || !texts_.empty()) {
    texts_.resize(lengths_.size());
    texts_.emplace_back(sequence.text);
  }
  lengths_.push_back(static_cast<int32_t>(sequence.input_ids.size()));
  truncated_.push_back(sequence.truncated);
  excluded_.push_back(sequence.excluded);
  attended_.push_back(sequence.attended);
}

}  // namespace akin::engine
