// Rotary positions: pairs (d, d + half) of each head turn by the angle of their row.
#pragma once

#include "kernels/generic/partial-inl.h"

AKIN_INLINE void RotateHead(float* head, size_t half, const float* cos, const float* sin) {
  for (size_t d = 0; d < half; d += V::kLanes) {
    const size_t count = half - d < V::kLanes ? half - d : V::kLanes;
    const V x = LoadFirst(head + d, count), y = LoadFirst(head + half + d, count);
    const V c = LoadFirst(cos + d, count), s = LoadFirst(sin + d, count);
    StoreFirst(MulAdd(x, c, y * (V::Set(0.0f) - s)), head + d, count);
    StoreFirst(MulAdd(y, c, x * s), head + half + d, count);
  }
}

void Rotate(const RotaryArgs& args) {
  const size_t half = args.rotary_dim / 2;
  for (size_t i = 0; i < args.rows.rows(); ++i) {
    float* row = args.rows.data() + i * args.rows.stride();
    const float* cos = args.cos_sin.data() + i * args.cos_sin.stride();
    for (size_t first = 0; first < args.rows.cols(); first += args.head_dim)
      RotateHead(row + first, half, cos, cos + half);
  }
}
