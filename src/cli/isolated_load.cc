#include "cli/isolated_load.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "cli/environment.h"
#include "cli/model_access.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr char kThisProgram[] = "/proc/self/exe";
constexpr std::chrono::milliseconds kLook{5};

class SpawnFiles {
 public:
  SpawnFiles() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  ~SpawnFiles() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// The child's status when it has ended; nothing when it has not by `deadline`.
std::optional<int> AwaitEnd(pid_t child, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return 0;  // Somebody else has waited for it.
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(kLook);
  }
}

bool IsAuto(const ModelArguments& arguments) {
  return arguments.backend == BackendKindName(BackendKind::kAuto);
}

// Where variables alone say how ONNX Runtime is to run, they have to stay variables: as options
// they would ask for it. Otherwise the command says everything.
std::vector<std::string> KeptVariables(const ModelArguments& arguments) {
  if (!IsAuto(arguments) || !arguments.onnxruntime.GivenOption().empty()) return {};
  std::vector<std::string> names = arguments.onnxruntime.Variables();
  std::erase(names, "AKIN_ISOLATE_LOAD");
  return names;
}

}  // namespace

std::vector<std::string> LoadCommand(const ModelArguments& arguments) {
  std::vector<std::string> command = {"akin", "info", "--json"};
  const auto add = [&command](std::string_view option, std::string value) {
    if (value.empty()) return;
    command.emplace_back(option);
    command.push_back(std::move(value));
  };
  const OnnxRuntimeArguments& onnx = arguments.onnxruntime;
  add("--model", std::string(ModelNameOf(arguments)));
  // Any option of ONNX Runtime asks for it, --isolate-load, too, which the other process is not
  // told of.
  const bool asks = IsAuto(arguments) && !onnx.GivenOption().empty();
  add("--backend",
      std::string(asks ? BackendKindName(BackendKind::kOnnxRuntime) : arguments.backend));
  add("--precision", arguments.precision);
  add("--isa", arguments.isa);
  if (arguments.threads > 0) add("--threads", StrCat(arguments.threads));
  if (arguments.batch_tokens > 0) add("--batch-tokens", StrCat(arguments.batch_tokens));
  add("--pooling", arguments.pooling);
  if (IsAuto(arguments) && !asks) return command;  // Its options are left to KeptVariables.
  for (std::string& word : onnx.Words()) command.push_back(std::move(word));
  std::string buckets;
  for (const int length : onnx.shape_buckets) buckets += StrCat(buckets.empty() ? "" : ",", length);
  add("--shape-buckets", buckets);
  add("--optimized-model-cache", onnx.optimized_cache);
  return command;
}

Status TryLoadInChild(const ModelArguments& arguments, std::chrono::seconds limit) {
  std::vector<std::string> command = LoadCommand(arguments);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  // What variables stand for other options, --isolate-load among them, was meant for this process.
  std::vector<char*> environment = EnvironmentWithoutOptions(KeptVariables(arguments));
  const SpawnFiles files;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  pid_t child = 0;
  if (const int error =
          posix_spawn(&child, kThisProgram, files.get(), nullptr, argv.data(), environment.data());
      error != 0) {
    return MakeError(ErrorCode::kInternal,
                     "--isolate-load: no process can be started: ", std::strerror(error));
  }
  const std::optional<int> status = AwaitEnd(child, deadline);
  if (!status) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return MakeError(ErrorCode::kInvalidModel, "model '", ModelNameOf(arguments),
                     "': the process that tried to load it was not done after ", limit.count(),
                     " seconds and was ended");
  }
  if (!WIFSIGNALED(*status)) return {};
  return MakeError(ErrorCode::kInvalidModel, "model '", ModelNameOf(arguments),
                   "': loading it brought down the process that tried it first (signal ",
                   WTERMSIG(*status), ", ", strsignal(WTERMSIG(*status)),
                   "); it was not loaded here");
}

}  // namespace akin::cli
