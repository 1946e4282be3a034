// What runs a model: ragged batches of token ids in, rows out. What makes vectors or scores of the
// rows is the model's own modules (pooling/pipeline.h), the same ones behind every backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "base/ragged_batch.h"
#include "base/team.h"

namespace akin::backends {

// The memory of one batch under way. A backend makes as many as are computed at once; each serves
// one team at a time.
class Session {
 public:
  virtual ~Session() = default;
  // Of the memory that Compute works in, as far as the backend knows.
  virtual size_t workspace_bytes() const { return 0; }
};

// How far a backend takes a batch; what is left is the modules' work.
enum class RowKind {
  kTokenStates,  // [num_tokens, hidden_size]: the last layer's states. All modules follow.
  kTokenLogits,  // [num_tokens, vocab_size]: a masked language model's. SPLADE's pooling follows.
  kPooled,       // [num_sequences, width]: the first pooling is done. The modules behind it follow.
  kVectors,      // [num_sequences, dimension]: no module follows.
  kLogits,       // [num_sequences, num_labels], before the activation.
};

constexpr bool HasRowsOfTokens(RowKind rows) {
  return rows == RowKind::kTokenStates || rows == RowKind::kTokenLogits;
}

// Of a backend that computes rectangles: sequences padded to the longest beside them.
struct RectangleInfo {
  std::vector<int32_t> length_buckets;  // Rising; empty: any length.
  bool one_sequence = false;            // Sequences are not computed together at all.
  bool rows_by_powers_of_two = false;   // Rectangles are filled up with rows.
};

// How much of the model's graph one of the parts of a backend runs.
struct ProviderUse {
  std::string name;  // "CPUExecutionProvider"
  int num_nodes = 0;
};

struct BackendInfo {
  std::string name;       // "native"
  std::string precision;  // "f32"
  std::string isa;        // "avx512"
  RowKind rows = RowKind::kTokenStates;
  int width = 0;          // Values in a row.
  int max_positions = 0;  // Longest sequence in tokens.
  // Longest sequence of which RaggedBatch::attended may name a part; 0: none.
  int max_partly_attended = 0;
  int64_t num_parameters = 0;
  size_t weight_bytes = 0;  // In memory, as the products read them; 0: not known.
  bool batch_invariant = false;
  bool reads_texts = false;       // RaggedBatch::texts is needed.
  bool waits_for_nobody = false;  // Compute takes the time that its arithmetic takes.
  bool divides_batches = false;  // Threads that compute a batch as a team are done sooner than one.
  double flops_per_token = 0;  // Roughly, without attention: what a team is worth is judged by it.
  int vocab_size = 0;          // Rows of the table of tokens; 0: not known,
  int type_vocab_size = 0;     // and of the table of types.
  std::optional<RectangleInfo> rectangles;  // Unset: batches are computed without padding.
  // For people: what runs which file; what was asked for and could not be had.
  std::string detail;
  std::vector<std::string> notes;
  std::vector<ProviderUse> execution_providers;  // Empty: not counted.
};

// Whether other processes that run the same model have the same pages of its weights.
enum class WeightPages {
  kPrivate,
  kShared,      // With all that map the same entry of the cache (base/packed_cache.h).
  kSharedNext,  // Packed in memory of its own now, and kept for the next process.
};

// What a backend will hold of memory, known before it is loaded, in bytes.
struct BackendMemory {
  struct Workspace {
    size_t allocated = 0;  // Session::workspace_bytes().
    size_t resident = 0;   // What of it batches reach, at most.
  };

  std::string key;  // Two of the same key hold their weights and tables once. Empty: like no other.
  size_t weight_bytes = 0;  // BackendInfo::weight_bytes.
  WeightPages pages = WeightPages::kPrivate;
  size_t table_bytes = 0;    // Embeddings, positions, norms, at most.
  size_t loading_bytes = 0;  // Besides, while it is loaded.
  RowKind rows = RowKind::kTokenStates;
  int width = 0;  // Values in a row.
  // Of a session as NewSession makes it, for `most_tokens`, once the largest batch so far had
  // `reached_tokens`.
  std::function<Workspace(size_t most_tokens, size_t reached_tokens, size_t team_size)> workspace;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual BackendInfo Info() const = 0;

  // A session for batches of up to `max_tokens` tokens and teams of up to `team_size` threads.
  virtual std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const = 0;

  // Makes room in the session for a batch that is larger than those before. One thread calls it
  // before the team computes; batches that fit allocate nothing. Throws std::bad_alloc.
  virtual void Reserve(const RaggedBatch& /*batch*/, Session& /*session*/) const {}

  // Computes the batch's rows and leaves them in the session, where they stay until the next call
  // with it. All members of a team call it with the same arguments, and the team meets when it has
  // returned to all of them: only then the rows are read. What it returns to the member of rank 0
  // counts; a backend with threads of its own lets the others return at once. Does not throw.
  virtual Result<MatrixView<const float>> Compute(const RaggedBatch& batch,
                                                  const TeamMember& member,
                                                  Session& session) const = 0;

  // Whether what runs the model is there and well, as far as that can be said without computing.
  virtual Status Health() const { return {}; }
};

}  // namespace akin::backends
