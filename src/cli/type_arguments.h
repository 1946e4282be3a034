// What the numbers of an answer are written as: --output-type --ranges --write-ranges.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/quantize.h"
#include "akin/result.h"

namespace akin::cli {

struct InputArguments;

// A type, and the ranges that it needs.
struct ValueType {
  OutputType type = OutputType::kFloat32;
  QuantizationRanges ranges;  // For int8 and uint8.
};

struct TypeArguments {
  std::string type = "float32";
  std::string ranges;
  std::string write_ranges;

  // For vectors, which may leave in any type.
  void AddTo(CLI::App& verb);
  // For numbers that are no vectors: the floating-point types. The others are refused.
  void AddFloatsTo(CLI::App& verb);

  // What can be wrong without a model. Error: InvalidInput.
  Status Check() const;
  // Error: InvalidInput for a type of whole numbers or bits; `verb` and `numbers` ("scores") stand
  // in it.
  Result<OutputType> ToFloatType(std::string_view verb, std::string_view numbers) const;
  // With the ranges of --ranges, or those in the model's folder, which are of the vectors that the
  // model was made for. Errors: InvalidInput, kInputUnreadable.
  Result<ValueType> ToValueType(const ModelInfo& info, Output output) const;
  // What would fail after all the work: that the file of --write-ranges can be created and is
  // neither `input` nor `output`, the file of --output. Errors: InvalidInput, kOutputNotCreated.
  Status CheckWriteRanges(const InputArguments& input, const std::string& output) const;
  // Does nothing unless --write-ranges was given. Errors: InvalidInput (nothing was measured),
  // those of OutputFile.
  Status WriteRanges(const QuantizationRanges& measured) const;
  bool measures() const { return !write_ranges.empty(); }
};

}  // namespace akin::cli
