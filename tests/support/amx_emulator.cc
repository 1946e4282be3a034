#include "support/amx_emulator.h"

#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/cpu_info.h"
#include "base/floating_point.h"

namespace akin {
namespace amx_emulator {
namespace {

using Kind = Instruction::Kind;

struct Vex {
  bool r, x, b, w;  // As register-number bits, not inverted as they are encoded.
  int map, vvvv, prefix;
  bool wide;
};

// The three-byte form; the two-byte one cannot name the opcode map 0F38.
std::optional<Vex> DecodeVex(const uint8_t* code) {
  if (code[0] != 0xc4) return std::nullopt;
  return Vex{.r = (code[1] & 0x80) == 0,
             .x = (code[1] & 0x40) == 0,
             .b = (code[1] & 0x20) == 0,
             .w = (code[2] & 0x80) != 0,
             .map = code[1] & 0x1f,
             .vvvv = ~code[2] >> 3 & 0xf,
             .prefix = code[2] & 3,
             .wide = (code[2] & 4) != 0};
}

// ModRM, SIB and displacement at `code`; returns how many bytes they take.
size_t DecodeAddress(const uint8_t* code, const Vex& vex, Instruction& out) {
  const int mod = code[0] >> 6, rm = code[0] & 7;
  size_t length = 1;
  bool wide_displacement = mod == 2;
  if (rm == 4) {
    const uint8_t sib = code[length++];
    const int index = (sib >> 3 & 7) | (vex.x ? 8 : 0);
    out.scale = 1 << (sib >> 6);
    if (index != 4) out.index = index;
    if ((sib & 7) == 5 && mod == 0) {
      wide_displacement = true;  // No base.
    } else {
      out.base = (sib & 7) | (vex.b ? 8 : 0);
    }
  } else if (rm == 5 && mod == 0) {
    out.base = Instruction::kInstructionPointer;
    wide_displacement = true;
  } else {
    out.base = rm | (vex.b ? 8 : 0);
  }
  if (wide_displacement) {
    std::memcpy(&out.displacement, code + length, 4);
    length += 4;
  } else if (mod == 1) {
    out.displacement = static_cast<int8_t>(code[length++]);
  }
  return length;
}

constexpr int kNoPrefix = 0, k66 = 1, kF3 = 2, kF2 = 3;

}  // namespace

std::optional<Instruction> Decode(const uint8_t* code) {
  const std::optional<Vex> vex = DecodeVex(code);
  if (!vex || vex->map != 2 || vex->w || vex->wide) return std::nullopt;
  const uint8_t opcode = code[3], modrm = code[4];
  const bool registers = modrm >> 6 == 3;
  Instruction out{.tile = modrm >> 3 & 7};
  const auto with_address = [&](Kind kind) {
    out.kind = kind;
    out.length = 4 + DecodeAddress(code + 4, *vex, out);
    return out;
  };
  const auto of_registers = [&](Kind kind) {
    out.kind = kind;
    out.a = modrm & 7;
    out.b = vex->vvvv;
    out.length = 5;
    return out;
  };
  switch (opcode) {
    case 0x49:
      if (registers && vex->prefix == kNoPrefix && modrm == 0xc0)
        return of_registers(Kind::kRelease);
      if (registers && vex->prefix == kF2) return of_registers(Kind::kZero);
      if (!registers && out.tile == 0 && vex->prefix == kNoPrefix)
        return with_address(Kind::kLoadConfig);
      if (!registers && out.tile == 0 && vex->prefix == k66)
        return with_address(Kind::kStoreConfig);
      return std::nullopt;
    case 0x4b:
      // The address must have a SIB byte.
      if (registers || (modrm & 7) != 4 || vex->vvvv != 0) return std::nullopt;
      if (vex->prefix == kF2 || vex->prefix == k66) return with_address(Kind::kLoad);
      if (vex->prefix == kF3) return with_address(Kind::kStore);
      return std::nullopt;
    case 0x5c:
      if (!registers || vex->prefix != kF3) return std::nullopt;
      return of_registers(Kind::kDotBf16);
    case 0x5e:
      if (!registers) return std::nullopt;
      out.a_signed = vex->prefix == kF2 || vex->prefix == kF3;
      out.b_signed = vex->prefix == kF2 || vex->prefix == k66;
      return of_registers(Kind::kDotInt8);
    default: return std::nullopt;
  }
}

const char* Tiles::LoadConfig(const uint8_t* memory) {
  Release();
  if (memory[0] == 0) return nullptr;
  if (memory[0] != 1) return "LDTILECFG: unknown palette";
  if (std::any_of(memory + 2, memory + 16, [](uint8_t byte) { return byte != 0; }) ||
      std::any_of(memory + 32, memory + 48, [](uint8_t byte) { return byte != 0; }) ||
      std::any_of(memory + 56, memory + 64, [](uint8_t byte) { return byte != 0; }))
    return "LDTILECFG: reserved bytes are not zero";
  if (memory[1] != 0) return "LDTILECFG: this emulator never stops in the middle of a tile";
  for (int i = 0; i < kTiles; ++i) {
    uint16_t row_bytes;
    std::memcpy(&row_bytes, memory + 16 + 2 * i, 2);
    const int rows = memory[48 + i];
    if (row_bytes > kMaxRowBytes || rows > kMaxRows) return "LDTILECFG: tile too large";
    if ((row_bytes == 0) != (rows == 0)) return "LDTILECFG: tile with rows or columns only";
    tiles_[static_cast<size_t>(i)].rows = rows;
    tiles_[static_cast<size_t>(i)].row_bytes = row_bytes;
  }
  configured_ = true;
  return nullptr;
}

void Tiles::StoreConfig(uint8_t* memory) const {
  std::memset(memory, 0, 64);
  if (!configured_) return;
  memory[0] = 1;
  for (int i = 0; i < kTiles; ++i) {
    const Tile& tile = tiles_[static_cast<size_t>(i)];
    const uint16_t row_bytes = static_cast<uint16_t>(tile.row_bytes);
    std::memcpy(memory + 16 + 2 * i, &row_bytes, 2);
    memory[48 + i] = static_cast<uint8_t>(tile.rows);
  }
}

const char* Tiles::CheckConfigured(int tile) const {
  if (!configured_) return "tile instruction without a configuration";
  return tiles_[static_cast<size_t>(tile)].rows == 0 ? "tile without a shape" : nullptr;
}

const char* Tiles::Zero(int tile) {
  if (const char* wrong = CheckConfigured(tile)) return wrong;
  tiles_[static_cast<size_t>(tile)].data = {};
  return nullptr;
}

const char* Tiles::Load(int tile, const uint8_t* memory, ptrdiff_t stride) {
  if (const char* wrong = CheckConfigured(tile)) return wrong;
  Tile& t = tiles_[static_cast<size_t>(tile)];
  t.data = {};
  for (int row = 0; row < t.rows; ++row)
    std::memcpy(t.data[static_cast<size_t>(row)].data(), memory + row * stride,
                static_cast<size_t>(t.row_bytes));
  return nullptr;
}

const char* Tiles::Store(int tile, uint8_t* memory, ptrdiff_t stride) const {
  if (const char* wrong = CheckConfigured(tile)) return wrong;
  const Tile& t = tiles_[static_cast<size_t>(tile)];
  for (int row = 0; row < t.rows; ++row)
    std::memcpy(memory + row * stride, t.data[static_cast<size_t>(row)].data(),
                static_cast<size_t>(t.row_bytes));
  return nullptr;
}

const char* Tiles::CheckShapes(int sum, int a, int b) const {
  for (const int tile : {sum, a, b}) {
    if (const char* wrong = CheckConfigured(tile)) return wrong;
  }
  if (sum == a || sum == b || a == b) return "product of a tile with itself";
  if (std::max({sum, a, b}) >= kTiles) return "product of a tile that does not exist";
  const Tile& s = tiles_[static_cast<size_t>(sum)];
  const Tile& x = tiles_[static_cast<size_t>(a)];
  const Tile& w = tiles_[static_cast<size_t>(b)];
  if (s.row_bytes % 4 != 0 || x.row_bytes % 4 != 0 || w.row_bytes % 4 != 0)
    return "product: a row is not whole dwords";
  if (s.rows != x.rows) return "product: rows of sums and of A differ";
  if (s.row_bytes != w.row_bytes) return "product: columns of sums and of B differ";
  if (x.row_bytes / 4 != w.rows) return "product: depth of A and of B differ";
  return nullptr;
}

namespace {

uint32_t Dword(const std::array<uint8_t, Tiles::kMaxRowBytes>& row, int i) {
  uint32_t value;
  std::memcpy(&value, &row[static_cast<size_t>(4 * i)], 4);
  return value;
}
void SetDword(std::array<uint8_t, Tiles::kMaxRowBytes>& row, int i, uint32_t value) {
  std::memcpy(&row[static_cast<size_t>(4 * i)], &value, 4);
}

// One row of TDPBF16PS. Even and odd elements of k are summed apart, in order, from zero; then the
// two sums are added to each other, and what comes out to the destination. Every step is a fused
// multiply-add or an addition with FTZ and DAZ, which AVX-512 does alike.
__attribute__((target("avx512f"))) void DotBf16Row(const uint8_t* x, int depth,
                                                   const uint8_t* weights, uint8_t* sums,
                                                   int columns) {
  const __m512i high_half = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  __m512 even = _mm512_setzero_ps(), odd = even;
  for (int k = 0; k < depth; ++k) {
    int pair;
    std::memcpy(&pair, x + 4 * k, 4);
    const __m512i p = _mm512_set1_epi32(pair);
    const __m512i q = _mm512_loadu_si512(weights + k * Tiles::kMaxRowBytes);
    even = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(p, 16)),
                           _mm512_castsi512_ps(_mm512_slli_epi32(q, 16)), even);
    odd = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(p, high_half)),
                          _mm512_castsi512_ps(_mm512_and_si512(q, high_half)), odd);
  }
  const __mmask16 mask = static_cast<__mmask16>((1u << columns) - 1);
  const __m512 old = _mm512_maskz_loadu_ps(mask, sums);
  _mm512_mask_storeu_ps(sums, mask, _mm512_add_ps(old, _mm512_add_ps(even, odd)));
}

}  // namespace

