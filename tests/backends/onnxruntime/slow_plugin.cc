// A plug-in of ONNX Runtime without execution providers that takes its time to start. The types are
// ONNX Runtime's (onnxruntime_ep_c_api.h); none of them is looked into.
#include <chrono>
#include <cstddef>
#include <thread>

extern "C" void* CreateEpFactories(const char* /*name*/, const void* /*api_base*/,
                                   const void* /*logger*/, void** /*factories*/,
                                   size_t /*max_factories*/, size_t* num_factories) {
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  *num_factories = 0;
  return nullptr;
}

extern "C" void* ReleaseEpFactory(void* /*factory*/) { return nullptr; }
