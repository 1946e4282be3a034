#include "cli/command.h"

#include "akin/system.h"

#include "cli/environment.h"
#include "cli/option_value.h"
#include "cli/strings.h"
#include "cli/suggestion.h"

namespace akin::cli {
namespace {

constexpr int kMostThreads = 1024;  // The library's own limits.
constexpr int kMostTokens = 1 << 20;

// What was meant by a value that is none; values with a colon are more than a name.
template <typename T>
Result<T> Suggesting(Result<T> parsed, std::string_view typed,
                     const std::vector<std::string>& names) {
  if (parsed || typed.find(':') != typed.npos) return parsed;
  const auto nearest = NearestName(typed, names);
  if (!nearest) return parsed;
  return parsed.error().Reworded(
      StrCat(parsed.error().message(), "; did you mean ", *nearest, '?'));
}

}  // namespace

// --help names the type, the error the range.
CLI::Validator Between(int least, int most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    const std::string range = StrCat(least, " to ", most);
    int64_t value = 0;
    if (!CLI::detail::lexical_cast(text, value))
      return StrCat("Value ", text, " is not a whole number, expected ", range);
    if (value < least || value > most) return StrCat("Value ", text, " not in range ", range);
    return "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator Between(double least, double most) {
  const auto check = [least, most](std::string& text) -> std::string {
    double value = 0;
    // NaN is not between anything.
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return "";
    return StrCat("Value ", text, " not in range ", Fixed(least, 3), " to ", Fixed(most, 3));
  };
  return CLI::Validator(check, "");
}

CLI::Validator NotEmpty() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "The value is empty" : "";
  };
  return CLI::Validator(check, "");
}

CLI::App& AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples) {
  CLI::App& verb = *app.add_subcommand(name, description);
  verb.footer(StrCat("Examples:\n", examples));
  verb.allow_extras();  // app.cc names them, with a suggestion.
  verb.set_help_flag("-h,--help", "Print this help and exit");
  return verb;
}

void AddQuietOption(CLI::App& verb, bool& quiet) {
  verb.add_flag("-q,--quiet", quiet, "No progress and no notes; warnings and errors are said");
}

CLI::Option* AddModelOption(CLI::App& verb, std::string& model) {
  return FromEnvironment(
      verb.add_option("-m,--model", model,
                      StrCat("Model folder, the name of a model in the cache, or "
                             "ORG/NAME[@REVISION] of the hub (default: ",
                             kDefaultModel, ")"))
          ->type_name("DIR")
          ->check(NotEmpty()));
}

void ModelArguments::AddTo(CLI::App& verb) {
  AddModelOption(verb, model);
  FromEnvironment(
      verb.add_option(
              "--backend", backend,
              "What runs the model; a plug-in may have options, plugin:PATH,OPTION=VALUE,...")
          ->type_name(Choices(BackendNames())));
  FromEnvironment(verb.add_option("--precision", precision, "What the matrix products run in")
                      ->type_name(Choices(PrecisionNames())));
  // The library looks up AKIN_ISA and AKIN_THREADS itself, for its other users, too.
  verb.add_option("--isa", isa, "Instruction set; auto is AKIN_ISA, else this CPU's fastest")
      ->type_name(Choices(IsaNames()));
  verb.add_option(
          "--threads", threads,
          "Threads that compute; 0, the default: AKIN_THREADS, else as akin tune has found, "
          "else as many as we may use")
      ->type_name("N")
      ->check(Between(0, kMostThreads));
  FromEnvironment(
      verb.add_option("--batch-tokens", batch_tokens,
                      "The most tokens computed together (default: as akin tune has found, else "
                      "512; 16384 for --backend remote)")
          ->type_name("N")
          ->check(Between(1, kMostTokens)));
  FromEnvironment(verb.add_option("--pooling", pooling,
                                  "In place of the model's own pooling (default: the model's)")
                      ->type_name(Choices(PoolingNames())));
  onnxruntime.AddTo(verb);
  python.AddTo(verb);
  remote.AddTo(verb);
  for (const char* const group :
       {OnnxRuntimeArguments::kGroup, PythonArguments::kGroup, RemoteArguments::kGroup})
    GroupFromEnvironment(verb, group);
  DescribeVariables(verb);
}

