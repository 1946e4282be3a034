#include "base/shared_memory.h"

#include <sys/mman.h>

#include "base/strings.h"

namespace akin {

Result<SharedMemory> SharedMemory::Create(size_t bytes) {
  SharedMemory memory;
  if (bytes == 0) return memory;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return OutOfMemory();
  memory.bytes_ = {static_cast<std::byte*>(data), bytes};
  return memory;
}

SharedMemory::~SharedMemory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

}  // namespace akin
