#include "akin/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/door.h"
#include "base/function_ref.h"
#include "base/regular_file.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/vocab_txt.h"

namespace akin {
namespace {

using tokenizer::Pipeline;
using tokenizer::Scratch;

constexpr std::string_view kFileName = "tokenizer.json";
constexpr size_t kMaxFileBytes = size_t{256} << 20;

Result<std::string> ReadFile(const std::filesystem::path& path) {
  const std::string name = path.string();
  const Result<UniqueFd> file = OpenRegularFile(name, name);
  if (file) return akin::ReadFile(*file, name, kMaxFileBytes);
  const bool missing = file.error().message().ends_with(" is not there");
  return missing ? ModelNotFound(name, " is not there; expected a tokenizer.json") : file.error();
}

bool Exists(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(file, error);
}

Result<std::unique_ptr<const Pipeline>> LoadVocabTxt(const std::filesystem::path& folder) {
  const std::filesystem::path config_file = folder / "tokenizer_config.json";
  std::optional<std::string> config;
  if (Exists(config_file)) {
    AKIN_TRY_ASSIGN(config, ReadFile(config_file));
  }
  AKIN_TRY_ASSIGN(const std::string vocab, ReadFile(folder / "vocab.txt"));
  AKIN_TRY_ASSIGN(const std::string json, tokenizer::TokenizerJsonFromVocabTxt(vocab, config));
  return Pipeline::Load(json, "vocab.txt");
}

// `path` may be the file itself, or the folder that it is in.
Result<std::unique_ptr<const Pipeline>> LoadPipeline(std::string_view path) {
  std::filesystem::path file(path);
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    if (!Exists(file / kFileName) && Exists(file / "vocab.txt")) return LoadVocabTxt(file);
    file /= kFileName;
  }
  AKIN_TRY_ASSIGN(const std::string json, ReadFile(file));
  return Pipeline::Load(json, file.filename().string());
}

// Neighbouring texts of a batch that one thread encodes: enough to be worth a hand-over, small
// enough to share out evenly.
struct Chunk {
  size_t first, last;
};
constexpr size_t kChunkBytes = size_t{32} << 10;

std::vector<Chunk> PlanChunks(size_t num_texts, FunctionRef<size_t(size_t)> bytes_of) {
  std::vector<Chunk> chunks;
  size_t bytes = kChunkBytes;
  for (size_t i = 0; i < num_texts; ++i) {
    if (bytes >= kChunkBytes) {
      chunks.push_back({i, i});
      bytes = 0;
    }
    bytes += bytes_of(i) + 16;
    chunks.back().last = i + 1;
  }
  return chunks;
}

Result<int> NumThreads(int wanted, size_t num_chunks) {
  if (wanted < 0 || wanted > kMaxThreads) {
    return InvalidInput("num_threads is ", wanted, ", expected 0 to ", kMaxThreads,
                        "; 0 is as many as this machine allows");
  }
  if (num_chunks < 2) return 1;
  if (wanted == 0) {
    AKIN_TRY_ASSIGN(const UsableThreads usable, CountUsableThreads());
    wanted = usable.count;
  }
  return static_cast<int>(std::min(static_cast<size_t>(wanted), num_chunks));
}

// The error of the text with the lowest index, whichever thread met its own first.
class FirstError {
 public:
  void Set(size_t text, Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_ || text < text_) {
      text_ = text;
      error_ = std::move(error);
    }
  }
  // Whether a text before `text` has failed.
  bool IsBefore(size_t text) {
    const std::lock_guard lock(mutex_);
    return error_ && text_ < text;
  }
  Status ToStatus() const {
    if (!error_) return {};
    return OfText(text_, *error_);
  }

 private:
  std::mutex mutex_;
  size_t text_ = 0;             // Guarded by mutex_.
  std::optional<Error> error_;  // Guarded by mutex_.
};

