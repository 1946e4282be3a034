#include "cli/signals.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

#include "cli/exit_status.h"

namespace akin::cli {
namespace {

// Read by the handler: lock-free atomics and a plain buffer that is written only while disarmed.
char unfinished_path[PATH_MAX];
std::atomic<bool> has_unfinished{false};
std::atomic<bool> erase_line{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// Async-signal-safe: unlink, write, raise and _exit only.
void TidyUpAndEnd(int signal) {
  if (has_unfinished.load()) unlink(unfinished_path);
  if (erase_line.load()) {
    constexpr char kErase[] = "\r\x1b[K";
    if (write(STDERR_FILENO, kErase, sizeof kErase - 1) < 0) {
      // The terminal has gone; there is nothing to erase.
    }
  }
  raise(signal);                // The handler was reset to the default on entry.
  _exit(kSignalBase + signal);  // As process 1 of a container, where the default does nothing.
}

void HandleUnlessIgnored(int signal) {
  struct sigaction action = {};
  if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = TidyUpAndEnd;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void InstallSignalHandlers() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // A file larger than allowed is a failed write, with a message.
  for (int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGXCPU}) HandleUnlessIgnored(number);
}

void OccupyStandardDescriptors() {
  // Opened in the wrong direction: using them still fails, as it does on a closed one.
  constexpr struct {
    int descriptor, flags;
  } kStandard[] = {{STDIN_FILENO, O_WRONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_RDONLY}};
  for (const auto& standard : kStandard) {
    // The lowest free descriptor is this one: those below it are open.
    if (fcntl(standard.descriptor, F_GETFD) < 0) open("/dev/null", standard.flags);
  }
}

#ifdef __GLIBC__
namespace {

// Before the constructors of the libraries that we are linked with: one of them opens a descriptor
// for itself, which would become standard input.
using Initializer = void (*)(int, char**, char**);
[[gnu::section(".preinit_array"), gnu::used]] const Initializer occupy_before_libraries =
    [](int, char**, char**) { OccupyStandardDescriptors(); };

}  // namespace
#endif

void RemoveOnSignal(const std::string& path) {
  has_unfinished = false;
  if (path.empty() || path.size() >= sizeof unfinished_path) return;
  memcpy(unfinished_path, path.c_str(), path.size() + 1);
  has_unfinished = true;
}

void EraseLineOnSignal(bool erase) { erase_line = erase; }

}  // namespace akin::cli
