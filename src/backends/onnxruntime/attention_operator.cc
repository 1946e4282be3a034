#include "backends/onnxruntime/attention_operator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"

namespace akin::backends::onnxruntime {
namespace {

// Operations below which threads do not meet: the meeting would take as long.
constexpr size_t kLeastDividedWork = size_t{1} << 18;
// What is added to scores that are not to count: the least number of float32, or as much less than
// scores as exp needs to leave nothing of them. The first is so whatever the scores.
constexpr float kMasks = -1000.0f, kMasksAll = -1e30f;
constexpr float kLeavesNothing = -105.0f;  // exp of it is less than the least number.

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The self-attention of a batch: [sequence, token, head * head_dim].
struct Work {
  const kernels::Kernels* kernels = nullptr;
  InputTensor query, key, value, mask;
  float* context = nullptr;
  size_t num_heads = 0;
  float scale = 1.0f;

  size_t parts = 1;
  std::span<float> scratch;  // Of all parts, `scratch_of_part` floats each, in whole lines.
  size_t scratch_of_part = 0;
  // The keys that all queries of a sequence see: [first, first + count). No count: the mask is of
  // another kind, and is added.
  struct Seen {
    size_t first = 0;
    size_t count = 0;
    float masked = -std::numeric_limits<float>::infinity();  // The most that is added to others.
  };
  std::span<const Seen> seen;  // By sequence.

  size_t queries() const { return query.dim(1); }
  size_t keys() const { return key.dim(1); }
  size_t width() const { return query.dim(2); }
  size_t head_dim() const { return width() / num_heads; }

  // The mask of a query, or nullptr.
  const float* MaskOf(size_t sequence, size_t row) const {
    if (mask.data == nullptr) return nullptr;
    const size_t s = mask.dim(0) == 1 ? 0 : sequence, r = mask.dim(2) == 1 ? 0 : row;
    return mask.data + (s * mask.dim(2) + r) * keys();
  }

  MatrixView<const float> HeadOf(const InputTensor& rows, size_t sequence, size_t head) const {
    return {rows.data + sequence * rows.dim(1) * width() + head * head_dim(), rows.dim(1),
            head_dim(), width()};
  }

  static void Part(void* data, size_t part) {
    const Work& work = *static_cast<const Work*>(data);
    const size_t items = work.query.dim(0) * work.num_heads;
    const auto scratch = work.scratch.subspan(part * work.scratch_of_part, work.scratch_of_part);
    for (size_t i = items * part / work.parts; i < items * (part + 1) / work.parts; ++i)
      work.Head(i / work.num_heads, i % work.num_heads, scratch);
  }

  void Head(size_t sequence, size_t head, std::span<float> of_part) const {
    const MatrixView<const float> q = HeadOf(query, sequence, head),
                                  k = HeadOf(key, sequence, head),
                                  v = HeadOf(value, sequence, head);
    const MatrixView<float> out(context + sequence * queries() * width() + head * head_dim(),
                                queries(), head_dim(), width());
    const Seen keys_seen = seen[sequence];
    const size_t count = keys_seen.count;
    if (count == 0 || queries() < count ||
        (keys_seen.masked > kMasksAll && !LeavesNothing(keys_seen.masked, q, k)))
      return Plain(sequence, q, k, v, out, of_part);
    // The kernel has as many queries as keys. There may be more: those of padding. The last ones
    // are computed again, to whole calls.
    for (size_t first = 0; first < queries(); first += count) {
      const size_t begin = std::min(first, queries() - count);
      kernels->attention.attention({.query = q.Rows(begin, count),
                                    .key = k.Rows(keys_seen.first, count),
                                    .value = v.Rows(keys_seen.first, count),
                                    .context = {.f32 = out.Rows(begin, count), .bf16 = {}},
                                    .scale = scale,
                                    .scratch = of_part,
                                    .scratch_has_keys = first > 0});
    }
  }

