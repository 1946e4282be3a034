// Attention of one head over one sequence on tiles, by blocks of up to 32 queries: scores of the
// block against all keys, their softmax, and the weighted sum of the values, as
// generic/attention-inl.h does it: where scores are bounded they become weights a panel of keys at
// a time, while they are in the L1 cache, else in place, when the largest is known. Both products
// read B tiles out of its packed keys and values, whose rows of pairs are two tiles wide. Included
// after linear-inl.h.
#pragma once

#include "kernels/generic/attention-inl.h"

// What TransposeKeys and CopyValues pack for.
struct TileAttentionProduct {
  using Row = Bf16;
  using Panel = Bf16;
  static constexpr size_t kDepth = 2;
  static AKIN_INLINE V SoftmaxExp2(V x) { return Exp2Rough(x); }
  static AKIN_INLINE V BoundedExp2(V x) { return Exp2Rough(x); }
  static AKIN_INLINE void CopyStep(const Row* rows, size_t stride, Panel* out) {
    InterleaveRows(rows, stride, out);
  }
};

// From one row of pairs to the next, and from one column of tiles to the other.
constexpr size_t kPairRowBytes = kPanelWidth * 2 * sizeof(Bf16);
// A tile's keys of the second product.
constexpr size_t kTileKeys = 2 * kMaxDepth;

struct TileAttentionScratch {
  TileAttentionScratch(size_t length, size_t head_dim)
      : keys(RoundUp(length, kPanelWidth)),
        // An odd number of lines: the rows of a tile then fall into different sets of the L1 cache.
        score_stride(keys | kLineFloats),
        key_floats(Pairs(head_dim) * keys),
        value_floats(keys / 2 * RoundUp(head_dim, kPanelWidth)) {}
  size_t floats() const {
    return key_floats + value_floats + kMaxBlockRows * score_stride + 2 * kBlockFloats +
           kLineFloats;
  }

  size_t keys;  // With zeros up to whole tiles.
  size_t score_stride;
  size_t key_floats;
  size_t value_floats;
};

size_t TileAttentionScratchFloats(size_t length, size_t head_dim) {
  return TileAttentionScratch(length, head_dim).floats();
}

// One head of one sequence.
template <typename T>
class TileAttention {
 public:
  TileAttention(const AttentionArgs<Bf16>& args, MatrixView<T> context)
      : args_(args),
        context_(context),
        sizes_(args.key.rows(), args.key.cols()),
        depth_(Pairs(args.key.cols())),
        keys_(args.scratch.data()),
        values_(keys_ + sizes_.key_floats),
        scores_(values_ + sizes_.value_floats),
        block_(scores_ + kMaxBlockRows * sizes_.score_stride),
        key_squared_(block_[2 * kBlockFloats]) {}

  void Run() {
    const size_t length = args_.query.rows();
    const bool may_bound = args_.key.rows() >= kLeastBoundedKeys;
    if (!args_.scratch_has_keys) {
      if (may_bound) key_squared_ = LargestSquaredLength(args_.key);
      TransposeKeys<TileAttentionProduct>(args_.key, reinterpret_cast<Bf16*>(keys_));
      CopyValues<TileAttentionProduct>(args_.value, sizes_.keys / 2,
                                       reinterpret_cast<Bf16*>(values_));
    }
    const bool bounded = may_bound && HasBoundedScores(args_, key_squared_);
    for (size_t first = 0; first < length; first += kMaxBlockRows) {
      const size_t rows = length - first < kMaxBlockRows ? length - first : kMaxBlockRows;
      if (rows > kTileRows) {
        AttendBlock<TileBlock::kTall>(first, rows, bounded);
      } else {
        AttendBlock<TileBlock::kFlat>(first, rows, bounded);
      }
    }
  }

