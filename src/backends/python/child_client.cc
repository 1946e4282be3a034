#include "backends/python/child_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/backend_counters.h"
#include "base/door.h"
#include "base/strings.h"

namespace akin::backends::python {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How often the child is asked whether it still runs: its children may keep its socket open.
constexpr milliseconds kLifeCheck{200};
// For a child that is told to end, before it is killed.
constexpr milliseconds kGrace{300};
constexpr size_t kOutputTailBytes = size_t{64} << 10;
constexpr size_t kShownOutputBytes = 300;
constexpr size_t kOutputPieceBytes = size_t{16} << 10;

template <typename... Pieces>
Error Unavailable(const Pieces&... pieces) {
  return MakeError(ErrorCode::kServiceUnavailable, "backend python: ", pieces...);
}

int MillisecondsUntil(Clock::time_point deadline, milliseconds longest) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::clamp(left, milliseconds(0), longest).count());
}

// Sends all of `parts`. Error: ServiceUnavailable (the other side is gone), DeadlineExceeded (it
// does not read).
Status SendAll(int socket, std::array<iovec, 3> parts, Clock::time_point deadline) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
#ifdef MSG_NOSIGNAL
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
#else
  constexpr int kFlags = MSG_DONTWAIT;
#endif
  while (message.msg_iovlen > 0) {
    const ssize_t sent = sendmsg(socket, &message, kFlags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK)
        return Unavailable("the child process does not take requests: ", std::strerror(errno));
      pollfd ready{.fd = socket, .events = POLLOUT};
      const int wait = MillisecondsUntil(deadline, std::chrono::hours(1));
      if (wait == 0)
        return MakeError(ErrorCode::kDeadlineExceeded,
                         "backend python: the child process does not read its requests");
      poll(&ready, 1, wait);
      continue;
    }
    auto left = static_cast<size_t>(sent);
    while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
      left -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen > 0) {
      message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + left;
      message.msg_iov->iov_len -= left;
    }
  }
  return {};
}

iovec Part(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

// The last line of what a process has printed, the one with the reason as a rule.
std::string LastLine(std::string_view output) {
  while (!output.empty() && static_cast<unsigned char>(output.back()) <= ' ')
    output.remove_suffix(1);
  const size_t begin = output.rfind('\n');
  std::string line(output.substr(begin == output.npos ? 0 : begin + 1));
  if (line.size() > kShownOutputBytes) line.resize(kShownOutputBytes);
  return line;
}

bool AllFinite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

// The child's own refusal.
Error SaidByChild(const Error& error) {
  return MakeError(error.code(), "backend python: the child process says: ", error.message());
}

}  // namespace

// One child, from its start to its end, on the supervising thread.
class ChildClient::Life : public MessageHandler {
 public:
  Life(ChildClient& client, ChildProcess& process) : client_(client), process_(process) {}

  // Has the model loaded and hands answers over, until the child ends or is to end; why.
  Error Run() {
    const Status served = AtTheDoor("cannot serve the child process", {}, [&] { return Serve(); });
    return served ? Unavailable("it is closed") : served.error();
  }

  // The answer that was on its way when the child ended.
  const std::shared_ptr<Exchange>& unfinished() const { return unfinished_; }

  Status TakeLine(std::string_view line, size_t& num_bytes,
                  std::shared_ptr<Exchange>& receiver) override {
    Result<Answer> read = ReadAnswer(line, !ready_);
    if (!read) return Internal("backend python: the child process ", read.error().message());
    num_bytes = read->num_bytes;
    if (!ready_) return TakeDescription(*std::move(read));
    const std::lock_guard lock(client_.mutex_);
    const auto found = client_.waiting_.find(read->id);
    if (found == client_.waiting_.end()) {
      ++client_.counts_.unknown_answers;
      ++CountersOfBackends().child_unknown_answers;
      return {};
    }
    unfinished_ = std::move(found->second);
    client_.waiting_.erase(found);
    TakeRows(*std::move(read), num_bytes, receiver);
    return {};
  }

  void TakeBytes(const std::shared_ptr<Exchange>& receiver) override {
    if (receiver == nullptr) return;
    const bool finite = AllFinite(receiver->values);  // Not under the lock: it may be megabytes.
    const std::lock_guard lock(client_.mutex_);
    FinishWith(finite ? std::nullopt : std::optional(NotFinite()));
  }

