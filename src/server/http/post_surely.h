// A way to the event loop that a moment without memory does not close.
#pragma once

#include <boost/asio/post.hpp>
#include <chrono>
#include <new>
#include <thread>

namespace akin::server {

// Posts `call`, of any thread. What it brings would be lost else, so it is tried again for some
// milliseconds; then std::bad_alloc.
template <typename Executor, typename Call>
void PostSurely(const Executor& executor, const Call& call) {
  for (int tries = 10;; --tries) {
    try {
      return boost::asio::post(executor, call);
    } catch (const std::bad_alloc&) {
      if (tries == 0) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace akin::server
