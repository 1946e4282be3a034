// What an ONNX file's nodes must not be to one another: their own ancestors.
#pragma once

#include <string>

#include "akin/result.h"

#include "formats/onnx.h"

namespace akin::formats {

// No function calls itself, chains of calls are at most kMaxOnnxDepth long, and all calls written
// out are at most kMaxOnnxObjects nodes. Errors: InvalidModel, UnsupportedModel.
Status CheckFunctions(const OnnxModel& model, const std::string& file);

// In every graph: no value is made twice, no node needs what follows from it, and what an output
// names exists. Error: InvalidModel.
Status CheckOrder(const OnnxModel& model, const std::string& file);

}  // namespace akin::formats
