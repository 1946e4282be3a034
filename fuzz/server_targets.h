// What the server's fuzzer runs. Apart from its main function, so that a plain test replays the
// corpus with any compiler.
#pragma once

#include <string_view>

namespace akin::fuzz {

// Any bytes as what a client sends: heads and bodies, one request behind the other, each body as
// JSON. Whatever is accepted has one reading: cut at any place it gives the same requests.
void ReadRequests(std::string_view bytes);

}  // namespace akin::fuzz
