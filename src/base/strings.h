// Small pieces for messages; C++20 as GCC 12 has it lacks std::format.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin {

inline void AppendPiece(std::string& out, std::string_view piece) { out += piece; }
inline void AppendPiece(std::string& out, char piece) { out += piece; }
template <typename Number>
  requires(std::integral<Number> || std::floating_point<Number>)
void AppendPiece(std::string& out, Number number) {
  char buffer[32];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

// "tensor 'x' is [2, " + 3 + ']' and so on: the pieces one after the other.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (AppendPiece(out, pieces), ...);
  return out;
}

// Errors by category, with a message made of pieces: return InvalidModel(file, ": holds ", n, "
// bytes").
template <typename... Pieces>
Error MakeError(ErrorCode code, const Pieces&... pieces) {
  return Error(code, StrCat(pieces...));
}
template <typename... Pieces>
Error InvalidInput(const Pieces&... pieces) {
  return MakeError(ErrorCode::kInvalidInput, pieces...);
}
// `error`, said of the text of that index among those of a call.
inline Error OfText(size_t index, const Error& error) {
  Error placed = error.Reworded(StrCat("text ", index, ": ", error.message()));
  return error.field().empty() ? std::move(placed).Of("texts") : placed;
}
template <typename... Pieces>
Error ModelNotFound(const Pieces&... pieces) {
  return MakeError(ErrorCode::kModelNotFound, pieces...);
}
template <typename... Pieces>
Error InvalidModel(const Pieces&... pieces) {
  return MakeError(ErrorCode::kInvalidModel, pieces...);
}
template <typename... Pieces>
Error UnsupportedModel(const Pieces&... pieces) {
  return MakeError(ErrorCode::kUnsupportedModel, pieces...);
}
// Allocates nothing: the text fits into the string itself.
inline Error OutOfMemory() { return Error(ErrorCode::kInternal, "out of memory"); }
template <typename... Pieces>
Error Internal(const Pieces&... pieces) {
  return MakeError(ErrorCode::kInternal, pieces...);
}

}  // namespace akin
