#include "backends/onnxruntime/ort_session.h"

#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "backends/onnxruntime/graph_writer.h"
#include "backends/onnxruntime/optimized_graph.h"
#include "backends/onnxruntime/providers.h"
#include "base/regular_file.h"
#include "base/strings.h"
#include "formats/json.h"

namespace akin::backends::onnxruntime {
namespace {

namespace fs = std::filesystem;

// Weights from this size on are shared: smaller ones cost less than their names.
constexpr uint64_t kLeastSharedBytes = uint64_t{1} << 16;
// Longer than the nodes between two that are computed in parts: shorter spinning makes a lone text
// slower (docs/design/012-onnxruntime.md).
constexpr char kSpinDuration[] = "session.intra_op.spin_duration_us";
constexpr char kSpinMicroseconds[] = "200";
constexpr size_t kMaxProfileBytes = size_t{256} << 20;

GraphOptimizationLevel LevelOf(GraphOptimization optimization) {
  switch (optimization) {
    case GraphOptimization::kNone: return ORT_DISABLE_ALL;
    case GraphOptimization::kBasic: return ORT_ENABLE_BASIC;
    case GraphOptimization::kExtended: return ORT_ENABLE_EXTENDED;
    case GraphOptimization::kAll: break;
  }
  return ORT_ENABLE_ALL;
}

// Makes the options of one session.
class OptionsBuilder {
 public:
  OptionsBuilder(const Library& library, const OnnxRuntimeOptions& options)
      : library_(library), options_(options) {}

  Status Start(const SessionParams& params) {
    const OrtApi& api = library_.api();
    OrtSessionOptions* made = nullptr;
    AKIN_TRY(Check(api.CreateSessionOptions(&made)));
    handle_ = Handle<OrtSessionOptions>(made, api.ReleaseSessionOptions);
    AKIN_TRY(Check(api.SetIntraOpNumThreads(made, params.num_threads)));
    AKIN_TRY(Check(api.SetInterOpNumThreads(made, 1)));
    AKIN_TRY(Check(api.SetSessionExecutionMode(made, ORT_SEQUENTIAL)));
    // A plan of the memory is kept for every shape that was ever seen, without a bound.
    AKIN_TRY(Check(api.DisableMemPattern(made)));
    // Padded positions fill attention with denormals, each a hundred cycles.
    AKIN_TRY(Add(kOrtSessionOptionsConfigSetDenormalAsZero, "1"));
    // Threads that wait for the next run must not take the cores of others.
    AKIN_TRY(Add(kOrtSessionOptionsConfigForceSpinningStop, "1"));
    // Nor, for long, those that wait for the next node: where a core is taken away in the middle of
    // a run, the others burn theirs. Older libraries do not know the entry, and pass it by.
    AKIN_TRY(Add(kSpinDuration, kSpinMicroseconds));
    for (const auto& [key, value] : options_.session_config)
      AKIN_TRY(Add(key.c_str(), value.c_str()));
    return {};
  }

  Status SetLevel(GraphOptimizationLevel level) {
    return Check(library_.api().SetSessionGraphOptimizationLevel(get(), level));
  }

  Status AddExternalFiles(const model::OnnxFile& file, bool rewritten) {
    std::vector<const char*> names;
    std::vector<char*> buffers;
    std::vector<size_t> sizes;
    const auto add = [&](const char* name, std::span<const std::byte> bytes) {
      names.push_back(name);
      // Only read: the parameter lacks its const.
      buffers.push_back(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())));
      sizes.push_back(bytes.size());
    };
    for (const auto& [name, mapped] : file.external_files()) add(name.c_str(), mapped->bytes());
    if (rewritten) add(kOriginalFile, file.bytes());
    if (names.empty()) return {};
    return Check(library_.api().AddExternalInitializersFromFilesInMemory(
        get(), names.data(), buffers.data(), sizes.data(), names.size()));
  }

  OrtSessionOptions* get() const { return handle_.get(); }

 private:
  Status Add(const char* key, const char* value) {
    return Check(library_.api().AddSessionConfigEntry(get(), key, value));
  }
  Status Check(OrtStatus* status) {
    return library_.Check(status, ErrorCode::kInvalidInput, "ONNX Runtime's session options");
  }
  const Library& library_;
  const OnnxRuntimeOptions& options_;
  Handle<OrtSessionOptions> handle_;
};

