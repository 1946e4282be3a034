#include "hub/client/blob_download.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/strings.h"
#include "http/curl.h"
#include "hub/client/disk.h"
#include "hub/client/hub_api.h"

namespace akin::hub {
namespace {

// An attempt that brought less than this has not got on: otherwise a server that cuts every answer
// after one byte would be asked for ever.
constexpr int64_t kProgressBytes = 64 << 10;
// Hashed from the disk by a thread that also has a connection to serve: some milliseconds' worth.
constexpr int64_t kHashAtOnceBytes = 8 << 20;
constexpr size_t kReadBytes = size_t{256} << 10;
// libcurl hands over 16 KiB at a time. Gathered, connections meet sixteen times more seldom at the
// file, which one of them at a time may write to; still in the cache when it is hashed.
constexpr size_t kWriteBytes = size_t{256} << 10;
constexpr std::chrono::milliseconds kStreamCheck{2};

// W/"x" or "x" -> x, as huggingface_hub does.
std::string_view PlainEtag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  while (etag.starts_with('"')) etag.remove_prefix(1);
  while (etag.ends_with('"')) etag.remove_suffix(1);
  return etag;
}

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

struct ContentRange {
  ByteRange range;
  std::optional<int64_t> total;
};

// "bytes 0-99/200", "bytes 0-99/*"
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto first = ParseInt(text.substr(0, dash));
  const auto last = ParseInt(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last) return std::nullopt;
  return ContentRange{{*first, *last}, ParseInt(text.substr(slash + 1))};
}

}  // namespace

// One request for (the rest of) a segment.
struct BlobDownload::Answer {
  ByteRange wanted;
  bool owns_stream = false;  // This request brings the whole file.
  bool yielded = false;      // Another one does.
  int64_t at = 0;            // Where the next piece belongs.
  int64_t end = 0;           // Behind the last byte that may come.
  std::string gathered;      // Received and not yet written: the bytes before `at`.
};

BlobDownload::BlobDownload(const HubSettings& settings, const std::function<bool()>& cancelled,
                           std::string_view repository, std::string_view commit,
                           const HubFile& file, const RepositoryPaths& paths)
    : settings_(settings),
      cancelled_(cancelled),
      file_(file),
      repository_(repository),
      url_(FileUrl(settings, repository, commit, file.path)),
      blob_path_(StrCat(paths.blobs, '/', file.hash)),
      lock_path_(StrCat(paths.locks, '/', file.hash, ".lock")) {}

Result<BlobDownload::StartResult> BlobDownload::Start() {
  const auto there = [&] {
    if (FileBytes(blob_path_) != file_.size) return false;
    done_ = true;
    return true;
  };
  if (there()) return StartResult::kThere;
  AKIN_TRY_ASSIGN(lock_, FileLock::TryLock(lock_path_));
  if (!lock_) return StartResult::kBusy;
  if (there()) {  // Meanwhile.
    lock_.reset();
    return StartResult::kThere;
  }
  const std::string unique = lock_->works() ? "" : "." + UniqueSuffix();
  AKIN_TRY_ASSIGN(partial_,
                  PartialFile::Open(StrCat(blob_path_, unique, ".akin-part"), file_.size));
  resumed_ = partial_->DoneInAll() > 0;
  taken_.assign(std::max<size_t>(partial_->num_segments(), 1), false);
  AKIN_TRY_ASSIGN(hash_, ContentHash::Start(file_.hash, file_.size));
  return StartResult::kStarted;
}

std::optional<size_t> BlobDownload::TakeSegment() {
  if (done_ || one_stream_ || finishing_) return std::nullopt;
  const auto free = std::ranges::find(taken_, false);
  if (free == taken_.end()) return std::nullopt;
  *free = true;
  ++active_;
  return static_cast<size_t>(free - taken_.begin());
}

bool BlobDownload::Release(size_t segment) {
  const bool missing = partial_->num_segments() > 0 &&
                       partial_->Done(segment) < partial_->End(segment) - partial_->Begin(segment);
  if (missing) taken_[segment] = false;
  --active_;
  // Of a file that an earlier run had nearly completed, several threads may find nothing missing.
  if (finishing_ || active_ > 0 || partial_->DoneInAll() < file_.size) return false;
  finishing_ = true;
  return true;
}

