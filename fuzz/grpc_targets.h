// What the fuzzer of gRPC's messages runs. Apart from its main function, so that a plain test
// replays the corpus with any compiler.
#pragma once

#include <string_view>

namespace akin::fuzz {

// Any bytes as the body of a call; the first one says how messages are compressed, and how long
// they may be. Cut at any place it gives the same messages and the same status; what is made of it
// is no longer than it may be, nor than a step of inflating at once; nothing is held when it is
// over.
void ReadGrpcMessages(std::string_view bytes);

}  // namespace akin::fuzz
