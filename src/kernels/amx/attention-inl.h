// Attention of one head over one sequence on tiles, by blocks of up to 32 queries: scores of the
// block against all keys, their softmax in place, and the weighted sum of the values, as
// generic/attention-inl.h does it where scores are not bounded. Both products read B tiles out of
// its packed keys and values, whose rows of pairs are two tiles wide. Included after linear-inl.h.
#pragma once

#include "kernels/generic/attention-inl.h"

// What TransposeKeys and CopyValues pack for.
struct TileAttentionProduct {
  using Row = Bf16;
  using Panel = Bf16;
  static constexpr size_t kDepth = 2;
  static AKIN_INLINE V SoftmaxExp2(V x) { return Exp2Rough(x); }
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
    return key_floats + value_floats + kMaxBlockRows * score_stride + kBlockFloats;
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
        block_(scores_ + kMaxBlockRows * sizes_.score_stride) {}

  void Run() {
    if (!args_.scratch_has_keys) {
      TransposeKeys<TileAttentionProduct>(args_.key, reinterpret_cast<Bf16*>(keys_));
      CopyValues<TileAttentionProduct>(args_.value, sizes_.keys / 2,
                                       reinterpret_cast<Bf16*>(values_));
    }
    const size_t length = args_.query.rows();
    for (size_t first = 0; first < length; first += kMaxBlockRows) {
      const size_t rows = length - first < kMaxBlockRows ? length - first : kMaxBlockRows;
      tiles_.Configure(rows, depth_.depth);
      if (rows > kTileRows) {
        ComputeScores<TileBlock::kTall>(first);
      } else {
        ComputeScores<TileBlock::kFlat>(first);
      }
      float inverse[kMaxBlockRows];
      for (size_t r = 0; r < rows; ++r)
        inverse[r] = 1.0f / Softmax(scores_ + r * sizes_.score_stride);
      tiles_.Configure(rows, kMaxDepth);
      if (rows > kTileRows) {
        ComputeContext<TileBlock::kTall>(first, rows, inverse);
      } else {
        ComputeContext<TileBlock::kFlat>(first, rows, inverse);
      }
    }
  }

 private:
  // scores [rows, keys] = query x key^T. A flat block takes two panels of keys while there are.
  template <TileBlock kBlock>
  void ComputeScores(size_t first) {
    constexpr size_t kKeys = kBlock == TileBlock::kFlat ? 2 * kPanelWidth : kPanelWidth;
    const Bf16* const query = args_.query.data() + first * args_.query.stride();
    const TileRows rows{reinterpret_cast<const std::byte*>(query),
                        args_.query.stride() * sizeof(Bf16)};
    size_t key = 0;
    for (; key + kKeys <= sizes_.keys; key += kKeys) ComputeScoresOf<kBlock>(rows, key);
    if (key < sizes_.keys) ComputeScoresOf<TileBlock::kHalf>(rows, key);
  }

  template <TileBlock kBlock>
  void ComputeScoresOf(const TileRows& rows, size_t key) {
    const size_t panel_bytes = Pairs(args_.key.cols()) * kPairRowBytes;
    const std::byte* const panel =
        reinterpret_cast<const std::byte*>(keys_) + key / kPanelWidth * panel_bytes;
    const TileColumns columns{panel, panel + panel_bytes, kTileRowBytes, kPairRowBytes};
    ZeroSums<kBlock>();
    for (size_t step = 0; step < depth_.count; ++step) {
      MultiplyTiles<kBlock, MultiplyBf16>(rows, step * depth_.depth * 4, columns,
                                          step * depth_.depth * kPairRowBytes);
    }
    StoreSums<kBlock>(scores_ + key, scores_ + key + kPanelWidth,
                      sizes_.score_stride * sizeof(float));
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
  float* block_;  // Sums of one panel of the context.
  Tiles tiles_;
};

void AttentionOnTiles(const AttentionArgs<Bf16>& args) {
  if (args.context.bf16.rows() > 0) {
    TileAttention<Bf16>(args, args.context.bf16).Run();
  } else {
    TileAttention<float>(args, args.context.f32).Run();
  }
}
