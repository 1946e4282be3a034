#include "engine/scheduler_batch.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/door.h"
#include "engine/joined_calls.h"

namespace akin::engine {
namespace {

// The last of the jobs' deadlines; nothing if one has none.
std::optional<Job::Clock::time_point> LastDeadline(std::span<const BatchMember> members) {
  auto last = members[0].job->deadline;
  for (const BatchMember& member : members) {
    if (!member.job->deadline) return std::nullopt;
    last = std::max(last, member.job->deadline);
  }
  return last;
}

}  // namespace

BatchResult ComputeBatch(std::span<const BatchMember> members, int num_threads,
                         std::stop_token left) {
  BatchResult result;
  result.status = AtTheDoor("cannot compute", {}, [&]() -> Status {
    const auto start = Job::Clock::now();
    size_t tokens = 0;
    std::vector<JoinedSequences> joined;
    for (const BatchMember& member : members) {
      Job& job = *member.job;
      joined.push_back({job.call(), job.equal()[member.pick.sequence]});
      tokens += static_cast<size_t>(job.call()->sequences().lengths()[joined.back().sequences[0]]);
    }
    const WantedUntil wanted_until = {LastDeadline(members), std::move(left)};
    AKIN_TRY(ComputeJoined(joined, {num_threads, &wanted_until}));
    result.tokens = tokens;
    result.elapsed = Job::Clock::now() - start;
    return {};
  });
  return result;
}

BatchResult ComputeInGroups(std::span<const BatchMember> members, int num_threads) {
  const auto group = [&](size_t i) {
    Job& job = *members[i].job;
    return GroupOf(*job.call(), job.equal()[members[i].pick.sequence][0]);
  };
  BatchResult all;
  for (size_t begin = 0, end = 0; begin < members.size() && all.status; begin = end) {
    while (end < members.size() && group(end) == group(begin)) ++end;
    BatchResult result = ComputeBatch(members.subspan(begin, end - begin), num_threads);
    all.status = std::move(result.status);
    all.tokens += result.tokens;
    all.elapsed += result.elapsed;
  }
  return all;
}

std::vector<BatchResult> ComputeOneByOne(std::span<const BatchMember> members,
                                         const std::stop_token& left) {
  std::vector<BatchResult> results;
  for (const BatchMember& member : members) results.push_back(ComputeBatch({&member, 1}, 1, left));
  return results;
}

}  // namespace akin::engine
