// Texts to load a server with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace akin::bench {

// `count` different texts of about `words` words; the same ones for the same seed.
std::vector<std::string> SampleTexts(size_t count, size_t words, unsigned seed);

}  // namespace akin::bench
