#include "akin/scheduler.h"

#include <utility>

#include "base/door.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "engine/joined_calls.h"
#include "engine/scheduler_impl.h"
#include "engine/scheduler_job.h"

namespace akin {

Scheduler::Scheduler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scheduler::~Scheduler() = default;

Result<std::unique_ptr<Scheduler>> Scheduler::Start(const SchedulerOptions& options) {
  if (options.batch_tokens < 1 || options.max_requests < 1 || options.max_tokens < 1 ||
      options.max_bytes < 1) {
    return InvalidInput("scheduler: batch_tokens ", options.batch_tokens, ", max_requests ",
                        options.max_requests, ", max_tokens ", options.max_tokens,
                        " and max_bytes ", options.max_bytes, " must be at least 1");
  }
  int num_threads = options.num_threads;
  if (num_threads == 0) {
    AKIN_TRY_ASSIGN(const UsableThreads usable, CountUsableThreads());
    num_threads = usable.count;
  }
  if (num_threads < 1 || num_threads > kMaxThreads) {
    return InvalidInput("scheduler: num_threads is ", num_threads, ", expected 1 to ", kMaxThreads);
  }
  return AtTheDoor("cannot start the scheduler", {}, [&]() -> Result<std::unique_ptr<Scheduler>> {
    auto impl = std::make_unique<Impl>(options, num_threads);
    impl->StartThreads();
    return std::unique_ptr<Scheduler>(new Scheduler(std::move(impl)));
  });
}

Result<Scheduler::Ticket> Scheduler::Submit(EmbedRequest request, Done<AllEmbeddings> done) {
  if (request.texts.empty()) return InvalidInput("a request needs at least one text");
  return impl_->Submit<engine::CallJob<EmbedRequest, engine::EmbedCall, AllEmbeddings>>(
      std::move(request), std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(ScoreRequest request, Done<Scores> done) {
  if (request.inputs.empty()) return InvalidInput("a request needs at least one text");
  return impl_->Submit<engine::CallJob<ScoreRequest, engine::ScoreCall, Scores>>(std::move(request),
                                                                                 std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(RerankRequest request, Done<Scores> done) {
  if (request.documents.empty()) return InvalidInput("a request needs at least one document");
  return impl_->Submit<engine::CallJob<RerankRequest, engine::ScoreCall, Scores>>(
      std::move(request), std::move(done));
}

Result<Scheduler::Ticket> Scheduler::Submit(WorkRequest request, Done<void> done) {
  return impl_->Submit<engine::WorkJob>(std::move(request), std::move(done));
}

void Scheduler::Stop() { impl_->Stop(); }
void Scheduler::Abandon() { impl_->Abandon(); }
void Scheduler::Cancel(Ticket ticket) { impl_->Cancel(ticket); }
SchedulerLoad Scheduler::Load() const { return impl_->Load(); }
ClientLoad Scheduler::LoadOf(const std::string& client, std::optional<Priority> priority) const {
  return impl_->LoadOf(client, priority);
}
SchedulerCounts Scheduler::Counts() const { return impl_->Counts(); }
int Scheduler::num_threads() const { return impl_->num_threads(); }

}  // namespace akin
