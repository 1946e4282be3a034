#include "base/door.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

#include "base/strings.h"

namespace akin {
namespace {

// Of the exception that is being handled. May run out of memory.
Error Described(std::string_view doing, std::string_view object) {
  const std::string what = object.empty() ? StrCat(doing) : StrCat(doing, " '", object, "'");
  try {
    throw;
  } catch (const std::system_error& error) {  // No more threads, or descriptors.
    return MakeError(ErrorCode::kServiceUnavailable, what, ": ", error.what());
  } catch (const std::exception& error) {
    return Internal(what, ": ", error.what());
  } catch (...) {
    return Internal(what, ": an unknown exception");
  }
}

}  // namespace

Error CaughtError(std::string_view doing, std::string_view object) noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  } catch (const std::length_error&) {  // A container longer than memory can be.
    return OutOfMemory();
  } catch (...) {
    try {
      return Described(doing, object);
    } catch (...) {
      return OutOfMemory();
    }
  }
}

}  // namespace akin
