// What standard output and standard error are, and what may be written there.
#pragma once

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::cli {

bool IsTerminal(int fd);

// Columns of the terminal on `fd`, or 100 when it is not one.
int TerminalWidth(int fd);

// Writes all of `bytes`, however often the system takes only a part. `name` stands in messages.
// Errors: kClosedPipe, kWriteFailed.
Status WriteAll(int fd, std::string_view name, std::string_view bytes);
Status WriteToStdout(std::string_view text);
// One line on standard error that begins with the program's name; a failure there has nowhere to
// go.
void SayOnStderr(std::string_view message);

// Emphasis for people, on a terminal that wants it: NO_COLOR and TERM=dumb switch it off.
class Style {
 public:
  explicit Style(int fd);
  std::string Bold(std::string_view text) const { return Wrap("1", text); }
  std::string Dim(std::string_view text) const { return Wrap("2", text); }
  std::string Good(std::string_view text) const { return Wrap("32", text); }
  std::string Bad(std::string_view text) const { return Wrap("31", text); }

 private:
  std::string Wrap(std::string_view code, std::string_view text) const;
  bool enabled_;
};

}  // namespace akin::cli
