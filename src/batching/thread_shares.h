// How many threads the next batch is computed on, and whether there is one for it. Pure logic:
// counts.
//
// Threads that share a batch bring its answer sooner, and get less done: they meet some fifty
// times, and the last one sets the pace. So how many share one depends on how many requests there
// are at a time, of late: with one client all threads share its request, with as many clients as
// threads each request has a thread of its own.
//
//   4 threads, requests at a time:   1   2   3   4   60
//   threads for each:                4   2   1   1    1
//
// All that compute take their threads here, whoever they are (workers, the thread that brings a
// request), so that no more compute than there are, and a batch is made up when a thread is free
// for it, not before: until then more requests join it.
#pragma once

#include <cstddef>

namespace akin::batching {

class ThreadShares {
 public:
  // At least one thread.
  explicit ThreadShares(int num_threads) : num_threads_(num_threads) {}

  // A request has come, and met `others`, which wait or are under way.
  void Arrived(size_t others);

  // Threads that compute nothing. Without one nothing is begun.
  int free() const { return num_threads_ - in_use_; }
  // Of all threads, how many one request gets when they are shared out among those that there are
  // at a time.
  int Share() const;
  // Nothing is under way, and requests have come one at a time of late.
  bool IsQuiet() const { return in_use_ == 0 && Share() == num_threads_; }

  // Threads for a batch, at least one, of those that are free: one if more waits behind it, which
  // the other threads will take. They are in use until they are given back.
  int Take(bool more_waits);
  int TakeOne();
  void GiveBack(int threads) { in_use_ -= threads; }

 private:
  int num_threads_;
  int in_use_ = 0;
  double others_ = 0;  // Whom a request meets when it comes; a moving average.
};

}  // namespace akin::batching
