#include "cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <utility>

#include "cli/exit_status.h"
#include "cli/signals.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

bool IsStdout(const std::string& path) {
  return path.empty() || path == "-" || path == "/dev/stdout" || path == "/dev/fd/1";
}

Error NotCreated(const std::string& path, int error) {
  return MakeError(kOutputNotCreated, path, ": cannot be created: ", strerror(error));
}

bool IsStandard(const FileInUse& file) { return file.path.empty() || file.path == "-"; }

bool FindFile(const FileInUse& file, struct stat& info) {
  return (IsStandard(file) ? fstat(file.standard_fd, &info) : stat(file.path.c_str(), &info)) == 0;
}

bool SameInode(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// "folder" and "name" of "folder/name", "." and "name" of "name".
std::pair<std::string, std::string> FolderAndName(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == path.npos) return {".", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

bool AreOneFile(const FileInUse& one, const FileInUse& other) {
  struct stat a, b;
  const bool one_is_there = FindFile(one, a);
  const bool other_is_there = FindFile(other, b);
  if (one_is_there != other_is_there) return false;
  if (one_is_there) return S_ISREG(a.st_mode) && SameInode(a, b);
  const auto [one_folder, one_name] = FolderAndName(one.path);
  const auto [other_folder, other_name] = FolderAndName(other.path);
  return one_name == other_name && stat(one_folder.c_str(), &a) == 0 &&
         stat(other_folder.c_str(), &b) == 0 && SameInode(a, b);
}

std::string NameOf(const FileInUse& file) {
  if (!IsStandard(file)) return StrCat(file.option, " ", file.path);
  return file.standard_fd == STDIN_FILENO ? "standard input" : "standard output";
}

// The file that a link points to, so that writing through a link keeps the link.
std::string ResolveLinks(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) == nullptr ? path : resolved;
}

// "folder/.vectors.npy.akin-1f9c03b2.tmp" for "folder/vectors.npy".
std::string TemporaryNameFor(const std::string& target) {
  const size_t slash = target.find_last_of('/');
  const size_t base = slash == target.npos ? 0 : slash + 1;
  char random[16];
  snprintf(random, sizeof random, "%08x", static_cast<unsigned>(std::random_device()()));
  return StrCat(target.substr(0, base), '.', target.substr(base), ".akin-", random, ".tmp");
}

}  // namespace

Status CheckDistinct(const FileInUse& one, const FileInUse& other) {
  if (!AreOneFile(one, other)) return {};
  return InvalidInput(NameOf(one), " and ", NameOf(other),
                      " are the same file, and one would destroy the other: expected two files");
}

OutputFile::OutputFile(FileDescriptor file, int fd, std::string name)
    : file_(std::move(file)), fd_(fd), name_(std::move(name)), start_(lseek(fd, 0, SEEK_CUR)) {
  // With O_APPEND every write goes to the end, whatever the position.
  if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) start_ = -1;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : file_(std::move(other.file_)),
      fd_(other.fd_),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, {})),
      target_(std::move(other.target_)),
      start_(other.start_) {}

OutputFile::~OutputFile() {
  if (temporary_.empty()) return;
  unlink(temporary_.c_str());
  RemoveOnSignal("");
}

Result<OutputFile> OutputFile::Create(const std::string& path) {
  if (IsStdout(path)) return OutputFile({}, STDOUT_FILENO, "standard output");
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return CreateDirect(path);
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return CreateBeside(ResolveLinks(path), path);
  if (S_ISDIR(info.st_mode)) return NotCreated(path, EISDIR);
  if (!S_ISREG(info.st_mode)) return CreateDirect(path);
  if (access(path.c_str(), W_OK) != 0) return NotCreated(path, errno);
  return CreateBeside(ResolveLinks(path), path);
}

Status OutputFile::Check(const std::string& path) {
  struct stat info;
  const bool there = stat(path.c_str(), &info) == 0;
  if (IsStdout(path) || (there && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))) return {};
  AKIN_TRY(Create(path));  // And removed again.
  return {};
}

Result<OutputFile> OutputFile::CreateDirect(const std::string& path) {
  FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) return NotCreated(path, errno);
  const int fd = file.get();
  return OutputFile(std::move(file), fd, path);
}

Result<OutputFile> OutputFile::CreateBeside(const std::string& target, const std::string& name) {
  const std::string temporary = TemporaryNameFor(target);
  RemoveOnSignal(temporary);  // Before it exists, so that no signal comes in between.
  FileDescriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open()) {
    const int error = errno;
    RemoveOnSignal("");
    return NotCreated(name, error);
  }
  struct stat replaced;
  if (stat(target.c_str(), &replaced) == 0) {
    // A file that is replaced keeps its permissions; where that is not allowed, it gets the usual.
    if (fchmod(file.get(), replaced.st_mode & 07777) != 0) errno = 0;
  }
  const int fd = file.get();
  OutputFile out(std::move(file), fd, name);
  out.temporary_ = temporary;
  out.target_ = target;
  return out;
}

Error OutputFile::Failed() const {
  return MakeError(kWriteFailed, name_, ": writing failed: ", strerror(errno));
}

Status OutputFile::Write(std::string_view bytes) { return WriteAll(fd_, name_, bytes); }

Status OutputFile::Overwrite(int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), start_ + offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed();
    offset += count;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

Status OutputFile::Commit() {
  // Pipes and terminals have no disk to wait for and say so by EINVAL or ENOTSUP.
  if (fsync(fd_) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP) return Failed();
  if (file_.is_open() && close(file_.release()) != 0) return Failed();
  if (temporary_.empty()) return {};
  if (rename(temporary_.c_str(), target_.c_str()) != 0) return NotCreated(name_, errno);
  temporary_.clear();
  RemoveOnSignal("");
  return {};
}

}  // namespace akin::cli
