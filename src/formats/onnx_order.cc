#include "formats/onnx_order.h"

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace akin::formats {
namespace {

template <typename Visit>
void ForEachSubgraph(const OnnxNode& node, Visit visit) {
  for (const OnnxAttribute& attribute : node.attributes) {
    for (const auto& graph : attribute.graphs) visit(*graph);
  }
}

// Counts the nodes of functions with all calls written out.
class FunctionCounter {
 public:
  FunctionCounter(const OnnxModel& model, const std::string& file) : file_(file) {
    for (const OnnxFunction& function : model.functions)
      functions_.emplace(std::pair(function.domain, function.name), &function);
  }

  Result<size_t> Count(std::span<const OnnxNode> nodes, int depth) {
    size_t total = 0;
    for (const OnnxNode& node : nodes) {
      AKIN_TRY_ASSIGN(size_t count, CountCall(node, depth));
      Status status;
      ForEachSubgraph(node, [&](const OnnxGraph& graph) {
        if (!status) return;
        const Result<size_t> inner = Count(graph.nodes, depth);
        if (inner) {
          count += *inner;
        } else {
          status = inner.error();
        }
      });
      AKIN_TRY(std::move(status));
      total += count;
      if (total > kMaxOnnxObjects) {
        return UnsupportedModel(file_, ": its functions written out are more than ",
                                kMaxOnnxObjects, " nodes");
      }
    }
    return total;
  }

 private:
  Result<size_t> CountCall(const OnnxNode& node, int depth) {
    const auto found = functions_.find(std::pair(node.domain, node.op_type));
    if (found == functions_.end()) return size_t{1};
    // A function that calls itself is the longest chain of all.
    if (depth >= kMaxOnnxDepth) {
      return UnsupportedModel(file_, ": function '", node.op_type, "' is called through more than ",
                              kMaxOnnxDepth, " others");
    }
    // Counted anew for each depth it is called at, at most kMaxOnnxDepth times: a count says
    // nothing about how deep the calls below go.
    size_t& known = counts_[std::pair(found->second, depth)];
    if (known == 0) {
      AKIN_TRY_ASSIGN(const size_t count, Count(found->second->nodes, depth + 1));
      known = count + 1;
    }
    return known;
  }

  const std::string& file_;
  std::map<std::pair<std::string_view, std::string_view>, const OnnxFunction*> functions_;
  std::map<std::pair<const OnnxFunction*, int>, size_t> counts_;
};

// One graph's nodes as a dependency count each (Kahn's algorithm). What a node's subgraphs read
// from outside counts as its own input.
class GraphOrder {
 public:
  GraphOrder(const OnnxGraph& graph, const std::string& file) : graph_(graph), file_(file) {}

  Status Check() {
    AKIN_TRY(FindMakers());
    std::vector<std::vector<uint32_t>> users(graph_.nodes.size());
    std::vector<uint32_t> missing(graph_.nodes.size(), 0), ready;
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) {
      ForEachRead(graph_.nodes[n], [&](std::string_view name) {
        const auto maker = makers_.find(name);
        if (maker == makers_.end()) return;  // An input, an initializer, or the graph's around it.
        users[maker->second].push_back(n);
        ++missing[n];
      });
      if (missing[n] == 0) ready.push_back(n);
    }
    size_t done = 0;
    for (; !ready.empty(); ++done) {
      const uint32_t node = ready.back();
      ready.pop_back();
      for (const uint32_t user : users[node]) {
        if (--missing[user] == 0) ready.push_back(user);
      }
    }
    if (done == graph_.nodes.size()) return {};
    const auto stuck = std::ranges::find_if(missing, [](uint32_t count) { return count > 0; });
    const OnnxNode& node = graph_.nodes[static_cast<size_t>(stuck - missing.begin())];
    return InvalidModel(file_, ": node '", node.name, "' (", node.op_type,
                        ") needs its own result: the graph has a cycle");
  }

 private:
  Status FindMakers() {
    for (uint32_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const std::string_view output : graph_.nodes[n].outputs) {
        if (!output.empty() && !makers_.emplace(output, n).second)
          return InvalidModel(file_, ": two nodes make the value '", output, "'");
      }
    }
    return {};
  }

  // What a node reads, its subgraphs included: of these not what they define themselves.
  template <typename Visit>
  static void ForEachRead(const OnnxNode& node, const Visit& visit) {
    for (const std::string_view input : node.inputs) visit(input);
    ForEachSubgraph(node, [&](const OnnxGraph& graph) {
      std::unordered_set<std::string_view> own;
      for (const OnnxValueInfo& input : graph.inputs) own.insert(input.name);
      for (const OnnxTensor& tensor : graph.initializers) own.insert(tensor.name);
      for (const OnnxNode& inner : graph.nodes)
        own.insert(inner.outputs.begin(), inner.outputs.end());
      const auto visit_outer = [&](std::string_view name) {
        if (!own.contains(name)) visit(name);
      };
      for (const OnnxNode& inner : graph.nodes)
        ForEachRead(inner, std::function<void(std::string_view)>(visit_outer));
    });
  }

  const OnnxGraph& graph_;
  const std::string& file_;
  std::unordered_map<std::string_view, uint32_t> makers_;
};

Status CheckGraph(const OnnxGraph& graph, const std::string& file) {
  AKIN_TRY(GraphOrder(graph, file).Check());
  for (const OnnxNode& node : graph.nodes) {
    Status status;
    ForEachSubgraph(node, [&](const OnnxGraph& inner) {
      if (status) status = CheckGraph(inner, file);
    });
    AKIN_TRY(std::move(status));
  }
  return {};
}

}  // namespace

Status CheckFunctions(const OnnxModel& model, const std::string& file) {
  FunctionCounter counter(model, file);
  AKIN_TRY(counter.Count(model.graph.nodes, 0));
  // Those that nobody calls too: other readers look at all.
  for (const OnnxFunction& function : model.functions) AKIN_TRY(counter.Count(function.nodes, 1));
  return {};
}

Status CheckOrder(const OnnxModel& model, const std::string& file) {
  AKIN_TRY(CheckGraph(model.graph, file));
  for (const OnnxFunction& function : model.functions) {
    // A function's body is a graph without initializers.
    for (const OnnxNode& node : function.nodes) {
      Status status;
      ForEachSubgraph(node, [&](const OnnxGraph& inner) {
        if (status) status = CheckGraph(inner, file);
      });
      AKIN_TRY(std::move(status));
    }
  }
  return {};
}

}  // namespace akin::formats