const char* Tiles::DotBf16(int sum, int a, int b) {
  if (const char* wrong = CheckShapes(sum, a, b)) return wrong;
  Tile& s = tiles_[static_cast<size_t>(sum)];
  const Tile& x = tiles_[static_cast<size_t>(a)];
  const uint8_t* weights = tiles_[static_cast<size_t>(b)].data[0].data();
  const ScopedFlushDenormals flush_denormals;
  for (size_t m = 0; m < static_cast<size_t>(s.rows); ++m)
    DotBf16Row(x.data[m].data(), x.row_bytes / 4, weights, s.data[m].data(), s.row_bytes / 4);
  return nullptr;
}

const char* Tiles::DotInt8(int sum, int a, int b, bool a_signed, bool b_signed) {
  if (const char* wrong = CheckShapes(sum, a, b)) return wrong;
  Tile& s = tiles_[static_cast<size_t>(sum)];
  const Tile& x = tiles_[static_cast<size_t>(a)];
  const Tile& w = tiles_[static_cast<size_t>(b)];
  const auto value = [](uint32_t dword, int i, bool is_signed) {
    const uint8_t byte = static_cast<uint8_t>(dword >> 8 * i);
    return is_signed ? int32_t{static_cast<int8_t>(byte)} : int32_t{byte};
  };
  for (size_t m = 0; m < static_cast<size_t>(s.rows); ++m) {
    for (int n = 0; n < s.row_bytes / 4; ++n) {
      uint32_t total = Dword(s.data[m], n);  // Wraps around, as the instruction does.
      for (int k = 0; k < x.row_bytes / 4; ++k) {
        const uint32_t p = Dword(x.data[m], k), q = Dword(w.data[static_cast<size_t>(k)], n);
        for (int i = 0; i < 4; ++i)
          total += static_cast<uint32_t>(value(p, i, a_signed) * value(q, i, b_signed));
      }
      SetDword(s.data[m], n, total);
    }
  }
  return nullptr;
}

