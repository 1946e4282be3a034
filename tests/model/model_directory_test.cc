#include "model/model_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin::model {
namespace {

constexpr size_t kMaxBytes = 1000;

ModelDirectory Open(const std::filesystem::path& path) {
  return ModelDirectory::Open(path.string()).value();
}

TEST(ModelDirectory, FilesInsideItAreRead) {
  TemporaryFolder folder;
  folder.Write("model/config.json", "{\"a\":1}");
  folder.Write("model/1_Pooling/config.json", "{}");
  folder.Write("model/empty", "");
  const ModelDirectory directory = Open(folder / "model");
  EXPECT_EQ(directory.name(), "model");
  EXPECT_EQ(directory.path(), (folder / "model").string());
  EXPECT_EQ(directory.ReadFile("config.json", kMaxBytes).value(), "{\"a\":1}");
  EXPECT_EQ(directory.ReadFile("1_Pooling/config.json", kMaxBytes).value(), "{}");
  EXPECT_EQ(directory.ReadFile("empty", kMaxBytes).value(), "");
  EXPECT_EQ(directory.MapFile("config.json")->bytes().size(), 7u);
  EXPECT_EQ(directory.MapFile("empty")->bytes().size(), 0u);
  EXPECT_EQ(directory.ReadJson("config.json")->root().Get("a")->AsInt().value(), 1);
  EXPECT_FALSE(directory.ReadJsonIfExists("other.json").value().has_value());
  EXPECT_TRUE(directory.ReadJsonIfExists("config.json").value().has_value());
}

TEST(ModelDirectory, WhatIsNoFolderIsSaid) {
  TemporaryFolder folder;
  folder.Write("file", "");
  ExpectError(ModelDirectory::Open((folder / "nowhere").string()), ErrorCode::kModelNotFound,
              "nowhere");
  ExpectError(ModelDirectory::Open((folder / "file").string()), ErrorCode::kInvalidModel, "file");
}

TEST(ModelDirectory, MissingFileIsNotFound) {
  TemporaryFolder folder;
  const ModelDirectory directory = Open(folder.path());
  ExpectError(directory.ReadFile("config.json", kMaxBytes), ErrorCode::kModelNotFound,
              "config.json");
  ExpectError(directory.ReadFile("a/b/c", kMaxBytes), ErrorCode::kModelNotFound, "a/b/c");
}

TEST(ModelDirectory, FileAboveItsLimitIsRefused) {
  TemporaryFolder folder;
  folder.Write("config.json", "12345");
  const ModelDirectory directory = Open(folder.path());
  EXPECT_TRUE(directory.ReadFile("config.json", 5));
  ExpectError(directory.ReadFile("config.json", 4), ErrorCode::kInvalidModel, "config.json", "5");
}

TEST(ModelDirectory, NamesThatClimbOutAreRefused) {
  TemporaryFolder folder;
  folder.Write("secret", "s");
  folder.Write("model/1/x", "x");
  const ModelDirectory directory = Open(folder / "model");
  const std::string absolute = (folder / "secret").string();
  for (const std::string_view file :
       {std::string_view("../secret"), std::string_view("1/../../secret"), std::string_view(""),
        std::string_view("1/../1/x"), std::string_view(absolute), std::string_view("..", 2),
        std::string_view("1/x\0y", 5)}) {
    SCOPED_TRACE(file);
    ExpectError(directory.ReadFile(file, kMaxBytes), ErrorCode::kInvalidModel);
  }
}

TEST(ModelDirectory, LinksInsideTheFolderAreFollowed) {
  TemporaryFolder folder;
  folder.Write("model/data/weights", "w");
  folder.Link("model/relative", "data/weights");
  folder.Link("model/absolute", folder / "model/data/weights");
  folder.Link("model/again", "relative");
  const ModelDirectory directory = Open(folder / "model");
  for (const char* file : {"relative", "absolute", "again"}) {
    EXPECT_EQ(directory.ReadFile(file, kMaxBytes).value(), "w") << file;
  }
}

TEST(ModelDirectory, FolderItselfMayBeALink) {
  TemporaryFolder folder;
  folder.Write("real/config.json", "{}");
  folder.Link("link", "real");
  EXPECT_TRUE(Open(folder / "link").ReadFile("config.json", kMaxBytes));
}

TEST(ModelDirectory, LinksOutOfTheFolderAreRefused) {
  TemporaryFolder folder;
  folder.Write("secret/file", "CANARY");
  folder.Write("model-2/file", "CANARY");  // Its path begins as that of the folder does.
  folder.Write("model/config.json", "{}");
  folder.Link("model/file", "../secret/file");
  folder.Link("model/sibling", "../model-2/file");
  folder.Link("model/folder", "../secret");
  folder.Link("model/passwd", "/etc/passwd");
  folder.Link("model/up", "..");
  const ModelDirectory directory = Open(folder / "model");
  for (const char* file : {"file", "sibling", "folder/file", "passwd", "up/secret/file"}) {
    SCOPED_TRACE(file);
    ExpectError(directory.ReadFile(file, kMaxBytes), ErrorCode::kInvalidModel, file);
    ExpectError(directory.MapFile(file), ErrorCode::kInvalidModel, file);
  }
}

TEST(ModelDirectory, HubSnapshotReadsItsRepositorysBlobs) {
  TemporaryFolder folder;
  folder.Write("models--org--name/blobs/b0", "blob");
  folder.Write("models--org--name/refs/main", "0123");
  folder.Write("models--org--other/blobs/b1", "CANARY");
  const std::string snapshot = "models--org--name/snapshots/0123/";
  folder.Link(snapshot + "config.json", "../../blobs/b0");
  folder.Link(snapshot + "1_Pooling/config.json", "../../../blobs/b0");
  folder.Link(snapshot + "refs", "../../refs/main");
  folder.Link(snapshot + "other", "../../../models--org--other/blobs/b1");
  const ModelDirectory directory = Open(folder / snapshot);
  EXPECT_EQ(directory.name(), "org/name");
  EXPECT_EQ(directory.ReadFile("config.json", kMaxBytes).value(), "blob");
  EXPECT_EQ(directory.ReadFile("1_Pooling/config.json", kMaxBytes).value(), "blob");
  ExpectError(directory.ReadFile("refs", kMaxBytes), ErrorCode::kInvalidModel, "refs");
  ExpectError(directory.ReadFile("other", kMaxBytes), ErrorCode::kInvalidModel, "other");
}

TEST(ModelDirectory, BlobsOfAFolderThatIsNoSnapshotAreOutside) {
  TemporaryFolder folder;
  folder.Write("repository/blobs/b0", "CANARY");
  folder.Link("repository/models/0123/config.json", "../../blobs/b0");
  ExpectError(Open(folder / "repository/models/0123").ReadFile("config.json", kMaxBytes),
              ErrorCode::kInvalidModel, "config.json");
}

TEST(ModelDirectory, LinkToNothingIsNotFound) {
  TemporaryFolder folder;
  folder.Link("model.safetensors", "../../blobs/gone");
  const ModelDirectory directory = Open(folder.path());
  EXPECT_TRUE(directory.Exists("model.safetensors"));
  ExpectError(directory.MapFile("model.safetensors"), ErrorCode::kModelNotFound,
              "model.safetensors", "link");
}

TEST(ModelDirectory, PipesDevicesFoldersAndLoopsAreRefusedAtOnce) {
  TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_directory(folder / "folder");
  folder.Link("device", "/dev/zero");
  folder.Link("loop", "loop");
  const ModelDirectory directory = Open(folder.path());
  for (const char* file : {"pipe", "folder", "device", "loop"}) {
    SCOPED_TRACE(file);
    ExpectError(directory.ReadFile(file, kMaxBytes), ErrorCode::kModelNotFound, file,
                "(model folder '");
    ExpectError(directory.MapFile(file), ErrorCode::kModelNotFound, file, "(model folder '");
  }
}

}  // namespace
}  // namespace akin::model
