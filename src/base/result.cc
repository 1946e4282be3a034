#include "akin/result.h"

#include <cstdio>
#include <cstdlib>

namespace akin {
namespace {

constexpr size_t kMaxMessageBytes = 2048;

// Messages quote names from files, so they are made safe for a terminal and a log line here, once
// for all.
std::string Printable(std::string message) {
  if (message.size() > kMaxMessageBytes) {
    size_t cut = kMaxMessageBytes - 3;
    while (cut > 0 && (static_cast<unsigned char>(message[cut]) & 0xC0) == 0x80)
      --cut;  // Not inside a UTF-8 character.
    message.resize(cut);
    message += "...";
  }
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(message[i]); };
  for (size_t i = 0; i < message.size(); ++i) {
    // U+0080 to U+009F, of which a terminal takes one for the begin of a command.
    const bool is_wide = byte(i) == 0xC2 && i + 1 < message.size() && (byte(i + 1) & 0xE0) == 0x80;
    if (is_wide) message.erase(i, 1);
    if (is_wide || byte(i) < 0x20 || byte(i) == 0x7F) message[i] = '?';
  }
  return message;
}

}  // namespace

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled: return "Cancelled";
    case ErrorCode::kInvalidInput: return "InvalidInput";
    case ErrorCode::kDeadlineExceeded: return "DeadlineExceeded";
    case ErrorCode::kModelNotFound: return "ModelNotFound";
    case ErrorCode::kOverloaded: return "Overloaded";
    case ErrorCode::kInvalidModel: return "InvalidModel";
    case ErrorCode::kUnsupportedModel: return "UnsupportedModel";
    case ErrorCode::kInternal: return "Internal";
    case ErrorCode::kServiceUnavailable: return "ServiceUnavailable";
  }
  return "Internal";
}

Error::Error(ErrorCode code, std::string message)
    : code_(code), message_(Printable(std::move(message))) {}

void FailOnBadResultAccess(const Error& error) {
  std::fprintf(stderr, "akin: the value of a failed Result was read: %s\n",
               error.message().c_str());
  std::abort();
}

}  // namespace akin
