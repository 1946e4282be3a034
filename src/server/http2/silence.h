// When a client that says nothing is asked whether it is there, and when it is given up. A client
// whose machine or network has gone says nothing for ever, and a stream that waits for news would
// be kept as long. On a clock that is handed in.
#pragma once

#include <chrono>

namespace akin::server {

class Silence {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Without a word of the client until it is asked for one, and from then until it is given up.
  static constexpr std::chrono::seconds kSilence{60}, kPingTime{20};

  enum class Verdict { kGoOn, kAsk, kGiveUp };

  void Heard(TimePoint now) {
    heard_ = now;
    was_asked_ = false;
  }
  // A few times a second. `awaits`: a word of the client's is waited for, and it would be heard.
  Verdict Look(TimePoint now, bool awaits) {
    if (!awaits) Heard(now);
    if (now - heard_ < kSilence) return Verdict::kGoOn;
    if (!was_asked_) {
      was_asked_ = true;
      return Verdict::kAsk;
    }
    return now - heard_ < kSilence + kPingTime ? Verdict::kGoOn : Verdict::kGiveUp;
  }

 private:
  TimePoint heard_{};
  bool was_asked_ = false;  // Since.
};

}  // namespace akin::server
