#include "base/cpu_info.h"

namespace akin {

const CpuInfo& GetCpuInfo() {
  static const CpuInfo info = ReadCpu();
  return info;
}

}  // namespace akin