 private:
  template <TileBlock kBlock>
  void AttendBlock(size_t first, size_t rows, bool bounded) {
    float inverse[kMaxBlockRows];
    tiles_.Configure(rows, depth_.depth);
    if (bounded) {
      ComputeBoundedWeights<kBlock>(first, rows, inverse);
    } else {
      ComputeScores<kBlock>(first);
      for (size_t r = 0; r < rows; ++r)
        inverse[r] = 1.0f / Softmax(scores_ + r * sizes_.score_stride);
    }
    tiles_.Configure(rows, kMaxDepth);
    ComputeContext<kBlock>(first, rows, inverse);
  }

  // A flat block takes two panels of keys at a time, while there are.
  template <TileBlock kBlock>
  static constexpr size_t kKeysAtOnce = kBlock == TileBlock::kFlat ? 2 * kPanelWidth : kPanelWidth;

  TileRows Queries(size_t first) const {
    const Bf16* const query = args_.query.data() + first * args_.query.stride();
    return {reinterpret_cast<const std::byte*>(query), args_.query.stride() * sizeof(Bf16)};
  }

  // scores [rows, keys] = query x key^T.
  template <TileBlock kBlock>
  void ComputeScores(size_t first) {
    const TileRows queries = Queries(first);
    const size_t row_bytes = sizes_.score_stride * sizeof(float);
    size_t key = 0;
    for (; key + kKeysAtOnce<kBlock> <= sizes_.keys; key += kKeysAtOnce<kBlock>)
      ComputeScoresOf<kBlock>(queries, key, scores_ + key, scores_ + key + kPanelWidth, row_bytes);
    if (key < sizes_.keys)
      ComputeScoresOf<TileBlock::kHalf>(queries, key, scores_ + key, nullptr, row_bytes);
  }

  // Those of the panel of keys from `key` on to `to`, and of the next one to `next`.
  template <TileBlock kBlock>
  void ComputeScoresOf(const TileRows& queries, size_t key, float* to, float* next,
                       size_t row_bytes) const {
    const size_t panel_bytes = Pairs(args_.key.cols()) * kPairRowBytes;
    const std::byte* const panel =
        reinterpret_cast<const std::byte*>(keys_) + key / kPanelWidth * panel_bytes;
    const TileColumns columns{panel, panel + panel_bytes, kTileRowBytes, kPairRowBytes};
    ZeroSums<kBlock>();
    for (size_t step = 0; step < depth_.count; ++step) {
      MultiplyTiles<kBlock, MultiplyBf16>(queries, step * depth_.depth * 4, columns,
                                          step * depth_.depth * kPairRowBytes);
    }
    StoreSums<kBlock>(to, next, row_bytes);
  }

  // Weights exp(scale * score) [rows, keys], zeros after the last key, where scores would be, and
  // the inverses of their sums.
  template <TileBlock kBlock>
  void ComputeBoundedWeights(size_t first, size_t rows, float* inverse) {
    constexpr size_t kRowBytes = kPanelWidth * sizeof(float);
    const TileRows queries = Queries(first);
    alignas(64) float lane_sums[kMaxBlockRows * V::kLanes] = {};
    size_t key = 0;
    for (; key + kKeysAtOnce<kBlock> <= sizes_.keys; key += kKeysAtOnce<kBlock>) {
      ComputeScoresOf<kBlock>(queries, key, block_, block_ + kBlockFloats, kRowBytes);
      BoundedWeightsOf(key, rows, block_, lane_sums);
      if constexpr (kBlock == TileBlock::kFlat)
        BoundedWeightsOf(key + kPanelWidth, rows, block_ + kBlockFloats, lane_sums);
    }
    if (key < sizes_.keys) {
      ComputeScoresOf<TileBlock::kHalf>(queries, key, block_, nullptr, kRowBytes);
      BoundedWeightsOf(key, rows, block_, lane_sums);
    }
    for (size_t r = 0; r < rows; ++r)
      inverse[r] = 1.0f / ReduceSum(V::Load(lane_sums + r * V::kLanes));
  }

