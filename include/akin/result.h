// Errors are values: every call that can fail returns `Result<T>` or `Status`.
//
// `Result<T>` has the interface of C++23's `std::expected<T, Error>` and can become that alias one
// day. No exception crosses this library's interface.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace akin {

// Why a call failed. The numbers are gRPC's status codes, so that one table maps them to every
// protocol.
enum class ErrorCode : int {
  kCancelled = 1,          // The caller gave up.
  kInvalidInput = 3,       // The caller's text, option or request is wrong.
  kDeadlineExceeded = 4,   // The time given has passed.
  kModelNotFound = 5,      // The model, or a file that it needs, is not there or cannot be read.
  kOverloaded = 8,         // A queue is full; trying again later can succeed.
  kInvalidModel = 9,       // The model's files are broken or contradict each other.
  kUnsupportedModel = 12,  // The model is well-formed, but uses something that is not implemented.
  kInternal = 13,          // A fault of ours, or of the machine (out of memory).
  kServiceUnavailable = 14,  // Loading, draining or gone; trying again later can succeed.
};

// The name that leaves the process, in JSON and in messages: "InvalidModel".
std::string_view ErrorCodeName(ErrorCode code);

// A text has more tokens than it may have, and may not be cut.
struct TooManyTokens {
  int64_t tokens = 0;
  int64_t limit = 0;
};

class [[nodiscard]] Error {
 public:
  // `message` names the object, what was found and what was expected. Control characters in it are
  // replaced by '?', and it is cut to 2 KiB, because parts of it come from files.
  Error(ErrorCode code, std::string message);

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // What InvalidInput is about, for callers who tell these cases apart.
  const std::optional<TooManyTokens>& too_many_tokens() const { return too_many_tokens_; }
  Error With(TooManyTokens detail) && {
    too_many_tokens_ = detail;
    return std::move(*this);
  }
  // Which option of the call it is about, by its name in options.h ("dimensions"), or "texts";
  // empty: none of them alone.
  const std::string& field() const { return field_; }
  Error Of(std::string field) && {
    field_ = std::move(field);
    return std::move(*this);
  }
  // The same error in other words.
  Error Reworded(std::string message) const {
    Error error(code_, std::move(message));
    error.too_many_tokens_ = too_many_tokens_;
    error.field_ = field_;
    return error;
  }

 private:
  ErrorCode code_;
  std::string message_;
  std::optional<TooManyTokens> too_many_tokens_;
  std::string field_;
};

// Marks a value as the error of a `Result`, as `std::unexpected` does.
template <typename E>
class Unexpected {
 public:
  explicit Unexpected(E error) : error_(std::move(error)) {}
  const E& error() const& { return error_; }
  E&& error() && { return std::move(error_); }

 private:
  E error_;
};

// Ends the process with a message; reached only by reading the value of a failed result.
[[noreturn]] void FailOnBadResultAccess(const Error& error);

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Unexpected<Error> error) : state_(std::in_place_index<1>, std::move(error).error()) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return Checked(), std::get<0>(state_); }
  const T& value() const& { return Checked(), std::get<0>(state_); }
  T&& value() && { return Checked(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

  template <typename U>
  T value_or(U&& fallback) const& {
    return has_value() ? std::get<0>(state_) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  void Checked() const {
    if (!has_value()) FailOnBadResultAccess(std::get<1>(state_));
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() : state_(std::in_place_index<0>) {}
  Result(Unexpected<Error> error) : state_(std::in_place_index<1>, std::move(error).error()) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (!has_value()) FailOnBadResultAccess(std::get<1>(state_));
  }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<std::monostate, Error> state_;
};

using Status = Result<void>;

}  // namespace akin

// Returns the error of `expression`, a Status or Result, from the calling function, if it has one.
#define AKIN_TRY(expression)                                         \
  do {                                                               \
    if (auto akin_try_status = (expression); !akin_try_status) {     \
      return ::akin::Unexpected(std::move(akin_try_status).error()); \
    }                                                                \
  } while (false)

// AKIN_TRY_ASSIGN(auto x, F()): declares or assigns `x` from the value of the Result F(), or
// returns its error.
#define AKIN_TRY_ASSIGN(declaration, expression) \
  AKIN_TRY_ASSIGN_IMPL(AKIN_TRY_CONCAT(akin_try_result_, __LINE__), declaration, expression)
#define AKIN_TRY_ASSIGN_IMPL(result, declaration, expression)        \
  auto result = (expression);                                        \
  if (!result) return ::akin::Unexpected(std::move(result).error()); \
  declaration = std::move(result).value()
#define AKIN_TRY_CONCAT(a, b) AKIN_TRY_CONCAT_IMPL(a, b)
#define AKIN_TRY_CONCAT_IMPL(a, b) a##b
