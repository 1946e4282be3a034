// What the bridge to a child process costs a call, beside a child that computes nothing
// (idle_child.py): the whole of Embedder::Embed, from the text to the vector.
//
//   build/release/bench/child_bench MODEL_FOLDER [CALLS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUp = 50;

std::string TextOf(int words) {
  std::string text;
  for (int i = 0; i < words; ++i) text += i % 2 == 0 ? "the " : "market ";
  return text;
}

double At(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

// Milliseconds of each call, sorted; empty: one has failed.
std::vector<double> Measure(const akin::Embedder& embedder, const std::vector<std::string>& texts,
                            int calls) {
  std::vector<double> times;
  for (int i = -kWarmUp; i < calls; ++i) {
    const auto start = Clock::now();
    const auto embeddings = embedder.Embed(std::span<const std::string>(texts));
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (!embeddings) {
      std::fprintf(stderr, "%s\n", embeddings.error().message().c_str());
      return {};
    }
    if (i >= 0) times.push_back(ms);
  }
  std::ranges::sort(times);
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "child_bench MODEL_FOLDER [CALLS]\n");
    return 2;
  }
  const int calls = argc > 2 ? std::max(1, std::atoi(argv[2])) : 2000;
  akin::LoadOptions options{.backend = akin::BackendKind::kPython};
  options.python.child = AKIN_IDLE_CHILD;
  const auto embedder = akin::Embedder::Load(argv[1], options);
  if (!embedder) {
    std::fprintf(stderr, "%s\n", embedder.error().message().c_str());
    return 1;
  }
  std::printf("%-24s %9s %9s %9s   ms a call, %d calls\n", "", "P50", "P95", "P99", calls);
  struct Case {
    const char* name;
    int texts, words;
  };
  for (const Case& c : {Case{"1 text of 5 tokens", 1, 3}, Case{"1 text of 128 tokens", 1, 126},
                        Case{"32 texts of 16 tokens", 32, 14}}) {
    const std::vector<double> times = Measure(
        *embedder, std::vector<std::string>(static_cast<size_t>(c.texts), TextOf(c.words)), calls);
    if (times.empty()) return 1;
    std::printf("%-24s %9.3f %9.3f %9.3f\n", c.name, At(times, 0.50), At(times, 0.95),
                At(times, 0.99));
  }
  return 0;
}
