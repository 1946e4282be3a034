#include "cli/type_arguments.h"

#include <unistd.h>

#include "cli/command.h"
#include "cli/input_arguments.h"
#include "cli/option_value.h"
#include "cli/output_file.h"
#include "cli/small_file.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr size_t kMaxRangesBytes = size_t{16} << 20;
constexpr std::string_view kModelRanges = "quantization_ranges.json";

bool NeedsRanges(OutputType type) {
  return type == OutputType::kInt8 || type == OutputType::kUint8;
}

}  // namespace

void TypeArguments::AddTo(CLI::App& verb) {
  verb.add_option("--output-type", type,
                  "What the values are written as; int8 and uint8 need --ranges")
      ->type_name(Choices(OutputTypeNames()));
  verb.add_option("--ranges", ranges,
                  "Ranges of the values for int8 and uint8 (default: the model folder's "
                  "quantization_ranges.json)")
      ->type_name("FILE");
  verb.add_option("--write-ranges", write_ranges,
                  "Measure the ranges on these texts and write them")
      ->type_name("FILE");
}

void TypeArguments::AddFloatsTo(CLI::App& verb) {
  verb.add_option("--output-type", type, "What the values are written as")
      ->type_name(Choices({std::string(OutputTypeName(OutputType::kFloat32)),
                           std::string(OutputTypeName(OutputType::kFloat16))}));
}

Status TypeArguments::Check() const {
  AKIN_TRY_ASSIGN(const OutputType parsed, ValueOf("--output-type", ParseOutputType(type)));
  if (!NeedsRanges(parsed) && !ranges.empty())
    return InvalidInput("--ranges is for --output-type int8 and uint8");
  return {};
}

Result<OutputType> TypeArguments::ToFloatType(std::string_view verb,
                                              std::string_view numbers) const {
  AKIN_TRY_ASSIGN(const OutputType parsed, ValueOf("--output-type", ParseOutputType(type)));
  if (parsed == OutputType::kFloat32 || parsed == OutputType::kFloat16) return parsed;
  return InvalidInput("akin ", verb, ": --output-type ", OutputTypeName(parsed),
                      " is for vectors; ", numbers, " are written as float32 or float16");
}

Result<ValueType> TypeArguments::ToValueType(const ModelInfo& info, Output output) const {
  AKIN_TRY(Check());
  ValueType value;
  AKIN_TRY_ASSIGN(value.type, ValueOf("--output-type", ParseOutputType(type)));
  if (!NeedsRanges(value.type)) return value;
  std::string path = ranges;
  if (path.empty()) {
    path = StrCat(info.path, "/", kModelRanges);
    if (info.outputs.front() != output || access(path.c_str(), R_OK) != 0) {
      return InvalidInput("--output-type ", OutputTypeName(value.type),
                          " needs the ranges of the values: --ranges FILE, or ", kModelRanges,
                          " in the model folder; --write-ranges FILE measures them on texts like "
                          "yours");
    }
  }
  AKIN_TRY_ASSIGN(const std::string json, ReadSmallFile(path, kMaxRangesBytes));
  AKIN_TRY_ASSIGN(value.ranges, QuantizationRanges::FromJson(json, path));
  return value;
}

Status TypeArguments::CheckWriteRanges(const InputArguments& input,
                                       const std::string& output) const {
  if (write_ranges.empty()) return {};
  AKIN_TRY(input.CheckOutput("--write-ranges", write_ranges));
  AKIN_TRY(CheckDistinct({"--output", output, STDOUT_FILENO},
                         {"--write-ranges", write_ranges, STDOUT_FILENO}));
  return OutputFile::Check(write_ranges);
}

Status TypeArguments::WriteRanges(const QuantizationRanges& measured) const {
  if (write_ranges.empty()) return {};
  if (measured.min.empty()) return InvalidInput("--write-ranges: there were no texts to measure");
  AKIN_TRY_ASSIGN(OutputFile file, OutputFile::Create(write_ranges));
  AKIN_TRY(file.Write(measured.ToJson()));
  return file.Commit();
}

}  // namespace akin::cli
