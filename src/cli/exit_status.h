// What the process ends with: one table of categories and exit statuses, the same for every verb,
// for `akin help exit-status` and for docs/cli.md.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::cli {

// Failures that only a command line meets. They travel as the codes of akin::Error, beside the
// library's own, and never leave this folder; the numbers are above all of gRPC's.
inline constexpr ErrorCode kInputUnreadable{1001};  // An input file cannot be opened or read.
inline constexpr ErrorCode kOutputNotCreated{1002};
inline constexpr ErrorCode kWriteFailed{1003};  // The disk is full, for example.
inline constexpr ErrorCode kClosedPipe{1004};   // Whoever read our output has gone.

inline constexpr int kSuccess = 0;
// Everything was done, and what was asked about is not so: akin bench is slower than it may be,
inline constexpr int kSlower = 1;
// or akin plan has found nothing that fits.
inline constexpr int kNothingFits = 1;
inline constexpr int kSignalBase = 128;  // A signal ends the process: 128 + its number.

struct ExitRow {
  ErrorCode code;
  std::string_view category;
  int status;
  std::string_view meaning;
};

std::span<const ExitRow> ExitTable();

// The category by its name, as JSON has it, and the exit status. Both know every code.
std::string_view CategoryName(ErrorCode code);
int ExitStatusOf(ErrorCode code);

// The table for people: the page of `akin help exit-status`.
std::string ExitStatusHelp();

}  // namespace akin::cli
