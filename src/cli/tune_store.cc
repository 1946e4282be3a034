#include "cli/tune_store.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "akin/system.h"

#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/output_file.h"
#include "cli/small_file.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/writable.h"

namespace akin::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr size_t kMostBytes = 1 << 16;
constexpr int64_t kMostBatchTokens = 1 << 16;  // More than any measurement tries.
constexpr int64_t kMostBucket = 1 << 20;       // As --shape-buckets allows.
constexpr size_t kMostModelFiles = 1000;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The instruction set that is asked for, "auto" when none is.
std::string IsaWord(const ModelArguments& arguments) {
  const std::string forced = Environment("AKIN_ISA");
  return arguments.isa == IsaName(Isa::kAuto) && !forced.empty() ? forced : arguments.isa;
}

// Beside the models; empty when there is no cache folder.
fs::path TuningFolder() {
  const std::string cache = DescribeSystem().cache_folder;
  return cache.empty() ? fs::path() : fs::path(cache) / "tuning";
}

// FNV-1a, for names and for telling files apart; nothing hostile is kept out by it.
std::string Digest(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::string digits(16, '0');
  for (size_t i = digits.size(); i-- > 0; hash >>= 4) digits[i] = "0123456789abcdef"[hash & 15];
  return digits;
}

Result<std::string> Folder(const ModelArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string path, FindModel(ModelNameOf(arguments)));
  std::error_code error;
  const fs::path canonical = fs::canonical(path, error);
  return error ? path : canonical.string();
}

// Whether a change of this file makes another model.
bool IsModelFile(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".safetensors") ||
         name.find(".onnx") != name.npos;  // And model.onnx_data.
}

// Sizes and times of the model's files: a model that was replaced has others.
std::string FilesDigest(const std::string& folder) {
  std::vector<std::string> files;
  for (const std::string_view part : {"", "onnx"}) {
    std::error_code error;
    for (fs::directory_iterator entry(fs::path(folder) / part, error), end;
         !error && entry != end && files.size() < kMostModelFiles; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (!IsModelFile(name)) continue;
      std::error_code bad_size, bad_time;
      const auto size = entry->file_size(bad_size);
      const auto time = entry->last_write_time(bad_time).time_since_epoch().count();
      files.push_back(StrCat(part, '/', name, ' ', bad_size ? 0 : size, ' ', bad_time ? 0 : time));
    }
  }
  std::ranges::sort(files);
  std::string all;
  for (const std::string& file : files) all += file + '\n';
  return Digest(all);
}

// What runs the model, as far as options say it: "native", "onnxruntime --ep openvino".
std::string BackendWords(const ModelArguments& arguments) {
  std::string words = arguments.backend == "onnx" ? "onnxruntime" : arguments.backend;
  for (const std::string& word : arguments.onnxruntime.Words()) words += ' ' + word;
  return words;
}

// The version of the library that a measurement with it is bound to; empty where it is not asked
// for.
std::string OnnxRuntimeVersion(const ModelArguments& arguments) {
  const auto options = arguments.ToLoadOptions();
  if (!options || options->backend != BackendKind::kOnnxRuntime) return "";
  const auto info = DescribeOnnxRuntime(options->onnxruntime);
  return info ? info->version : "";  // Loading says what is wrong.
}

// By the name that we call it, whichever was given.
std::string PrecisionWord(const ModelArguments& arguments) {
  const Result<Precision> precision = ParsePrecision(arguments.precision);
  return precision ? std::string(PrecisionName(*precision)) : arguments.precision;
}

// What a measurement holds for, by the name under which the file has it.
struct Circumstance {
  std::string_view key;
  std::string value;
};

std::vector<Circumstance> Circumstances(const ModelArguments& arguments,
                                        const std::string& folder) {
  const SystemInfo system = DescribeSystem();
  const bool best = arguments.isa == IsaName(Isa::kAuto);  // Or AKIN_ISA, which the system knows.
  return {{"model", folder},
          {"files", FilesDigest(folder)},
          {"cpu", system.cpu},
          {"isa", best ? std::string(IsaName(system.chosen_isa)) : arguments.isa},
          {"backend", BackendWords(arguments)},
          {"onnxruntime", OnnxRuntimeVersion(arguments)},
          {"precision", PrecisionWord(arguments)},
          {"cpus", StrCat(system.threads.count)},
          {"version", std::string(Version())}};
}

// A stored file, checked member by member.
class StoredTuning {
 public:
  static Result<StoredTuning> Parse(const std::string& path, const std::string& text) {
    StoredTuning stored(path);
    int64_t format = 0;
    if (stored.parser_->parse(text).get(stored.root_) || stored.root_["akin_tuning"].get(format) ||
        format != kFormat) {
      return InvalidInput(path, ": is no tuning that this version has written");
    }
    return stored;
  }

  std::string Text(std::string_view key) const {
    std::string_view text;
    return root_[key].get(text) ? std::string() : std::string(text);
  }
  Result<int> Count(std::string_view key, int64_t most) const {
    int64_t count = 0;
    if (root_[key].get(count) || count < 1 || count > most) {
      return InvalidInput(path_, ": \"", key, "\" is no number from 1 to ", most);
    }
    return static_cast<int>(count);
  }
  // Rising lengths; none where the file has none.
  Result<std::vector<int>> Lengths(std::string_view key) const {
    std::vector<int> lengths;
    simdjson::dom::element stored;
    if (root_[key].get(stored)) return lengths;
    simdjson::dom::array array;
    const auto wrong = [&] {
      return InvalidInput(path_, ": \"", key, "\" is no list of rising lengths");
    };
    if (stored.get(array)) return wrong();
    for (const simdjson::dom::element element : array) {
      int64_t length = 0;
      const int64_t least = lengths.empty() ? 1 : lengths.back() + 1;
      if (element.get(length) || length < least || length > kMostBucket) return wrong();
      lengths.push_back(static_cast<int>(length));
    }
    return lengths;
  }
  double Rate(std::string_view key) const {
    double rate = 0;
    return root_[key].get(rate) || !std::isfinite(rate) ? 0 : rate;
  }

