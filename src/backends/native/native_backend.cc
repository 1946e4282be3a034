#include "backends/native/native_backend.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checksum.h"
#include "base/door.h"
#include "base/function_ref.h"
#include "base/packed_cache.h"
#include "base/regular_file.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "encoder/attention.h"
#include "encoder/encoder.h"
#include "model/tensor_file.h"
#include "model/weights.h"

namespace akin::backends {
namespace {

// The order of an encoder's products and of the rows in them, and the numbers that
// model::WeightMaker makes of a file's. How the kernels lay out a panel is in the key by itself.
constexpr int kWeightOrder = 2;
// Reading and packing keep no more threads busy than this.
constexpr int kMostPackingThreads = 8;

// A session begins with room for so many tokens, or for the most it may ever get, if that is less.
// Models take texts of up to 131072 tokens, whose states would need gigabytes; hardly any text is
// so long.
constexpr size_t kFirstTokens = 8192;

// Of a session of `room` tokens that has to take a batch of `num_tokens`: it at least doubles.
size_t GrownRoom(size_t num_tokens, size_t room, size_t most_tokens) {
  return std::max(num_tokens, std::min(most_tokens, 2 * room));
}

// The longest sequence among so many tokens.
size_t LongestAmong(size_t num_tokens, const model::ModelConfig& config) {
  return std::min(num_tokens, static_cast<size_t>(config.max_positions));
}

class NativeSession : public Session {
 public:
  NativeSession(const encoder::Encoder& encoder, size_t most_tokens, size_t team_size)
      : encoder_(encoder), most_tokens_(most_tokens), team_size_(team_size) {
    Resize(std::min(most_tokens, kFirstTokens));
  }

  encoder::Workspace& workspace() { return *workspace_; }
  size_t workspace_bytes() const override { return workspace_ ? workspace_->bytes() : 0; }

  void Reserve(size_t num_tokens) {
    if (workspace_ && num_tokens <= num_tokens_) return;
    Resize(GrownRoom(num_tokens, num_tokens_, most_tokens_));
  }

 private:
  void Resize(size_t num_tokens) {
    workspace_.reset();  // First: the old one and the new one need not be there together.
    workspace_.emplace(
        encoder_.NewWorkspace(num_tokens, LongestAmong(num_tokens, encoder_.config()), team_size_));
    num_tokens_ = num_tokens;
  }

  const encoder::Encoder& encoder_;  // The backend's, which outlives its sessions.
  const size_t most_tokens_, team_size_;
  size_t num_tokens_ = 0;
  std::optional<encoder::Workspace> workspace_;  // Unset only after memory has run out.
};

// An encoder, and the files that its tables are read from: those of the instance that made it.
struct LoadedEncoder {
  LoadedEncoder(const model::ModelConfig& config, const model::ModelWeights& weights,
                const kernels::Kernels& kernels, encoder::Packing packing)
      : encoder(config, weights, kernels, std::move(packing)), files(weights.files) {}

  // Whether all that was ever read was there. Error: InvalidModel.
  Status CheckIntact() const { return files != nullptr ? files->CheckIntact() : Status(); }

  const encoder::Encoder encoder;
  const std::shared_ptr<const model::TensorFiles> files;  // Null: the weights are not from files.
};

class NativeBackend : public Backend {
 public:
  NativeBackend(std::shared_ptr<const LoadedEncoder> loaded, const model::ModelWeights& weights,
                const kernels::Kernels& kernels)
      : num_parameters_(weights.num_parameters),
        loaded_(std::move(loaded)),
        notes_(weights.notes),
        isa_(kernels.isa),
        precision_(kernels.precision) {}

  BackendInfo Info() const override {
    const model::ModelConfig& config = encoder().config();
    return {.name = "native",
            .precision = std::string(PrecisionName(precision_)),
            .isa = std::string(IsaName(isa_)),
            .rows = RowKind::kTokenStates,
            .width = config.hidden_size,
            .max_positions = config.max_positions,
            .max_partly_attended = encoder::MaxPartlyAttended(config),
            .num_parameters = num_parameters_,
            .weight_bytes = encoder().weight_bytes(),
            .batch_invariant = true,
            .waits_for_nobody = true,
            .divides_batches = true,
            .flops_per_token = encoder().flops_per_token(),
            .notes = notes_};
  }