  // Of the panel of keys from `key` on, whose scores are [rows, kPanelWidth].
  void BoundedWeightsOf(size_t key, size_t rows, const float* scores, float* lane_sums) {
    const size_t length = args_.key.rows(), count = length - key;
    const V scale = V::Set(args_.scale * kLog2E);
    for (size_t r = 0; r < rows; ++r) {
      Bf16* const weights = reinterpret_cast<Bf16*>(scores_ + r * sizes_.score_stride) + key;
      V lanes = V::Load(lane_sums + r * V::kLanes);
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelWidth; v += V::kLanes) {
        V p = TileAttentionProduct::BoundedExp2(V::Load(scores + r * kPanelWidth + v) * scale);
        if (count < v + V::kLanes) [[unlikely]]
          p = ZeroFrom(count <= v ? 0 : count - v, p);
        Store(p, weights + v);
        lanes = lanes + p;
      }
      Store(lanes, lane_sums + r * V::kLanes);
    }
  }

  // Scores of a query become weights in bf16, zeros up to the last key of a tile.
  float Softmax(float* scores) const {
    const size_t length = args_.key.rows();
    const float sum = SoftmaxRow<TileAttentionProduct>(scores, length, LargestScore(scores, length),
                                                       args_.scale * kLog2E);
    Bf16* const weights = reinterpret_cast<Bf16*>(scores);
    for (size_t j = RoundUp(length, 2); j < sizes_.keys; ++j) weights[j] = Bf16{};
    return sum;
  }

  // context [rows, head_dim] = weights x value / sum of weights.
  template <TileBlock kBlock>
  void ComputeContext(size_t first, size_t rows, const float* inverse) {
    constexpr TileBlock kOnePanel =
        kBlock == TileBlock::kFlat ? TileBlock::kHalf : TileBlock::kTall;
    const size_t panel_bytes = sizes_.keys / 2 * kPairRowBytes;
    const TileRows weights{reinterpret_cast<const std::byte*>(scores_),
                           sizes_.score_stride * sizeof(float)};
    for (size_t d = 0; d < args_.value.cols(); d += kPanelWidth) {
      const std::byte* const panel =
          reinterpret_cast<const std::byte*>(values_) + d / kPanelWidth * panel_bytes;
      const TileColumns columns{panel, panel, kTileRowBytes, kPairRowBytes};
      ZeroSums<kOnePanel>();
      for (size_t key = 0; key < sizes_.keys; key += kTileKeys) {
        MultiplyTiles<kOnePanel, MultiplyBf16>(weights, key * sizeof(Bf16), columns,
                                               key / 2 * kPairRowBytes);
      }
      StoreSums<kOnePanel>(block_, nullptr, kPanelWidth * sizeof(float));
      const size_t left = args_.value.cols() - d, width = left < kPanelWidth ? left : kPanelWidth;
      for (size_t r = 0; r < rows; ++r) {
        T* const out = context_.data() + (first + r) * context_.stride() + d;
        for (size_t v = 0; v < width; v += V::kLanes) {
          const size_t count = width - v < V::kLanes ? width - v : V::kLanes;
          FinishAndStore<Epilogue::kStore>(
              V::Load(block_ + r * kPanelWidth + v) * V::Set(inverse[r]), out + v, count);
        }
      }
    }
  }

  const AttentionArgs<Bf16>& args_;
  MatrixView<T> context_;
  TileAttentionScratch sizes_;
  TileDepth depth_;
  float* keys_;
  float* values_;
  float* scores_;
  float* block_;        // Sums of one panel, or of two.
  float& key_squared_;  // The largest squared length of a key.
  Tiles tiles_;
};

void AttentionOnTiles(const AttentionArgs<Bf16>& args) {
  if (args.context.bf16.rows() > 0) {
    TileAttention<Bf16>(args, args.context.bf16).Run();
  } else {
    TileAttention<float>(args, args.context.f32).Run();
  }
}
