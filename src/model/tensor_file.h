// A file of weights. Its header is read where it is mapped; its numbers are read by the system
// (pread) and not through the mapping, because a file that somebody cuts while it is mapped ends
// the process with SIGBUS, at the next load or the next rare word. A row of an embedding table
// costs some 0.4 us that way, which is why those that are asked for first are kept
// (encoder/word_rows.h).
//
// Only the transposed matrices of ONNX files are read through the mapping (WeightMaker), while they
// are packed: a panel is some columns of theirs, which would be a call for each row of each panel.
// Who cuts such a file while it is loaded ends the process.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin::model {

class ModelDirectory;

class TensorFile {
 public:
  // Errors: as ModelDirectory::OpenFile.
  static Result<std::unique_ptr<const TensorFile>> Open(const ModelDirectory& directory,
                                                        const std::string& file);

  const std::string& name() const { return name_; }
  // The mapped file, for its header.
  std::span<const std::byte> bytes() const { return mapped_.bytes(); }

  // Reads what stands at `from`, a place in bytes(). Where the file has become shorter or cannot be
  // read, `out` gets bytes of 0xFF, which are NaN in every type of float, and is_damaged() from
  // then on is true.
  void Read(const std::byte* from, std::span<std::byte> out) const;
  bool is_damaged() const { return damaged_.load(std::memory_order_relaxed); }

  // As FileIdentity.
  const std::string& identity() const { return identity_; }

 private:
  TensorFile(std::string name, UniqueFd fd, MappedFile mapped);

  std::string name_, identity_;
  UniqueFd fd_;
  MappedFile mapped_;
  mutable std::atomic<bool> damaged_{false};
};

// The files of one model.
class TensorFiles {
 public:
  void Add(std::shared_ptr<const TensorFile> file) { files_.push_back(std::move(file)); }

  // Whether all that was ever read was there. Error: InvalidModel.
  Status CheckIntact() const;
  // The identities of all files; empty if one of them is not known.
  std::string identity() const;
  size_t bytes() const;  // Of all of them together.
  // Lets the system drop what has been read through the mappings.
  void DropPages() const;

 private:
  std::vector<std::shared_ptr<const TensorFile>> files_;
};

}  // namespace akin::model