 private:
  explicit StoredTuning(std::string path)
      : path_(std::move(path)), parser_(std::make_unique<simdjson::dom::parser>()) {}

  std::string path_;
  std::unique_ptr<simdjson::dom::parser> parser_;  // Owns what root_ looks at.
  simdjson::dom::object root_;
};

Result<Tuning> ReadTuning(const std::string& path, const ModelArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(path, kMostBytes));
  AKIN_TRY_ASSIGN(const StoredTuning stored, StoredTuning::Parse(path, text));
  AKIN_TRY_ASSIGN(const std::string folder, Folder(arguments));
  for (const Circumstance& now : Circumstances(arguments, folder)) {
    const std::string then = stored.Text(now.key);
    if (then != now.value) {
      return InvalidInput(path, ": was measured with ", now.key, " '", then, "', here it is '",
                          now.value, '\'');
    }
  }
  Tuning tuning;
  AKIN_TRY_ASSIGN(tuning.threads, stored.Count("threads", DescribeSystem().threads.count));
  AKIN_TRY_ASSIGN(tuning.batch_tokens, stored.Count("batch_tokens", kMostBatchTokens));
  AKIN_TRY_ASSIGN(tuning.shape_buckets, stored.Lengths("shape_buckets"));
  tuning.texts_per_second = stored.Rate("texts_per_second");
  tuning.default_texts_per_second = stored.Rate("default_texts_per_second");
  tuning.date = stored.Text("date");
  return tuning;
}

}  // namespace

Result<std::string> TuningFile(const ModelArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string folder, Folder(arguments));
  const fs::path place = TuningFolder();
  if (place.empty()) return std::string();
  const std::string name = Digest(StrCat(folder, '\n', BackendWords(arguments), '\n',
                                         PrecisionWord(arguments), '\n', IsaWord(arguments)));
  return (place / (name + ".json")).string();
}

std::optional<Tuning> FindTuning(const ModelArguments& arguments, std::string& why_not) {
  why_not.clear();
  const auto path = TuningFile(arguments);
  std::error_code error;
  // Nothing stored is the usual case, and costs this look.
  if (!path || path->empty() || !fs::exists(*path, error)) return std::nullopt;
  auto tuning = ReadTuning(*path, arguments);
  if (tuning) return *std::move(tuning);
  why_not = StrCat("tuning ignored: ", tuning.error().message(), "; akin tune renews it");
  return std::nullopt;
}

Status CheckCanStore(const ModelArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string path, TuningFile(arguments));
  if (path.empty()) {
    return InvalidInput(
        "there is no folder for what was found: none of AKIN_CACHE, "
        "XDG_CACHE_HOME and HOME is set");
  }
  const std::string why = WhyNotWritable(fs::path(path).parent_path());
  return why.empty() ? Status() : MakeError(kOutputNotCreated, path, ": cannot be created: ", why);
}

Status StoreTuning(const ModelArguments& arguments, const Tuning& tuning) {
  AKIN_TRY(CheckCanStore(arguments));
  AKIN_TRY_ASSIGN(const std::string path, TuningFile(arguments));
  std::error_code ignored;  // Creating the file says what is wrong.
  fs::create_directories(fs::path(path).parent_path(), ignored);
  AKIN_TRY_ASSIGN(const std::string folder, Folder(arguments));
  JsonObject out;
  out.Add("akin_tuning", kFormat);
  for (const Circumstance& now : Circumstances(arguments, folder)) out.Add(now.key, now.value);
  out.Add("threads", tuning.threads)
      .Add("batch_tokens", tuning.batch_tokens)
      .AddRaw("shape_buckets", JsonIntegers(tuning.shape_buckets))
      .Add("texts_per_second", tuning.texts_per_second)
      .Add("default_texts_per_second", tuning.default_texts_per_second)
      .Add("date", tuning.date);
  AKIN_TRY_ASSIGN(OutputFile file, OutputFile::Create(path));
  AKIN_TRY(file.Write(out.str() + '\n'));
  return file.Commit();
}

ModelArguments WithTuning(const ModelArguments& arguments, std::optional<Tuning>* applied) {
  ModelArguments out = arguments;
  // AKIN_THREADS makes another machine of this one, as far as tuning goes.
  const std::string threads = Environment("AKIN_THREADS");
  if (!threads.empty() && threads != "0") return out;
  if (arguments.threads > 0 && arguments.batch_tokens > 0) return out;
  std::string why_not;
  const auto tuning = FindTuning(arguments, why_not);
  if (!why_not.empty() && !arguments.quiet) SayOnStderr(why_not);
  if (!tuning) return out;
  if (arguments.threads == 0) out.threads = tuning->threads;
  if (arguments.batch_tokens == 0) out.batch_tokens = tuning->batch_tokens;
  if (arguments.onnxruntime.shape_buckets.empty())
    out.onnxruntime.shape_buckets = tuning->shape_buckets;
  if (applied != nullptr) *applied = tuning;
  return out;
}

std::string Described(const Tuning& tuning) {
  std::string out = StrCat(Counted(tuning.threads, "thread"), ", batches of ",
                           Grouped(tuning.batch_tokens), " tokens");
  for (const int length : tuning.shape_buckets)
    out += StrCat(length == tuning.shape_buckets.front() ? ", padded to " : ", ", length);
  return out;
}

}  // namespace akin::cli
