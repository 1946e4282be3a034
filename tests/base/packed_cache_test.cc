#include "base/packed_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/process_memory.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> Bytes(size_t count, unsigned seed) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((i * 31 + seed) % 251);
  return bytes;
}

bool Equal(const CachedBytes& cached, const std::vector<std::byte>& bytes) {
  return std::ranges::equal(cached.bytes(), bytes);
}

// A cache folder of its own.
class PackedCache : public testing::Test {
 protected:
  PackedCache() { setenv("AKIN_CACHE", folder_.path().c_str(), 1); }
  ~PackedCache() override {
    unsetenv("AKIN_CACHE");
    unsetenv("AKIN_PACKED_CACHE_MIB");
  }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(folder_ / "packed")) return files;
    for (const auto& entry : fs::directory_iterator(folder_ / "packed")) files.push_back(entry);
    return files;
  }
  // The one file there is.
  fs::path File() const { return Files().at(0); }
  static std::string Read(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static void Write(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  TemporaryFolder folder_;
};

TEST_F(PackedCache, GivesBackWhatWasStoredAtTheStartOfAPage) {
  EXPECT_TRUE(FindPacked("key", 10'000).empty());
  const auto bytes = Bytes(10'000, 1);
  StorePacked("key", bytes);
  const CachedBytes cached = FindPacked("key", bytes.size());
  EXPECT_TRUE(Equal(cached, bytes));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(cached.bytes().data()) % 4096, 0u);
  EXPECT_EQ(Files().size(), 1u);
  struct stat status;
  ASSERT_EQ(stat(File().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

// A process has the bytes in memory when it stores them: not twice.
TEST_F(PackedCache, StoresWithoutMuchMemoryOfItsOwn) {
  const auto bytes = Bytes(size_t{64} << 20, 1);
  if (std::ofstream reset("/proc/self/clear_refs"); !(reset << "5" << std::flush))
    GTEST_SKIP() << "/proc/self/clear_refs: the peak cannot be set back";
  const auto before = ReadProcessMemory();
  ASSERT_TRUE(before);
  StorePacked("key", bytes);
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after);
  EXPECT_LT(after->peak_bytes - before->resident_bytes, int64_t{32} << 20);
  EXPECT_TRUE(Equal(FindPacked("key", bytes.size()), bytes));
}

TEST_F(PackedCache, KnowsOnlyTheSameKeyAndSize) {
  StorePacked("key", Bytes(100, 1));
  EXPECT_TRUE(FindPacked("keyb", 100).empty());
  EXPECT_TRUE(FindPacked("key", 99).empty());
  EXPECT_TRUE(FindPacked("key", 101).empty());
  EXPECT_TRUE(FindPacked("key", 0).empty());
  EXPECT_FALSE(FindPacked("key", 100).empty());
  // Two keys whose names fell together: the key inside decides.
  fs::rename(File(), File().parent_path() / "0000000000000000.packed");
  StorePacked("other", Bytes(100, 2));
  for (const fs::path& file : Files()) {
    if (file.filename() == "0000000000000000.packed") continue;
    fs::rename(File().parent_path() / "0000000000000000.packed", file);
    break;
  }
  EXPECT_TRUE(FindPacked("other", 100).empty());
}

TEST_F(PackedCache, TakesNoDamagedEntryAndReplacesIt) {
  const auto bytes = Bytes(5'000, 1);
  StorePacked("key", bytes);
  const fs::path file = File();
  const std::string whole = Read(file);
  std::vector<std::string> damaged = {"", "akin packed", whole.substr(0, whole.size() - 1),
                                      whole + 'x', std::string(whole.size(), '\0')};
  for (const size_t at : {size_t{3}, size_t{30}, size_t{4000}, size_t{4096}, whole.size() - 1}) {
    damaged.push_back(whole);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 0x10);
  }
  for (const std::string& content : damaged) {
    Write(file, content);
    EXPECT_TRUE(FindPacked("key", bytes.size()).empty()) << content.size();
  }
  StorePacked("key", bytes);
  EXPECT_TRUE(Equal(FindPacked("key", bytes.size()), bytes));
}

TEST_F(PackedCache, TakesNoEntryThatOthersMayWrite) {
  const auto bytes = Bytes(100, 1);
  StorePacked("key", bytes);
  fs::permissions(File(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_TRUE(FindPacked("key", bytes.size()).empty());
}

TEST_F(PackedCache, TakesNoPipeAndNoFolderForAnEntry) {
  StorePacked("key", Bytes(100, 1));
  const fs::path file = File();
  fs::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_TRUE(FindPacked("key", 100).empty());
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_TRUE(FindPacked("key", 100).empty());
  StorePacked("key", Bytes(100, 1));  // Cannot replace a folder, and says nothing.
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(PackedCache, StaysWholeWhileManyWrite) {
  const auto bytes = Bytes(200'000, 1);
  std::vector<std::jthread> writers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        StorePacked("key", bytes);
        const CachedBytes cached = FindPacked("key", bytes.size());
        if (!Equal(cached, bytes)) ++wrong;
      }
    });
  }
  writers.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(PackedCache, AnEntryOutlivesItsFile) {
  const auto bytes = Bytes(50'000, 1);
  StorePacked("key", bytes);
  const CachedBytes cached = FindPacked("key", bytes.size());
  fs::remove(File());
  EXPECT_TRUE(Equal(cached, bytes));
}

TEST_F(PackedCache, IsBoundedByWhatWasUsedTheLongestAgo) {
  setenv("AKIN_PACKED_CACHE_MIB", "1", 1);
  const auto bytes = Bytes(400'000, 1);
  const auto age = [](const fs::path& file, int hours) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  StorePacked("a", bytes);
  age(File(), 30);
  StorePacked("b", bytes);
  for (const fs::path& file : Files()) age(file, 20);
  EXPECT_FALSE(FindPacked("a", bytes.size()).empty());  // Used now: b has become the oldest.
  StorePacked("c", bytes);
  EXPECT_FALSE(FindPacked("a", bytes.size()).empty());
  EXPECT_TRUE(FindPacked("b", bytes.size()).empty());
  EXPECT_FALSE(FindPacked("c", bytes.size()).empty());
  StorePacked("too large", Bytes(1'100'000, 1));
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(PackedCache, ClearsAwayWhatADeadWriterLeft) {
  StorePacked("a", Bytes(100, 1));
  const fs::path old = File().string() + ".Ab12Cd", young = File().string() + ".Zz12Cd";
  Write(old, "cut");
  Write(young, "being written");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(2));
  StorePacked("b", Bytes(100, 1));
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
}

TEST_F(PackedCache, SizeThatIsNoNumberIsSaid) {
  for (const char* wrong : {"zz", "-1", "1.5", "10 ", "99999999999999999999"}) {
    setenv("AKIN_PACKED_CACHE_MIB", wrong, 1);
    const Status status = CheckPackedCacheSize();
    ASSERT_FALSE(status) << wrong;
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidInput);
    EXPECT_NE(status.error().message().find("AKIN_PACKED_CACHE_MIB is '" + std::string(wrong)),
              std::string::npos);
  }
  for (const char* right : {"", "0", "100"}) {
    setenv("AKIN_PACKED_CACHE_MIB", right, 1);
    EXPECT_TRUE(CheckPackedCacheSize()) << right;
  }
  unsetenv("AKIN_PACKED_CACHE_MIB");
}

TEST_F(PackedCache, CanBeSwitchedOffAndDoesWithoutAFolder) {
  for (const char* off : {"0", "none", "-1"}) {
    setenv("AKIN_PACKED_CACHE_MIB", off, 1);
    EXPECT_EQ(PackedCacheFolder(), "") << off;
    StorePacked("key", Bytes(100, 1));
    EXPECT_TRUE(FindPacked("key", 100).empty());
    EXPECT_TRUE(Files().empty());
  }
  unsetenv("AKIN_PACKED_CACHE_MIB");
  Write(folder_ / "packed", "a file is in the way");
  StorePacked("key", Bytes(100, 1));
  EXPECT_TRUE(FindPacked("key", 100).empty());
}

}  // namespace
}  // namespace akin
