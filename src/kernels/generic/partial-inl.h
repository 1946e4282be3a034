// Whole vectors and the rest of a row alike.
#pragma once

// The first `count` <= kLanes elements at p, zeros after them.
AKIN_INLINE V LoadFirst(const float* p, size_t count) {
  return count == V::kLanes ? V::Load(p) : V::LoadPartial(p, count);
}

AKIN_INLINE void StoreFirst(V x, float* p, size_t count) {
  if (count == V::kLanes) {
    Store(x, p);
  } else {
    StorePartial(x, p, count);
  }
}
