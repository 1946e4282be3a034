// Parts of `akin bench` that stand apart.
#pragma once

#include "akin/embedder.h"
#include "akin/result.h"

namespace akin::cli {

// Speaks the protocol of a peer of the benchmark harness on standard input and output, one JSON
// object a line, until {"op":"quit"} or the end of the input:
//
//   ready       -> {"ready":true,"load_s":0.01,"version":"akin 0.1.0 ..."}, said first
//   latency     file max_len pad_to warmup calls        -> {"ns":[one number a call]}
//   throughput  file max_len warmup runs limit          -> {"seconds":[one number a run]}
//   embed       file max_len out                        -> {"rows":n,"dim":d}, raw f32 in `out`
//
// A failed request is answered by {"error":"..."}, one that cannot be done by
// {"unsupported":"..."}. `pad_to` is answered without padding: vectors do not depend on it, and
// Akin has none.
Status ServePeer(const Embedder& embedder, double load_seconds);

}  // namespace akin::cli
