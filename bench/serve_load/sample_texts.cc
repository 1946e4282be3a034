#include "serve_load/sample_texts.h"

#include <algorithm>
#include <iterator>
#include <random>

namespace akin::bench {
namespace {

constexpr const char* kSentences[] = {
    "Where can I renew my passport?",
    "The ferry leaves at noon.",
    "How do I reset a forgotten password?",
    "Best vegetarian restaurants near the station",
    "What does a heat pump cost to run in winter?",
    "Copper conducts electricity better than iron",
    "My order has not arrived although it was delivered",
    "Please send the signed form to the office",
    "A vector database finds the nearest neighbours",
    "The library closes early on holidays",
    "Install the package and restart the service",
    "Two goals in five minutes decided the match",
};

}  // namespace

std::vector<std::string> SampleTexts(size_t count, size_t words, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text = kSentences[random() % std::size(kSentences)];
    size_t have = static_cast<size_t>(std::ranges::count(text, ' ')) + 1;
    while (have < words) {
      const std::string more = kSentences[random() % std::size(kSentences)];
      text += ' ' + more;
      have += static_cast<size_t>(std::ranges::count(more, ' ')) + 1;
    }
    texts.push_back(text + ' ' + std::to_string(i));
  }
  return texts;
}

}  // namespace akin::bench
