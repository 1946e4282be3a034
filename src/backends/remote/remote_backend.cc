#include "backends/remote/remote_backend.h"

#include <array>
#include <utility>

#include "backends/remote/remote_client.h"
#include "base/door.h"
#include "base/strings.h"

namespace akin::backends {
namespace {

using remote::RemoteClient;

// Where the folder says nothing of a limit; the server has its own.
constexpr int kMaxPositions = 1 << 20;

class RemoteSession : public Session {
 public:
  std::vector<float> values;
};

class RemoteBackend : public Backend {
 public:
  RemoteBackend(std::unique_ptr<RemoteClient> client, std::string detail, int max_positions)
      : client_(std::move(client)), detail_(std::move(detail)), max_positions_(max_positions) {}

  BackendInfo Info() const override {
    return {.name = "remote",
            .rows = RowKind::kVectors,
            .width = static_cast<int>(client_->width()),
            .max_positions = max_positions_,
            .reads_texts = true,
            .detail = detail_};
  }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<RemoteSession>();
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    std::vector<float>& values = static_cast<RemoteSession&>(session).values;
    AKIN_TRY(AtTheDoor("cannot ask the server", {},
                       [&] { return client_->Embed(batch.texts, values); }));
    return MatrixView<const float>(values.data(), batch.num_sequences(), client_->width());
  }

 private:
  const std::unique_ptr<RemoteClient> client_;
  const std::string detail_;
  const int max_positions_;
};

}  // namespace

Result<std::unique_ptr<Backend>> LoadRemoteBackend(const RemoteParams& params) {
  const RemoteOptions& options = params.options;
  AKIN_TRY_ASSIGN(auto client,
                  RemoteClient::Make(
                      options, {.dialect = options.dialect,
                                .model = options.model.empty() ? params.model_name : options.model,
                                .normalize = params.normalize}));
  // One text tells how many values a vector has.
  std::vector<float> values;
  AKIN_TRY(client->Embed(std::array<std::string_view, 1>{"width"}, values));
  std::string detail =
      StrCat(client->shown_url(), " (dialect ", RemoteDialectName(options.dialect), ")");
  return std::unique_ptr<Backend>(std::make_unique<RemoteBackend>(
      std::move(client), std::move(detail),
      params.max_positions > 0 ? params.max_positions : kMaxPositions));
}

}  // namespace akin::backends
