// W3C Trace Context: a request to Akin stands in the trace of whoever sent it.
#pragma once

#include <string>
#include <string_view>

#include "server/exchange.h"

namespace akin::server {

// Continues the trace of a `traceparent` header, or begins one when it is missing or malformed.
TraceContext ContinueTrace(std::string_view traceparent);
// Gives a request the id of its `x-request-id` header (what is odd in it is left out), or a new
// one, and its place in the trace of its `traceparent`.
void Identify(std::string_view request_id, std::string_view traceparent, RequestIdentity& who);
// Our own span as the header's value: "00-<trace>-<span>-01".
std::string Traceparent(const TraceContext& context);

// `digits` random hexadecimal digits, not all zero.
std::string RandomHex(size_t digits);

}  // namespace akin::server
