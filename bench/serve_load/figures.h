// What a benchmark prints and keeps: rows of figures, and what has gone wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace akin::bench {

class Figures {
 public:
  // The figures that follow are of this case.
  void Row(const std::string& name);
  void Add(const std::string& name, double value, int digits);
  void Fail(const std::string& why);

  bool failed() const { return failed_; }
  // [{"case": ..., "figure": ..., "value": ...}, ...]
  std::string ToJson() const { return "[" + json_ + "]\n"; }

 private:
  bool failed_ = false;
  std::string row_, json_;
};

// What a server holds may grow by so much between the 10,000th request and the last one.
inline constexpr double kMostGrowth = 0.02;

// What is wrong with how much of `what` there is after 10,000 requests and at the end.
std::optional<std::string> FindGrowth(const std::string& what, double early, double late);

}  // namespace akin::bench
