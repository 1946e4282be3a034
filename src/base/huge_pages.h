// Huge pages for memory that another library has allocated: of weights that it packs and then reads
// at every run. Where the system gives huge pages only to who asks ("madvise", the usual setting),
// malloc does not, and a pass over some hundred megabytes in pages of 4 KiB misses the TLB all the
// way.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace akin {

struct AddressRange {
  uintptr_t begin = 0, end = 0;
  bool operator==(const AddressRange&) const = default;
};

// The writable anonymous mappings and the heap of a text like /proc/self/maps, rising.
std::vector<AddressRange> AnonymousRanges(std::string_view maps);
// What of `now` is not in `before`; both rising and without overlap.
std::vector<AddressRange> Added(const std::vector<AddressRange>& before,
                                const std::vector<AddressRange>& now);

// Linux only; elsewhere it does nothing.
class NewMemory {
 public:
  NewMemory();  // New is what is mapped from here on.
  // Puts the new memory on huge pages, as far as the system has some. Returns the bytes that were
  // asked for.
  size_t UseHugePages() const;

 private:
  std::vector<AddressRange> before_;
};

}  // namespace akin