// Appends the providers in their order, all of which can be had (ProvidersToHave).
Status AppendProviders(const Library& library, std::span<const ExecutionProvider> wanted,
                       OrtSessionOptions* options, std::vector<std::string>& had) {
  for (const ExecutionProvider& provider : wanted) {
    AKIN_TRY(AppendProvider(library, provider, options));
    if (provider.name != "CPUExecutionProvider") had.push_back(provider.name);
  }
  had.emplace_back("CPUExecutionProvider");
  return {};
}

}  // namespace

Result<ProfileFolder> ProfileFolder::Make() {
  std::string path = (fs::temp_directory_path() / "akin-profile-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr)
    return Internal("cannot make a folder for ONNX Runtime's profile: ", path);
  return ProfileFolder(path);
}

ProfileFolder::~ProfileFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<std::unique_ptr<SharedWeights>> SharedWeights::Create(
    const Library& library, const model::OnnxFile& file,
    const std::set<std::string, std::less<>>& wanted) {
  const OrtApi& api = library.api();
  std::unique_ptr<SharedWeights> shared(new SharedWeights(library));
  OrtPrepackedWeightsContainer* packed = nullptr;
  AKIN_TRY(library.Check(api.CreatePrepackedWeightsContainer(&packed), ErrorCode::kInternal,
                         "ONNX Runtime's packed weights"));
  shared->packed_ = {packed, api.ReleasePrepackedWeightsContainer};
  OrtMemoryInfo* info = nullptr;
  AKIN_TRY(library.Check(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &info),
                         ErrorCode::kInternal, "ONNX Runtime's memory"));
  const Handle<OrtMemoryInfo> memory(info, api.ReleaseMemoryInfo);
  for (const formats::OnnxTensor& tensor : file.graph().initializers) {
    const std::span<const std::byte> bytes = file.ValuesOf(tensor);
    if (tensor.type != formats::OnnxType::kFloat || bytes.size() < kLeastSharedBytes) continue;
    if (!wanted.contains(tensor.name)) continue;
    OrtValue* value = nullptr;
    AKIN_TRY(library.Check(
        api.CreateTensorWithDataAsOrtValue(memory.get(), const_cast<std::byte*>(bytes.data()),
                                           bytes.size(), tensor.dims.data(), tensor.dims.size(),
                                           ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value),
        ErrorCode::kInternal, "ONNX Runtime's weights"));
    shared->weights_.push_back(
        {std::string(tensor.name), Handle<OrtValue>(value, api.ReleaseValue)});
  }
  return shared;
}

Status SharedWeights::AddTo(OrtSessionOptions* options) const {
  for (const Weight& weight : weights_) {
    AKIN_TRY(library_.Check(
        library_.api().AddInitializer(options, weight.name.c_str(), weight.value.get()),
        ErrorCode::kInternal, "ONNX Runtime's shared weights"));
  }
  return {};
}