namespace {

thread_local Tiles tiles;

[[noreturn]] void Die(const char* message) {
  const auto say = [](const char* text) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(99);
  };
  say("amx_emulator: ");
  say(message);
  say("\n");
  std::abort();
}

uint64_t Register(const ucontext_t& context, int number) {
  constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                            REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  return static_cast<uint64_t>(context.uc_mcontext.gregs[kOrder[number]]);
}

// The address without the index, which of a tile's rows is the stride.
uint8_t* Address(const ucontext_t& context, const Instruction& instruction, bool with_index) {
  uint64_t address = static_cast<uint64_t>(int64_t{instruction.displacement});
  if (instruction.base >= 0) address += Register(context, instruction.base);
  if (instruction.base == Instruction::kInstructionPointer) address += instruction.length;
  if (with_index && instruction.index >= 0)
    address += Register(context, instruction.index) * static_cast<uint64_t>(instruction.scale);
  return reinterpret_cast<uint8_t*>(address);
}

ptrdiff_t Stride(const ucontext_t& context, const Instruction& instruction) {
  if (instruction.index < 0) return 0;
  return static_cast<ptrdiff_t>(Register(context, instruction.index)) * instruction.scale;
}

const char* Execute(const ucontext_t& context, const Instruction& i) {
  switch (i.kind) {
    case Kind::kLoadConfig: return tiles.LoadConfig(Address(context, i, true));
    case Kind::kStoreConfig: tiles.StoreConfig(Address(context, i, true)); return nullptr;
    case Kind::kRelease: tiles.Release(); return nullptr;
    case Kind::kZero: return tiles.Zero(i.tile);
    case Kind::kLoad: return tiles.Load(i.tile, Address(context, i, false), Stride(context, i));
    case Kind::kStore: return tiles.Store(i.tile, Address(context, i, false), Stride(context, i));
    case Kind::kDotBf16: return tiles.DotBf16(i.tile, i.a, i.b);
    case Kind::kDotInt8: return tiles.DotInt8(i.tile, i.a, i.b, i.a_signed, i.b_signed);
  }
  return "unknown instruction";
}