 private:
  // Under the client's mutex from here on.
  void TakeRows(Answer answer, size_t num_bytes, std::shared_ptr<Exchange>& receiver) {
    Exchange& exchange = *unfinished_;
    const auto width = static_cast<size_t>(client_.description_.width);
    if (answer.error) {
      // Its own refusal is an answer, too: it runs.
      return FinishWith(SaidByChild(*answer.error));
    }
    if (answer.rows != exchange.rows || answer.width != width)
      return FinishWith(Wrong("gives ", answer.rows, " rows of ", answer.width,
                              " values, expected ", exchange.rows, " of ", width));
    if (!answer.values.empty()) {
      exchange.values = std::move(answer.values);
      return FinishWith(AllFinite(exchange.values) ? std::nullopt : std::optional(NotFinite()));
    }
    if (num_bytes != exchange.rows * width * sizeof(float))
      return FinishWith(Wrong("gives ", num_bytes, " bytes for ", exchange.rows, " rows of ", width,
                              " values of ", sizeof(float), " bytes"));
    exchange.values.resize(exchange.rows * width);
    receiver = unfinished_;
  }

  template <typename... Pieces>
  Error Wrong(const Pieces&... pieces) {
    ++client_.counts_.wrong_answers;
    ++CountersOfBackends().child_wrong_answers;
    return Internal("backend python: the child process ", pieces...);
  }
  Error NotFinite() { return Wrong("gives values that are not finite (NaN or infinity)"); }

  void FinishWith(std::optional<Error> error) {
    client_.failures_ = 0;
    unfinished_->error = std::move(error);
    unfinished_->done = true;
    unfinished_->changed.notify_one();
    unfinished_.reset();
  }

  Status TakeDescription(Answer answer) {
    if (answer.id != load_id_) {
      return Internal("backend python: the child process answers request ", answer.id,
                      ", which there is not; load_model was request ", load_id_);
    }
    if (answer.error) return SaidByChild(*answer.error);
    if (!answer.description) return Internal("backend python: the child process answers nothing");
    const std::lock_guard lock(client_.mutex_);
    if (!client_.described_) {
      client_.description_ = *std::move(answer.description);
      client_.described_ = true;
    } else if (!(client_.description_ == *answer.description)) {
      return Internal(
          "backend python: the child process that was started anew gives another model");
    }
    ready_ = true;
    client_.state_ = State::kReady;
    client_.changed_.notify_all();
    return {};
  }

  Status Serve() {
    AKIN_TRY(SendLoad());
    while (true) {
      AKIN_TRY_ASSIGN(const bool more, WaitAndRead());
      if (!more) break;
    }
    if (IsStopping()) return {};
    return EndedByItself();
  }

  Status SendLoad() {
    {
      const std::lock_guard lock(client_.mutex_);
      load_id_ = client_.next_id_++;
    }
    start_deadline_ = Clock::now() + client_.options_.start_timeout;
    const RequestText request = WriteLoadRequest(client_.options_.load);
    const std::string head = StrCat("{\"id\":", load_id_);
    // A child that is gone already is noticed, with its last words, when it is read from.
    const Status sent =
        SendAll(process_.socket(), {Part(head), Part(request.rest), Part("")}, start_deadline_);
    return !sent && sent.error().code() == ErrorCode::kDeadlineExceeded ? sent : Status();
  }

  // False: the child has ended, or is to end.
  Result<bool> WaitAndRead() {
    std::array<pollfd, 3> fds{pollfd{.fd = process_.socket(), .events = POLLIN},
                              pollfd{.fd = printing_ ? process_.output() : -1, .events = POLLIN},
                              pollfd{.fd = client_.wake_reader_.get(), .events = POLLIN}};
    const int wait = ready_ ? static_cast<int>(kLifeCheck.count())
                            : MillisecondsUntil(start_deadline_, kLifeCheck);
    const int events = poll(fds.data(), fds.size(), wait);
    if (fds[2].revents != 0) return false;
    if (fds[1].revents != 0) ReadOutput();
    if (fds[0].revents != 0) {
      AKIN_TRY_ASSIGN(const bool open, reader_.Receive(process_.socket(), *this));
      if (!open) return false;
    }
    if (events == 0 && process_.HasEnded()) return false;
    if (!ready_ && Clock::now() >= start_deadline_) {
      return Unavailable("the child process has not loaded the model after ",
                         client_.options_.start_timeout.count(), " ms", LastWords());
    }
    return true;
  }

