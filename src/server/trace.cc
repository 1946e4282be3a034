#include "server/trace.h"

#include <random>

#include "server/text.h"

namespace akin::server {
namespace {

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
bool IsId(std::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

// Ids that clients choose go into logs and headers: what is odd in them does not.
std::string CleanId(std::string_view id) {
  std::string out;
  for (const char c : id.substr(0, 128)) {
    const bool plain = (c >= '0' && c <= '9') || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) out += c;
  }
  return out;
}

}  // namespace

void Identify(std::string_view request_id, std::string_view traceparent, RequestIdentity& who) {
  who.id = CleanId(request_id);
  if (who.id.empty()) who.id = RandomHex(32);
  who.trace = ContinueTrace(traceparent);
}

std::string RandomHex(size_t digits) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string out;
  do {
    out.clear();
    for (uint64_t bits = 0; out.size() < digits; bits >>= 4) {
      if (out.size() % 16 == 0) bits = random();
      out += "0123456789abcdef"[bits & 15];
    }
  } while (out.find_first_not_of('0') == std::string::npos);
  return out;
}

// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; later versions may have more behind
// it.
TraceContext ContinueTrace(std::string_view header) {
  TraceContext context{.span_id = RandomHex(16)};
  const bool has_form = header.size() >= 55 && header[2] == '-' && header[35] == '-' &&
                        header[52] == '-' && (header.size() == 55 || header[55] == '-');
  const std::string_view version = header.substr(0, 2);
  if (has_form && IsHex(version) && version != "ff" && (version != "00" || header.size() == 55) &&
      IsId(header.substr(3, 32)) && IsId(header.substr(36, 16)) && IsHex(header.substr(53, 2))) {
    context.trace_id = header.substr(3, 32);
    context.parent_id = header.substr(36, 16);
    context.sampled = std::string_view("13579bdf").find(header[54]) != std::string_view::npos;
  } else {
    context.trace_id = RandomHex(32);
  }
  return context;
}

std::string Traceparent(const TraceContext& context) {
  return StrCat("00-", context.trace_id, '-', context.span_id, context.sampled ? "-01" : "-00");
}

}  // namespace akin::server
