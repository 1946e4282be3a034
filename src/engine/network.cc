#include "engine/network.h"

#include <new>
#include <utility>

#include "base/strings.h"

namespace akin::engine {

Network::Network(std::unique_ptr<const backends::Backend> backend, pooling::Pipeline pipeline)
    : backend_(std::move(backend)), info_(backend_->Info()), pipeline_(std::move(pipeline)) {}

std::unique_ptr<Network::Session> Network::NewSession(size_t max_tokens, size_t team_size) const {
  auto session = std::make_unique<Session>();
  session->backend = backend_->NewSession(max_tokens, team_size);
  return session;
}

Status Network::Compute(const pooling::BatchView& batch, const TeamMember& member, Session& session,
                        MatrixView<float> vectors) const {
  Result<MatrixView<const float>> rows = backend_->Compute(batch.tokens, member, *session.backend);
  if (member.rank == 0) {
    session.rows = std::move(rows);
    try {
      pipeline_.Prepare(batch, session.scratch);
    } catch (const std::bad_alloc&) {
      session.rows = OutOfMemory();
    }
  }
  member.Meet();
  if (!*session.rows) return member.rank == 0 ? Status(std::move(*session.rows).error()) : Status();
  pipeline_.Forward(batch, **session.rows, member, session.scratch, vectors);
  return {};
}

}  // namespace akin::engine