Status BlobDownload::Fetch(size_t segment, HttpClient& client) {
  if (partial_->num_segments() == 0) return {};  // An empty file.
  const Status fetched = FetchSegment(segment, client);
  // Of a segment that another connection has taken over it is that one's to say.
  const Status saved = one_stream_ ? Status() : partial_->SaveCount(segment);
  return fetched ? saved : fetched;
}

Status BlobDownload::FetchSegment(size_t segment, HttpClient& client) {
  Retries retries(settings_, cancelled_);
  bool owns_stream = false;
  while (true) {
    const int64_t first = owns_stream ? 0 : partial_->Begin(segment) + partial_->Done(segment);
    const int64_t end = owns_stream ? file_.size : partial_->End(segment);
    if (owns_stream ? partial_->DoneInAll() == end : first == end) return {};
    Answer answer{.wanted = {first, end - 1}, .owns_stream = owns_stream};
    HttpRequest request{
        .url = url_,
        .on_headers = [&](const HttpResponse& response) { return JudgeHeaders(response, answer); },
        .on_body = [&](std::string_view piece) { return Take(piece, answer); }};
    const bool whole = first == 0 && answer.wanted.last + 1 == file_.size;
    if (!whole) request.range = answer.wanted;
    HttpOutcome outcome = client.Get(request);
    AKIN_TRY(WriteGathered(answer));
    if (answer.yielded) return {};
    owns_stream = answer.owns_stream;
    if (!outcome.failure) {
      const HttpResponse& response = outcome.response;
      if (response.status == 416)
        return InvalidModel(repository_, ": ", file_.path, " is shorter than the ", file_.size,
                            " bytes that the hub's list gives it");
      // An address elsewhere may have expired; the hub gives a new one.
      const bool elsewhere = http::OriginOf(response.url) != http::OriginOf(settings_.endpoint);
      const bool success = response.status / 100 == 2;
      if (!success && !elsewhere)
        return RefusedByHub(settings_, response, StrCat(repository_, ": ", file_.path));
      if (success && answer.at == answer.end) return {};
      outcome.failure = HttpFailure{
          .error =
              success
                  ? MakeError(ErrorCode::kServiceUnavailable, repository_, ": ", file_.path,
                              " ended ", answer.end - answer.at, " bytes too early")
                  : MakeError(ErrorCode::kServiceUnavailable, repository_, ": ", file_.path,
                              ": the server of its content answers with status ", response.status),
          .retryable = true};
    }
    if (answer.at - first >= kProgressBytes) retries.Progressed();
    if (Status waited = retries.WaitAfter(*outcome.failure); !waited) {
      network_failed_ = outcome.failure->retryable;
      return waited;
    }
  }
}

Status BlobDownload::JudgeHeaders(const HttpResponse& response, Answer& answer) {
  std::string etag = response.FirstHeader("x-linked-etag");
  if (etag.empty()) etag = response.FirstHeader("etag");
  const std::string_view plain = PlainEtag(etag);
  if (IsContentHash(plain) && plain.size() == file_.hash.size() && plain != file_.hash) {
    return InvalidModel(repository_, ": ", file_.path, " has the ETag ", plain,
                        ", the hub's list says ", file_.hash);
  }
  if (response.status == 206) return JudgePart(response, answer);
  if (response.status == 200) return JudgeWhole(response, answer);
  return MakeError(ErrorCode::kServiceUnavailable, repository_, ": ", file_.path,
                   ": the server answers with status ", response.status);
}

Status BlobDownload::JudgePart(const HttpResponse& response, Answer& answer) {
  const auto range = ParseContentRange(response.Header("content-range"));
  if (range && range->total && *range->total != file_.size) {
    return InvalidModel(repository_, ": ", file_.path, " has ", *range->total,
                        " bytes, the hub's list says ", file_.size);
  }
  if (!range || range->range.first != answer.wanted.first ||
      range->range.last != answer.wanted.last) {
    return MakeError(ErrorCode::kServiceUnavailable, repository_, ": ", file_.path, ": bytes ",
                     answer.wanted.first, '-', answer.wanted.last,
                     " were asked for, the answer is '", response.Header("content-range"), "'");
  }
  answer.at = answer.wanted.first;
  answer.end = answer.wanted.last + 1;
  return {};
}

