// One of ONNX Runtime's sessions: a graph, optimized, on the providers that could be had.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "akin/onnxruntime.h"
#include "akin/result.h"

#include "backends/onnxruntime/library.h"
#include "backends/onnxruntime/own_operators.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

struct SessionParams {
  int num_threads = 1;   // Of one run, the calling thread included.
  bool profile = false;  // Until EndProfiling.
  // The graph to run if it is not as the file has it (graph_writer.h), empty: it is.
  std::span<const std::byte> rewritten;
  const OwnOperators* operators = nullptr;  // Of such a graph; outlive the session.
};

// What several sessions of one graph share: the weights that ONNX Runtime has packed for its
// products.
class SharedWeights {
 public:
  // `wanted`: the initializers of the graph.
  static Result<std::unique_ptr<SharedWeights>> Create(
      const Library& library, const model::OnnxFile& file,
      const std::set<std::string, std::less<>>& wanted);
  // Before a session is made of `options`.
  Status AddTo(OrtSessionOptions* options) const;
  OrtPrepackedWeightsContainer* packed() const { return packed_.get(); }

 private:
  explicit SharedWeights(const Library& library) : library_(library) {}
  const Library& library_;
  Handle<OrtPrepackedWeightsContainer> packed_;
  struct Weight {
    std::string name;
    Handle<OrtValue> value;  // Borrows the file's bytes.
  };
  std::vector<Weight> weights_;
};

// A folder of our own, so that nobody can lay a link where ONNX Runtime writes its profile.
class ProfileFolder {
 public:
  static Result<ProfileFolder> Make();
  ProfileFolder(ProfileFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ProfileFolder& operator=(ProfileFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~ProfileFolder();
  std::string prefix() const { return path_ + "/run"; }

 private:
  explicit ProfileFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class OrtSessionOwner {
 public:
  // `weights` may be nullptr. The file, and `weights`, outlive the session. `notes` gets what could
  // not be had. Errors: InvalidModel (ONNX Runtime refuses the graph), InvalidInput (a required
  // provider, or a wrong option).
  static Result<OrtSessionOwner> Create(const Library& library, const model::OnnxFile& file,
                                        const OnnxRuntimeOptions& options,
                                        const SessionParams& params, const SharedWeights* weights,
                                        std::vector<std::string>& notes);

  OrtSession* get() const { return session_.get(); }
  // The providers in use, the CPU last.
  const std::vector<std::string>& providers() const { return providers_; }

  // How many nodes each provider has run since the session was made, the most first; once, and
  // only with SessionParams::profile.
  Result<std::vector<std::pair<std::string, int>>> EndProfiling();

 private:
  explicit OrtSessionOwner(const Library& library) : library_(&library) {}
  const Library* library_;
  std::optional<ProfileFolder> profile_;  // Outlives the session, which may write there at its end.
  Handle<OrtSession> session_;
  std::vector<std::string> providers_;
};

}  // namespace akin::backends::onnxruntime