  // Keeps the end of it.
  void ReadOutput() {
    std::array<char, kOutputPieceBytes> piece;
    const ssize_t got = read(process_.output(), piece.data(), piece.size());
    if (got == 0) printing_ = false;
    if (got <= 0) return;
    output_.append(piece.data(), static_cast<size_t>(got));
    if (output_.size() > 2 * kOutputTailBytes) output_.erase(0, output_.size() - kOutputTailBytes);
  }

  bool IsStopping() const {
    const std::lock_guard lock(client_.mutex_);
    return client_.stopping_;
  }

  Error EndedByItself() {
    // Its socket is at its end; so is its life, or it is not good for anything.
    const auto deadline = Clock::now() + kGrace;
    while (!process_.HasEnded() && Clock::now() < deadline)
      std::this_thread::sleep_for(milliseconds(1));
    const bool ended = process_.HasEnded();
    for (int i = 0; printing_ && i < 8; ++i) ReadOutput();
    const std::string how =
        ended ? StrCat("ended with ", process_.HowEnded()) : std::string("closed its socket");
    return Unavailable("the child process ", how, ready_ ? "" : " before it had loaded the model",
                       LastWords());
  }

  // Of a child that has not seen any text yet: later they might hold one.
  std::string LastWords() const {
    const std::string line = ready_ ? std::string() : LastLine(output_);
    return line.empty() ? std::string() : StrCat("; it printed: ", line);
  }

  ChildClient& client_;
  ChildProcess& process_;
  MessageReader reader_;
  std::shared_ptr<Exchange> unfinished_;
  int64_t load_id_ = 0;
  bool ready_ = false;
  bool printing_ = true;
  std::string output_;
  Clock::time_point start_deadline_;
};

Result<std::unique_ptr<ChildClient>> ChildClient::Start(ClientOptions options) {
  std::unique_ptr<ChildClient> client(new ChildClient(std::move(options)));
  int fds[2];
#ifdef __linux__
  const int made = pipe2(fds, O_CLOEXEC);
#else
  const int made = pipe(fds);
#endif
  if (made != 0) return Internal("backend python: cannot make a pipe: ", std::strerror(errno));
  client->wake_reader_ = UniqueFd(fds[0]);
  client->wake_writer_ = UniqueFd(fds[1]);
  client->thread_ = std::thread([&self = *client] { self.Supervise(); });
  std::unique_lock lock(client->mutex_);
  client->changed_.wait(lock, [&] { return client->state_ == State::kReady || client->last_end_; });
  if (client->state_ == State::kReady) return client;
  const Error error = *client->last_end_;
  lock.unlock();
  return error;
}

ChildClient::~ChildClient() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  wake_writer_ = UniqueFd();
  if (thread_.joinable()) thread_.join();
}

void ChildClient::Supervise() {
  bool again = true;
  while (again) {
    Error end = AtTheDoor("cannot run the child process", {}, [&]() -> Status {
                  return RunChild();
                }).error();
    again = PauseAfter(std::move(end));
  }
}

Error ChildClient::RunChild() {
  Result<ChildProcess> started = ChildProcess::Start(options_.argv, options_.what);
  if (!started)
    return MakeError(started.error().code(), "backend python: ", started.error().message());
  const auto process = std::make_shared<ChildProcess>(*std::move(started));
  {
    const std::lock_guard lock(mutex_);
    process_ = process;
    if (counts_.starts++ > 0) ++CountersOfBackends().child_restarts;
  }
  Life life(*this, *process);
  Error end = life.Run();
  {
    const std::lock_guard lock(mutex_);
    process_ = nullptr;  // From here on nobody else touches its group.
    state_ = State::kStarting;
    if (life.unfinished() != nullptr) waiting_[next_id_++] = life.unfinished();
  }
  shutdown(process->socket(), SHUT_RDWR);  // Also those who write wake up.
  if (const auto deadline = Clock::now() + kGrace; end.code() == ErrorCode::kServiceUnavailable) {
    while (!process->HasEnded() && Clock::now() < deadline)
      std::this_thread::sleep_for(milliseconds(1));
  }
  process->End();
  return end;
}

