// What must be tidied up when a signal ends the process: one unfinished output file and one
// progress line.
#pragma once

#include <string>

namespace akin::cli {

// SIGINT, SIGTERM and SIGHUP remove the unfinished file and then end the process the default way,
// so that a shell sees 128 + the signal's number and a loop in a script stops. Signals that were
// ignored at start (nohup) stay ignored. SIGPIPE is ignored: writing to a closed pipe is an error
// like others.
void InstallSignalHandlers();

// Puts /dev/null where standard input, output or error is closed, so that no file that is opened
// later becomes one of them. First thing in main; with glibc done before that.
void OccupyStandardDescriptors();

// `path` is removed if a signal ends the process from now on; the empty path takes that back.
// Paths of PATH_MAX and longer, which no file can have, are not kept.
void RemoveOnSignal(const std::string& path);

// A progress line stands on the terminal and is erased if a signal ends the process.
void EraseLineOnSignal(bool erase);

}  // namespace akin::cli
