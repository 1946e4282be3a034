// Elementary functions over a Vec. Included once by each tier, inside its target region and
// anonymous namespace.
//
// The polynomials are minimax fits made for this project: linear programming on the weighted error
// over a dense Chebyshev grid (tools/fit_polynomials.py).
#pragma once

// log2(e): e^x is computed as a power of 2.
constexpr float kLog2E = 1.44269504f;

// 2^x for |x| <= 126 or NaN, relative error <= 2e-7.
template <typename V>
AKIN_INLINE V Exp2Bounded(V x) {
  const V n = Round(x);
  const V f = x - n;  // [-0.5, 0.5]
  V p = V::Set(1.534581240e-4f);
  p = MulAdd(p, f, V::Set(1.339993132e-3f));
  p = MulAdd(p, f, V::Set(9.618488957e-3f));
  p = MulAdd(p, f, V::Set(5.550328777e-2f));
  p = MulAdd(p, f, V::Set(2.402264689e-1f));
  p = MulAdd(p, f, V::Set(6.931472057e-1f));
  p = MulAdd(p, f, V::Set(1.000000001f));
  return MulPow2(p, n);
}

// 2^x, relative error <= 2e-7; below -126 the result is 0, above 127.4 it is clamped.
template <typename V>
AKIN_INLINE V Exp2(V x) {
  const V clamped = Min(V::Set(127.4f), Max(V::Set(-126.0f), x));
  return ZeroWhereLess(x, V::Set(-126.0f), Exp2Bounded(clamped));
}

// 2^x for x <= 126 or NaN, relative error <= 8e-5, which bf16 does not see. Far below zero the
// result runs into 0 by itself.
template <typename V>
AKIN_INLINE V Exp2Rough(V x) {
  const V n = Round(x);
  const V f = x - n;  // [-0.5, 0.5]
  V p = V::Set(5.517166859e-2f);
  p = MulAdd(p, f, V::Set(2.426111228e-1f));
  p = MulAdd(p, f, V::Set(6.932609856e-1f));
  p = MulAdd(p, f, V::Set(9.999280735e-1f));
  return MulPow2(p, n);
}

// erf(x), absolute error <= 4e-7: x P(x^2) / Q(x^2) on |x| <= 3.9, where erf is 1 within 3.5e-8.
template <typename V>
AKIN_INLINE V Erf(V x) {
  const V c = Min(V::Set(3.9f), Max(V::Set(-3.9f), x));
  const V t = c * c;
  V p = V::Set(2.084938711e-6f);
  p = MulAdd(p, t, V::Set(2.817633429e-4f));
  p = MulAdd(p, t, V::Set(3.602175637e-3f));
  p = MulAdd(p, t, V::Set(5.223342980e-2f));
  p = MulAdd(p, t, V::Set(1.865248719e-1f));
  p = MulAdd(p, t, V::Set(1.128379174f));
  V q = V::Set(3.829484045e-5f);
  q = MulAdd(q, t, V::Set(1.124226637e-3f));
  q = MulAdd(q, t, V::Set(1.463671491e-2f));
  q = MulAdd(q, t, V::Set(1.125041153e-1f));
  q = MulAdd(q, t, V::Set(4.986365070e-1f));
  q = MulAdd(q, t, V::Set(1.0f));
  return c * p / q;
}

template <typename V>
AKIN_INLINE V Gelu(V x) {
  const V half = V::Set(0.5f) * x;
  return MulAdd(half, Erf(x * V::Set(0.70710678f)), half);
}

// x / 2 * (1 + tanh(u)) = x * sigmoid(2u) = x / (1 + 2^(-2u log2(e))).
template <typename V>
AKIN_INLINE V GeluTanh(V x) {
  const V u = V::Set(0.79788456f) * MulAdd(V::Set(0.044715f) * x * x, x, x);
  return x / (V::Set(1.0f) + Exp2(u * V::Set(-2.885390082f)));
}

// x * sigmoid(slope x): SiLU, and GELU by a sigmoid.
template <typename V>
AKIN_INLINE V TimesSigmoid(V x, float slope) {
  return x / (V::Set(1.0f) + Exp2(x * V::Set(-kLog2E * slope)));
}

// tanh(x), relative error <= 5e-7: x P(x^2) / Q(x^2) on |x| <= 8.7, where tanh is 1 within 6e-8.
template <typename V>
AKIN_INLINE V Tanh(V x) {
  const V c = Min(V::Set(8.7f), Max(V::Set(-8.7f), x));
  const V t = c * c;
  V p = V::Set(-8.070991124e-11f);
  p = MulAdd(p, t, V::Set(-1.406232870e-7f));
  p = MulAdd(p, t, V::Set(-8.982750065e-6f));
  p = MulAdd(p, t, V::Set(2.295372676e-3f));
  p = MulAdd(p, t, V::Set(1.246893776e-1f));
  p = MulAdd(p, t, V::Set(9.999999688e-1f));
  V q = V::Set(-5.288007031e-9f);
  q = MulAdd(q, t, V::Set(-1.861233650e-6f));
  q = MulAdd(q, t, V::Set(1.015377617e-4f));
  q = MulAdd(q, t, V::Set(2.163658561e-2f));
  q = MulAdd(q, t, V::Set(4.580224357e-1f));
  q = MulAdd(q, t, V::Set(1.0f));
  return c * p / q;
}
