#include "cli/vector_sink.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "cli/exit_status.h"

namespace akin::cli {
namespace {

namespace fs = std::filesystem;

class VectorSinkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "akin-sink-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string PathOf(const std::string& name) const { return folder_ / name; }
  std::string BytesOf(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename());
    return names;
  }

  static TextReport Report(size_t num_texts) {
    return TextReport(std::vector<int32_t>(num_texts, 3), std::vector<int32_t>(num_texts), {});
  }
  Embeddings Vectors() const { return Embeddings({values_, values_ + 6}, 3, Report(2)); }

  fs::path folder_;
  const float values_[6] = {1, -0.5f, 0.25f, 0.1f, 2, 3};
  const std::vector<std::string> ids_ = {"0", "\"b\""};
};

TEST(NpyHeader, IsSixtyFourByteAlignedAndSaysShapeAndType) {
  for (int64_t rows : {int64_t{0}, int64_t{7}, std::numeric_limits<int64_t>::max()}) {
    const std::string header = NpyHeader(rows, 384);
    ASSERT_EQ(header.size(), kNpyHeaderBytes);
    EXPECT_EQ(header.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
    EXPECT_EQ(header.back(), '\n');
    EXPECT_NE(header.find("(" + std::to_string(rows) + ", 384), }"), std::string::npos) << header;
  }
}

TEST_F(VectorSinkTest, FileAppearsOnlyWhenItIsComplete) {
  const std::string path = PathOf("v.npy");
  auto sink = VectorSink::Create(VectorFormat::kNpy, *OutputFile::Create(path), {.dimension = 3});
  ASSERT_TRUE(sink);
  ASSERT_TRUE((*sink)->Write(ids_, Vectors()));
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE((*sink)->Finish());
  EXPECT_EQ(Files(), std::vector<std::string>{"v.npy"});
  const std::string bytes = BytesOf(path);
  EXPECT_EQ(bytes.substr(0, kNpyHeaderBytes), NpyHeader(2, 3));
  EXPECT_EQ(bytes.substr(kNpyHeaderBytes),
            std::string(reinterpret_cast<const char*>(values_), sizeof values_));
}

TEST_F(VectorSinkTest, UnfinishedFileIsRemovedAndTheOldOneStays) {
  const std::string path = PathOf("v.f32");
  std::ofstream(path) << "old";
  {
    auto sink = VectorSink::Create(VectorFormat::kRaw, *OutputFile::Create(path), {.dimension = 3});
    ASSERT_TRUE(sink);
    ASSERT_TRUE((*sink)->Write(ids_, Vectors()));
  }
  EXPECT_EQ(Files(), std::vector<std::string>{"v.f32"});
  EXPECT_EQ(BytesOf(path), "old");
}

TEST_F(VectorSinkTest, JsonLinesCarryTheIds) {
  const std::string path = PathOf("v.jsonl");
  auto sink = VectorSink::Create(VectorFormat::kJsonl, *OutputFile::Create(path), {.dimension = 3});
  ASSERT_TRUE((*sink)->Write(ids_, Vectors()));
  ASSERT_TRUE((*sink)->Finish());
  EXPECT_EQ(BytesOf(path),
            "{\"id\":0,\"embedding\":[1,-0.5,0.25]}\n{\"id\":\"b\",\"embedding\":[0.1,2,3]}\n");
}

TEST_F(VectorSinkTest, ValueThatIsNotFiniteIsAnError) {
  auto sink = VectorSink::Create(VectorFormat::kJsonl, *OutputFile::Create(PathOf("v.jsonl")),
                                 {.dimension = 3});
  const Status status =
      (*sink)->Write(std::vector<std::string>{"0"}, Embeddings({1, NAN, 1}, 3, Report(1)));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kInternal);
}

TEST_F(VectorSinkTest, VectorsOfAnotherLengthAreAnErrorWhereThereIsOneLength) {
  auto raw = VectorSink::Create(VectorFormat::kRaw, *OutputFile::Create(PathOf("v.raw")), {});
  ASSERT_TRUE((*raw)->Write(ids_, Vectors()));
  EXPECT_EQ((*raw)->Write(ids_, Embeddings({1, 2}, 1, Report(2))).error().code(),
            ErrorCode::kInvalidInput);
  auto lines = VectorSink::Create(VectorFormat::kJsonl, *OutputFile::Create(PathOf("v.jsonl")), {});
  ASSERT_TRUE((*lines)->Write(ids_, Vectors()));
  EXPECT_TRUE((*lines)->Write(ids_, Embeddings({1, 2}, 1, Report(2))));
}

