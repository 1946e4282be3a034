#include "base/shared_library.h"

#ifdef __linux__
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/regular_file.h"
#include "base/strings.h"

namespace akin {
namespace {

#ifdef __linux__

// Whether the header's fields are where this process's own are. The loader refuses others.
bool IsOwnKind(const ElfW(Ehdr) & header) {
  constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  constexpr unsigned char kData =
      std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  return header.e_ident[EI_CLASS] == kClass && header.e_ident[EI_DATA] == kData &&
         header.e_phentsize == sizeof(ElfW(Phdr));
}

// Reads `size` bytes at `offset`; false: the file is shorter, or cannot be read.
bool ReadAt(const UniqueFd& file, uint64_t offset, void* to, size_t size) {
  auto* bytes = static_cast<char*>(to);
  for (size_t done = 0; done < size;) {
    const ssize_t count =
        pread(file.get(), bytes + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

// The end of `size` bytes at `offset`; what overflows ends nowhere.
uint64_t EndOf(uint64_t offset, uint64_t size) {
  return offset > UINT64_MAX - size ? UINT64_MAX : offset + size;
}

Status CheckElf(const UniqueFd& file, std::string_view title) {
  struct stat status;
  if (fstat(file.get(), &status) != 0) return InvalidInput(title, ": ", std::strerror(errno));
  const auto size = static_cast<uint64_t>(status.st_size);
  const auto truncated = [&](uint64_t end) {
    return InvalidInput(title, " is truncated: it has ", size, " bytes, its ELF header speaks of ",
                        end);
  };
  ElfW(Ehdr) header{};
  if (!ReadAt(file, 0, header.e_ident, SELFMAG) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return InvalidInput(title, " is no shared library: it does not begin as an ELF file");
  if (!ReadAt(file, 0, &header, sizeof header)) return truncated(sizeof header);
  if (!IsOwnKind(header)) return {};

  const uint64_t segments_bytes = uint64_t{header.e_phnum} * sizeof(ElfW(Phdr));
  uint64_t end = std::max(EndOf(header.e_phoff, segments_bytes),
                          EndOf(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize));
  if (end > size) return truncated(end);
  std::vector<ElfW(Phdr)> segments(header.e_phnum);
  if (!ReadAt(file, header.e_phoff, segments.data(), segments_bytes))
    return InvalidInput(title, " cannot be read");
  for (const auto& segment : segments) {
    if (segment.p_type == PT_LOAD) end = std::max(end, EndOf(segment.p_offset, segment.p_filesz));
  }
  return end > size ? Status(truncated(end)) : Status();
}

#else

// Other systems' loaders look for themselves.
Status CheckElf(const UniqueFd&, std::string_view) { return {}; }

#endif

}  // namespace

Status CheckSharedLibrary(const std::string& path, std::string_view title) {
  const Result<UniqueFd> file = OpenRegularFile(path, title);
  if (!file) return InvalidInput(file.error().message());
  return CheckElf(*file, title);
}

}  // namespace akin
