// What a load cannot do without: reads a file once and writes as many bytes of new memory as the
// packed weights take, on some threads. Of load_rate.py.
//
//   read_and_write FILE WRITTEN_BYTES THREADS
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr size_t kHugePage = size_t{2} << 20;

struct Job {
  int file;
  size_t pieces;  // Of the file.
  char* memory;   // Of `written` bytes.
  size_t written;
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
};

// A piece of the file goes to the same share of the memory.
void Work(Job& job) {
  std::vector<char> piece(kPieceBytes);
  for (size_t i; (i = job.next.fetch_add(1)) < job.pieces;) {
    const ssize_t count =
        pread(job.file, piece.data(), kPieceBytes, static_cast<off_t>(i * kPieceBytes));
    if (count < 0) job.failed = true;
    const size_t begin = job.written * i / job.pieces, end = job.written * (i + 1) / job.pieces;
    std::memcpy(job.memory + begin, piece.data(), std::min(end - begin, kPieceBytes));
  }
}

}  // namespace

int main(int argc, char** argv) {
  struct stat status;
  Job job{.file = argc == 4 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1,
          .pieces = 0,
          .memory = nullptr,
          .written = 0};
  if (job.file < 0 || fstat(job.file, &status) != 0) {
    std::fprintf(stderr, "usage: read_and_write FILE WRITTEN_BYTES THREADS\n");
    return 2;
  }
  job.pieces = (static_cast<size_t>(status.st_size) + kPieceBytes - 1) / kPieceBytes;
  job.written = std::strtoul(argv[2], nullptr, 10) / kHugePage * kHugePage;
  job.memory = static_cast<char*>(std::aligned_alloc(kHugePage, job.written));
  if (job.memory == nullptr) return 1;
  madvise(job.memory, job.written, MADV_HUGEPAGE);
  {
    std::vector<std::jthread> helpers;
    for (long t = std::strtol(argv[3], nullptr, 10); t > 1; --t)
      helpers.emplace_back(Work, std::ref(job));
    Work(job);
  }
  return job.failed ? 1 : 0;
}
