#include "batching/thread_shares.h"

#include <algorithm>
#include <cmath>

namespace akin::batching {
namespace {

// How much of the average a request replaces: three in a row that meet somebody, on two threads,
// and each thread goes alone; some ten that meet nobody, and both share again.
constexpr double kWeight = 0.125;

}  // namespace

void ThreadShares::Arrived(size_t others) {
  // More than the threads there are makes no difference, and would be long forgotten.
  const auto met = static_cast<double>(std::min(others, static_cast<size_t>(num_threads_)));
  others_ += kWeight * (met - others_);
}

int ThreadShares::Share() const {
  const int requests = 1 + static_cast<int>(std::lround(others_));
  return std::max(1, num_threads_ / requests);
}

int ThreadShares::Take(bool more_waits) {
  const int threads = more_waits ? 1 : std::clamp(Share(), 1, std::max(1, free()));
  in_use_ += threads;
  return threads;
}

int ThreadShares::TakeOne() {
  ++in_use_;
  return 1;
}

}  // namespace akin::batching
