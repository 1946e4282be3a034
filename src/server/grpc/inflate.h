// Messages that their client has compressed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::server {

// Of `grpc-encoding`.
enum class Encoding { kIdentity, kDeflate, kGzip };

// All of them, as `grpc-accept-encoding` lists them.
constexpr std::string_view kEncodings = "identity, deflate, gzip";

// Empty is identity; nothing: we do not read it.
std::optional<Encoding> EncodingNamed(std::string_view name);

// What `bytes` were before they were compressed; `encoding` is not identity. Never makes more than
// `most_bytes`, whatever the compressed form says. Errors: InvalidInput (not of that form, or
// something behind it), Overloaded (longer than that).
Result<std::string> Inflate(Encoding encoding, std::string_view bytes, size_t most_bytes);

}  // namespace akin::server