// Runs `body`, which does not throw, on this thread and num_threads - 1 others; on fewer, if the
// system has no more.
void RunOnThreads(int num_threads, FunctionRef<void()> body) {
  std::vector<std::thread> threads;
  try {
    threads.reserve(static_cast<size_t>(num_threads));
    for (int i = 1; i < num_threads; ++i) threads.emplace_back([&body] { body(); });
  } catch (const std::exception&) {
    // The threads that there are do all the work.
  }
  body();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

class Tokenizer::Impl {
 public:
  explicit Impl(std::shared_ptr<const Pipeline> loaded) : pipeline(std::move(loaded)) {}

  // Encodes texts 0 to num_texts - 1 of a batch, each by `encode`.
  Result<std::vector<Encoding>> EncodeBatch(size_t num_texts, FunctionRef<size_t(size_t)> bytes_of,
                                            FunctionRef<Result<Encoding>(size_t, Scratch&)> encode,
                                            const EncodeOptions& options, int num_threads) const;

  // The memory of a thread that lives only for one batch: it goes from batch to batch.
  Scratch TakeScratch() const {
    const std::lock_guard lock(mutex_);
    if (scratches_.empty()) return Scratch();
    Scratch scratch = std::move(scratches_.back());
    scratches_.pop_back();
    return scratch;
  }
  void GiveBack(Scratch scratch) const {
    const std::lock_guard lock(mutex_);
    if (scratches_.size() < kMaxThreads) scratches_.push_back(std::move(scratch));
  }

  const std::shared_ptr<const Pipeline> pipeline;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<Scratch> scratches_;  // Guarded by mutex_.
};

Result<std::vector<Encoding>> Tokenizer::Impl::EncodeBatch(
    size_t num_texts, FunctionRef<size_t(size_t)> bytes_of,
    FunctionRef<Result<Encoding>(size_t, Scratch&)> encode, const EncodeOptions& options,
    int num_threads) const {
  const std::vector<Chunk> chunks = PlanChunks(num_texts, bytes_of);
  AKIN_TRY_ASSIGN(num_threads, NumThreads(num_threads, chunks.size()));
  std::vector<Encoding> encodings(num_texts);
  FirstError first_error;
  std::atomic<size_t> next_chunk{0};
  RunOnThreads(num_threads, [&] {
    size_t text = 0;
    try {
      Scratch scratch = TakeScratch();
      for (size_t c; (c = next_chunk.fetch_add(1)) < chunks.size();) {
        if (first_error.IsBefore(chunks[c].first)) break;
        for (text = chunks[c].first; text < chunks[c].last; ++text) {
          auto encoding = encode(text, scratch);
          if (!encoding) {
            first_error.Set(text, encoding.error());
            break;
          }
          encodings[text] = std::move(*encoding);
        }
      }
      GiveBack(std::move(scratch));
    } catch (...) {
      first_error.Set(text, CaughtError("cannot tokenize"));
    }
  });
  AKIN_TRY(first_error.ToStatus());
  AKIN_TRY(pipeline->Pad(encodings, options));
  return encodings;
}

namespace {

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

Result<Encoding> Padded(const Pipeline& pipeline, Result<Encoding> encoding,
                        const EncodeOptions& options) {
  if (encoding) AKIN_TRY(pipeline.Pad({&*encoding, 1}, options));
  return encoding;
}

// A call of a public function.
template <typename Body>
auto Call(Body&& body) {
  return AtTheDoor("cannot tokenize", {}, std::forward<Body>(body));
}

}  // namespace

namespace tokenizer {

struct TokenizerAccess {
  static Tokenizer Wrap(std::shared_ptr<const Pipeline> pipeline) {
    return Tokenizer(std::make_shared<Tokenizer::Impl>(std::move(pipeline)));
  }
};

Tokenizer WrapPipeline(std::shared_ptr<const Pipeline> pipeline) {
  return TokenizerAccess::Wrap(std::move(pipeline));
}

}  // namespace tokenizer

Result<Tokenizer> Tokenizer::Load(std::string_view path) {
  return AtTheDoor("cannot load the tokenizer", path, [&]() -> Result<Tokenizer> {
    AKIN_TRY_ASSIGN(auto pipeline, LoadPipeline(path));
    return Tokenizer(std::make_shared<Impl>(std::move(pipeline)));
  });
}

Result<Encoding> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  return Call([&] {
    const Pipeline& pipeline = *impl_->pipeline;
    return Padded(pipeline, pipeline.Encode(text, options, ThreadScratch()), options);
  });
}

Result<Encoding> Tokenizer::EncodePair(std::string_view first, std::string_view second,
                                       const EncodeOptions& options) const {
  return Call([&] {
    const Pipeline& pipeline = *impl_->pipeline;
    return Padded(pipeline, pipeline.EncodePair(first, second, options, ThreadScratch()), options);
  });
}

Result<std::vector<Encoding>> Tokenizer::EncodeBatch(std::span<const std::string_view> texts,
                                                     const EncodeOptions& options,
                                                     int num_threads) const {
  const auto bytes_of = [&](size_t i) { return texts[i].size(); };
  const auto encode = [&](size_t i, Scratch& scratch) {
    return impl_->pipeline->Encode(texts[i], options, scratch);
  };
  return Call(
      [&] { return impl_->EncodeBatch(texts.size(), bytes_of, encode, options, num_threads); });
}

Result<std::vector<Encoding>> Tokenizer::EncodeBatch(
    std::span<const std::pair<std::string_view, std::string_view>> pairs,
    const EncodeOptions& options, int num_threads) const {
  const auto bytes_of = [&](size_t i) { return pairs[i].first.size() + pairs[i].second.size(); };
  const auto encode = [&](size_t i, Scratch& scratch) {
    return impl_->pipeline->EncodePair(pairs[i].first, pairs[i].second, options, scratch);
  };
  return Call(
      [&] { return impl_->EncodeBatch(pairs.size(), bytes_of, encode, options, num_threads); });
}

Result<size_t> Tokenizer::CountTokens(std::string_view text, const EncodeOptions& options) const {
  return Call([&]() -> Result<size_t> {
    thread_local std::vector<int32_t> ids;
    ids.clear();
    int32_t truncated = 0;
    AKIN_TRY(impl_->pipeline->Encode(text, options, ThreadScratch(), ids, nullptr, truncated));
    const size_t count = ids.size();
    constexpr size_t kKeptElements = size_t{1} << 18;
    if (ids.capacity() > kKeptElements) std::vector<int32_t>().swap(ids);
    return count;
  });
}

Result<std::string> Tokenizer::Decode(std::span<const int32_t> ids,
                                      bool skip_special_tokens) const {
  return Call([&] { return impl_->pipeline->Decode(ids, skip_special_tokens); });
}

std::optional<int32_t> Tokenizer::TokenToId(std::string_view token) const {
  return impl_->pipeline->TokenToId(token);
}

std::optional<std::string_view> Tokenizer::IdToToken(int32_t id) const {
  return impl_->pipeline->IdToToken(id);
}

size_t Tokenizer::vocab_size() const { return impl_->pipeline->vocab_size(); }

}  // namespace akin
