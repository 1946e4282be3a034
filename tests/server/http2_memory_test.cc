// A session whose memory runs out.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

// Frees what is left at its end.
struct FailingMemory {
  ~FailingMemory() {
    for (void* const left : held) std::free(left);
  }
  bool Fails() { return at != 0 && ++count == at; }
  void* Keep(void* memory) {
    if (memory != nullptr) held.insert(memory);
    return memory;
  }
  static FailingMemory& Self(void* self) { return *static_cast<FailingMemory*>(self); }
  static void* Malloc(size_t size, void* self) {
    return Self(self).Fails() ? nullptr : Self(self).Keep(std::malloc(size));
  }
  static void Free(void* memory, void* self) {
    Self(self).held.erase(memory);
    std::free(memory);
  }
  static void* Calloc(size_t number, size_t size, void* self) {
    return Self(self).Fails() ? nullptr : Self(self).Keep(std::calloc(number, size));
  }
  static void* Realloc(void* memory, size_t size, void* self) {
    if (Self(self).Fails()) return nullptr;
    Self(self).held.erase(memory);
    return Self(self).Keep(std::realloc(memory, size));
  }

  size_t count = 0, at = 0;
  std::set<void*> held;
  nghttp2_mem mem{this, Malloc, Free, Calloc, Realloc};
};

// Each of nghttp2's allocations fails in turn: its client is answered or told, or the connection
// ends; nobody waits for ever.
TEST(Http2Session, AnAnswerForWhichNghttp2HasNoMemoryEndsItsStreamOrTheConnection) {
  size_t at = 1;
  for (bool failed = true; failed; ++at) {
    ASSERT_LT(at, 300u);
    FailingMemory memory;
    Pair pair(true, nullptr, &memory.mem);
    pair.Talk();
    const int32_t id = pair.client.Ask(Http2Client::Post("/"), "x");
    memory.at = at;
    pair.Talk();
    for (const auto& seen : pair.handler.seen) {
      if (seen->responder == nullptr) continue;
      seen->responder->SendHead(200, {{"x-a", "b"}}, false);
      if (seen->responder != nullptr) seen->responder->SendData("x", false, nullptr);
    }
    pair.Talk();
    for (const auto& seen : pair.handler.seen)
      if (seen->responder != nullptr) seen->responder->SendTrailers({{"x-c", "d"}});
    pair.Talk();
    failed = memory.count >= at;
    const auto& answer = pair.client.answers[id];
    EXPECT_TRUE(answer.has_ended || answer.is_closed || pair.session.is_over()) << at;
    const bool is_lost = !answer.has_ended && pair.handler.seen.size() == 1;
    EXPECT_FALSE(is_lost && pair.handler.seen[0]->answered) << at;
  }
  EXPECT_GT(at, 10u);
}

}  // namespace
}  // namespace akin::server
