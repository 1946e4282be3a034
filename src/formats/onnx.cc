#include "formats/onnx.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "formats/onnx_order.h"
#include "formats/onnx_types.h"
#include "formats/protobuf.h"

namespace akin::formats {
namespace {

constexpr size_t kMaxRank = 16;
constexpr size_t kMaxNameBytes = 1024;
// A protobuf message's sizes are signed 32-bit numbers for every reader.
constexpr size_t kMaxFileBytes = (size_t{1} << 31) - 1;

// Reads one file. Depth is bounded by kMaxOnnxDepth, memory by kMaxOnnxObjects and the file's size.
class Parser {
 public:
  explicit Parser(const std::string& file) : file_(file) {}

  Status Model(std::span<const std::byte> bytes, OnnxModel& model) {
    bool has_graph = false;
    AKIN_TRY(Fields(bytes, "the model", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kVarint)) {
        model.ir_version = field.as_int();
      } else if (field.Is(2, WireType::kBytes)) {
        model.producer_name = field.as_string();
      } else if (field.Is(7, WireType::kBytes)) {
        // Readers would join two graphs, each in its own way.
        if (std::exchange(has_graph, true)) return Damaged("has two graphs");
        return Graph(field.bytes, 1, model.graph);
      } else if (field.Is(8, WireType::kBytes)) {
        return Opset(field.bytes, Append(model.opsets));
      } else if (field.Is(25, WireType::kBytes)) {
        return Function(field.bytes, Append(model.functions));
      }
      return {};
    }));
    if (!has_graph) return Damaged("has no graph; it is no ONNX model");
    return {};
  }

 private:
  template <typename Body>
  Status Fields(std::span<const std::byte> bytes, std::string_view what, Body body) {
    ProtobufReader reader(bytes);
    while (const std::optional<ProtobufField> field = reader.Next()) AKIN_TRY(body(*field));
    if (reader.problem() != nullptr) {
      return InvalidModel(file_, ": ", what, " holds ", reader.problem(),
                          "; the file is damaged or no ONNX model");
    }
    return {};
  }

  template <typename... Pieces>
  Error Damaged(const Pieces&... pieces) const {
    return InvalidModel(file_, ": ", pieces...);
  }

  template <typename T>
  T& Append(std::vector<T>& list) {
    ++num_objects_;
    return list.emplace_back();
  }
  Status CheckNumObjects() const {
    if (num_objects_ <= kMaxOnnxObjects) return {};
    return UnsupportedModel(file_, ": has more than ", kMaxOnnxObjects,
                            " nodes, names and tensors, more than are read");
  }
  Status Name(const ProtobufField& field, std::string_view& name) {
    ++num_objects_;
    AKIN_TRY(CheckNumObjects());
    name = field.as_string();
    if (name.size() > kMaxNameBytes) {
      return Damaged("a name has ", name.size(), " bytes, at most ", kMaxNameBytes, " are allowed");
    }
    if (name.find('\0') != name.npos) return Damaged("a name holds a NUL character");
    return {};
  }
  Status Name(const ProtobufField& field, std::vector<std::string_view>& names) {
    return Name(field, names.emplace_back());
  }

  Status Opset(std::span<const std::byte> bytes, OnnxOpset& opset) {
    return Fields(bytes, "an opset", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kBytes)) return Name(field, opset.domain);
      if (field.Is(2, WireType::kVarint)) opset.version = field.as_int();
      return {};
    });
  }

  Status Graph(std::span<const std::byte> bytes, int depth, OnnxGraph& graph) {
    if (depth > kMaxOnnxDepth)
      return UnsupportedModel(file_, ": graphs are nested more than ", kMaxOnnxDepth, " deep");
    AKIN_TRY(Fields(bytes, "a graph", [&](const ProtobufField& field) -> Status {
      if (field.type != WireType::kBytes) return {};
      switch (field.number) {
        case 1: return Node(field.bytes, depth, Append(graph.nodes));
        case 2: return Name(field, graph.name);
        case 5: return Tensor(field.bytes, Append(graph.initializers));
        case 11: return ValueInfo(field.bytes, Append(graph.inputs));
        case 12: return ValueInfo(field.bytes, Append(graph.outputs));
        case 15: return UnsupportedModel(file_, ": has sparse_initializer, which is not supported");
        default: return {};
      }
    }));
    return CheckNumObjects();
  }

  Status Function(std::span<const std::byte> bytes, OnnxFunction& function) {
    return Fields(bytes, "a function", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kBytes)) return Name(field, function.name);
      if (field.Is(7, WireType::kBytes)) return Node(field.bytes, 1, Append(function.nodes));
      if (field.Is(10, WireType::kBytes)) return Name(field, function.domain);
      return {};
    });
  }

  Status Node(std::span<const std::byte> bytes, int depth, OnnxNode& node) {
    AKIN_TRY(CheckNumObjects());
    return Fields(bytes, "a node", [&](const ProtobufField& field) -> Status {
      if (field.type != WireType::kBytes) return {};
      switch (field.number) {
        case 1: return Name(field, node.inputs);
        case 2: return Name(field, node.outputs);
        case 3: return Name(field, node.name);
        case 4: return Name(field, node.op_type);
        case 5: return Attribute(field.bytes, depth, Append(node.attributes));
        case 7: return Name(field, node.domain);
        default: return {};
      }
    });
  }

  Status Attribute(std::span<const std::byte> bytes, int depth, OnnxAttribute& attribute) {
    return Fields(bytes, "an attribute", [&](const ProtobufField& field) -> Status {
      switch (field.number) {
        case 1: return field.type == WireType::kBytes ? Name(field, attribute.name) : Status();
        case 2:
          if (field.type == WireType::kFixed32)
            attribute.f = std::bit_cast<float>(static_cast<uint32_t>(field.value));
          return {};
        case 3:
          if (field.type == WireType::kVarint) attribute.i = field.as_int();
          return {};
        case 4:
          if (field.type == WireType::kBytes) attribute.s = field.as_string();
          return {};
        case 8: return Ints(field, attribute.ints, "an attribute");
        case 5:
        case 10:
          if (field.type != WireType::kBytes) return {};
          return Tensor(field.bytes, Append(attribute.tensors));
        case 6:
        case 11:
          if (field.type != WireType::kBytes) return {};
          Append(attribute.graphs) = std::make_unique<OnnxGraph>();
          return Graph(field.bytes, depth + 1, *attribute.graphs.back());
        case 22:
        case 23: return UnsupportedModel(file_, ": has a sparse tensor, which is not supported");
        default: return {};
      }
    });
  }

  // Repeated int64, packed or one by one.
  Status Ints(const ProtobufField& field, std::vector<int64_t>& ints, std::string_view what) {
    if (field.type == WireType::kVarint) {
      ++num_objects_;
      ints.push_back(field.as_int());
      return CheckNumObjects();
    }
    if (field.type != WireType::kBytes) return Damaged(what, " has numbers of another wire type");
    ProtobufReader reader(field.bytes);
    while (const std::optional<uint64_t> value = reader.NextVarint()) {
      ++num_objects_;
      AKIN_TRY(CheckNumObjects());
      ints.push_back(static_cast<int64_t>(*value));
    }
    if (reader.problem() != nullptr) return Damaged(what, " holds ", reader.problem());
    return {};
  }

  Status ValueInfo(std::span<const std::byte> bytes, OnnxValueInfo& value) {
    return Fields(bytes, "an input or output", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kBytes)) return Name(field, value.name);
      if (!field.Is(2, WireType::kBytes)) return {};
      return Fields(field.bytes, "a type", [&](const ProtobufField& type) -> Status {
        return type.Is(1, WireType::kBytes) ? TensorType(type.bytes, value) : Status();
      });
    });
  }

  Status TensorType(std::span<const std::byte> bytes, OnnxValueInfo& value) {
    return Fields(bytes, "a tensor's type", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kVarint)) value.type = static_cast<OnnxType>(field.value);
      if (!field.Is(2, WireType::kBytes)) return {};
      if (!value.dims) value.dims.emplace();
      return Fields(field.bytes, "a shape", [&](const ProtobufField& shape) -> Status {
        if (!shape.Is(1, WireType::kBytes)) return {};
        if (value.dims->size() >= kMaxRank)
          return Damaged("'", value.name, "' has more than ", kMaxRank, " dimensions");
        return Dim(shape.bytes, Append(*value.dims));
      });
    });
  }

  Status Dim(std::span<const std::byte> bytes, OnnxDim& dim) {
    return Fields(bytes, "a dimension", [&](const ProtobufField& field) -> Status {
      // Old exporters write -1 or 0 for an axis that may vary.
      if (field.Is(1, WireType::kVarint)) dim.size = field.as_int() > 0 ? field.as_int() : -1;
      if (field.Is(2, WireType::kBytes)) return Name(field, dim.symbol);
      return {};
    });
  }

  // A tensor's values as they are stored: at most one of the ways.
  struct StoredValues {
    std::optional<std::span<const std::byte>> raw;
    std::vector<ProtobufField> typed;  // float_data, int32_data and so on.
    bool strings = false;
    bool external = false;
    OnnxExternalData external_data;
    bool has_location = false;
  };

  Status Tensor(std::span<const std::byte> bytes, OnnxTensor& tensor) {
    AKIN_TRY(CheckNumObjects());
    StoredValues stored;
    AKIN_TRY(Fields(bytes, "a tensor", [&](const ProtobufField& field) -> Status {
      switch (field.number) {
        case 1: return Ints(field, tensor.dims, "a tensor's dims");
        case 2:
          if (field.type == WireType::kVarint)
            tensor.type = static_cast<OnnxType>(static_cast<int32_t>(field.value));
          return {};
        case 3:
          return UnsupportedModel(file_, ": has a tensor in segments, which is not supported");
        case 4:
        case 5:
        case 7:
        case 10:
        case 11:
          ++num_objects_;
          stored.typed.push_back(field);
          return CheckNumObjects();
        case 6: stored.strings = true; return {};
        case 8: return field.type == WireType::kBytes ? Name(field, tensor.name) : Status();
        case 9:
          if (field.type == WireType::kBytes) stored.raw = field.bytes;
          return {};
        case 13:
          return field.type == WireType::kBytes ? ExternalEntry(field.bytes, tensor, stored)
                                                : Status();
        case 14:
          if (field.type == WireType::kVarint) stored.external = field.value == 1;
          return {};
        default: return {};
      }
    }));
    AKIN_TRY(CheckDims(tensor));
    for (const ProtobufField& field : stored.typed) AKIN_TRY(CheckPacked(field, tensor));
    return PlaceValues(stored, tensor);
  }

  // Whole elements, also where the tensor has no use for them.
  Status CheckPacked(const ProtobufField& field, const OnnxTensor& tensor) {
    if (field.type != WireType::kBytes) return {};
    const size_t size = field.number == 4 ? 4 : field.number == 10 ? 8 : 1;
    if (field.bytes.size() % size != 0) {
      return Damaged("tensor '", tensor.name, "' holds ", field.bytes.size(),
                     " bytes in elements of ", size);
    }
    if (size > 1) return {};
    ProtobufReader reader(field.bytes);
    while (reader.NextVarint()) {
    }
    if (reader.problem() == nullptr) return {};
    return Damaged("tensor '", tensor.name, "' holds ", reader.problem());
  }

  Status CheckDims(const OnnxTensor& tensor) {
    if (tensor.dims.size() > kMaxRank) {
      return Damaged("tensor '", tensor.name, "' has ", tensor.dims.size(), " dimensions, at most ",
                     kMaxRank, " are allowed");
    }
    for (const int64_t dim : tensor.dims) {
      if (dim < 0) return Damaged("tensor '", tensor.name, "' has a dimension of ", dim);
    }
    // The widest type has 128 bits; so many of them must have a number in bytes.
    if (!OnnxNumBytes(tensor.dims, 128))
      return Damaged("tensor '", tensor.name, "' has dimensions whose product overflows");
    return {};
  }

  Status ExternalEntry(std::span<const std::byte> bytes, const OnnxTensor& tensor,
                       StoredValues& stored) {
    std::string_view key, value;
    AKIN_TRY(Fields(bytes, "external_data", [&](const ProtobufField& field) -> Status {
      if (field.Is(1, WireType::kBytes)) return Name(field, key);
      if (field.Is(2, WireType::kBytes)) return Name(field, value);
      return {};
    }));
    OnnxExternalData& data = stored.external_data;
    if (key == "location") {
      data.location = value;
      stored.has_location = true;
    } else if (key == "offset" || key == "length") {
      uint64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        return Damaged("tensor '", tensor.name, "': external_data says ", key, " '", value,
                       "', expected a number of bytes");
      }
      if (key == "offset") {
        data.offset = number;
      } else {
        data.length = number;
      }
    }
    return {};
  }

  Status PlaceValues(const StoredValues& stored, OnnxTensor& tensor) {
    const std::optional<uint64_t> bits = OnnxTypeBits(tensor.type);
    const uint64_t expected = tensor.num_bytes();
    if (stored.external) {
      if (!stored.has_location)
        return Damaged("tensor '", tensor.name, "' is external and has no location");
      tensor.external = stored.external_data;
      if (bits && tensor.external->length && *tensor.external->length != expected) {
        return Damaged("tensor '", tensor.name, "': external_data holds ", *tensor.external->length,
                       " bytes, shape and type ask for ", expected);
      }
      return {};
    }
    if (!bits) return {};  // Strings, and types that only others know.
    if (stored.raw) {
      if (!stored.typed.empty() || stored.strings)
        return Damaged("tensor '", tensor.name, "' holds values in raw_data and in another field");
      tensor.bytes = *stored.raw;
    } else {
      AKIN_TRY(DecodeTyped(stored.typed, tensor));
    }
    if (tensor.bytes.size() != expected) {
      return Damaged("tensor '", tensor.name, "' holds ", tensor.bytes.size(),
                     " bytes, shape and type (", OnnxTypeName(tensor.type), ") ask for ", expected);
    }
    return {};
  }

  // float_data and double_data are bytes already when they are packed; the others are varints, of
  // which each holds one element (types of fewer bits too, but two of 4 bits).
  Status DecodeTyped(std::span<const ProtobufField> fields, OnnxTensor& tensor) {
    if (fields.empty()) return {};
    for (const ProtobufField& field : fields) {
      if (field.number != OnnxTypedField(tensor.type)) {
        return Damaged("tensor '", tensor.name, "' of ", OnnxTypeName(tensor.type),
                       " stores its values in field ", field.number, ", expected ",
                       OnnxTypedField(tensor.type));
      }
    }
    const bool fixed = fields[0].number == 4 || fields[0].number == 10;
    if (fixed && fields.size() == 1 && fields[0].type == WireType::kBytes) {
      tensor.bytes = fields[0].bytes;
      return {};
    }
    const uint64_t bits = *OnnxTypeBits(tensor.type);
    const size_t width = static_cast<size_t>(bits < 8 ? 1 : bits / 8);
    const auto values = std::make_shared<std::vector<std::byte>>();
    tensor.decoded = values;
    std::vector<std::byte>& decoded = *values;
    const auto append = [&](uint64_t value, size_t bytes) {
      for (size_t i = 0; i < bytes; ++i)
        decoded.push_back(static_cast<std::byte>(i < 8 ? value >> (8 * i) & 0xFF : 0));
    };
    for (const ProtobufField& field : fields) {
      if (field.type == WireType::kBytes && fixed) {
        decoded.insert(decoded.end(), field.bytes.begin(), field.bytes.end());
      } else if (field.type == WireType::kBytes) {
        ProtobufReader reader(field.bytes);
        while (const std::optional<uint64_t> value = reader.NextVarint()) append(*value, width);
      } else {
        append(field.value, field.type == WireType::kFixed32   ? 4
                            : field.type == WireType::kFixed64 ? 8
                                                               : width);
      }
    }
    tensor.bytes = decoded;
    return {};
  }

  const std::string& file_;
  size_t num_objects_ = 0;
};

}  // namespace

const OnnxAttribute* OnnxNode::Find(std::string_view attribute) const {
  const auto found = std::ranges::find(attributes, attribute, &OnnxAttribute::name);
  return found == attributes.end() ? nullptr : &*found;
}

Result<OnnxModel> ParseOnnx(std::span<const std::byte> file, const std::string& name) {
  if (file.empty()) return InvalidModel(name, ": is empty, expected an ONNX model");
  if (file.size() > kMaxFileBytes) {
    return InvalidModel(name, ": has ", file.size(),
                        " bytes; an ONNX file holds at most 2^31, larger weights are external");
  }
  OnnxModel model;
  AKIN_TRY(Parser(name).Model(file, model));
  AKIN_TRY(CheckFunctions(model, name));
  AKIN_TRY(CheckOrder(model, name));
  return model;
}

}  // namespace akin::formats