void OnIllegalInstruction(int, siginfo_t*, void* raw_context) {
  ucontext_t& context = *static_cast<ucontext_t*>(raw_context);
  greg_t& rip = context.uc_mcontext.gregs[REG_RIP];
  std::optional<Instruction> instruction = Decode(reinterpret_cast<const uint8_t*>(rip));
  if (!instruction) Die("illegal instruction, and not one of AMX");
  // Tile instructions come in rows, and a signal costs more than what it is for.
  for (; instruction; instruction = Decode(reinterpret_cast<const uint8_t*>(rip))) {
    if (const char* wrong = Execute(context, *instruction)) Die(wrong);
    rip += static_cast<greg_t>(instruction->length);
  }
}

void InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnIllegalInstruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGILL, &action, nullptr) != 0) Die("cannot handle SIGILL");
}

struct EmulatedCpu {
  CpuInfo info;
  bool active = false;
};

EmulatedCpu Emulate() {
  EmulatedCpu cpu{ReadCpu()};
  if (cpu.info.amx.usable) return cpu;
  CpuidLeaves leaves = ReadCpuidLeaves();
  leaves.leaf7_edx |= 1u << 22 | 1u << 24 | 1u << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
  leaves.xcr0 |= 0b11u << 17;
  leaves.tile_refusal = 0;
  InstallHandler();
  return {DecodeCpuid(leaves, cpu.info.name + " with emulated AMX"), true};
}

const EmulatedCpu& Cpu() {
  static const EmulatedCpu cpu = Emulate();
  return cpu;
}

}  // namespace

bool Active() { return Cpu().active; }

}  // namespace amx_emulator

// In place of base/this_cpu.cc.
const CpuInfo& GetCpuInfo() { return amx_emulator::Cpu().info; }

}  // namespace akin
