#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/exit_status.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr int kWidthElsewhere = 100;

Error WriteError(std::string_view name, int error) {
  if (error == EPIPE) return MakeError(kClosedPipe, name, ": the reader has closed the pipe");
  return MakeError(kWriteFailed, name, ": writing failed: ", strerror(error));
}

// A descriptor that somebody has set to non-blocking (a terminal shared with another program) is
// waited for.
void WaitUntilWritable(int fd) {
  pollfd wait = {fd, POLLOUT, 0};
  poll(&wait, 1, -1);
}

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool WantsColour(int fd) {
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && !IsSet("NO_COLOR") &&
         (term == nullptr || std::string_view(term) != "dumb");
}

}  // namespace

bool IsTerminal(int fd) { return isatty(fd) == 1; }

int TerminalWidth(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kWidthElsewhere;
  return size.ws_col;
}

Status WriteAll(int fd, std::string_view name, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      WaitUntilWritable(fd);
    } else if (errno != EINTR) {
      return WriteError(name, errno);
    }
  }
  return {};
}

Status WriteToStdout(std::string_view text) {
  return WriteAll(STDOUT_FILENO, "standard output", text);
}

void SayOnStderr(std::string_view message) {
  const bool named = message.starts_with("akin ") || message.starts_with("akin:");
  const std::string line = StrCat(named ? "" : "akin: ", message, '\n');
  (void)WriteAll(STDERR_FILENO, "standard error", line).has_value();
}

Style::Style(int fd) : enabled_(WantsColour(fd)) {}

std::string Style::Wrap(std::string_view code, std::string_view text) const {
  return enabled_ ? StrCat("\x1b[", code, 'm', text, "\x1b[0m") : std::string(text);
}

}  // namespace akin::cli