Status BlobDownload::JudgeWhole(const HttpResponse& response, Answer& answer) {
  const std::string length = response.Header("content-length");
  if (!length.empty() && ParseInt(length) != file_.size) {
    return InvalidModel(repository_, ": ", file_.path, " has ", length,
                        " bytes, the hub's list says ", file_.size);
  }
  if (!answer.owns_stream && (partial_->num_segments() > 1 || answer.wanted.first > 0)) {
    if (one_stream_.exchange(true)) {
      answer.yielded = true;
      return MakeError(ErrorCode::kCancelled, "another connection fetches the whole file");
    }
    answer.owns_stream = true;
    AKIN_TRY(BecomeOnlyStream());
  }
  answer.at = 0;
  answer.end = file_.size;
  return {};
}

// The others see one_stream_ at their next piece and stop.
Status BlobDownload::BecomeOnlyStream() {
  while (active_ > 1) {
    if (cancelled_()) return MakeError(ErrorCode::kCancelled, "the download was given up");
    std::this_thread::sleep_for(kStreamCheck);
  }
  return {};
}

Status BlobDownload::Take(std::string_view piece, Answer& answer) {
  if (one_stream_ && !answer.owns_stream && partial_->num_segments() > 1) {
    answer.yielded = true;
    return MakeError(ErrorCode::kCancelled, "another connection fetches the whole file");
  }
  if (static_cast<int64_t>(piece.size()) > answer.end - answer.at) {
    return InvalidModel(repository_, ": ", file_.path, " goes on behind its ", file_.size,
                        " bytes");
  }
  answer.gathered += piece;
  answer.at += static_cast<int64_t>(piece.size());
  received_bytes_ += static_cast<int64_t>(piece.size());
  return answer.gathered.size() < kWriteBytes ? Status() : WriteGathered(answer);
}

Status BlobDownload::WriteGathered(Answer& answer) {
  const int64_t offset = answer.at - static_cast<int64_t>(answer.gathered.size());
  AKIN_TRY(partial_->Write(offset, answer.gathered));
  HashWhatFits(offset, answer.gathered);
  answer.gathered.clear();
  return {};
}

void BlobDownload::HashWhatFits(int64_t offset, std::string_view bytes) {
  const std::unique_lock lock(hash_mutex_, std::try_to_lock);
  if (!lock) return;
  if (hashed_bytes_ == offset) {  // Still in the cache: not read again.
    hash_->Update(bytes);
    hashed_bytes_ += static_cast<int64_t>(bytes.size());
    return;
  }
  // An error here shows again when the file is finished.
  const int64_t end = partial_->ContiguousEnd(hashed_bytes_);
  (void)HashUpTo(std::min(end, hashed_bytes_ + kHashAtOnceBytes)).has_value();
}

Status BlobDownload::HashUpTo(int64_t end) {
  buffer_.resize(kReadBytes);
  while (hashed_bytes_ < end) {
    const auto count = std::min<int64_t>(end - hashed_bytes_, kReadBytes);
    AKIN_TRY_ASSIGN(const size_t got,
                    partial_->Read(hashed_bytes_, buffer_.data(), static_cast<size_t>(count)));
    hash_->Update({buffer_.data(), got});
    hashed_bytes_ += static_cast<int64_t>(got);
  }
  return {};
}

Result<bool> BlobDownload::Finish() {
  const std::unique_lock lock(hash_mutex_);
  AKIN_TRY(HashUpTo(file_.size));
  const std::string found = hash_->Finish();
  if (found != file_.hash) {
    if (resumed_) return false;
    return InvalidModel(repository_, ": ", file_.path, " has the ", ContentHashName(file_.hash),
                        ' ', found, ", the hub says ", file_.hash,
                        "; what was received is removed");
  }
  AKIN_TRY(partial_->Complete());
  if (rename(partial_->path().c_str(), blob_path_.c_str()) != 0)
    return DiskError(blob_path_, errno);
  SyncFolder(blob_path_.substr(0, blob_path_.rfind('/')));
  done_ = true;
  lock_.reset();
  return true;
}

Status BlobDownload::StartAnew() {
  resumed_ = false;
  finishing_ = false;
  AKIN_TRY(partial_->StartAnew());
  taken_.assign(taken_.size(), false);
  one_stream_ = false;
  const std::unique_lock lock(hash_mutex_);
  hashed_bytes_ = 0;
  AKIN_TRY_ASSIGN(hash_, ContentHash::Start(file_.hash, file_.size));
  return {};
}

void BlobDownload::Abandon(bool keep) {
  if (partial_ && !done_ && !(keep && partial_->DoneInAll() > 0)) partial_->Remove();
}

}  // namespace akin::hub
