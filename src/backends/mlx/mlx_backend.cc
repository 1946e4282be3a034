// MLX behind the interface of a backend: a ragged batch becomes one padded rectangle, which all
// threads' calls have computed in turn on the MlxThread.
#include "backends/mlx/mlx_backend.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "backends/mlx/mlx_encoder.h"
#include "backends/mlx/mlx_thread.h"
#include "base/door.h"
#include "base/strings.h"
#include "model/position_counter.h"
#include "model/tensor_file.h"
#include "model/weights.h"

namespace akin::backends {
namespace {

namespace mx = ::mlx::core;
using mlx::MlxEncoder;
using mlx::MlxThread;
using mlx::PaddedBatch;

// A graph is made for each shape, and kept: lengths and numbers of sequences come in steps, so that
// there are not too many.
constexpr int32_t kLengths[] = {8,   16,  24,  32,   48,   64,   96,   128,  192,  256,
                                384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192};
constexpr size_t kFewSequences = 8;  // Up to here every number.

Result<mx::Dtype> DtypeOf(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
    case Precision::kF32: return mx::float32;
    case Precision::kF16: return mx::float16;
    case Precision::kBf16: return mx::bfloat16;
    default:
      return InvalidInput("the backend mlx has no precision ", PrecisionName(precision),
                          "; it has f32, f16 and bf16");
  }
}

std::vector<int32_t> LengthSteps(int max_positions) {
  std::vector<int32_t> steps;
  for (const int32_t length : kLengths) {
    if (length < max_positions) steps.push_back(length);
  }
  steps.push_back(max_positions);
  return steps;
}

// 8, 12, 16, 24, 32, 48 ...: at most a third is padding.
size_t StepOfSequences(size_t count) {
  if (count <= kFewSequences) return count;
  for (size_t step = kFewSequences;; step *= 2) {
    if (count <= step) return step;
    if (count <= step * 3 / 2) return step * 3 / 2;
  }
}

class MlxSession : public Session {
 public:
  PaddedBatch padded;
  std::vector<float> states;  // [batch * length, width]
  std::vector<float> rows;    // [num_tokens, width]
};

class MlxBackend : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> Load(const model::ModelDirectory& directory,
                                               const model::ModelConfig& config,
                                               Precision precision) {
    AKIN_TRY(mlx::CheckIsOfBertFamily(config));
    AKIN_TRY_ASSIGN(const mx::Dtype dtype, DtypeOf(precision));
    AKIN_TRY_ASSIGN(const model::ModelWeights weights, model::LoadWeights(directory, config));
    auto backend = std::make_unique<MlxBackend>(config, precision, weights.num_parameters);
    backend->info_.notes = weights.notes;
    AKIN_TRY(backend->thread_.Run([&] { backend->encoder_.emplace(config, weights, dtype); }));
    if (weights.files != nullptr) AKIN_TRY(weights.files->CheckIntact());
    AKIN_TRY(backend->WarmUp());
    return std::unique_ptr<Backend>(std::move(backend));
  }

  MlxBackend(const model::ModelConfig& config, Precision precision, int64_t num_parameters)
      : config_(config), lengths_(LengthSteps(config.max_positions)) {
    info_.name = "mlx";
    info_.precision = PrecisionName(precision == Precision::kAuto ? Precision::kF32 : precision);
    info_.rows = RowKind::kTokenStates;
    info_.width = config.hidden_size;
    info_.max_positions = config.max_positions;
    info_.num_parameters = num_parameters;
    info_.flops_per_token = 2.0 * static_cast<double>(num_parameters);
    info_.rectangles = RectangleInfo{.length_buckets = lengths_};
  }
  ~MlxBackend() override {
    // Its arrays end on the thread that made them.
    static_cast<void>(thread_.Run([&] { encoder_.reset(); }));
  }

