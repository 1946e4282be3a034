#include "model/tensor_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/regular_file.h"
#include "base/strings.h"
#include "model/model_directory.h"

namespace akin::model {

TensorFile::TensorFile(std::string name, UniqueFd fd, MappedFile mapped)
    : name_(std::move(name)),
      identity_(FileIdentity(fd)),
      fd_(std::move(fd)),
      mapped_(std::move(mapped)) {}

Result<std::unique_ptr<const TensorFile>> TensorFile::Open(const ModelDirectory& directory,
                                                           const std::string& file) {
  AKIN_TRY_ASSIGN(UniqueFd fd, directory.OpenFile(file));
  AKIN_TRY_ASSIGN(MappedFile mapped, MappedFile::Map(fd, file));
  return std::unique_ptr<const TensorFile>(new TensorFile(file, std::move(fd), std::move(mapped)));
}

void TensorFile::Read(const std::byte* from, std::span<std::byte> out) const {
  auto offset = static_cast<off_t>(from - bytes().data());
  while (!out.empty()) {
    const ssize_t count = pread(fd_.get(), out.data(), out.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    out = out.subspan(static_cast<size_t>(count));
    offset += count;
  }
  if (out.empty()) return;
  std::ranges::fill(out, std::byte{0xFF});
  damaged_.store(true, std::memory_order_relaxed);
}

Status TensorFiles::CheckIntact() const {
  for (const auto& file : files_) {
    if (file->is_damaged()) {
      return InvalidModel(file->name(),
                          ": became shorter or unreadable while it was in use; the model has to be "
                          "loaded again");
    }
  }
  return {};
}

size_t TensorFiles::bytes() const {
  size_t bytes = 0;
  for (const auto& file : files_) bytes += file->bytes().size();
  return bytes;
}

void TensorFiles::DropPages() const {
  for (const auto& file : files_) DropMappedPages(file->bytes());
}

std::string TensorFiles::identity() const {
  std::string all;
  for (const auto& file : files_) {
    if (file->identity().empty()) return {};
    all += StrCat(all.empty() ? "" : " ", file->identity());
  }
  return all;
}

}  // namespace akin::model
