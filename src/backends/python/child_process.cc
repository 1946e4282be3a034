#include "backends/python/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/strings.h"

extern char** environ;

namespace akin::backends::python {
namespace {

// Reads nothing, waits for the end of standard input and kills its group, itself included.
constexpr const char* kKeeper = "while read -r _; do :; done; kill -KILL 0";

std::string ErrnoText(int number) { return std::generic_category().message(number); }

struct Pair {
  UniqueFd ours, theirs;
};

// All close-on-exec, so that no other process that this one starts keeps them open; and above those
// that the child gets, so that putting them in place overwrites none.
Result<UniqueFd> Raised(int fd) {
  UniqueFd low(fd);
  if (fd > kChildSocket) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return low;
  }
  const int raised = fcntl(fd, F_DUPFD_CLOEXEC, kChildSocket + 1);
  if (raised < 0) return Internal("cannot copy a descriptor: ", ErrnoText(errno));
  return UniqueFd(raised);
}

Result<Pair> MakePair(int ours, int theirs) {
  Result<UniqueFd> first = Raised(ours), second = Raised(theirs);
  if (!first) return std::move(first).error();
  if (!second) return std::move(second).error();
  if (fcntl(first->get(), F_SETFL, fcntl(first->get(), F_GETFL) | O_NONBLOCK) != 0)
    return Internal("cannot set a descriptor up: ", ErrnoText(errno));
  return Pair{*std::move(first), *std::move(second)};
}

Result<Pair> MakeSocketPair() {
  int fds[2];
#ifdef SOCK_CLOEXEC
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
#else
  constexpr int kType = SOCK_STREAM;
#endif
  if (socketpair(AF_UNIX, kType, 0, fds) != 0)
    return Internal("cannot make a socket pair: ", ErrnoText(errno));
  // So that a batch's states, often a megabyte, go over in one piece instead of by turns. The
  // system caps it, and what it says does not matter.
  constexpr int kBufferBytes = 4 << 20;
  for (const int fd : fds)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  return MakePair(fds[0], fds[1]);
}

enum class WeDo { kRead, kWrite };

Result<Pair> MakePipe(WeDo we_do) {
  int fds[2];
#ifdef __linux__
  const int made = pipe2(fds, O_CLOEXEC);
#else
  const int made = pipe(fds);
#endif
  if (made != 0) return Internal("cannot make a pipe: ", ErrnoText(errno));
  return we_do == WeDo::kRead ? MakePair(fds[0], fds[1]) : MakePair(fds[1], fds[0]);
}

// posix_spawn's arguments; the calls that fill them fail only for want of memory.
class Spawn {
 public:
  explicit Spawn(pid_t group) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // Signals as a program finds them at its start, whatever our threads block or ignore.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, group);
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#ifdef POSIX_SPAWN_CLOEXEC_DEFAULT
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
    posix_spawnattr_setflags(&attributes_, flags);
  }
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  void Give(int fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd, as); }
  void GiveNothing(int as, int flags) {
    posix_spawn_file_actions_addopen(&actions_, as, "/dev/null", flags, 0);
  }
  // Also what others have left open without close-on-exec.
  void CloseFrom([[maybe_unused]] int fd) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    posix_spawn_file_actions_addclosefrom_np(&actions_, fd);
#endif
  }
  // 0, or errno.
  int Run(const char* program, std::vector<char*>& argv, char* const* environment, pid_t& pid) {
    return posix_spawnp(&pid, program, &actions_, &attributes_, argv.data(), environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment() {
  const std::string own = StrCat("AKIN_BRIDGE_FD=", kChildSocket);
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("AKIN_BRIDGE_FD=")) environment.emplace_back(*entry);
  }
  environment.push_back(own);
  return environment;
}

Result<pid_t> StartKeeper(int life) {
  Spawn spawn(0);  // A group of its own.
  spawn.Give(life, STDIN_FILENO);
  spawn.GiveNothing(STDOUT_FILENO, O_WRONLY);
  spawn.GiveNothing(STDERR_FILENO, O_WRONLY);
  spawn.CloseFrom(STDERR_FILENO + 1);
  std::vector<std::string> words{"sh", "-c", kKeeper, "akin-keeper"};
  std::vector<char*> argv = Pointers(words);
  pid_t pid = -1;
  if (const int error = spawn.Run("sh", argv, environ, pid); error != 0)
    return Internal("cannot start sh, which guards the child process: ", ErrnoText(error));
  return pid;
}

int Wait(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Result<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                         std::string_view what) {
  AKIN_TRY_ASSIGN(Pair socket, MakeSocketPair());
  AKIN_TRY_ASSIGN(Pair output, MakePipe(WeDo::kRead));
  AKIN_TRY_ASSIGN(Pair life, MakePipe(WeDo::kWrite));

  ChildProcess process;
  process.socket_ = std::move(socket.ours);
  process.output_ = std::move(output.ours);
  process.life_ = std::move(life.ours);
  AKIN_TRY_ASSIGN(process.keeper_, StartKeeper(life.theirs.get()));

  Spawn spawn(process.keeper_);
  spawn.GiveNothing(STDIN_FILENO, O_RDONLY);
  spawn.Give(output.theirs.get(), STDOUT_FILENO);
  spawn.Give(output.theirs.get(), STDERR_FILENO);
  spawn.Give(socket.theirs.get(), kChildSocket);
  spawn.CloseFrom(kChildSocket + 1);
  std::vector<std::string> words = argv, variables = Environment();
  std::vector<char*> arguments = Pointers(words), environment = Pointers(variables);
  const int error = spawn.Run(words[0].c_str(), arguments, environment.data(), process.child_);
  if (error != 0) {
    process.child_ = -1;
    return InvalidInput(what, " '", argv[0], "' cannot be run: ", ErrnoText(error));
  }
  return process;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : socket_(std::move(other.socket_)),
      output_(std::move(other.output_)),
      life_(std::move(other.life_)),
      keeper_(std::exchange(other.keeper_, -1)),
      child_(std::exchange(other.child_, -1)),
      status_(other.status_),
      reaped_(other.reaped_) {}

ChildProcess::~ChildProcess() { End(); }

bool ChildProcess::HasEnded() {
  if (reaped_ || child_ < 0) return true;
  const pid_t got = waitpid(child_, &status_, WNOHANG);
  reaped_ = got == child_ || (got < 0 && errno == ECHILD);
  return reaped_;
}

void ChildProcess::End() {
  if (keeper_ <= 0) return;
  kill(-keeper_, SIGKILL);
  if (child_ > 0 && !reaped_) status_ = Wait(child_);
  reaped_ = true;
  Wait(keeper_);
  keeper_ = -1;
}

std::string ChildProcess::HowEnded() const {
  if (WIFSIGNALED(status_)) {
    const int number = WTERMSIG(status_);
    return StrCat("signal ", number, " (", strsignal(number), ")");
  }
  return StrCat("exit status ", WEXITSTATUS(status_));
}

}  // namespace akin::backends::python
