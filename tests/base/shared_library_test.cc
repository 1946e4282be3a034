// Libraries that dlopen must not get: of a file shorter than its header says it makes a SIGBUS.
#include "base/shared_library.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

class SharedLibrary : public ::testing::Test {
 protected:
  Status Check(const char* file) const {
    return CheckSharedLibrary((folder_ / file).string(), "library 'x'");
  }
  void ExpectRefused(const char* file, const char* why) const {
    ExpectError(Check(file), ErrorCode::kInvalidInput, "library 'x'", why);
  }
  const TemporaryFolder folder_;
};

TEST_F(SharedLibrary, ThatIsNotThereOrNoFileIsRefusedWithoutWaiting) {
  ExpectRefused("x.so", "is not there");
  ExpectRefused(".", "is not a regular file");
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  ExpectRefused("pipe", "is not a regular file");
}

#ifdef __linux__

// This program itself: a position-independent one has all that a library has.
std::string OwnFile() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(SharedLibrary, ThatIsWholeIsTaken) {
  folder_.Write("x.so", OwnFile());
  const Status whole = Check("x.so");
  EXPECT_TRUE(whole) << whole.error().message();
}

TEST_F(SharedLibrary, ThatIsTruncatedIsRefusedWhereverItIsCut) {
  const std::string whole = OwnFile();
  ASSERT_GT(whole.size(), 4096u);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{4096}, size_t{64},
                            size_t{63}, size_t{16}, size_t{4}}) {
    folder_.Write("x.so", whole.substr(0, size));
    ExpectRefused("x.so", "is truncated");
  }
}

TEST_F(SharedLibrary, ThatIsCutInItsSegmentsIsRefusedWithoutASectionTable) {
  std::string half = OwnFile();
  half.resize(half.size() / 4);
  constexpr size_t kSectionOffset = sizeof(void*) == 8 ? 0x28 : 0x20;
  constexpr size_t kSectionCount = sizeof(void*) == 8 ? 0x3C : 0x30;
  half.replace(kSectionOffset, sizeof(void*), sizeof(void*), '\0');
  half.replace(kSectionCount, 2, 2, '\0');
  folder_.Write("x.so", half);
  ExpectRefused("x.so", "is truncated");
}

TEST_F(SharedLibrary, OffsetsThatOverflowAreNoWayIn) {
  std::string file = OwnFile();
  constexpr size_t kSectionOffset = sizeof(void*) == 8 ? 0x28 : 0x20;
  file.replace(kSectionOffset, sizeof(void*), sizeof(void*), '\xFF');
  folder_.Write("x.so", file);
  ExpectRefused("x.so", "is truncated");
}

TEST_F(SharedLibrary, ThatIsNoElfFileIsRefused) {
  folder_.Write("x.so", "not a library");
  ExpectRefused("x.so", "does not begin as an ELF file");
  folder_.Write("x.so", "");
  ExpectRefused("x.so", "does not begin as an ELF file");
}

// What the loader itself refuses is left to it.
TEST_F(SharedLibrary, OfAnotherKindIsTheLoadersToRefuse) {
  std::string file = OwnFile();
  file[4] = '\x03';  // EI_CLASS
  folder_.Write("x.so", file);
  EXPECT_TRUE(Check("x.so"));
}

#endif

}  // namespace
}  // namespace akin
