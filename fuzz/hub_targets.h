// What the hub's fuzzer runs; a plain test replays hostile answers through it.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `json` is what a hub answers: taken for a revision, for a page of files, for a Link header and
// for names. What is accepted must be safe to make paths of.
void ReadHubAnswer(std::string_view json);

}  // namespace akin::fuzz