Result<LoadOptions> ModelArguments::ToLoadOptions() const {
  LoadOptions options;
  options.python = python.ToOptions();
  AKIN_TRY_ASSIGN(options.remote, remote.ToOptions());
  // What it says counts before their options.
  AKIN_TRY(
      ValueOf("--backend", Suggesting(ParseBackend(backend, options), backend, BackendNames())));
  AKIN_TRY(onnxruntime.CheckFits(options.backend));
  if (options.backend == BackendKind::kAuto && !onnxruntime.GivenOption().empty())
    options.backend = BackendKind::kOnnxRuntime;
  AKIN_TRY_ASSIGN(
      options.precision,
      ValueOf("--precision", Suggesting(ParsePrecision(precision), precision, PrecisionNames())));
  AKIN_TRY_ASSIGN(options.isa, ValueOf("--isa", Suggesting(ParseIsa(isa), isa, IsaNames())));
  options.num_threads = threads;
  options.batch_tokens = batch_tokens;
  if (!pooling.empty()) {
    AKIN_TRY_ASSIGN(options.pooling, ValueOf("--pooling", Suggesting(ParsePoolingMode(pooling),
                                                                     pooling, PoolingNames())));
  }
  AKIN_TRY_ASSIGN(options.onnxruntime, onnxruntime.ToOptions());
  return options;
}

void TextArguments::AddTo(CLI::App& verb, bool windows, bool prompts) {
  windows_ = windows;
  verb.add_option("--max-tokens", max_tokens,
                  "Cut texts to N tokens, special tokens included (default: the model's limit)")
      ->type_name("N")
      ->check(Between(1, kMostTokens));
  auto* over =
      verb.add_option("--overflow", overflow,
                      windows ? "What becomes of a longer text: cut it, fail, average its "
                                "windows, a vector for each window, or late chunking"
                              : "What becomes of a longer text: cut it, or fail")
          ->type_name(windows ? "{truncate,error,average,chunks,late}" : "{truncate,error}");
  verb.add_flag("--no-truncate", no_truncate, "Short for --overflow error")->excludes(over);
  verb.add_option("--truncate-side", truncate_side, "Which end is cut (default: as the model says)")
      ->type_name("{left,right}");
  if (windows) {
    verb.add_option("--window", window, "Tokens of a window (default: the limit)")
        ->type_name("N")
        ->check(Between(1, kMostTokens));
    verb.add_option("--window-overlap", window_overlap,
                    "Tokens that a window shares with the one before it (default: 0)")
        ->type_name("N")
        ->check(Between(0, kMostTokens));
  }
  if (!prompts) return;
  auto* named = verb.add_option("--prompt-name,--task", prompt_name,
                                "One of the model's prompts, put in front of every text, or the "
                                "task by which it chooses its modules")
                    ->type_name("NAME");
  verb.add_option("--prompt", prompt, "This text in front of every text")
      ->type_name("TEXT")
      ->excludes(named);
}

Result<Overflow> TextArguments::ParsedOverflow() const {
  if (no_truncate) return Overflow::kError;
  AKIN_TRY_ASSIGN(const Overflow parsed, ValueOf("--overflow", ParseOverflow(overflow)));
  if (windows_ || parsed == Overflow::kTruncate || parsed == Overflow::kError) return parsed;
  return InvalidInput("--overflow ", overflow,
                      " makes vectors of a text's windows, which is for akin embed; ",
                      "here a longer text is cut (truncate) or refused (error)");
}

Result<std::optional<TruncationSide>> TextArguments::ParsedSide() const {
  if (truncate_side.empty()) return std::optional<TruncationSide>();
  if (truncate_side == "left") return std::optional(TruncationSide::kLeft);
  if (truncate_side == "right") return std::optional(TruncationSide::kRight);
  return InvalidInput("--truncate-side: \"", truncate_side, "\" is none of left, right");
}

