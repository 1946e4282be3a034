#include "server/model_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace akin::server {
namespace {

namespace fs = std::filesystem;

class ModelFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "akin_model_files_" + std::to_string(getpid());
    fs::remove_all(folder_);
    Write("model/config.json", "{}", 1'000);
    Write("model/model.safetensors", "12345678", 2'000);
    Write("model/1_Pooling/config.json", "{...}", 1'500);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& content, time_t written) {
    const fs::path path = fs::path(folder_) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    const timespec times[2] = {{written, 0}, {written, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  ModelFiles Look() const {
    const auto files = LookAtModelFiles(folder_ + "/model");
    EXPECT_TRUE(files);
    return files.value_or(ModelFiles{});
  }

  std::string folder_;
};

TEST_F(ModelFilesTest, AllFilesAreCountedAndTheYoungestGivesTheDate) {
  const ModelFiles files = Look();
  EXPECT_EQ(files.bytes, 2 + 8 + 5);
  EXPECT_EQ(IsoTime(files.newest), "1970-01-01T00:33:20Z");
  EXPECT_EQ(files.format, "safetensors");
  EXPECT_EQ(files.digest.size(), 64u);
  EXPECT_EQ(files.digest.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(ModelFilesTest, HiddenFilesAreNotTheModels) {
  const ModelFiles before = Look();
  Write("model/.cache/x.json", "x", 9'000);
  Write("model/.lock", "x", 9'000);
  const ModelFiles after = Look();
  EXPECT_EQ(after.bytes, before.bytes);
  EXPECT_EQ(after.digest, before.digest);
  EXPECT_EQ(after.newest, before.newest);
}

TEST_F(ModelFilesTest, AnotherContentOrNameIsAnotherDigest) {
  const std::string digest = Look().digest;
  EXPECT_EQ(Look().digest, digest);
  Write("model/model.safetensors", "1234567", 2'000);
  EXPECT_NE(Look().digest, digest);
  Write("model/model.safetensors", "87654321", 2'001);
  EXPECT_NE(Look().digest, digest);
  Write("model/model.safetensors", "12345678", 2'000);
  EXPECT_EQ(Look().digest, digest);
  fs::rename(folder_ + "/model/config.json", folder_ + "/model/other.json");
  EXPECT_NE(Look().digest, digest);
}

// As in the hub's cache: the content's hash is known there, and the time says nothing.
TEST_F(ModelFilesTest, LinksToContentsByTheirHashDoNotDependOnTheTime) {
  const std::string hash(64, 'a'), other(64, 'b');
  fs::remove(folder_ + "/model/model.safetensors");
  Write("blobs/" + hash, "12345678", 2'000);
  Write("blobs/" + other, "87654321", 2'000);
  fs::create_symlink("../blobs/" + hash, folder_ + "/model/model.safetensors");
  const ModelFiles files = Look();
  EXPECT_EQ(files.bytes, 2 + 8 + 5);
  Write("blobs/" + hash, "12345678", 3'000);
  EXPECT_EQ(Look().digest, files.digest);
  EXPECT_EQ(IsoTime(Look().newest), "1970-01-01T00:50:00Z");
  fs::remove(folder_ + "/model/model.safetensors");
  fs::create_symlink("../blobs/" + other, folder_ + "/model/model.safetensors");
  EXPECT_NE(Look().digest, files.digest);
}

TEST_F(ModelFilesTest, WhatIsNotThereHasNone) { EXPECT_FALSE(LookAtModelFiles(folder_ + "/none")); }

TEST_F(ModelFilesTest, AWalkEndsWhenItIsStopped) {
  std::stop_source stop;
  EXPECT_TRUE(LookAtModelFiles(folder_ + "/model", stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(LookAtModelFiles(folder_ + "/model", stop.get_token()));
}

TEST_F(ModelFilesTest, OfAHugeFolderTheFirstEntriesCount) {
  fs::create_directories(folder_ + "/huge");
  for (int i = 0; i < 10'100; ++i) {
    const int fd = creat((folder_ + "/huge/" + std::to_string(i)).c_str(), 0600);
    ASSERT_EQ(write(fd, "x", 1), 1);
    close(fd);
  }
  const auto files = LookAtModelFiles(folder_ + "/huge");
  ASSERT_TRUE(files);
  EXPECT_LE(files->bytes, 10'000);
  EXPECT_GE(files->bytes, 9'990);
}

TEST_F(ModelFilesTest, AnOnnxFileAloneIsTheFormat) {
  fs::remove(folder_ + "/model/model.safetensors");
  EXPECT_EQ(Look().format, "");
  Write("model/onnx/model.onnx", "x", 1);
  EXPECT_EQ(Look().format, "onnx");
}

}  // namespace
}  // namespace akin::server
