// Numbers of JSON that no type of ours holds: integers beyond 64 bits, and what is infinite as a
// double. JSON allows them (RFC 8259, 6), and a field that nobody reads may have one; the parser
// (simdjson) takes none.
#pragma once

#include <span>

namespace akin::server {

// Writes a large double (1e99, -1e99) in place of each, with spaces behind: what reads such a field
// refuses it all the same, since a whole number of 64 bits is expected wherever a number is. ->
// whether there was one. What is no JSON is left for the parser to find.
bool BoundNumbers(std::span<char> json);

}  // namespace akin::server
