#include "backends/plugin/plugin_backend.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <filesystem>
#include <limits>
#include <new>
#include <optional>
#include <semaphore>
#include <utility>
#include <vector>

#include "akin/system.h"

#include "backends/plugin/library.h"
#include "base/door.h"
#include "base/strings.h"

namespace akin::backends {
namespace {

using plugin::Library;

constexpr int kMostWidth = 1 << 20;
constexpr uint32_t kKnownFlags = AKIN_PLUGIN_PADS | AKIN_PLUGIN_BATCH_INVARIANT;
constexpr int kMostConcurrentCalls = 1024;  // More than any machine's threads are any number.

class PluginSession : public Session {
 public:
  std::vector<float> rows;
  std::vector<akin_plugin_text> texts;
};

// The call's error; what the plug-in throws, though it must not, is one.
template <typename Call>
Status Ask(const Library& library, Call&& call) {
  return AtTheDoor(library.Title(), {}, [&]() -> Status {
    akin_plugin_error error{};
    const int32_t code = call(&error);
    return library.Check(code, error);
  });
}

// A short text of a description: printable ASCII that ends within its array.
template <size_t kSize>
bool IsPlain(const char (&text)[kSize]) {
  const std::string_view found = plugin::TextIn(text, kSize);
  return found.size() < kSize &&
         std::ranges::all_of(found, [](char c) { return c >= ' ' && c < 127; });
}

Status CheckDescription(const Library& library, const akin_plugin_description& found) {
  const auto wrong = [&](std::string_view field, auto value, std::string_view expected) {
    return Internal(library.Title(), ": describe says ", field, " ", value, ", expected ",
                    expected);
  };
  if (found.input != AKIN_PLUGIN_TOKEN_IDS && found.input != AKIN_PLUGIN_TEXTS)
    return wrong("input", found.input, "a value of akin_plugin_input");
  if (found.rows < AKIN_PLUGIN_VECTORS || found.rows > AKIN_PLUGIN_LOGITS)
    return wrong("rows", found.rows, "a value of akin_plugin_rows");
  if (found.width < 1 || found.width > kMostWidth)
    return wrong("width", found.width, "1 to 1048576");
  if (found.max_tokens < 1) return wrong("max_tokens", found.max_tokens, "at least 1");
  if (found.vocab_size < 0) return wrong("vocab_size", found.vocab_size, "at least 0");
  if (found.type_vocab_size < 0)
    return wrong("type_vocab_size", found.type_vocab_size, "at least 0");
  if (found.max_concurrent_calls < 0)
    return wrong("max_concurrent_calls", found.max_concurrent_calls, "at least 0");
  if (found.num_parameters < 0) return wrong("num_parameters", found.num_parameters, "at least 0");
  if ((found.flags & ~kKnownFlags) != 0)
    return wrong("flags", found.flags, "values of akin_plugin_flags");
  if (!IsPlain(found.precision) || !IsPlain(found.device) || !IsPlain(found.detail))
    return Internal(library.Title(),
                    ": describe gives a precision, device or detail that is no printable text, or "
                    "does not end");
  return {};
}

RowKind RowsOf(int32_t rows) {
  switch (rows) {
    case AKIN_PLUGIN_TOKEN_STATES: return RowKind::kTokenStates;
    case AKIN_PLUGIN_LOGITS: return RowKind::kLogits;
    default: return RowKind::kVectors;
  }
}

// That the plug-in has all of the options, and that none comes twice.
Status CheckOptions(const Library& library, const PluginOptions& given) {
  const auto& table = library.table();
  const std::span known(table.options, table.num_options);
  for (size_t i = 0; i < given.options.size(); ++i) {
    const std::string& name = given.options[i].first;
    const auto same = [&](const auto& option) { return name == option.first; };
    if (std::any_of(given.options.begin(), given.options.begin() + static_cast<ptrdiff_t>(i), same))
      return InvalidInput(library.Title(), ": option '", name, "' is given twice");
    if (std::ranges::any_of(known, [&](const auto& option) { return name == option.name; }))
      continue;
    std::string names;
    for (const auto& option : known) names += StrCat(names.empty() ? "" : ", ", option.name);
    return InvalidInput(library.Title(), " has no option '", name, "'; it has ",
                        names.empty() ? "none" : names);
  }
  return {};
}

class PluginBackend : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> Load(const PluginParams& params) {
    AKIN_TRY_ASSIGN(Library library, Library::Load(params.plugin.library));
    AKIN_TRY(CheckOptions(library, params.plugin));
    std::unique_ptr<PluginBackend> backend(new PluginBackend(std::move(library)));
    AKIN_TRY(backend->LoadModel(params));
    AKIN_TRY(backend->Describe(params.precision));
    AKIN_TRY(backend->Health());
    return std::unique_ptr<Backend>(std::move(backend));
  }

