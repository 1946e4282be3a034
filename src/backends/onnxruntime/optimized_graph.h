// A cache of graphs as ONNX Runtime has rewritten them, so that the next load need not rewrite.
//
// A graph is kept under a name made of what it depends on: the file's bytes, the library's version,
// the level, and the machine's CPU, for which some rewrites are made. Only for the CPU: other
// providers compile for themselves.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "akin/onnxruntime.h"
#include "akin/result.h"

#include "backends/onnxruntime/library.h"
#include "base/mapped_file.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

struct GraphUse {
  bool only_cpu = true;  // No other provider runs it.
  // By us, before ONNX Runtime saw it; empty: it is the file's.
  std::span<const std::byte> rewritten;
};

class OptimizedGraph {
 public:
  // Without a cache folder in the options, nothing is found and nothing is to write. Error:
  // InvalidInput (the folder cannot be made).
  static Result<OptimizedGraph> Find(const Library& library, const model::OnnxFile& file,
                                     const OnnxRuntimeOptions& options, const GraphUse& use);

  bool found() const { return found_.has_value(); }
  // ONNX Runtime does not take what was found: it is to be written anew.
  void Forget();
  std::span<const std::byte> bytes() const;
  // Where ONNX Runtime shall write the graph to; nullptr: nowhere.
  const char* to_write() const { return temporary_.empty() ? nullptr : temporary_.c_str(); }
  // The graph has been written: puts a checksum behind it and gives it its name.
  void Keep() const;
  // It has not.
  void Discard() const;

 private:
  void Open();

  std::optional<MappedFile> found_;
  std::string path_;
  std::string temporary_;
};

}  // namespace akin::backends::onnxruntime
