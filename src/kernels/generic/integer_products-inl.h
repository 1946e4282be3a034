// Products of integers by instructions that add to int32 in each dword. Included after the tier's
// vec.h and rotation.h; Multiply is the tier's and has
//   MulAddPairs(sum, x, w)   sum + the products of two int16,
//   MulAddBytes(sum, x, w)   sum + the products of four bytes, x's unsigned and w's signed.
#pragma once

// What a step takes of a row and of a column is a dword of each.
template <typename RowValue, typename Weight>
struct DwordProduct {
  using Row = RowValue;
  using Panel = Weight;
  using Vec = Dwords;
  using Sum = Dwords;
  static constexpr size_t kDepth = sizeof(int32_t) / sizeof(Row);
  static constexpr uint8_t kZero = std::is_unsigned_v<Row> ? IntegerShape::kZero : 0;

  static AKIN_INLINE Vec Broadcast(const Row* p) { return Dwords::Broadcast(p); }
  static AKIN_INLINE Vec Load(const Panel* p) { return Dwords::Load(p); }
  static AKIN_INLINE Sum LoadSum(const std::byte* p) { return Dwords::Load(p); }
  static AKIN_INLINE V ToFloat(Sum sum) { return sum.ToFloat(); }
  static AKIN_INLINE void StoreValues(V x, Row* out) { StoreRow(x, out); }
};

template <typename Multiply>
struct Int16Product : DwordProduct<int16_t, int16_t> {
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    return Multiply::MulAddPairs(sum, x, w);
  }
};

// Rows are unsigned, 128 above their value.
template <typename Multiply>
struct Int8Product : DwordProduct<uint8_t, int8_t> {
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    return Multiply::MulAddBytes(sum, x, w);
  }
};
