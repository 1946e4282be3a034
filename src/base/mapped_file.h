#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "akin/result.h"

namespace akin {

// A file descriptor, closed at the end.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A regular file mapped read-only into memory, as long as this object lives.
class MappedFile {
 public:
  MappedFile() = default;
  // `file` is a regular file; `name` stands for it in messages. An empty file maps to no bytes.
  static Result<MappedFile> Map(const UniqueFd& file, std::string_view name);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// Lets the system drop the whole pages inside `bytes`, a part of a mapped file: reading them again
// costs a page fault.
void DropMappedPages(std::span<const std::byte> bytes);

}  // namespace akin
