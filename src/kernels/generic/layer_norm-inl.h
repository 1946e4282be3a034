// LayerNorm by row (Ba et al., 2016), the variance from differences to the mean, as PyTorch rounds
// it closest.
#pragma once

void LayerNormRow(float* row, size_t size, const float* weight, const float* bias, float eps) {
  const size_t whole = size / V::kLanes * V::kLanes, tail = size - whole;
  const float inverse_size = 1.0f / static_cast<float>(size);
  V sum = V::Set(0.0f);
  for (size_t j = 0; j < whole; j += V::kLanes) sum = sum + V::Load(row + j);
  if (tail != 0) sum = sum + V::LoadPartial(row + whole, tail);
  const V mean = V::Set(ReduceSum(sum) * inverse_size);

  V squares = V::Set(0.0f);
  for (size_t j = 0; j < whole; j += V::kLanes) {
    const V d = V::Load(row + j) - mean;
    squares = MulAdd(d, d, squares);
  }
  if (tail != 0) {
    const V d = ZeroFrom(tail, V::LoadPartial(row + whole, tail) - mean);
    squares = MulAdd(d, d, squares);
  }
  const V scale = V::Set(1.0f / std::sqrt(ReduceSum(squares) * inverse_size + eps));

  for (size_t j = 0; j < whole; j += V::kLanes) {
    const V x = (V::Load(row + j) - mean) * scale;
    Store(MulAdd(x, V::Load(weight + j), V::Load(bias + j)), row + j);
  }
  if (tail != 0) {
    const V x = (V::LoadPartial(row + whole, tail) - mean) * scale;
    StorePartial(
        MulAdd(x, V::LoadPartial(weight + whole, tail), V::LoadPartial(bias + whole, tail)),
        row + whole, tail);
  }
}

void LayerNorm(const LayerNormArgs& args) {
  for (size_t i = 0; i < args.hidden.rows(); ++i) {
    LayerNormRow(args.hidden.data() + i * args.hidden.stride(), args.hidden.cols(), args.weight,
                 args.bias, args.eps);
  }
}
