#include "engine/tokenized_texts.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <optional>
#include <string>

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
    if (num_texts == 1) return *error_;
    return Error(error_->code(), StrCat("text ", text_, ": ", error_->message()));
  }

 private:
  std::mutex mutex_;
  size_t text_ = 0;             // Guarded by mutex_.
  std::optional<Error> error_;  // Guarded by mutex_.
  std::atomic<bool> failed_{false};
};

}  // namespace

void TokenizedTexts::PlanChunks(std::span<const std::string_view> texts) {
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (chunks_.empty() || bytes >= kChunkBytes) {
      chunks_.push_back({.first_text = i});
      bytes = 0;
    }
    bytes += texts[i].size() + 16;
    chunks_.back().last_text = i + 1;
    places_[i].chunk = static_cast<uint32_t>(chunks_.size() - 1);
  }
}

Result<TokenizedTexts> TokenizedTexts::Make(const tokenizer::Pipeline& pipeline,
                                            std::span<const std::string_view> texts,
                                            const Prompt& prompt, const EncodeOptions& options,
                                            const WorkerPool& pool) {
  TokenizedTexts result;
  result.places_.resize(texts.size());
  result.lengths_.resize(texts.size());
  result.truncated_.resize(texts.size());
  result.excluded_.assign(texts.size(), prompt.excluded_tokens);
  result.PlanChunks(texts);

  FirstError first_error;
  const auto encode = [&](Chunk& chunk, size_t i) -> Status {
    thread_local tokenizer::Scratch scratch;
    thread_local std::string prompted;
    std::string_view text = texts[i];
    if (!prompt.text.empty()) {
      prompted.assign(prompt.text).append(text);
      text = prompted;
    }
    const size_t first_token = chunk.input_ids.size();
    result.places_[i].first_token = first_token;
    AKIN_TRY(pipeline.Encode(text, options, scratch, chunk.input_ids, &chunk.token_type_ids,
                             result.truncated_[i]));
    const size_t length = chunk.input_ids.size() - first_token;
    // The tables and the workspace end at the limit. A template that uses the text twice is the one
    // way to exceed it.
    if (options.max_tokens && length > static_cast<size_t>(*options.max_tokens)) {
      return InvalidModel("tokenizer.json: the post-processor makes ", length,
                          " tokens of a text that is cut to ", *options.max_tokens);
    }
    if (prompt.excluded_tokens > 0 && length <= static_cast<size_t>(prompt.excluded_tokens)) {
      return InvalidInput("the prompt, which this model leaves out of the vector, fills all ",
                          length, " tokens");
    }
    result.lengths_[i] = static_cast<int32_t>(length);
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
          if (const Status status = encode(chunk, i); !status)
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
  AKIN_TRY(first_error.ToStatus(texts.size()));
  return result;
}

TokenizedTexts TokenizedTexts::Join(std::span<const Source> sources) {
  TokenizedTexts result;
  Chunk& chunk = result.chunks_.emplace_back();
  chunk.last_text = sources.size();
  for (const Source& source : sources) {
    result.places_.push_back({.chunk = 0, .first_token = chunk.input_ids.size()});
    const auto ids = source.texts->input_ids(source.text);
    const auto types = source.texts->token_type_ids(source.text);
    chunk.input_ids.insert(chunk.input_ids.end(), ids.begin(), ids.end());
    chunk.token_type_ids.insert(chunk.token_type_ids.end(), types.begin(), types.end());
    result.lengths_.push_back(source.texts->lengths()[source.text]);
    result.truncated_.push_back(source.texts->truncated()[source.text]);
    result.excluded_.push_back(source.texts->excluded()[source.text]);
  }
  return result;
}

}  // namespace akin::engine
