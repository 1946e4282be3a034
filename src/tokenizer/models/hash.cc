#include "tokenizer/models/hash.h"

#include <random>

namespace akin::tokenizer {

uint64_t HashSeed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  return seed;
}

}  // namespace akin::tokenizer
