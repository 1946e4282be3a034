#include "akin/onnxruntime.h"

#include "backends/onnxruntime/library.h"

namespace akin {

Result<OnnxRuntimeInfo> DescribeOnnxRuntime(const OnnxRuntimeOptions& options) {
  AKIN_TRY_ASSIGN(const auto* library, backends::onnxruntime::Library::Load(options.library));
  for (const auto& [name, path] : options.provider_libraries)
    AKIN_TRY(library->RegisterPlugin(name, path));
  OnnxRuntimeInfo info{.path = library->path(),
                       .version = library->version(),
                       .providers = library->BuiltInProviders()};
  AKIN_TRY_ASSIGN(const auto devices, library->EpDevices());
  for (const auto& device : devices) {
    if (device.provider != "CPUExecutionProvider")
      info.plugin_devices.emplace_back(device.provider, device.type);
  }
  for (std::string& name : library->PluginsWithoutDevices())
    info.plugin_devices.emplace_back(std::move(name), "");
  return info;
}

}  // namespace akin
