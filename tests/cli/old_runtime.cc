// Stands in for an ONNX Runtime that is too old, whose version tells what its environment was when
// it was loaded.
#include <cstdlib>

namespace {

struct ApiBase {
  const void* (*get_api)(unsigned version);
  const char* (*get_version)();
};

const char* Version() {
  static const char* const version = std::getenv("AKIN_ORT_LIBRARY") != nullptr
                                         ? "1.1.0 with AKIN_ORT_LIBRARY"
                                         : "1.1.0 without AKIN_ORT_LIBRARY";
  return version;
}

const void* NoApi(unsigned) { return nullptr; }

}  // namespace

extern "C" const void* OrtGetApiBase() {
  static constexpr ApiBase kBase = {NoApi, Version};
  return &kBase;
}