  // Whether `masked` is below all scores by enough: |q k| <= |q| |k|.
  bool LeavesNothing(float masked, MatrixView<const float> q, MatrixView<const float> k) const {
    const auto longest = [](MatrixView<const float> rows) {
      float most = 0;
      for (size_t r = 0; r < rows.rows(); ++r) {
        float squared = 0;
        for (const float x : rows.row(r)) squared += x * x;
        most = std::max(most, squared);
      }
      return std::sqrt(most);
    };
    return masked + 2 * scale * longest(q) * longest(k) < kLeavesNothing;
  }

  // By the definition, for few queries and for masks of other kinds. `of_part` holds the keys,
  // turned so that the scores of a query are sums of rows, and the weights of a query.
  void Plain(size_t sequence, MatrixView<const float> q, MatrixView<const float> k,
             MatrixView<const float> v, MatrixView<float> out, std::span<float> of_part) const {
    const size_t length = keys();
    const MatrixView<float> turned(of_part.data(), head_dim(), length);
    const std::span<float> weights = of_part.subspan(head_dim() * length, length);
    for (size_t j = 0; j < length; ++j) {
      for (size_t d = 0; d < head_dim(); ++d) turned(d, j) = k(j, d) * scale;
    }
    for (size_t r = 0; r < q.rows(); ++r) {
      if (const float* added = MaskOf(sequence, r)) {
        std::copy_n(added, length, weights.begin());
      } else {
        std::ranges::fill(weights, 0.0f);
      }
      for (size_t d = 0; d < head_dim(); ++d) {
        const float x = q(r, d);
        const float* const row = turned.row(d).data();
        for (size_t j = 0; j < length; ++j) weights[j] += x * row[j];
      }
      const float largest = *std::ranges::max_element(weights);
      float sum = 0;
      for (float& weight : weights) sum += weight = std::exp(weight - largest);
      std::ranges::fill(out.row(r), 0.0f);
      for (size_t j = 0; j < length; ++j) {
        const float weight = weights[j] / sum;
        for (size_t d = 0; d < head_dim(); ++d) out(r, d) += weight * v(j, d);
      }
    }
  }

  Seen SeenOf(size_t sequence) const {
    if (mask.data == nullptr) return {.count = keys()};
    Seen found;
    for (size_t row = 0; row < mask.dim(2); ++row) {
      const std::span<const float> added(MaskOf(sequence, row), keys());
      const auto is_seen = [](float x) { return x == 0.0f; };
      const auto begin = std::ranges::find_if(added, is_seen);
      const auto end = std::find_if_not(begin, added.end(), is_seen);
      Seen seen_here{.first = static_cast<size_t>(begin - added.begin()),
                     .count = static_cast<size_t>(end - begin)};
      for (const auto& [from, to] :
           {std::pair(added.begin(), begin), std::pair(end, added.end())}) {
        for (auto x = from; x != to; ++x) {
          if (!(*x <= kMasks)) return {};
          seen_here.masked = std::max(seen_here.masked, *x);
        }
      }
      if (row > 0 && (seen_here.first != found.first || seen_here.count != found.count)) return {};
      seen_here.masked = std::max(seen_here.masked, found.masked);
      found = seen_here;
    }
    return found;
  }
};

// The error, or nullptr.
const char* Check(const Work& work) {
  const InputTensor &q = work.query, &k = work.key, &v = work.value, &mask = work.mask;
  if (!q.is_there || !k.is_there || !v.is_there || q.rank != 3 || k.rank != 3 || k.dims != v.dims ||
      v.rank != 3 || q.dim(0) != k.dim(0) || q.dim(2) != k.dim(2) || q.dim(2) % work.num_heads != 0)
    return "akin:Attention: queries, keys and values that do not fit each other";
  if (!mask.is_there) return nullptr;
  const bool fits = mask.rank == 4 && (mask.dim(0) == 1 || mask.dim(0) == q.dim(0)) &&
                    mask.dim(1) == 1 && (mask.dim(2) == 1 || mask.dim(2) == q.dim(1)) &&
                    mask.dim(3) == k.dim(1);
  return fits ? nullptr : "akin:Attention: a mask of another shape";
}

}  // namespace

// One layer of a session. ONNX Runtime calls it from several runs at once.
class AttentionOperator::Kernel {
 public:
  Kernel(const AttentionOperator& op, size_t num_heads, float scale)
      : op_(op), num_heads_(num_heads), scale_(scale) {}

