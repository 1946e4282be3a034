// The emulator of AMX by its own instructions: every kind, with every tile and with addresses of
// every form. On a machine with AMX these run on the CPU, and hold it to the same answers.
#include "support/amx_emulator.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "base/bf16.h"
#include "base/cpu_info.h"

namespace akin::amx_emulator {
namespace {

constexpr size_t kRows = 16, kRowBytes = 64;

struct alignas(64) Config {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// All tiles alike.
Config Uniform(size_t rows, size_t row_bytes) {
  Config config;
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<uint8_t>(rows);
    config.row_bytes[i] = static_cast<uint16_t>(row_bytes);
  }
  return config;
}

void LoadConfig(const Config& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
void Release() { asm volatile("tilerelease"); }

class AmxEmulator : public testing::Test {
 protected:
  void SetUp() override {
    if (!GetCpuInfo().amx.usable) GTEST_SKIP() << GetCpuInfo().amx.reason;
    for (std::vector<uint8_t>* memory : {&a_, &b_, &sum_}) {
      memory->resize(kRows * kRowBytes);
      for (uint8_t& byte : *memory) byte = static_cast<uint8_t>(generator_());
    }
  }

  std::mt19937 generator_{11};
  std::vector<uint8_t> a_, b_, sum_;
};

template <int kTile>
void CopyThroughTile(const uint8_t* from, uint8_t* to) {
  asm volatile(
      "tileloadd (%0,%2,1), %%tmm%c3\n\t"
      "tilestored %%tmm%c3, (%1,%2,1)"
      :
      : "r"(from), "r"(to), "r"(kRowBytes), "i"(kTile)
      : "memory");
}

TEST_F(AmxEmulator, EveryTileKeepsWhatIsLoaded) {
  LoadConfig(Uniform(kRows, kRowBytes));
  using Copy = void (*)(const uint8_t*, uint8_t*);
  for (const Copy copy :
       {CopyThroughTile<0>, CopyThroughTile<1>, CopyThroughTile<2>, CopyThroughTile<3>,
        CopyThroughTile<4>, CopyThroughTile<5>, CopyThroughTile<6>, CopyThroughTile<7>}) {
    std::vector<uint8_t> to(kRows * kRowBytes);
    copy(a_.data(), to.data());
    EXPECT_EQ(to, a_);
  }
  Release();
}

TEST_F(AmxEmulator, AddressesOfEveryFormAreUnderstood) {
  std::vector<uint8_t> from(4096), to(4096);
  for (uint8_t& byte : from) byte = static_cast<uint8_t>(generator_());
  LoadConfig(Uniform(3, 8));
  const uint8_t* const data = from.data();
  // Displacement of 8 and of 32 bits, scaled strides, registers above the eighth, RBP and R13 as a
  // base, R12 as an index, no index, no base.
  asm volatile(
      "mov %0, %%r13\n\tmov $16, %%r12\n\t"
      "tileloadd 24(%%r13,%%r12,2), %%tmm1\n\t"
      "tileloaddt1 1000(%0,%2,4), %%tmm2\n\t"
      "tileloadd (%%r13,%%r12,1), %%tmm3\n\t"
      "tileloadd 0(%0), %%tmm4\n\t"
      "tilestored %%tmm1, (%1,%2,8)\n\t"
      "tilestored %%tmm2, 512(%1,%2,8)\n\t"
      "tilestored %%tmm3, 1024(%1,%2,8)\n\t"
      "tilestored %%tmm4, 1536(%1,%2,8)\n\t"
      :
      : "r"(data), "r"(to.data()), "r"(size_t{8})
      : "memory", "r12", "r13");
  const auto expect = [&](size_t at, size_t first, size_t stride) {
    for (size_t row = 0; row < 3; ++row)
      EXPECT_EQ(std::memcmp(&to[at + row * 64], data + first + row * stride, 8), 0)
          << "tile at " << at << " row " << row;
  };
  expect(0, 24, 32);
  expect(512, 1000, 32);
  expect(1024, 0, 16);
  expect(1536, 0, 0);
  Release();
}

TEST_F(AmxEmulator, ConfigurationIsStoredAsItWasLoaded) {
  Config config = Uniform(5, 20), stored;
  config.rows[3] = 16;
  config.row_bytes[3] = 64;
  LoadConfig(config);
  asm volatile("sttilecfg %0" : "=m"(stored));
  EXPECT_EQ(std::memcmp(&config, &stored, sizeof config), 0);
  Release();
  asm volatile("sttilecfg %0" : "=m"(stored));
  const Config none{.palette = 0};
  EXPECT_EQ(std::memcmp(&none, &stored, sizeof none), 0);
}

TEST_F(AmxEmulator, ZeroClearsOneTile) {
  LoadConfig(Uniform(kRows, kRowBytes));
  std::vector<uint8_t> first(kRows * kRowBytes, 1), second(kRows * kRowBytes, 1);
  asm volatile(
      "tileloadd (%0,%3,1), %%tmm5\n\ttileloadd (%0,%3,1), %%tmm6\n\ttilezero %%tmm5\n\t"
      "tilestored %%tmm5, (%1,%3,1)\n\ttilestored %%tmm6, (%2,%3,1)"
      :
      : "r"(a_.data()), "r"(first.data()), "r"(second.data()), "r"(kRowBytes)
      : "memory");
  EXPECT_EQ(first, std::vector<uint8_t>(kRows * kRowBytes, 0));
  EXPECT_EQ(second, a_);
  Release();
}

// tmm2 += tmm4 x tmm7, loaded from and stored to the fixture's memory.
#define AKIN_RUN_PRODUCT(instruction)                                    \
  asm volatile(                                                          \
      "tileloadd (%0,%3,1), %%tmm4\n\ttileloadd (%1,%3,1), %%tmm7\n\t"   \
      "tileloadd (%2,%3,1), %%tmm2\n\t" instruction                      \
      " %%tmm7, %%tmm4, %%tmm2\n\t"                                      \
      "tilestored %%tmm2, (%2,%3,1)"                                     \
      :                                                                  \
      : "r"(a_.data()), "r"(b_.data()), "r"(sum_.data()), "r"(kRowBytes) \
      : "memory")

// Shapes in which nothing is full: 7 rows, depth 5, 9 columns.
Config OddShapes() {
  Config config;
  const auto set = [&](int tile, size_t rows, size_t dwords) {
    config.rows[tile] = static_cast<uint8_t>(rows);
    config.row_bytes[tile] = static_cast<uint16_t>(4 * dwords);
  };
  set(2, 7, 9);
  set(4, 7, 5);
  set(7, 5, 9);
  return config;
}

template <typename T>
T ReadAt(const std::vector<uint8_t>& memory, size_t row, size_t i) {
  T value;
  std::memcpy(&value, &memory[row * kRowBytes + i * sizeof(T)], sizeof(T));
  return value;
}

TEST_F(AmxEmulator, ProductsOfBytesWrapAroundAndMindTheSigns) {
  const std::vector<uint8_t> before = sum_;
  for (int kind = 0; kind < 4; ++kind) {
    sum_ = before;
    LoadConfig(OddShapes());
    switch (kind) {
      case 0: AKIN_RUN_PRODUCT("tdpbuud"); break;
      case 1: AKIN_RUN_PRODUCT("tdpbusd"); break;
      case 2: AKIN_RUN_PRODUCT("tdpbsud"); break;
      case 3: AKIN_RUN_PRODUCT("tdpbssd"); break;
    }
    Release();
    const bool a_signed = kind >= 2, b_signed = kind % 2 == 1;
    for (size_t m = 0; m < 7; ++m) {
      for (size_t n = 0; n < 9; ++n) {
        int64_t total = ReadAt<int32_t>(before, m, n);
        for (size_t i = 0; i < 20; ++i) {
          const uint8_t x = ReadAt<uint8_t>(a_, m, i),
                        w = ReadAt<uint8_t>(b_, i / 4, 4 * n + i % 4);
          total += int64_t{a_signed ? int{static_cast<int8_t>(x)} : int{x}} *
                   int64_t{b_signed ? int{static_cast<int8_t>(w)} : int{w}};
        }
        ASSERT_EQ(ReadAt<uint32_t>(sum_, m, n), static_cast<uint32_t>(total)) << kind;
      }
    }
    // Past the tile's columns nothing is stored.
    EXPECT_EQ(ReadAt<uint32_t>(sum_, 3, 9), ReadAt<uint32_t>(before, 3, 9));
  }
}

float Flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

TEST_F(AmxEmulator, ProductsOfBf16SumEvenAndOddElementsApartAndFlushDenormals) {
  std::normal_distribution<float> normal;
  for (int round = 0; round < 20; ++round) {
    for (std::vector<uint8_t>* memory : {&a_, &b_}) {
      for (size_t i = 0; i < kRows * kRowBytes / 2; ++i) {
        Bf16 x = Bf16::From(normal(generator_) * std::ldexp(1.0f, round % 4 == 3 ? -63 : 0));
        if (i % 97 == 0) x.bits = 0x0003;  // A denormal.
        std::memcpy(&(*memory)[2 * i], &x, 2);
      }
    }
    for (size_t i = 0; i < kRows * kRowBytes / 4; ++i) {
      const float x = i % 31 == 0 ? std::numeric_limits<float>::denorm_min() : normal(generator_);
      std::memcpy(&sum_[4 * i], &x, 4);
    }
    const std::vector<uint8_t> before = sum_;
    LoadConfig(OddShapes());
    AKIN_RUN_PRODUCT("tdpbf16ps");
    Release();
    for (size_t m = 0; m < 7; ++m) {
      for (size_t n = 0; n < 9; ++n) {
        float halves[2] = {};
        for (size_t i = 0; i < 10; ++i) {
          const float x = Flushed(ReadAt<Bf16>(a_, m, i).ToFloat());
          const float w = Flushed(ReadAt<Bf16>(b_, i / 2, 2 * n + i % 2).ToFloat());
          halves[i % 2] = Flushed(std::fma(x, w, halves[i % 2]));
        }
        const float products = Flushed(halves[0] + halves[1]);
        const float expected = Flushed(Flushed(ReadAt<float>(before, m, n)) + products);
        ASSERT_EQ(std::bit_cast<uint32_t>(ReadAt<float>(sum_, m, n)),
                  std::bit_cast<uint32_t>(expected))
            << "row " << m << " column " << n;
      }
    }
  }
}

TEST_F(AmxEmulator, EveryThreadHasTilesOfItsOwn) {
  LoadConfig(Uniform(kRows, kRowBytes));
  asm volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(a_.data()), "r"(kRowBytes) : "memory");
  std::thread([&] {
    LoadConfig(Uniform(4, 16));
    asm volatile("tilezero %tmm0");
    Release();
  }).join();
  std::vector<uint8_t> to(kRows * kRowBytes);
  asm volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(to.data()), "r"(kRowBytes) : "memory");
  EXPECT_EQ(to, a_);
  Release();
}

TEST_F(AmxEmulator, WhatTheCpuWouldRefuseEndsTheProgram) {
  if (!Active()) GTEST_SKIP() << "the CPU has AMX and refuses by itself";
  EXPECT_DEATH(asm volatile("tilezero %tmm0"), "without a configuration");
  EXPECT_DEATH(
      {
        Config config = OddShapes();
        config.rows[7] = 4;  // Depth 4 beside 5.
        LoadConfig(config);
        AKIN_RUN_PRODUCT("tdpbusd");
      },
      "depth of A and of B differ");
  EXPECT_DEATH(asm volatile("ud2"), "not one of AMX");
}

TEST(AmxEmulatorDecode, OtherInstructionsAreNotTaken) {
  const uint8_t ud2[15] = {0x0f, 0x0b};
  EXPECT_FALSE(Decode(ud2));
  const uint8_t vfmadd[15] = {0xc4, 0xe2, 0x75, 0xb8, 0xc2};  // vfmadd231ps ymm0, ymm1, ymm2
  EXPECT_FALSE(Decode(vfmadd));
}

}  // namespace
}  // namespace akin::amx_emulator
