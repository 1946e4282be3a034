// AMX in software, for test programs on machines without it: linking amx_emulator.cc makes
// GetCpuInfo() state a CPU with AMX, and a handler of SIGILL executes the tile instructions that
// this CPU refuses. So the machine code of the AMX kernels runs and is checked everywhere; only its
// speed is not what it would be. On a machine with AMX nothing is replaced.
//
// What is executed follows the Intel SDM, volume 2: LDTILECFG, STTILECFG, TILERELEASE, TILEZERO,
// TILELOADD, TILELOADDT1, TILESTORED, TDPBF16PS and TDPB{SS,SU,US,UU}D, with their checks of the
// configuration; what would be #UD or #GP there ends the program with a message here. The other
// tiers are untouched, and AMX needs those of AVX-512 as on a real CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace akin::amx_emulator {

// Whether tile instructions are executed by this emulator rather than by the CPU.
#if defined(__x86_64__)
bool Active();
#else
inline bool Active() { return false; }
#endif

// A decoded tile instruction.
struct Instruction {
  enum class Kind {
    kLoadConfig,
    kStoreConfig,
    kRelease,
    kZero,
    kLoad,  // TILELOADD and TILELOADDT1
    kStore,
    kDotBf16,
    kDotInt8,
  };
  Kind kind = Kind::kRelease;
  int tile = 0;      // ModRM.reg
  int a = 0, b = 0;  // ModRM.rm and VEX.vvvv, of products
  bool a_signed = false, b_signed = false;
  // The address: registers by number, -1 where there is none; kInstructionPointer for RIP.
  static constexpr int kInstructionPointer = 16;
  int base = -1, index = -1;
  int scale = 1;
  int32_t displacement = 0;
  size_t length = 0;  // In bytes.
};

// Nothing where `code`, of which 15 bytes are readable, is no tile instruction.
std::optional<Instruction> Decode(const uint8_t* code);

// The tile state of a thread.
class Tiles {
 public:
  static constexpr int kTiles = 8, kMaxRows = 16, kMaxRowBytes = 64;

  // Each returns what is wrong, or nullptr.
  const char* LoadConfig(const uint8_t* memory);
  void StoreConfig(uint8_t* memory) const;
  void Release() { *this = Tiles(); }
  const char* Zero(int tile);
  const char* Load(int tile, const uint8_t* memory, ptrdiff_t stride);
  const char* Store(int tile, uint8_t* memory, ptrdiff_t stride) const;
  const char* DotBf16(int sum, int a, int b);
  const char* DotInt8(int sum, int a, int b, bool a_signed, bool b_signed);

 private:
  struct Tile {
    int rows = 0, row_bytes = 0;
    std::array<std::array<uint8_t, kMaxRowBytes>, kMaxRows> data{};
  };
  const char* CheckShapes(int sum, int a, int b) const;
  const char* CheckConfigured(int tile) const;

  bool configured_ = false;
  std::array<Tile, kTiles> tiles_;
};

}  // namespace akin::amx_emulator