  OrtStatus* Compute(OrtKernelContext* context) const noexcept try {
    const OrtApi& api = op_.api_;
    Work work{.kernels = &op_.kernels_, .num_heads = num_heads_, .scale = scale_};
    size_t num_inputs = 0;
    if (OrtStatus* status = api.KernelContext_GetInputCount(context, &num_inputs)) return status;
    const std::array inputs = {&work.query, &work.key, &work.value, &work.mask};
    for (size_t i = 0; i < std::min(num_inputs, inputs.size()); ++i) {
      if (OrtStatus* status = ReadInput(api, context, i, *inputs[i])) return status;
    }
    if (const char* wrong = Check(work)) return api.CreateStatus(ORT_INVALID_ARGUMENT, wrong);
    if (OrtStatus* status =
            MakeOutput(api, context, 0, std::span(work.query.dims).first(3), work.context))
      return status;
    if (work.query.elements == 0) return nullptr;
    // A sum of no values.
    if (work.key.elements == 0)
      return std::fill_n(work.context, work.query.elements, 0.0f), nullptr;

    std::vector<Work::Seen> seen(work.query.dim(0));
    for (size_t s = 0; s < seen.size(); ++s) seen[s] = work.SeenOf(s);
    work.seen = seen;
    const size_t operations = work.query.elements * work.keys() * 4;
    if (operations >= kLeastDividedWork) work.parts = op_.num_threads_;
    constexpr size_t kLineFloats = 64 / sizeof(float);
    work.scratch_of_part =
        RoundUp(std::max(op_.kernels_.attention.scratch_floats(work.keys(), work.head_dim()),
                         (work.head_dim() + 1) * work.keys()),
                kLineFloats);
    const AlignedBuffer scratch(work.parts * work.scratch_of_part * sizeof(float));
    work.scratch = scratch.As<float>();
    if (work.parts == 1) {
      Work::Part(&work, 0);
      return nullptr;
    }
    return api.KernelContext_ParallelFor(context, Work::Part, work.parts, 0, &work);
  } catch (const std::bad_alloc&) {
    return op_.api_.CreateStatus(ORT_FAIL, "akin:Attention: out of memory");
  }

 private:
  const AttentionOperator& op_;
  const size_t num_heads_;
  const float scale_;
};

AttentionOperator::AttentionOperator(const OrtApi& api_of_library, const kernels::Kernels& table,
                                     int num_threads)
    : OrtCustomOp(PlainOperator()),
      api_(api_of_library),
      kernels_(table),
      num_threads_(static_cast<size_t>(num_threads)) {
  GetName = [](const OrtCustomOp*) { return kAttentionOperator; };
  GetInputTypeCount = [](const OrtCustomOp*) -> size_t { return 4; };
  GetInputCharacteristic = [](const OrtCustomOp*, size_t index) {
    return index == 3 ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
  };
  CreateKernelV2 = [](const OrtCustomOp* base, const OrtApi* api, const OrtKernelInfo* info,
                      void** kernel) -> OrtStatus* {
    int64_t num_heads = 0;
    float scale = 0;
    if (OrtStatus* status = api->KernelInfoGetAttribute_int64(info, kHeadsAttribute, &num_heads))
      return status;
    if (OrtStatus* status = api->KernelInfoGetAttribute_float(info, kScaleAttribute, &scale))
      return status;
    if (num_heads < 1)
      return api->CreateStatus(ORT_INVALID_ARGUMENT, "akin:Attention: no such number of heads");
    *kernel = new (std::nothrow)
        Kernel(*static_cast<const AttentionOperator*>(base), static_cast<size_t>(num_heads), scale);
    if (*kernel == nullptr) return api->CreateStatus(ORT_FAIL, "akin:Attention: out of memory");
    return nullptr;
  };
  KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatus* {
    return static_cast<const Kernel*>(kernel)->Compute(context);
  };
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

}  // namespace akin::backends::onnxruntime
