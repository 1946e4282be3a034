#include "backends/python/python_backend.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "backends/python/akin_bridge.h"
#include "backends/python/child_client.h"
#include "base/door.h"
#include "base/strings.h"

namespace akin::backends {
namespace {

using python::ChildClient;
using python::ClientOptions;
using python::Description;
using std::chrono::milliseconds;

class PythonSession : public Session {
 public:
  std::shared_ptr<python::Exchange> exchange;  // Null until the first call, and after a late one.
};

class PythonBackend : public Backend {
 public:
  PythonBackend(std::unique_ptr<ChildClient> client, std::string detail, int max_positions)
      : client_(std::move(client)), detail_(std::move(detail)), max_positions_(max_positions) {}

  BackendInfo Info() const override {
    const Description& child = client_->description();
    return {.name = "python",
            .precision = child.precision,
            .rows = child.rows,
            .width = child.width,
            .max_positions = max_positions_,
            .num_parameters = child.num_parameters,
            .batch_invariant = child.batch_invariant,
            .reads_texts = child.reads_texts,
            .vocab_size = child.vocab_size,
            .rectangles = RectangleInfo{},  // Children pad, as their libraries want it.
            .detail = detail_};
  }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<PythonSession>();
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    return AtTheDoor("cannot ask the child process", {},
                     [&] { return Ask(batch, static_cast<PythonSession&>(session)); });
  }

 private:
  Result<MatrixView<const float>> Ask(const RaggedBatch& batch, PythonSession& session) const {
    const Description& child = client_->description();
    const size_t rows =
        child.rows == RowKind::kTokenStates ? batch.num_tokens() : batch.num_sequences();
    AKIN_TRY(client_->Call(WriteEmbedRequest(batch, child), rows, session.exchange));
    return MatrixView<const float>(session.exchange->values.data(), rows,
                                   static_cast<size_t>(child.width));
  }

  const std::unique_ptr<ChildClient> client_;
  const std::string detail_;
  const int max_positions_;
};

// What is run, and what the thing is called when it cannot be.
Status ChooseProgram(const PythonOptions& options, ClientOptions& client) {
  std::string interpreter = options.interpreter;
  const char* variable = std::getenv("AKIN_PYTHON");
  if (interpreter.empty() && variable != nullptr) interpreter = variable;
  if (interpreter.empty()) interpreter = "python3";
  client.what = "the interpreter";
  if (options.child.empty()) {
    client.argv = {interpreter, "-c", std::string(python::kAkinBridge)};
    return {};
  }
  std::error_code error;
  const std::string child = std::filesystem::absolute(options.child, error).string();
  if (error || !std::filesystem::is_regular_file(child, error))
    return InvalidInput("backend python: the child '", options.child, "' is no file");
  if (child.ends_with(".py")) {
    client.argv = {interpreter, child};
  } else {
    client.argv = {child};
    client.what = "the child";
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Backend>> LoadPythonBackend(const model::ModelDirectory& directory,
                                                   const PythonParams& params) {
  const PythonOptions& options = params.options;
  if (options.start_timeout_ms < 1 || options.answer_timeout_ms < 1) {
    return InvalidInput("backend python: the timeouts are ", options.start_timeout_ms, " and ",
                        options.answer_timeout_ms, " ms, expected at least 1");
  }
  ClientOptions client{.start_timeout = milliseconds(options.start_timeout_ms),
                       .answer_timeout = milliseconds(options.answer_timeout_ms)};
  AKIN_TRY(ChooseProgram(options, client));
  client.load = {.model = std::filesystem::absolute(directory.path()).string(),
                 .library = options.library,
                 .num_threads = params.num_threads};
  const std::string program = client.argv.front();
  AKIN_TRY_ASSIGN(auto started, ChildClient::Start(std::move(client)));
  const Description& child = started->description();
  const int max_positions = params.max_positions > 0
                                ? std::min(params.max_positions, child.max_tokens)
                                : child.max_tokens;
  std::string detail =
      StrCat(child.name.empty() ? "a child process" : child.name, " (", program, ")");
  return std::unique_ptr<Backend>(
      std::make_unique<PythonBackend>(std::move(started), std::move(detail), max_positions));
}

}  // namespace akin::backends