  BackendInfo Info() const override { return info_; }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<MlxSession>();
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    return AtTheDoor("cannot compute", {},
                     [&] { return Run(batch, static_cast<MlxSession&>(session)); });
  }

 private:
  Result<MatrixView<const float>> Run(const RaggedBatch& batch, MlxSession& own) const {
    const size_t width = static_cast<size_t>(info_.width);
    own.rows.resize(batch.num_tokens() * width);
    if (batch.num_tokens() == 0) return MatrixView<const float>(own.rows.data(), 0, width);
    Pad(batch, own.padded);
    const size_t length = static_cast<size_t>(own.padded.length);
    own.states.resize(static_cast<size_t>(own.padded.batch) * length * width);
    AKIN_TRY(thread_.Run([&] { encoder_->Forward(own.padded, own.states); }));
    for (size_t s = 0; s < batch.num_sequences(); ++s) {
      std::copy_n(own.states.begin() + static_cast<ptrdiff_t>(s * length * width),
                  batch.length(s) * width,
                  own.rows.begin() + static_cast<ptrdiff_t>(batch.begin(s) * width));
    }
    return MatrixView<const float>(own.rows.data(), batch.num_tokens(), width);
  }

  // The first graph takes longest: what MLX makes once is made now, and what it cannot do is known.
  Status WarmUp() {
    PaddedBatch padded;
    const int32_t ids[] = {config_.pad_token_id}, ends[] = {0, 1};
    Pad({.input_ids = ids, .token_type_ids = {}, .cu_seqlens = ends, .attended = {}}, padded);
    std::vector<float> states(static_cast<size_t>(padded.length * info_.width));
    return thread_.Run([&] {
      const mx::Device device = mx::default_device();
      info_.isa = device == mx::Device::gpu ? "gpu" : "cpu";
      info_.detail = StrCat("MLX ", mx::version(), " on ", DeviceName(device));
      encoder_->Forward(padded, states);
    });
  }

  static std::string DeviceName(const mx::Device& device) {
    const auto& facts = mx::device_info(device);
    const auto name = facts.find("device_name");
    if (name == facts.end()) return device == mx::Device::gpu ? "a GPU" : "a CPU";
    const auto* text = std::get_if<std::string>(&name->second);
    return text != nullptr ? *text : "?";
  }

  void Pad(const RaggedBatch& batch, PaddedBatch& padded) const {
    size_t longest = 1;
    for (size_t s = 0; s < batch.num_sequences(); ++s) longest = std::max(longest, batch.length(s));
    const auto step = std::ranges::lower_bound(lengths_, static_cast<int32_t>(longest));
    padded.length = step == lengths_.end() ? static_cast<int>(longest) : *step;
    padded.batch = static_cast<int>(StepOfSequences(batch.num_sequences()));
    const size_t length = static_cast<size_t>(padded.length);
    const size_t size = static_cast<size_t>(padded.batch) * length;
    padded.input_ids.assign(size, config_.pad_token_id);
    padded.token_type_ids.assign(size, 0);
    padded.positions.assign(size, 0);
    padded.attended.assign(size, 0);
    std::optional<int32_t> padding_id;
    if (config_.positions_after_padding) padding_id = config_.pad_token_id;
    for (size_t s = 0; s < batch.num_sequences(); ++s) {
      model::PositionCounter positions(padding_id);
      const size_t begin = batch.begin(s);
      for (size_t t = 0; t < batch.length(s); ++t) {
        const size_t at = s * length + t;
        padded.input_ids[at] = batch.input_ids[begin + t];
        if (!batch.token_type_ids.empty())
          padded.token_type_ids[at] = batch.token_type_ids[begin + t];
        padded.positions[at] = static_cast<int32_t>(positions.Next(padded.input_ids[at]));
        padded.attended[at] = 1;
      }
    }
  }

  const model::ModelConfig config_;
  const std::vector<int32_t> lengths_;
  BackendInfo info_;
  mutable MlxThread thread_;
  mutable std::optional<MlxEncoder> encoder_;  // The thread's.
};

}  // namespace

Result<std::unique_ptr<Backend>> LoadMlxBackend(const model::ModelDirectory& directory,
                                                const model::ModelConfig& config,
                                                Precision precision) {
  return MlxBackend::Load(directory, config, precision);
}

}  // namespace akin::backends