Result<OrtSessionOwner> OrtSessionOwner::Create(const Library& library, const model::OnnxFile& file,
                                                const OnnxRuntimeOptions& options,
                                                const SessionParams& params,
                                                const SharedWeights* weights,
                                                std::vector<std::string>& notes) {
  const OrtApi& api = library.api();
  std::vector<ExecutionProvider> wanted = options.providers;
  bool keeps_graph = true;  // As far as the options ask for it.
  for (bool kept_graph_is_good = true;;) {
    OrtSessionOwner owner(library);
    OptionsBuilder builder(library, options);
    AKIN_TRY(builder.Start(params));
    AKIN_TRY(builder.AddExternalFiles(file, !params.rewritten.empty()));
    if (params.operators != nullptr) AKIN_TRY(params.operators->AddTo(builder.get()));
    AKIN_TRY(AppendProviders(library, wanted, builder.get(), owner.providers_));
    const bool only_cpu = owner.providers_.size() == 1;
    OptimizedGraph graph;
    if (keeps_graph) {
      AKIN_TRY_ASSIGN(graph,
                      OptimizedGraph::Find(library, file, options,
                                           {.only_cpu = only_cpu, .rewritten = params.rewritten}));
    }
    if (!kept_graph_is_good && graph.found()) graph.Forget();
    AKIN_TRY(builder.SetLevel(graph.found() ? ORT_DISABLE_ALL : LevelOf(options.optimization)));
    if (graph.to_write() != nullptr) {
      AKIN_TRY(library.Check(api.SetOptimizedModelFilePath(builder.get(), graph.to_write()),
                             ErrorCode::kInvalidInput, "the cache of optimized models"));
    }
    if (weights != nullptr && !graph.found()) AKIN_TRY(weights->AddTo(builder.get()));
    if (params.profile) {
      AKIN_TRY_ASSIGN(owner.profile_, ProfileFolder::Make());
      AKIN_TRY(library.Check(api.EnableProfiling(builder.get(), owner.profile_->prefix().c_str()),
                             ErrorCode::kInternal, "ONNX Runtime's profile"));
    }

    OrtSession* session = nullptr;
    const std::span<const std::byte> bytes = graph.found()               ? graph.bytes()
                                             : !params.rewritten.empty() ? params.rewritten
                                                                         : file.bytes();
    OrtStatus* status = weights != nullptr
                            ? api.CreateSessionFromArrayWithPrepackedWeightsContainer(
                                  library.env(), bytes.data(), bytes.size(), builder.get(),
                                  weights->packed(), &session)
                            : api.CreateSessionFromArray(library.env(), bytes.data(), bytes.size(),
                                                         builder.get(), &session);
    if (status == nullptr) {
      owner.session_ = {session, api.ReleaseSession};
      graph.Keep();
      return owner;
    }
    if (graph.found()) {
      api.ReleaseStatus(status);
      kept_graph_is_good = false;
      continue;
    }
    if (graph.to_write() != nullptr) {
      // The disk may be full: a cache is worth no failure.
      api.ReleaseStatus(status);
      graph.Discard();
      keeps_graph = false;
      continue;
    }
    Error error = library.ToError(status, ErrorCode::kInvalidModel,
                                  StrCat(file.name(), ": ONNX Runtime ", library.version()));
    // A provider may find only now that it cannot work: the least preferred one that may be missing
    // is left out, then the next.
    const auto last_optional = std::find_if(wanted.rbegin(), wanted.rend(), [](const auto& p) {
      return !p.required && p.name != "CPUExecutionProvider";
    });
    if (last_optional == wanted.rend()) return error;
    notes.push_back(StrCat("not used: execution provider ", last_optional->name,
                           " cannot run the graph: ", error.message()));
    wanted.erase(std::next(last_optional).base());
  }
}

Result<std::vector<std::pair<std::string, int>>> OrtSessionOwner::EndProfiling() {
  const OrtApi& api = library_->api();
  OrtAllocator* allocator = nullptr;
  char* name = nullptr;
  AKIN_TRY(library_->Check(api.GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kInternal,
                           "ONNX Runtime's allocator"));
  AKIN_TRY(library_->Check(api.SessionEndProfiling(session_.get(), allocator, &name),
                           ErrorCode::kInternal, "ONNX Runtime's profile"));
  const std::string path = name;
  if (OrtStatus* status = api.AllocatorFree(allocator, name); status != nullptr)
    api.ReleaseStatus(status);
  AKIN_TRY_ASSIGN(const UniqueFd fd, OpenRegularFile(path, path));
  AKIN_TRY_ASSIGN(const std::string text, ReadFile(fd, path, kMaxProfileBytes));
  profile_.reset();

  // [{"cat": "Node", "name": "..._kernel_time", "args": {"provider": "..."}}, ...]
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  formats::JsonDocument::Parse(text, path, {.max_bytes = kMaxProfileBytes}));
  std::map<std::string, int> nodes;
  for (const formats::JsonValue event : document.root().elements()) {
    const auto category = event.Find("cat"), args = event.Find("args");
    if (!category || !args || category->AsString().value_or("") != "Node") continue;
    if (const auto provider = args->Find("provider"); provider && provider->is_string())
      ++nodes[std::string(*provider->AsString())];
  }
  std::vector<std::pair<std::string, int>> counts(nodes.begin(), nodes.end());
  std::ranges::sort(counts, [](const auto& a, const auto& b) { return a.second > b.second; });
  return counts;
}

}  // namespace akin::backends::onnxruntime
