// Shared libraries that others made, looked at before the loader gets them.
#pragma once

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin {

// Whether the file at `path` can be given to dlopen, which waits for ever on a pipe and ends the
// process by SIGBUS when a library is shorter than its own header says. `title` stands for it in
// messages. What it cannot tell, another machine's library for one, is the loader's to say. Error:
// InvalidInput (not there, not a regular file, no ELF file where the system's libraries are,
// truncated).
Status CheckSharedLibrary(const std::string& path, std::string_view title);

}  // namespace akin