  std::unique_ptr<Session> NewSession(size_t max_tokens, size_t team_size) const override {
    return std::make_unique<NativeSession>(encoder(), max_tokens, team_size);
  }

  void Reserve(const RaggedBatch& batch, Session& session) const override {
    static_cast<NativeSession&>(session).Reserve(batch.num_tokens());
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    encoder::Workspace& workspace = static_cast<NativeSession&>(session).workspace();
    return AtTheDoor("cannot compute", {}, [&]() -> Result<MatrixView<const float>> {
      AKIN_TRY(encoder().Forward(batch, member, workspace));
      AKIN_TRY(loaded_->CheckIntact());
      return MatrixView<const float>(workspace.hidden().f32(batch.num_tokens()));
    });
  }

 private:
  const encoder::Encoder& encoder() const { return loaded_->encoder; }

  int64_t num_parameters_;
  std::shared_ptr<const LoadedEncoder> loaded_;  // Shared by all instances of the model.
  std::vector<std::string> notes_;
  Isa isa_;
  Precision precision_;
};

// Tells two layouts of panels apart, so that weights which an older or newer program has kept are
// not taken for ours: the checksum of a packed panel of numbers that are all different.
uint64_t LayoutOf(const kernels::Kernels& kernels) {
  constexpr size_t kInputs = 256;
  const size_t width = kernels.linear.panel_width;
  std::vector<float> rows(width * kInputs), bias(width);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = 1.0f + 0.37f * static_cast<float>(i);
  for (size_t i = 0; i < width; ++i) bias[i] = -1.0f - static_cast<float>(i);
  const AlignedBuffer panel(kernels.linear.panel_bytes(kInputs));
  std::ranges::fill(panel.As<std::byte>(), std::byte{});
  kernels.linear.pack_panel({rows.data(), width, kInputs}, bias, panel.As<std::byte>().data());
  return Checksum(panel.As<std::byte>());
}

// What an encoder's weights depend on; empty when that is not known. Any change of a file changes
// it.
std::string KeyOf(const model::ModelDirectory& directory, const model::ModelWeights& weights,
                  const kernels::Kernels& kernels) {
  const auto config = directory.OpenFile("config.json");
  const std::string files = weights.files != nullptr ? weights.files->identity() : std::string();
  const std::string config_file = config ? FileIdentity(*config) : std::string();
  if (files.empty() || config_file.empty()) return {};
  return StrCat("order ", kWeightOrder, ", layout ", LayoutOf(kernels), ", ", IsaName(kernels.isa),
                ' ', PrecisionName(kernels.precision), ", config ", config_file, ", weights ",
                files);
}

// f32 is only put into another order, which takes no longer than reading what was kept.
std::string CacheKey(std::string key, const kernels::Kernels& kernels) {
  return kernels.precision == Precision::kF32 ? std::string() : std::move(key);
}

int PackingThreads() {
  const auto usable = CountUsableThreads();
  return usable ? std::min(usable->count, kMostPackingThreads) : 1;
}

// The encoders that somebody uses, by key: a second instance of a model takes the first one's.
class EncoderRegistry {
 public:
  using Make = FunctionRef<Result<std::shared_ptr<const LoadedEncoder>>()>;

  static EncoderRegistry& Get() {
    static EncoderRegistry registry;
    return registry;
  }

  // The one of `key`; made by `make` when there is none. Who asks for it meanwhile waits.
  Result<std::shared_ptr<const LoadedEncoder>> FindOrMake(const std::string& key, Make make) {
    if (key.empty()) return make();
    const std::shared_ptr<Entry> entry = EntryOf(key);
    const std::lock_guard making(entry->mutex);
    if (auto encoder = entry->encoder.lock()) return encoder;
    AKIN_TRY_ASSIGN(auto encoder, make());
    entry->encoder = encoder;
    return encoder;
  }

 private:
  struct Entry {
    std::mutex mutex;                            // Held while the encoder is made.
    std::weak_ptr<const LoadedEncoder> encoder;  // Guarded by mutex.
  };

  std::shared_ptr<Entry> EntryOf(const std::string& key) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const auto& known) {  // Nobody's any more.
      return known.second.use_count() == 1 && known.second->encoder.expired();
    });
    std::shared_ptr<Entry>& entry = entries_[key];
    if (entry == nullptr) entry = std::make_shared<Entry>();
    return entry;
  }

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;  // Guarded by mutex_.
};

