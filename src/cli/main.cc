#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/option_names.h"
#include "cli/signals.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

// The one place where a failure is said: one line on standard error, or one object on standard
// output for those who asked for JSON.
int Report(const Error& error, bool json) {
  const int status = ExitStatusOf(error.code());
  if (error.code() == kClosedPipe) return status;  // As with akin embed | head: nobody's fault.
  if (!json) {
    SayOnStderr(error.message());
    return status;
  }
  const JsonObject object =
      JsonObject().AddRaw("error", JsonObject()
                                       .Add("category", CategoryName(error.code()))
                                       .Add("message", error.message())
                                       .str());
  const Status written = WriteToStdout(object.str() + '\n');
  if (written) return status;
  if (written.error().code() == kClosedPipe) return ExitStatusOf(kClosedPipe);
  // Standard error is left: for the failure to write, and what it kept from being said.
  const std::string& why = written.error().message();
  SayOnStderr(error.message() == why ? why
                                     : StrCat(why, "; what was to be said: ", error.message()));
  return ExitStatusOf(written.error().code());
}

int Run(const std::vector<std::string>& arguments) {
  OccupyStandardDescriptors();
  InstallSignalHandlers();
  Application application = MakeApplication(arguments);
  const VerbResult result = RunApplication(application, arguments);
  return result ? *result : Report(WithOptionNames(result.error()), WantsJson(arguments));
}

}  // namespace
}  // namespace akin::cli

int main(int argc, char** argv) {
  using akin::Error;
  using akin::ErrorCode;
  bool json = false;
  try {
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    json = akin::cli::WantsJson(arguments);
    return akin::cli::Run(arguments);
  } catch (const std::bad_alloc&) {
    return akin::cli::Report(Error(ErrorCode::kInternal, "memory is used up"), json);
  } catch (const std::exception& error) {
    return akin::cli::Report(Error(ErrorCode::kInternal, error.what()), json);
  }
}
