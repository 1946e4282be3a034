// What a JSON document costs in memory, in a program of its own because operator new is replaced.
#include <gtest/gtest.h>

#include <string>

#include "formats/json.h"
#include "support/allocations.h"
#include "support/expect_error.h"

namespace akin::formats {
namespace {

std::string Dense(std::string_view piece, size_t bytes) {
  std::string text = "[";
  while (text.size() < bytes) text.append(text.size() > 1 ? "," : "").append(piece);
  return text + "]";
}

TEST(JsonMemory, TheDensestFilesCostASmallMultipleOfTheirSize) {
  for (const std::string_view piece : {"0", "[]", "{}", "\"\"", R"(["a",0])", R"({"":0})"}) {
    SCOPED_TRACE(piece);
    const std::string text = Dense(piece, 2'000'000);
    const WatchedAllocations watched;
    const auto document = JsonDocument::Parse(text, "f.json", {.max_bytes = text.size()});
    ASSERT_TRUE(document);
    EXPECT_LT(watched.peak_bytes(), 18 * text.size());
  }
}

TEST(JsonMemory, WithoutMemoryNothingIsSaidAboutTheFile) {
  size_t num_failures = 0;
  for (size_t n = 1;; ++n) {
    const WatchedAllocations watched({.at = n});
    try {
      const auto document = JsonDocument::Parse(R"({"a":[1,2,"x\n"]})", "f.json");
      if (!watched.failed()) {
        EXPECT_TRUE(document);
        break;
      }
      if (!document) ExpectError(document, ErrorCode::kInternal, "out of memory");
    } catch (const std::bad_alloc&) {
    }
    ++num_failures;
  }
  EXPECT_GT(num_failures, 3u);
}

}  // namespace
}  // namespace akin::formats
