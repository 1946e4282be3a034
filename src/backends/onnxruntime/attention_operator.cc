#include "backends/onnxruntime/attention_operator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"

namespace akin::backends::onnxruntime {
namespace {

// Operations below which threads do not meet: the meeting would take as long.
constexpr size_t kLeastDividedWork = size_t{1} << 18;
// Added to a score, it leaves no weight in float32.
constexpr float kMasks = -9000.0f;

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
  // By sequence: how many of its keys are seen, all from the first on; 0: the mask is of another
  // kind, and is added.
  std::span<const size_t> num_keys;

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
    const size_t seen = num_keys[sequence];
    if (seen == 0 || queries() < seen) return Plain(sequence, q, k, v, out, of_part);
    // The kernel has as many queries as keys. There may be more: those of padding, and of tokens
    // that attend and are not attended to. The last ones are computed again, to whole calls.
    for (size_t first = 0; first < queries(); first += seen) {
      const size_t begin = std::min(first, queries() - seen);
      kernels->attention.attention({.query = q.Rows(begin, seen),
                                    .key = k.Rows(0, seen),
                                    .value = v.Rows(0, seen),
                                    .context = {.f32 = out.Rows(begin, seen), .bf16 = {}},
                                    .scale = scale,
                                    .scratch = of_part,
                                    .scratch_has_keys = first > 0});
    }
  }

  // By the definition, for few queries and for masks of other kinds.
  void Plain(size_t sequence, MatrixView<const float> q, MatrixView<const float> k,
             MatrixView<const float> v, MatrixView<float> out, std::span<float> of_part) const {
    const size_t seen = num_keys[sequence] == 0 ? keys() : num_keys[sequence];
    const std::span<float> weights = of_part.first(seen);
    for (size_t r = 0; r < q.rows(); ++r) {
      const float* added = num_keys[sequence] == 0 ? MaskOf(sequence, r) : nullptr;
      float largest = -std::numeric_limits<float>::infinity();
      for (size_t j = 0; j < seen; ++j) {
        float score = 0;
        for (size_t d = 0; d < q.cols(); ++d) score += q(r, d) * k(j, d);
        weights[j] = score * scale + (added == nullptr ? 0.0f : added[j]);
        largest = std::max(largest, weights[j]);
      }
      float sum = 0;
      for (float& weight : weights) sum += weight = std::exp(weight - largest);
      std::ranges::fill(out.row(r), 0.0f);
      for (size_t j = 0; j < seen; ++j) {
        for (size_t d = 0; d < v.cols(); ++d) out(r, d) += weights[j] / sum * v(j, d);
      }
    }
  }

  // How many keys all queries of a sequence see; 0 where not all see the same from the first on.
  size_t NumKeys(size_t sequence) const {
    if (mask.data == nullptr) return keys();
    size_t seen = 0;
    for (size_t row = 0; row < mask.dim(2); ++row) {
      const std::span<const float> added(MaskOf(sequence, row), keys());
      const auto end = std::ranges::find_if(added, [](float x) { return x != 0.0f; });
      const auto count = static_cast<size_t>(end - added.begin());
      const bool rest_is_masked =
          std::all_of(end, added.end(), [](float x) { return x <= kMasks; });
      if (!rest_is_masked || (row > 0 && count != seen)) return 0;
      seen = count;
    }
    return seen;
  }
};

// The error, or nullptr.
const char* Check(const Work& work) {
  const InputTensor &q = work.query, &k = work.key, &v = work.value, &mask = work.mask;
  if (q.data == nullptr || k.data == nullptr || v.data == nullptr || q.rank != 3 || k.rank != 3 ||
      k.dims != v.dims || v.rank != 3 || q.dim(0) != k.dim(0) || q.dim(2) != k.dim(2) ||
      q.dim(2) % work.num_heads != 0)
    return "akin:Attention: queries, keys and values that do not fit each other";
  if (mask.data == nullptr) return nullptr;
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
    if (work.query.elements == 0 || work.key.elements == 0) return nullptr;

    std::vector<size_t> num_keys(work.query.dim(0));
    for (size_t s = 0; s < num_keys.size(); ++s) num_keys[s] = work.NumKeys(s);
    work.num_keys = num_keys;
    const size_t operations = work.query.elements * work.keys() * 4;
    if (operations >= kLeastDividedWork) work.parts = op_.num_threads_;
    constexpr size_t kLineFloats = 64 / sizeof(float);
    work.scratch_of_part = RoundUp(
        std::max(op_.kernels_.attention.scratch_floats(work.keys(), work.head_dim()), work.keys()),
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