Result<EmbedOptions> TextArguments::ToEmbedOptions() const {
  EmbedOptions options;
  if (max_tokens > 0) options.max_tokens = max_tokens;
  AKIN_TRY_ASSIGN(options.overflow, ParsedOverflow());
  const bool cut = options.overflow == Overflow::kTruncate;
  if ((window > 0 || window_overlap > 0) && (cut || options.overflow == Overflow::kError)) {
    return InvalidInput(window > 0 ? "--window" : "--window-overlap",
                        " belongs to --overflow average, chunks or late; a longer text is ",
                        cut ? "cut" : "an error", " here (--overflow ",
                        OverflowName(options.overflow), ")");
  }
  AKIN_TRY_ASSIGN(options.truncation_side, ParsedSide());
  if (window > 0) options.window_tokens = window;
  options.window_overlap = window_overlap;
  options.prompt_name = prompt_name;
  options.prompt = prompt;
  return options;
}

Result<ScoreOptions> TextArguments::ToScoreOptions() const {
  ScoreOptions options;
  if (max_tokens > 0) options.max_tokens = max_tokens;
  AKIN_TRY_ASSIGN(options.overflow, ParsedOverflow());
  AKIN_TRY_ASSIGN(options.truncation_side, ParsedSide());
  return options;
}

void VectorArguments::AddTo(CLI::App& verb) {
  auto* on = verb.add_flag("--normalize", normalize, "Scale vectors to length 1");
  auto* off =
      verb.add_flag("--no-normalize", no_normalize, "Leave vectors as the model makes them");
  on->excludes(off);
  cut.AddTo(verb);
}

void VectorArguments::Set(EmbedOptions& options) const {
  if (normalize || no_normalize) options.normalize = normalize;
  cut.Set(options);
}

void CutArguments::AddTo(CLI::App& verb) {
  auto* cut = verb.add_option("--dimensions", dimensions,
                              "Keep the first N values, scaled to length 1 again")
                  ->type_name("N")
                  ->check(Between(1, kMostTokens));
  verb.add_option("--truncate-dim", truncate_dim, "Keep the first N values as they are")
      ->type_name("N")
      ->check(Between(1, kMostTokens))
      ->excludes(cut);
}

void CutArguments::Set(EmbedOptions& options) const {
  if (dimensions > 0) options.dimensions = dimensions;
  if (truncate_dim > 0) options.truncate_dim = truncate_dim;
}

std::string Choices(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += StrCat(out.empty() ? "{" : ",", name);
  return out + '}';
}

std::vector<std::string> BackendNames() {
  std::vector<std::string> names;
  for (auto kind : {BackendKind::kAuto, BackendKind::kNative, BackendKind::kOnnxRuntime,
                    BackendKind::kMlx, BackendKind::kPython, BackendKind::kRemote}) {
    names.emplace_back(BackendKindName(kind));
  }
  names.emplace_back("plugin:PATH");
  return names;
}

std::vector<std::string> PrecisionNames() {
  std::vector<std::string> names;
  for (auto precision : {Precision::kAuto, Precision::kF32, Precision::kBf16x3, Precision::kF16,
                         Precision::kBf16, Precision::kInt16, Precision::kW8, Precision::kInt8}) {
    names.emplace_back(PrecisionName(precision));
  }
  return names;
}

std::vector<std::string> IsaNames() {
  std::vector<std::string> names;
  for (auto isa : {Isa::kAuto, Isa::kScalar, Isa::kAvx2, Isa::kAvx2Vnni, Isa::kAvx512,
                   Isa::kAvx512Vnni, Isa::kAvx512Bf16, Isa::kAmx, Isa::kNeon, Isa::kNeonDot}) {
    names.emplace_back(IsaName(isa));
  }
  return names;
}

std::vector<std::string> PoolingNames() {
  std::vector<std::string> names;
  for (auto mode :
       {PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean, PoolingMode::kMeanSqrtLen,
        PoolingMode::kWeightedMean, PoolingMode::kLastToken, PoolingMode::kSplade}) {
    names.emplace_back(PoolingModeName(mode));
  }
  return names;
}

std::vector<std::string> OutputTypeNames() {
  std::vector<std::string> names;
  for (auto type : {OutputType::kFloat32, OutputType::kFloat16, OutputType::kInt8,
                    OutputType::kUint8, OutputType::kBinary, OutputType::kUbinary}) {
    names.emplace_back(OutputTypeName(type));
  }
  return names;
}

}  // namespace akin::cli