void ChildClient::FailWaiting(const Error& error) {
  for (const auto& [id, exchange] : waiting_) {
    exchange->error = error;
    exchange->done = true;
    exchange->changed.notify_one();
  }
  waiting_.clear();
}

bool ChildClient::PauseAfter(Error end) {
  std::unique_lock lock(mutex_);
  FailWaiting(end);
  ++failures_;
  last_end_ = std::move(end);
  // A first start that fails is the caller's to know.
  if (!described_) stopping_ = true;
  if (failures_ >= options_.failures_until_refusal) state_ = State::kRefusing;
  changed_.notify_all();
  milliseconds pause{0};
  if (failures_ > 1) {
    const int doublings = std::min(failures_ - 2, 16);
    pause = std::min(options_.longest_back_off, options_.first_back_off * (1 << doublings));
  }
  changed_.wait_for(lock, pause, [&] { return stopping_; });
  return !stopping_;
}

Result<ChildClient::ProcessPtr> ChildClient::Register(const std::shared_ptr<Exchange>& exchange,
                                                      int64_t& id) {
  std::unique_lock lock(mutex_);
  const bool settled = changed_.wait_for(lock, options_.start_timeout,
                                         [&] { return stopping_ || state_ != State::kStarting; });
  if (settled && state_ == State::kReady && process_ != nullptr) {
    id = next_id_++;
    waiting_[id] = exchange;
    return process_;
  }
  if (stopping_) return Unavailable("it is being closed");
  return Unavailable("the child process cannot be kept running: ",
                     last_end_ ? last_end_->message() : "it does not start");
}

void ChildClient::Kill(const ProcessPtr& process) {
  const std::lock_guard lock(mutex_);
  if (process_ != process) return;
  state_ = State::kStarting;  // The next requests are its successor's.
  kill(-process->group(), SIGKILL);
}

Status ChildClient::Send(const ChildProcess& process, int64_t id, const RequestText& request,
                         Clock::time_point deadline) {
  const std::string head = StrCat("{\"id\":", id);
  const std::lock_guard lock(write_mutex_);
  return SendAll(process.socket(), {Part(head), Part(request.rest), Part(request.payload)},
                 deadline);
}

Status ChildClient::Await(int64_t id, const ProcessPtr& process, Exchange& exchange,
                          Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (exchange.changed.wait_until(lock, deadline, [&] { return exchange.done; })) {
    if (exchange.error) return *std::move(exchange.error);
    return {};
  }
  waiting_.erase(id);
  lock.unlock();
  Kill(process);
  return MakeError(ErrorCode::kDeadlineExceeded, "backend python: the child process has not ",
                   "answered after ", options_.answer_timeout.count(), " ms and was ended");
}

Status ChildClient::Call(const RequestText& request, size_t rows,
                         std::shared_ptr<Exchange>& exchange) {
  if (exchange == nullptr) exchange = std::make_shared<Exchange>();
  exchange->rows = rows;
  exchange->done = false;
  exchange->error.reset();
  int64_t id = 0;
  AKIN_TRY_ASSIGN(const ProcessPtr process, Register(exchange, id));
  const auto deadline = Clock::now() + options_.answer_timeout;
  // A request that was sent in part has spoilt the channel. Who reads it notices the end and tells
  // all who wait.
  if (!Send(*process, id, request, deadline)) Kill(process);
  const Status answered = Await(id, process, *exchange, deadline);
  // The thread may still be reading an answer that came too late.
  if (!answered && answered.error().code() == ErrorCode::kDeadlineExceeded) exchange.reset();
  return answered;
}

ClientCounts ChildClient::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

pid_t ChildClient::child_pid() const {
  const std::lock_guard lock(mutex_);
  return process_ == nullptr ? -1 : process_->pid();
}

}  // namespace akin::backends::python
