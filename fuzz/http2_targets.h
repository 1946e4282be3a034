// What the fuzzer of HTTP/2 runs. Apart from its main function, so that a plain test replays the
// corpus with any compiler.
#pragma once

#include <string_view>

namespace akin::fuzz {

// Any bytes as what a client sends behind its preface. Whatever is accepted has one reading: cut at
// any place it gives the same requests; each request ends once; its head is one that HTTP/1.1 could
// bring; what waits to be sent does not grow with what is received.
void ReadHttp2(std::string_view bytes);

}  // namespace akin::fuzz
