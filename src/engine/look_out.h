// How long an idle worker looks out for its next call before it sleeps.
//
// A caller with one text after the other, in this process or behind a server, is back within some
// hundred microseconds. A worker that has gone to sleep by then has to be woken, which takes about
// as long as the text's first layer, on a virtual machine whose core was halted longer: 600
// microseconds a text of 12 tokens became 640 with pauses of 60 microseconds between the texts
// (docs/design/006). So where calls have come soon of late the worker looks out longer, and offers
// its core between two looks; where they have not, and in an idle process, it soon sleeps. Pure
// logic.
#pragma once

#include <chrono>

#include "base/spin.h"

namespace akin::engine {

class LookOut {
 public:
  // Of a caller behind HTTP: its answer is written, read, and its next request written and read.
  static constexpr std::chrono::microseconds kLongTime{250};

  // What to look out for.
  std::chrono::microseconds time() const { return pays() ? kLongTime : kSpinTime; }
  // A call was seen after so long, by a sleeper later than it came. One bound for both, or calls
  // just behind it would lengthen the look-out again and again, which then never sees them.
  void Record(std::chrono::nanoseconds waited) {
    average_ += kWeight * ((waited <= kLongTime ? 1.0 : 0.0) - average_);
  }

 private:
  static constexpr double kWeight = 0.25;

  bool pays() const { return average_ >= 0.5; }

  double average_ = 0;  // Of the calls: which part came soon.
};

}  // namespace akin::engine
