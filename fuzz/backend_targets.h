// What the fuzzer of the other side's words runs: of a child process, of another server, of a
// database that takes Akin for a child. A plain test replays its corpus.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `bytes` are what a child sends over its channel, in one piece and in small ones; an embedding
// server's answer in every dialect; a line for `akin bridge`. What is accepted must be whole: rows
// of one width, finite values.
void ReadBackendAnswer(std::string_view bytes);

}  // namespace akin::fuzz
