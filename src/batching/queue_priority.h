// Which of the requests in a queue go first.
#pragma once

#include <cstdint>

namespace akin::batching {

enum class QueuePriority : uint8_t { kQuery, kBulk };

// Batches of queries that are taken one after the other while bulk requests wait.
inline constexpr int kQueryBatchesInARow = 7;

}  // namespace akin::batching
