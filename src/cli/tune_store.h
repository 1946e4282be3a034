// What `akin tune` has found for a model on this machine, and where it is kept.
//
// One small file for each model folder, backend, precision and instruction set, beside the model
// cache. It counts only as long as everything that it was measured with is the same; a file that
// does not fit or is damaged is ignored, and that is said. It is written as a whole and renamed, so
// a reader never sees half of one, and of two writers the later one wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "cli/command.h"

namespace akin::cli {

// What was found.
struct Tuning {
  int threads = 0;
  int batch_tokens = 0;
  // Lengths to pad to, of a backend that pads: rising, or none.
  std::vector<int> shape_buckets;
  double texts_per_second = 0;          // With them,
  double default_texts_per_second = 0;  // and without.
  std::string date;                     // UTC.
};

// The file for these arguments, whether it is there or not; empty where there is no cache (HOME is
// not set). Error: ModelNotFound, InvalidInput.
Result<std::string> TuningFile(const ModelArguments& arguments);

// None: nothing was stored, or it does not fit; `why_not` then says so, else it is empty.
std::optional<Tuning> FindTuning(const ModelArguments& arguments, std::string& why_not);

// What StoreTuning would find wrong with the folder. Errors: InvalidInput, kOutputNotCreated.
Status CheckCanStore(const ModelArguments& arguments);
// Errors: kOutputNotCreated, kWriteFailed.
Status StoreTuning(const ModelArguments& arguments, const Tuning& tuning);

// The arguments with what was stored filled in where no option says otherwise; with
// AKIN_THREADS nothing is. A file that does not fit is said on standard error. `applied`, which may
// be null, gets what was filled in.
ModelArguments WithTuning(const ModelArguments& arguments, std::optional<Tuning>* applied);

// "2 threads, batches of 1,024 tokens, padded to 32, 64"; without the last part where there are
// none.
std::string Described(const Tuning& tuning);

}  // namespace akin::cli
