// The hot kernels on the shapes of a small BERT (384 wide, heads of 32, 1536 in the middle), with
// fixed inputs: what kernels_bench times and count_kernels counts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace akin::bench {

// A kernel with its inputs, outputs and packed weights.
class KernelWork {
 public:
  virtual ~KernelWork() = default;
  virtual void Run() = 0;
  // Runs once and compares with the scalar table of the same precision; empty when it agrees, else
  // says what differs.
  virtual std::string Check() = 0;
};

enum class KernelKind {
  kProduct,   // A matrix product: each precision has its own.
  kQuantize,  // Makes rows of integers for one: int16 and int8 have it.
  kOther,     // What every precision shares, but for attention in bf16.
};

struct KernelCase {
  std::string name;       // "linear/ffn_up/m:14"
  double operations = 0;  // Floating-point operations of a run; 0: it moves data rather.
  KernelKind kind = KernelKind::kOther;
  std::function<std::unique_ptr<KernelWork>(const kernels::Kernels&)> make;
};

std::vector<KernelCase> KernelCases();

// Whether the table runs the case in a form of its precision's own: not one that it does not have,
// nor one that f32 has, too.
bool HasOwnForm(const KernelCase& kernel_case, const kernels::Kernels& kernels);

// "int16/linear/ffn_up/m:14"
std::string NameIn(Precision precision, const KernelCase& kernel_case);

}  // namespace akin::bench
