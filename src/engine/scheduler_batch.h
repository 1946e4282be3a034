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
  Status status;      // Of the batch as a whole.
  size_t tokens = 0;  // Of its sequences.
};

// Of one group, at least one, on at most `num_threads` threads; ended, if the backend can, when the
// deadlines of all jobs have passed, or when stop is requested of `left`.
BatchResult ComputeBatch(std::span<const BatchMember> members, int num_threads,
                         std::stop_token left = {});

// The same of several groups, each for itself, those of one next to each other.
BatchResult ComputeInGroups(std::span<const BatchMember> members, int num_threads);

// After that has failed: a batch that fails costs those their answer whose texts fail alone, and
// nobody else. Their requests, each with its error.
std::vector<std::pair<batching::RequestId, Error>> ComputeOneByOne(
    std::span<const BatchMember> members, const std::stop_token& left);

}  // namespace akin::engine
