// A batch of a scheduler: sequences of several jobs that are computed together.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "akin/result.h"

#include "batching/request_queue.h"
#include "engine/scheduler_job.h"

namespace akin::engine {

struct BatchMember {
  JobPtr job;
  batching::Pick pick;
};

struct BatchResult {
  Status status;  // Of the batch as a whole.
  // Of a batch that was computed: the tokens of its sequences, and how long that took. 0 of one
  // that failed or was ended, so that nothing is taken for work that was not done.
  size_t tokens = 0;
  Job::Clock::duration elapsed{0};
};

// Of one group, at least one, on at most `num_threads` threads; ended, if the backend can, when the
// deadlines of all jobs have passed, or when stop is requested of `left`.
BatchResult ComputeBatch(std::span<const BatchMember> members, int num_threads,
                         std::stop_token left = {});

// The same of several groups, each for itself, those of one next to each other.
BatchResult ComputeInGroups(std::span<const BatchMember> members, int num_threads);

// After that has failed: a batch that fails costs those their answer whose texts fail alone, and
// nobody else. One result for each member.
std::vector<BatchResult> ComputeOneByOne(std::span<const BatchMember> members,
                                         const std::stop_token& left);

}  // namespace akin::engine
