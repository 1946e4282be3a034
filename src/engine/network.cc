#include "engine/network.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/strings.h"

namespace akin::engine {

Network::Network(std::string model, std::unique_ptr<const backends::Backend> backend, Chains chains)
    : model_(std::move(model)),
      backend_(std::move(backend)),
      info_(backend_->Info()),
      chains_(std::move(chains)) {
  for (const auto& chain : chains_) {
    if (chain) flops_per_token_ = std::max(flops_per_token_, chain->flops_per_token());
  }
  flops_per_token_ += info_.flops_per_token;
}

std::unique_ptr<Network::Session> Network::NewSession(size_t max_tokens, size_t team_size) const {
  auto session = std::make_unique<Session>();
  session->backend = backend_->NewSession(max_tokens, team_size);
  return session;
}

Status Network::Prepare(const pooling::BatchView& batch, size_t team_size, Session& session,
                        const OutputRows& rows) const {
  try {
    for (size_t i = 0; i < kNumOutputs; ++i) {
      if (rows[i].cols() > 0) chains_[i]->Prepare(batch, team_size, session.scratch[i]);
    }
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
  return {};
}

bool Network::ReadsOnlyFirstRows(const pooling::BatchView& batch, const OutputRows& rows) const {
  for (size_t i = 0; i < kNumOutputs; ++i) {
    if (rows[i].cols() > 0 && !chains_[i]->reads_only_first_rows()) return false;
  }
  if (batch.segments.size() != batch.tokens.num_sequences()) return false;
  for (size_t s = 0; s < batch.segments.size(); ++s) {
    if (batch.segments[s].begin != batch.tokens.begin(s)) return false;
  }
  return true;
}

Status Network::Compute(const pooling::BatchView& batch, const TeamMember& member, Session& session,
                        const OutputRows& rows) const {
  RaggedBatch tokens = batch.tokens;
  tokens.only_first_rows = ReadsOnlyFirstRows(batch, rows);
  Result<MatrixView<const float>> states = backend_->Compute(tokens, member, *session.backend);
  if (member.rank == 0) {
    session.rows = std::move(states);
    if (Status prepared = Prepare(batch, static_cast<size_t>(member.size), session, rows);
        *session.rows && !prepared) {
      session.rows = std::move(prepared).error();
    }
    member.Lap(Stage::kBackend);
  }
  member.Meet();
  if (!*session.rows) return member.rank == 0 ? Status(std::move(*session.rows).error()) : Status();
  for (size_t i = 0; i < kNumOutputs; ++i) {
    if (rows[i].cols() == 0) continue;
    chains_[i]->Forward(batch, **session.rows, member, session.scratch[i], rows[i]);
  }
  return {};
}

}  // namespace akin::engine
