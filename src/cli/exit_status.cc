#include "cli/exit_status.h"

#include <algorithm>

#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr ExitRow kTable[] = {
    {ErrorCode::kInvalidInput, "InvalidInput", 2, "an option, a text or a line of input is wrong"},
    {ErrorCode::kModelNotFound, "ModelNotFound", 3,
     "the model, or a file it needs, is not there or cannot be read"},
    {ErrorCode::kInvalidModel, "InvalidModel", 4,
     "the model's files are broken or contradict each other"},
    {ErrorCode::kUnsupportedModel, "UnsupportedModel", 5,
     "the model is well-formed, but uses what is not implemented"},
    {ErrorCode::kOverloaded, "Overloaded", 6, "a queue is full; trying again later can succeed"},
    {ErrorCode::kServiceUnavailable, "ServiceUnavailable", 6,
     "loading, draining or gone; trying again later can succeed"},
    {ErrorCode::kDeadlineExceeded, "DeadlineExceeded", 7, "the time given has passed"},
    {ErrorCode::kCancelled, "Cancelled", 7, "the work was given up"},
    {kInputUnreadable, "InputUnreadable", 66, "the input cannot be opened or read"},
    {ErrorCode::kInternal, "Internal", 70,
     "a fault of Akin, damaged weights (NaN, infinity), or memory is used up"},
    {kOutputNotCreated, "OutputNotCreated", 73, "the output cannot be created"},
    {kWriteFailed, "WriteFailed", 74, "writing failed: the disk is full, for example"},
    {kClosedPipe, "ClosedPipe", 141, "whoever read the output has closed the pipe"},
};

const ExitRow& RowOf(ErrorCode code) {
  const auto row = std::ranges::find(kTable, code, &ExitRow::code);
  if (row != std::end(kTable)) return *row;
  return *std::ranges::find(kTable, ErrorCode::kInternal, &ExitRow::code);
}

void AppendRow(std::string& out, int status, std::string_view category, std::string_view meaning) {
  std::string number = StrCat(status);
  out += StrCat("  ", std::string(3 - number.size(), ' '), number, "  ", category,
                std::string(20 - category.size(), ' '), meaning, '\n');
}

}  // namespace

std::span<const ExitRow> ExitTable() { return kTable; }
std::string_view CategoryName(ErrorCode code) { return RowOf(code).category; }
int ExitStatusOf(ErrorCode code) { return RowOf(code).status; }

std::string ExitStatusHelp() {
  std::string out = "Exit statuses, the same for every command:\n";
  AppendRow(out, kSuccess, "", "everything asked for was done");
  AppendRow(out, kSlower, "", "akin bench: a figure is slower than --fail-below allows");
  AppendRow(out, kNothingFits, "", "akin plan: nothing fits into the memory");
  for (const ExitRow& row : kTable) {
    if (row.status < kSignalBase) AppendRow(out, row.status, row.category, row.meaning);
  }
  AppendRow(out, kSignalBase + 1, "", "ended by SIGHUP; unfinished output was removed");
  AppendRow(out, kSignalBase + 2, "", "ended by SIGINT (Ctrl-C); unfinished output was removed");
  const ExitRow& closed_pipe = RowOf(kClosedPipe);
  AppendRow(out, closed_pipe.status, closed_pipe.category, closed_pipe.meaning);
  AppendRow(out, kSignalBase + 15, "", "ended by SIGTERM; unfinished output was removed");
  return out;
}

}  // namespace akin::cli
