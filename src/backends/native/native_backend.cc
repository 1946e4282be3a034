#include "backends/native/native_backend.h"

#include <utility>

#include "encoder/encoder.h"
#include "model/weights.h"

namespace akin::backends {
namespace {

class NativeSession : public Session {
 public:
  explicit NativeSession(encoder::Workspace memory) : workspace(std::move(memory)) {}
  encoder::Workspace workspace;
};

class NativeBackend : public Backend {
 public:
  NativeBackend(const model::ModelConfig& config, model::ModelWeights weights,
                const kernels::Kernels& kernels)
      : num_parameters_(weights.num_parameters),
        encoder_(config, std::move(weights), kernels),
        isa_(kernels.isa),
        precision_(kernels.precision) {}

  BackendInfo Info() const override {
    const model::ModelConfig& config = encoder_.config();
    return {.name = "native",
            .precision = std::string(PrecisionName(precision_)),
            .isa = std::string(IsaName(isa_)),
            .rows = RowKind::kTokenStates,
            .width = config.hidden_size,
            .max_positions = config.max_position_embeddings,
            .num_parameters = num_parameters_,
            .batch_invariant = true,
            .flops_per_token = encoder_.flops_per_token()};
  }

  std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const override {
    const size_t max_length = static_cast<size_t>(encoder_.config().max_position_embeddings);
    return std::make_unique<NativeSession>(
        encoder_.NewWorkspace(max_tokens, max_length, team_size));
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    encoder::Workspace& workspace = static_cast<NativeSession&>(session).workspace;
    encoder_.Forward(batch, member, workspace);
    return MatrixView<const float>(workspace.hidden().f32(batch.num_tokens()));
  }

 private:
  int64_t num_parameters_;
  encoder::Encoder encoder_;
  Isa isa_;
  Precision precision_;
};

}  // namespace

Result<std::unique_ptr<Backend>> LoadNativeBackend(const model::ModelDirectory& directory,
                                                   const model::ModelConfig& config,
                                                   const kernels::Kernels& kernels) {
  AKIN_TRY_ASSIGN(model::ModelWeights weights, model::LoadWeights(directory, config));
  return std::unique_ptr<Backend>(
      std::make_unique<NativeBackend>(config, std::move(weights), kernels));
}

}  // namespace akin::backends