  ~PluginBackend() override {
    if (model_ == nullptr) return;
    try {
      table().close(model_);
    } catch (...) {
      // It must not throw; there is nobody to tell.
    }
  }

  BackendInfo Info() const override { return info_; }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<PluginSession>();
  }

  // The plug-in's threads are its own: of a team, the member of rank 0 makes the call.
  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    return AtTheDoor(library_.Title(), {},
                     [&] { return Embed(batch, static_cast<PluginSession&>(session)); });
  }

  Status Health() const override {
    if (table().health == nullptr) return {};
    return Ask(library_, [&](auto* error) { return table().health(model_, error); });
  }

 private:
  explicit PluginBackend(Library library) : library_(std::move(library)) {}

  const akin_plugin& table() const { return library_.table(); }

  Status LoadModel(const PluginParams& params) {
    std::vector<akin_plugin_option> options;
    for (const auto& [name, value] : params.plugin.options)
      options.push_back({name.c_str(), value.c_str()});
    const std::string path = std::filesystem::absolute(params.model_path).string();
    const std::string precision(PrecisionName(params.precision));
    const akin_plugin_load_args args{.struct_size = sizeof args,
                                     .num_threads = params.num_threads,
                                     .max_batch_tokens = params.max_batch_tokens,
                                     .model_path = path.c_str(),
                                     .precision = precision.c_str(),
                                     .options = options.data(),
                                     .num_options = options.size()};
    AKIN_TRY(Ask(library_, [&](auto* error) { return table().load(&args, &model_, error); }));
    if (model_ == nullptr) return Internal(library_.Title(), ": load gave no model and no error");
    return {};
  }

  Status Describe(Precision asked) {
    akin_plugin_description found{.struct_size = sizeof found};
    AKIN_TRY(Ask(library_, [&](auto* error) { return table().describe(model_, &found, error); }));
    AKIN_TRY(CheckDescription(library_, found));
    info_.name = "plugin";
    info_.precision = found.precision;
    info_.isa = found.device;
    info_.rows = RowsOf(found.rows);
    info_.width = found.width;
    info_.max_positions = found.max_tokens;
    info_.num_parameters = found.num_parameters;
    info_.batch_invariant = (found.flags & AKIN_PLUGIN_BATCH_INVARIANT) != 0;
    info_.reads_texts = found.input == AKIN_PLUGIN_TEXTS;
    info_.flops_per_token = 2.0 * static_cast<double>(found.num_parameters);
    info_.vocab_size = found.vocab_size;
    info_.type_vocab_size = found.type_vocab_size;
    if ((found.flags & AKIN_PLUGIN_PADS) != 0) info_.rectangles.emplace();
    info_.detail = StrCat(library_.name(), ' ', library_.version(), " (", library_.path(), ")",
                          found.detail[0] != '\0' ? ": " : "", found.detail);
    if (asked != Precision::kAuto && info_.precision != PrecisionName(asked)) {
      info_.notes.push_back(StrCat("not used: precision ", PrecisionName(asked),
                                   ", the plug-in runs ", info_.precision));
    }
    if (found.max_concurrent_calls > 0)
      turns_.emplace(std::min(found.max_concurrent_calls, kMostConcurrentCalls));
    return {};
  }

  Result<MatrixView<const float>> Embed(const RaggedBatch& batch, PluginSession& session) const {
    const size_t width = static_cast<size_t>(info_.width);
    const size_t num_rows =
        info_.rows == RowKind::kTokenStates ? batch.num_tokens() : batch.num_sequences();
    // What is not written is no number, and so found.
    session.rows.assign(num_rows * width, std::numeric_limits<float>::quiet_NaN());
    session.texts.clear();
    for (const std::string_view text : batch.texts)
      session.texts.push_back({text.data(), text.size()});
    const bool typed = !batch.token_type_ids.empty();
    const akin_plugin_batch input{.struct_size = sizeof input,
                                  .num_sequences = batch.num_sequences(),
                                  .num_tokens = batch.num_tokens(),
                                  .input_ids = batch.input_ids.data(),
                                  .token_type_ids = typed ? batch.token_type_ids.data() : nullptr,
                                  .cu_seqlens = batch.cu_seqlens.data(),
                                  .texts = info_.reads_texts ? session.texts.data() : nullptr};
    akin_plugin_output output{
        .struct_size = sizeof output, .values = session.rows.data(), .max_rows = num_rows};
    {
      const Turn turn(turns_);
      AKIN_TRY(Ask(library_,
                   [&](auto* error) { return table().embed(model_, &input, &output, error); }));
    }
    const MatrixView<const float> rows(session.rows.data(), num_rows, width);
    AKIN_TRY(CheckRows(batch, output, rows));
    return rows;
  }

  Status CheckRows(const RaggedBatch& batch, const akin_plugin_output& output,
                   const MatrixView<const float>& rows) const {
    if (output.num_rows != rows.rows()) {
      return Internal(library_.Title(), ": embed gave ", output.num_rows, " rows for ",
                      batch.num_sequences(), " sequences of ", batch.num_tokens(),
                      " tokens, expected ", rows.rows());
    }
    if (output.width != info_.width) {
      return Internal(library_.Title(), ": embed gave rows of ", output.width,
                      " values, describe said ", info_.width);
    }
    for (size_t i = 0; i < rows.rows(); ++i) {
      if (std::ranges::all_of(rows.row(i), [](float x) { return std::isfinite(x); })) continue;
      return Internal(library_.Title(), ": embed left a value in row ", i, " of ", rows.rows(),
                      " that is not finite, or did not write it");
    }
    return {};
  }

  // Bounds the calls under way, where the plug-in asks for it.
  using Turns = std::counting_semaphore<kMostConcurrentCalls>;
  class Turn {
   public:
    explicit Turn(std::optional<Turns>& turns) : turns_(turns) {
      if (turns_) turns_->acquire();
    }
    ~Turn() {
      if (turns_) turns_->release();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::optional<Turns>& turns_;
  };

  const Library library_;
  akin_plugin_model* model_ = nullptr;
  BackendInfo info_;
  mutable std::optional<Turns> turns_;
};

}  // namespace

Result<std::unique_ptr<Backend>> LoadPluginBackend(const PluginParams& params) {
  return PluginBackend::Load(params);
}

}  // namespace akin::backends

namespace akin {

Result<PluginInfo> DescribePlugin(const std::string& path) {
  return AtTheDoor("cannot load the plug-in", path, [&]() -> Result<PluginInfo> {
    AKIN_TRY_ASSIGN(const backends::plugin::Library library, backends::plugin::Library::Load(path));
    PluginInfo info{.path = library.path(),
                    .name = std::string(library.name()),
                    .version = std::string(library.version())};
    for (const auto& option : std::span(library.table().options, library.table().num_options))
      info.options.emplace_back(option.name, option.value);
    return info;
  });
}

}  // namespace akin