// What of a workspace of `room` tokens is in memory once batches of `reached` tokens were computed:
// of each matrix in it the first rows, which begin and end within pages, perhaps huge ones.
size_t ResidentBytes(const model::ModelConfig& config, const kernels::Kernels& kernels, size_t room,
                     size_t reached, size_t team_size) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const auto size_of = [&](size_t num_tokens) {
    return encoder::Workspace::SizeOf(config, kernels, num_tokens, LongestAmong(num_tokens, config),
                                      team_size);
  };
  const size_t all = AlignedBuffer::AllocatedBytes(size_of(room).bytes);
  // Of rows of an odd number of values the last one's neighbour is written in all of them.
  const bool odd = config.hidden_size % 2 != 0 || config.intermediate_size % 2 != 0 ||
                   config.head_dim % 2 != 0 || config.embedding_size % 2 != 0;
  if (reached >= room || odd) return all;
  const auto part = size_of(reached);
  return std::min(all, part.bytes + 2 * kHugePage * part.num_parts);
}

WeightPages PagesOf(const std::string& cache_key, size_t bytes) {
  const bool kept =
      !cache_key.empty() && bytes >= encoder::WeightArena::kLeastKeptBytes && KeepsPacked(bytes);
  if (!kept) return WeightPages::kPrivate;
  return IsPackedKept(cache_key, bytes) ? WeightPages::kShared : WeightPages::kSharedNext;
}

// Whether numbers are made out of the mapped file while they are packed.
bool ReadsMapping(const model::ModelWeights& weights) {
  return !weights.layers.empty() && weights.layers.front().output.weight.maker != nullptr;
}

}  // namespace

Result<BackendMemory> PlanNativeBackend(const model::ModelDirectory& directory,
                                        const model::ModelConfig& config,
                                        const kernels::Kernels& kernels, size_t longest) {
  AKIN_TRY_ASSIGN(const model::ModelWeights weights, model::LoadWeights(directory, config));
  const encoder::EncoderMemory memory =
      encoder::Encoder::MemoryOf(config, weights, kernels, longest);
  std::string key = KeyOf(directory, weights, kernels);
  const WeightPages pages = PagesOf(CacheKey(key, kernels), memory.weights);
  const bool maps = ReadsMapping(weights) && weights.files != nullptr;
  return BackendMemory{
      .key = std::move(key),
      .weight_bytes = memory.weights,
      .pages = pages,
      .table_bytes = memory.tables,
      .loading_bytes = memory.packing * static_cast<size_t>(PackingThreads()) +
                       (maps ? weights.files->bytes() : 0),
      .width = config.hidden_size,
      .workspace = [config, kernels](size_t most_tokens, size_t reached, size_t team_size) {
        size_t room = std::min(most_tokens, kFirstTokens);
        if (reached > room) room = GrownRoom(reached, reached - 1, most_tokens);
        const size_t bytes =
            encoder::Workspace::SizeOf(config, kernels, room, LongestAmong(room, config), team_size)
                .bytes;
        return BackendMemory::Workspace{
            .allocated = bytes,
            .resident = ResidentBytes(config, kernels, room, reached, team_size)};
      }};
}

Result<std::unique_ptr<Backend>> LoadNativeBackend(const model::ModelDirectory& directory,
                                                   const model::ModelConfig& config,
                                                   const kernels::Kernels& kernels) {
  AKIN_TRY_ASSIGN(const model::ModelWeights weights, model::LoadWeights(directory, config));
  const std::string key = KeyOf(directory, weights, kernels);
  const auto make = [&]() -> Result<std::shared_ptr<const LoadedEncoder>> {
    encoder::Packing packing{.num_threads = PackingThreads(), .cache_key = CacheKey(key, kernels)};
    auto loaded =
        std::make_shared<const LoadedEncoder>(config, weights, kernels, std::move(packing));
    AKIN_TRY(loaded->CheckIntact());
    if (loaded->files != nullptr) loaded->files->DropPages();
    return loaded;
  };
  AKIN_TRY_ASSIGN(auto encoder, EncoderRegistry::Get().FindOrMake(key, make));
  return std::unique_ptr<Backend>(
      std::make_unique<NativeBackend>(std::move(encoder), weights, kernels));
}

}  // namespace akin::backends
