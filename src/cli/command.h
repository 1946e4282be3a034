// What every verb is made of: its place in the option tree and what it does.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

#include "cli/onnxruntime_arguments.h"
#include "cli/python_arguments.h"
#include "cli/remote_arguments.h"

namespace akin::cli {

// The exit status, when the verb has said itself what there was to say; else an error, which is
// reported in one place (main.cc).
using VerbResult = Result<int>;

// The verbs by their place in the tree.
using Verbs = std::map<const CLI::App*, std::function<VerbResult()>>;

void AddEmbedCommand(CLI::App& app, Verbs& verbs);
void AddRerankCommand(CLI::App& app, Verbs& verbs);
void AddClassifyCommand(CLI::App& app, Verbs& verbs);
void AddSparseCommand(CLI::App& app, Verbs& verbs);
void AddMultivectorCommand(CLI::App& app, Verbs& verbs);
void AddSimilarityCommand(CLI::App& app, Verbs& verbs);
void AddTokenizeCommand(CLI::App& app, Verbs& verbs);
void AddInfoCommand(CLI::App& app, Verbs& verbs);
void AddPullCommand(CLI::App& app, Verbs& verbs);
void AddModelsCommand(CLI::App& app, Verbs& verbs);
void AddBridgeCommand(CLI::App& app, Verbs& verbs);
void AddDoctorCommand(CLI::App& app, Verbs& verbs);
void AddBenchCommand(CLI::App& app, Verbs& verbs);
void AddTuneCommand(CLI::App& app, Verbs& verbs);
void AddPlanCommand(CLI::App& app, Verbs& verbs);
void AddCompletionCommand(CLI::App& app, Verbs& verbs);
void AddHelpCommand(CLI::App& app, Verbs& verbs);

// A verb with the description and the examples of its --help.
CLI::App& AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  const std::string& examples);

// Checks that an option's value is a whole number, or any number, in [least, most].
CLI::Validator Between(int least, int most);
CLI::Validator Between(double least, double most);
// A value that is the empty string stands for nothing, not for the default.
CLI::Validator NotEmpty();

// --quiet: neither progress nor notes on standard error; warnings, such as that texts were cut, and
// errors are said all the same.
void AddQuietOption(CLI::App& verb, bool& quiet);

// --model, alone.
CLI::Option* AddModelOption(CLI::App& verb, std::string& model);

// The model and how it runs: --model --backend --precision --isa --threads --batch-tokens
// --pooling, and the options of backends.
struct ModelArguments {
  std::string model;
  std::string backend = "auto";
  std::string precision = "auto";
  std::string isa = "auto";
  int threads = 0;
  int batch_tokens = 0;
  std::string pooling;
  OnnxRuntimeArguments onnxruntime;
  PythonArguments python;
  RemoteArguments remote;
  bool quiet = false;  // Set by AddQuietOption: no notes on how it was loaded.

  void AddTo(CLI::App& verb);
  // Error: InvalidInput, a name that is none.
  Result<LoadOptions> ToLoadOptions() const;
};

// How texts are read: --max-tokens --overflow --truncate-side --window --window-overlap
// --prompt-name --prompt.
struct TextArguments {
  int max_tokens = 0;
  std::string overflow = "truncate";
  bool no_truncate = false;
  std::string truncate_side;
  int window = 0;
  int window_overlap = 0;
  std::string prompt_name;
  std::optional<std::string> prompt;

  // `windows` and `prompts`: with the options for them. Without windows a longer text is cut or
  // refused: what gives it several vectors is no answer of the verb.
  void AddTo(CLI::App& verb, bool windows, bool prompts);
  // Error: InvalidInput, a name that is none.
  Result<EmbedOptions> ToEmbedOptions() const;
  Result<ScoreOptions> ToScoreOptions() const;

 private:
  bool windows_ = false;

  Result<Overflow> ParsedOverflow() const;
  Result<std::optional<TruncationSide>> ParsedSide() const;
};

// Fewer values: --dimensions --truncate-dim.
struct CutArguments {
  int dimensions = 0;
  int truncate_dim = 0;

  void AddTo(CLI::App& verb);
  void Set(EmbedOptions& options) const;
};

// What becomes of a dense vector: --normalize --no-normalize, and what CutArguments has.
struct VectorArguments {
  bool normalize = false;
  bool no_normalize = false;
  CutArguments cut;

  void AddTo(CLI::App& verb);
  void Set(EmbedOptions& options) const;
  bool says_normalize() const { return normalize || no_normalize; }
};

// "{a,b,c}" as the type of an option lists its values in --help and in completions.
std::string Choices(const std::vector<std::string>& names);
std::vector<std::string> BackendNames();
std::vector<std::string> PrecisionNames();
std::vector<std::string> IsaNames();
std::vector<std::string> PoolingNames();
std::vector<std::string> OutputTypeNames();

}  // namespace akin::cli
