// GELU by a table. Included by vec.h.
//
// GELU(x) = max(x, 0) - g(|x|) with g(t) = t Phi(-t), which has vanished at 5.58: a polynomial of
// its own on each of the first 15.5 intervals of kGeluStep, whose coefficients are looked up. No
// division and a third of the multiplications that erf takes as a quotient (math-inl.h).

constexpr float kGeluStep = 0.36f;
// Coefficients of (t - k kGeluStep)^i on interval k, from the constant up: minimax fits
// (tools/fit_polynomials.py).
alignas(64) constexpr float kGeluTable[][16] = {
    {0.0f, 1.293924777e-01f, 1.697490003e-01f, 1.512767842e-01f, 1.079045331e-01f, 6.467457595e-02f,
     3.323448163e-02f, 1.478670709e-02f, 5.726521298e-03f, 1.936380855e-03f, 5.727910407e-04f,
     1.484006936e-04f, 3.370240460e-05f, 6.712913862e-06f, 1.173153625e-06f, 1.799339576e-07f},
    {4.999999355e-01f, 2.248157666e-01f, 1.410960838e-02f, -1.003946842e-01f, -1.287686587e-01f,
     -1.061799757e-01f, -6.822047863e-02f, -3.614091133e-02f, -1.617499368e-02f, -6.193294741e-03f,
     -2.043737943e-03f, -5.839507275e-04f, -1.449219508e-04f, -3.130809832e-05f, -5.897170582e-06f,
     -9.696672810e-07f},
    {-3.989380894e-01f, -3.496776451e-01f, -2.280572688e-01f, -9.280584035e-02f, 5.202506824e-03f,
     4.894823495e-02f, 5.158933586e-02f, 3.626193597e-02f, 1.984917645e-02f, 8.905514685e-03f,
     3.353157697e-03f, 1.073406745e-03f, 2.944755891e-04f, 6.959826127e-05f, 1.422369403e-05f,
     2.520340561e-06f},
    {-9.962649405e-05f, 8.682753431e-02f, 1.286142151e-01f, 1.135631210e-01f, 6.540366888e-02f,
     1.800257824e-02f, -9.273971426e-03f, -1.645640013e-02f, -1.300061718e-02f, -7.354443063e-03f,
     -3.289666059e-03f, -1.209854733e-03f, -3.731824367e-04f, -9.767551983e-05f, -2.185733274e-05f,
     -4.203441113e-06f},
    {6.756195180e-02f, 4.815328632e-02f, 8.296247618e-03f, -2.569772135e-02f, -3.636915098e-02f,
     -2.684565488e-02f, -1.118357545e-02f, -1.803308376e-04f, 3.819131034e-03f, 3.543139925e-03f,
     2.076705751e-03f, 9.237514108e-04f, 3.309385080e-04f, 9.817766151e-05f, 2.449792571e-05f,
     5.192153112e-06f},
    {-5.323792461e-03f, -1.842943752e-02f, -2.302422271e-02f, -1.304141617e-02f, 7.801683960e-04f,
     8.357182091e-03f, 8.007617822e-03f, 4.046224829e-03f, 6.975796830e-04f, -7.044426602e-04f,
     -7.925041623e-04f, -4.744085080e-04f, -2.065914359e-04f, -7.105483081e-05f, -2.000213432e-05f,
     -4.698232574e-06f},
};

// Absolute error <= 3e-7, half a unit of a large x besides; from -5.58 down the result is -6.7e-8.
// NaN stays NaN.
AKIN_INLINE V Gelu(V x) {
  // The unit of its last place is 1: what is added to it is rounded, and stands in its low bits.
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __m512 t = _mm512_min_ps(_mm512_set1_ps(15.499f * kGeluStep), _mm512_abs_ps(x.v));
  const __m512 rounded = _mm512_fmadd_ps(t, _mm512_set1_ps(1.0f / kGeluStep), magic);
  const __m512i interval = _mm512_castps_si512(rounded);
  const __m512 f = _mm512_fnmadd_ps(_mm512_sub_ps(rounded, magic), _mm512_set1_ps(kGeluStep), t);
  __m512 g = _mm512_permutexvar_ps(interval, _mm512_load_ps(kGeluTable[5]));
#pragma GCC unroll 8
  for (size_t i = 5; i-- > 0;)
    g = _mm512_fmadd_ps(g, f, _mm512_permutexvar_ps(interval, _mm512_load_ps(kGeluTable[i])));
  return {_mm512_sub_ps(_mm512_max_ps(_mm512_setzero_ps(), x.v), g)};
}
