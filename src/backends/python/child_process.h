// A child process that leaves nothing behind: it and all that it starts form one process group,
// which ends with its owner, whichever way that goes.
//
//   we --socket pair--> child        requests and answers, and nothing else
//   child --pipe--> we               what it and its libraries print
//   we --pipe--> keeper              a shell that waits for the pipe's end
//
// The keeper is the group's leader. When we are gone, also by kill -9, the kernel closes the pipe
// and the keeper kills its group. When the child is to end, we kill the group ourselves; as long as
// the keeper has not been waited for, the group's number belongs to nobody else.
//
// Not PR_SET_PDEATHSIG: it reaches the child only, not its children, and it fires when the thread
// that forked ends, not the process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin::backends::python {

// The number of the socket in the child; also in its environment as AKIN_BRIDGE_FD.
inline constexpr int kChildSocket = 3;

class ChildProcess {
 public:
  // Runs argv[0], which is looked up in PATH. Standard input is empty; the environment is ours.
  // Errors: InvalidInput (the program cannot be run, which is said with `what`), Internal (no
  // descriptors or processes to be had).
  static Result<ChildProcess> Start(const std::vector<std::string>& argv, std::string_view what);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Kills the group and waits for both processes.
  ~ChildProcess();

  int socket() const { return socket_.get(); }  // Non-blocking.
  int output() const { return output_.get(); }  // Standard output and error; non-blocking.
  // A number for Kill, which another thread may use as long as this object lives.
  pid_t group() const { return keeper_; }
  // The number of the child itself.
  pid_t pid() const { return child_; }

  // Whether the child has ended by itself or by a signal; does not wait.
  bool HasEnded();
  // How it has: "exit status 1", "signal 9 (Killed)".
  std::string HowEnded() const;
  // Kills the group and waits for it. From here on nobody may use group().
  void End();

 private:
  ChildProcess() = default;

  UniqueFd socket_, output_, life_;
  pid_t keeper_ = -1, child_ = -1;
  int status_ = 0;
  bool reaped_ = false;
};

}  // namespace akin::backends::python
