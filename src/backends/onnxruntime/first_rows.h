// A graph that can compute the end of the network for the first tokens only.
//
// A model that pools by [CLS] reads one row of each sequence, but its graph computes the last layer
// for all of them: of a layer only keys and values are needed of the others, a sixth of its
// products. So rows are cut off as early in the graph as that changes nothing:
//
//   hidden --+-- query --> attention --> output --> + --> norm --> feed-forward -->
//   last_hidden_state
//            +-- key, value ---^                    |
//            +--------------------------------------+
//
//   hidden --Slice--+-- query --> attention --> ...      [batch, num_rows, width] from here on
//            |      +-----------------------------
//            +-- key, value ---^
//
// How many rows is an input of the graph, so that one session gives all rows to who wants them and
// the first ones to who does not. Only operators are passed that compute each row by itself, by the
// definition of ONNX; at all others the cut stays behind them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

// The additional input, int64 [1]: how many rows of each sequence are computed, from the first on;
// kAllRows: every one.
inline constexpr char kNumRowsInput[] = "akin.num_rows";
inline constexpr int64_t kAllRows = INT64_MAX;

struct FirstRowsPlan {
  struct Slice {
    std::string from, to;  // Tensors.
    size_t axis = 0;       // From the front.
    size_t before = 0;     // The first node that reads it.
  };
  std::vector<bool> needed;                         // By node: the output depends on it.
  std::set<std::string, std::less<>> initializers;  // Those that are needed.
  std::vector<Slice> slices;
  // (Node, place among its inputs) -> the tensor that is read instead.
  std::map<std::pair<size_t, size_t>, std::string> inputs;
  // Additional initializers, int64 [n]: shapes that leave the number of rows open.
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
};

// Nothing where it would spare no product, or where the graph has what is not understood. `output`
// is [batch, length, width].
std::optional<FirstRowsPlan> PlanFirstRows(const model::OnnxFile& file, std::string_view output);

}  // namespace akin::backends::onnxruntime