TEST_F(VectorSinkTest, ChunksCarryTheirPlaces) {
  auto sink = VectorSink::Create(VectorFormat::kJsonl, *OutputFile::Create(PathOf("v.jsonl")), {});
  const std::vector<Chunk> chunks = {{0, 0, 5, 0, 2}, {0, 4, 9, 1, 3}, {1, 0, 2, 0, 1}};
  ASSERT_TRUE((*sink)->Write(ids_, Embeddings({1, 2, 3}, 1, Report(2), chunks)));
  ASSERT_TRUE((*sink)->Finish());
  EXPECT_EQ(BytesOf(PathOf("v.jsonl")),
            "{\"id\":0,\"chunk\":0,\"bytes\":[0,5],\"tokens\":[0,2],\"embedding\":[1]}\n"
            "{\"id\":0,\"chunk\":1,\"bytes\":[4,9],\"tokens\":[1,3],\"embedding\":[2]}\n"
            "{\"id\":\"b\",\"chunk\":0,\"bytes\":[0,2],\"tokens\":[0,1],\"embedding\":[3]}\n");
}

TEST_F(VectorSinkTest, EveryOutputTypeHasItsNumbers) {
  const Embeddings vectors({1, -1, 0.5f, 0, 0.1f, -0.1f, 2, -2}, 8, Report(1));
  const QuantizationRanges ranges{std::vector<float>(8, -1.0f), std::vector<float>(8, 1.0f)};
  for (const auto& [type, expected] : std::vector<std::pair<OutputType, std::string>>{
           {OutputType::kFloat16, "[1,-1,0.5,0,0.099975586,-0.099975586,2,-2]"},
           // As NumPy has it in f32: 2 / (2 / 255) is below 255 there.
           {OutputType::kUint8, "[254,0,191,127,140,114,255,0]"},
           {OutputType::kInt8, "[126,-128,63,-1,12,-14,127,-128]"},
           {OutputType::kUbinary, "[170]"},
           {OutputType::kBinary, "[42]"}}) {
    auto sink = VectorSink::Create(VectorFormat::kJsonl, *OutputFile::Create(PathOf("v.jsonl")),
                                   {.value = {.type = type, .ranges = ranges}});
    ASSERT_TRUE((*sink)->Write(std::vector<std::string>{"0"}, vectors));
    ASSERT_TRUE((*sink)->Finish());
    EXPECT_EQ(BytesOf(PathOf("v.jsonl")), "{\"id\":0,\"embedding\":" + expected + "}\n")
        << OutputTypeName(type);
  }
}

TEST_F(VectorSinkTest, LinkIsWrittenThroughAndPermissionsStay) {
  const std::string target = PathOf("target.f32"), link = PathOf("link.f32");
  std::ofstream(target) << "old";
  ASSERT_EQ(chmod(target.c_str(), 0640), 0);
  fs::create_symlink("target.f32", link);
  auto sink = VectorSink::Create(VectorFormat::kRaw, *OutputFile::Create(link), {.dimension = 3});
  ASSERT_TRUE((*sink)->Write(ids_, Vectors()));
  ASSERT_TRUE((*sink)->Finish());
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(fs::file_size(target), sizeof values_);
  EXPECT_EQ(fs::status(target).permissions(), fs::perms(0640));
}

TEST(VectorFormat, EndingsSayTheFormat) {
  EXPECT_EQ(*FormatOfPath(""), VectorFormat::kJsonl);
  EXPECT_EQ(*FormatOfPath("a.jsonl"), VectorFormat::kJsonl);
  EXPECT_EQ(*FormatOfPath("x.y/a.npy"), VectorFormat::kNpy);
  EXPECT_EQ(*FormatOfPath("a.f32"), VectorFormat::kRaw);
  EXPECT_EQ(*FormatOfPath("a.bin"), VectorFormat::kRaw);
  EXPECT_EQ(*FormatOfPath("x.y/noending"), VectorFormat::kJsonl);
  EXPECT_EQ(*FormatOfPath("/dev/null"), VectorFormat::kJsonl);
  EXPECT_FALSE(FormatOfPath("a.txt"));
}

TEST(ExitStatus, EveryCategoryHasItsNameAndStatus) {
  EXPECT_EQ(CategoryName(ErrorCode::kModelNotFound), "ModelNotFound");
  EXPECT_EQ(ExitStatusOf(ErrorCode::kInvalidInput), 2);
  EXPECT_EQ(ExitStatusOf(kWriteFailed), 74);
  EXPECT_EQ(ExitStatusOf(ErrorCode{12345}), 70);
  for (const ExitRow& row : ExitTable()) {
    EXPECT_NE(ExitStatusHelp().find(row.category), std::string::npos);
  }
}

}  // namespace
}  // namespace akin::cli
