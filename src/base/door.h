// The doors of the library: public functions, and the entries of threads. We do not throw, but the
// standard library does, for want of memory or of threads, and no exception may leave.
#pragma once

#include <string_view>
#include <type_traits>

#include "akin/result.h"

namespace akin {

// Inside of a handler: the exception as an error. Out of memory needs no memory. `doing` and, if it
// is not empty, `object` begin the message of others: "cannot load the model 'x': ..".
Error CaughtError(std::string_view doing, std::string_view object = {}) noexcept;

// What `body`, which returns a Result, returns or throws.
template <typename Body>
std::invoke_result_t<Body> AtTheDoor(std::string_view doing, std::string_view object,
                                     Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return CaughtError(doing, object);
  }
}

}  // namespace akin
