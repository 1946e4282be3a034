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

struct KernelCase {
  std::string name;         // "linear/ffn_up/m:14"
  double operations = 0;    // Floating-point operations of a run; 0: it moves data rather.
  bool is_product = false;  // A matrix product: each precision has its own.
  std::function<std::unique_ptr<KernelWork>(const kernels::Kernels&)> make;
};

std::vector<KernelCase> KernelCases();

}  // namespace akin::bench
