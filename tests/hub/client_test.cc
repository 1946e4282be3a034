// The hub client's parts that need no network; tests/hub/pull_test.py has the rest.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "fuzz/hub_targets.h"
#include "http/curl.h"
#include "hub/client/content_hash.h"
#include "hub/client/file_selection.h"
#include "hub/client/http_client.h"
#include "hub/client/partial_file.h"
#include "hub/client/repo_listing.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin::hub {
namespace {

const std::string kSha256(64, 'a');
const std::string kGitId(40, 'b');

std::vector<std::string> Needed(const std::vector<std::string>& paths) {
  std::vector<HubFile> files;
  for (const std::string& path : paths) files.push_back({.path = path, .size = 1, .hash = kGitId});
  const auto chosen = SelectNeeded(files, "org/name");
  std::vector<std::string> names;
  if (chosen) {
    for (const HubFile& file : *chosen) names.push_back(file.path);
  }
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

TEST(FileSelection, EachFolderKeepsOneFormOfItsWeights) {
  EXPECT_EQ(
      Needed({"model.safetensors", "model.fp16.safetensors", "model-00001-of-00002.safetensors"}),
      Names({"model.safetensors"}));
  EXPECT_EQ(Needed({"2_Dense/model.safetensors", "2_Dense/config.json", "a.safetensors"}),
            Names({"2_Dense/config.json", "2_Dense/model.safetensors", "a.safetensors"}));
  EXPECT_EQ(Needed({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "x.safetensors"}),
            Names({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}));
}

TEST(FileSelection, OnnxComesOnlyWithoutSafetensors) {
  EXPECT_EQ(Needed({"model.safetensors", "onnx/model.onnx"}), Names({"model.safetensors"}));
  EXPECT_EQ(
      Needed({"onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_int8.onnx", "model.onnx"}),
      Names({"onnx/model.onnx", "onnx/model.onnx_data"}));
  EXPECT_EQ(Needed({"model.onnx", "tokenizer.json"}), Names({"model.onnx", "tokenizer.json"}));
}

TEST(FileSelection, PicklesAloneAreNoModel) {
  const std::vector<HubFile> files = {{.path = "pytorch_model.bin"}, {.path = "config.json"}};
  ExpectError(SelectNeeded(files, "org/name"), ErrorCode::kUnsupportedModel, "org/name", "pickled");
}

TEST(RepoListing, LargeFilesHaveTheirSha256AndOthersTheirGitId) {
  std::vector<HubFile> files;
  const std::string page =
      R"([{"type":"directory","path":"d","oid":"x"},{"type":"file","path":"a","size":3,"oid":")" +
      kGitId + R"("},{"type":"file","path":"d/b","size":1,"oid":"x","lfs":{"oid":")" + kSha256 +
      R"(","size":9}}])";
  ASSERT_TRUE(ParseTreePage(page, "list", files));
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].hash, kGitId);
  EXPECT_EQ(files[0].size, 3);
  EXPECT_EQ(files[1].path, "d/b");
  EXPECT_EQ(files[1].hash, kSha256);
  EXPECT_EQ(files[1].size, 9);
}

TEST(RepoListing, AFileThatCannotBeCheckedIsRefused) {
  std::vector<HubFile> files;
  ExpectError(ParseTreePage(R"([{"type":"file","path":"a","size":3,"oid":"abc"}])", "list", files),
              ErrorCode::kInvalidModel, "list", "SHA-256");
}

TEST(RepoListing, TheNextPageIsTheLinkThatSaysSo) {
  EXPECT_EQ(NextPage(R"(<https://a/b?c=1>; rel="next")"), "https://a/b?c=1");
  EXPECT_EQ(NextPage(R"(<https://a>; rel="prev", <https://b>; rel="next")"), "https://b");
  EXPECT_EQ(NextPage(R"(<https://a>; rel="prev")"), "");
  EXPECT_EQ(NextPage(""), "");
  EXPECT_EQ(NextPage("><"), "");
}

TEST(RepoListing, HostileAnswersAreRefused) {
  for (const char* json :
       {"", "{", "[]", "[{}]", "null", "[{\"path\":1}]", "[[[[", "{\"sha\":\"..\"}",
        "[{\"path\":\"../x\",\"type\":\"file\"}]", "\xFF\xFE", "[{\"path\":\"\\u0000\"}]"}) {
    fuzz::ReadHubAnswer(json);
  }
}

TEST(ContentHash, IsSha256OrGitsNameOfTheFile) {
  auto sha256 = ContentHash::Start(kSha256, 3).value();
  sha256.Update("a");
  sha256.Update("bc");
  EXPECT_EQ(sha256.Finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  auto git = ContentHash::Start(kGitId, 6).value();  // echo hello | git hash-object --stdin
  git.Update("hello\n");
  EXPECT_EQ(git.Finish(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(CurlLibrary, IsLoadedWhenItIsAskedFor) {
  const auto curl = http::LoadCurl();
  ASSERT_TRUE(curl) << curl.error().message();
  EXPECT_STREQ((*curl)->easy_strerror(CURLE_OK), "No error");
}

TEST(CurlLibrary, MissingOrOfAnotherKindNamesWhatWasLookedForAndThePackage) {
  const auto missing = http::OpenCurl(std::array{"libnot-there.so.4", "libnor-this.so.4"});
  ExpectError(missing, ErrorCode::kServiceUnavailable, "libnot-there.so.4");
  ExpectError(missing, ErrorCode::kServiceUnavailable, "libnor-this.so.4");
  ExpectError(missing, ErrorCode::kServiceUnavailable, "the package libcurl4");
  ExpectError(http::OpenCurl(std::array{"libm.so.6"}), ErrorCode::kServiceUnavailable,
              "expected 7.85 or newer");
}

TEST(Origin, IsSchemeHostAndPort) {
  EXPECT_EQ(http::OriginOf("https://Hub.example/a?b"), http::OriginOf("https://hub.example:443/c"));
  EXPECT_NE(http::OriginOf("https://hub.example"), http::OriginOf("http://hub.example"));
  EXPECT_NE(http::OriginOf("https://hub.example"), http::OriginOf("https://hub.example:444"));
  EXPECT_NE(http::OriginOf("https://hub.example"), http::OriginOf("https://hub.example.evil"));
  EXPECT_NE(http::OriginOf("https://hub.example@evil.example"),
            http::OriginOf("https://hub.example"));
}

class PartialFileTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSize = PartialFile::kSegmentBytes + 1000;
  PartialFile Open(int64_t size = kSize) { return PartialFile::Open(path_, size).value(); }
  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  TemporaryFolder folder_;
  const std::string path_ = (folder_ / "blobs/x.akin-part").string();
};

TEST_F(PartialFileTest, WhatWasWrittenIsThereTheNextTime) {
  {
    PartialFile file = Open();
    ASSERT_EQ(file.num_segments(), 2u);
    ASSERT_TRUE(file.Write(0, "abc"));
    ASSERT_TRUE(file.Write(PartialFile::kSegmentBytes, "xyz"));
    ASSERT_TRUE(file.SaveCount(0));
    ASSERT_TRUE(file.SaveCount(1));
  }
  PartialFile file = Open();
  EXPECT_EQ(file.Done(0), 3);
  EXPECT_EQ(file.Done(1), 3);
  EXPECT_EQ(file.DoneInAll(), 6);
  EXPECT_EQ(file.ContiguousEnd(0), 3);
  EXPECT_EQ(file.ContiguousEnd(PartialFile::kSegmentBytes), PartialFile::kSegmentBytes + 3);
  EXPECT_EQ(Content().substr(0, 3), "abc");
}

TEST_F(PartialFileTest, LittleIsLostWithoutANotice) {
  const std::string piece(16 << 10, 'p');
  const auto count = static_cast<int64_t>(piece.size());
  int64_t written = 0;
  {
    PartialFile file = Open();
    for (; written < 3 * PartialFile::kCountEvery + count; written += count)
      ASSERT_TRUE(file.Write(written, piece));
  }  // As if killed: nobody has saved a count.
  EXPECT_GT(Open().Done(0), written - PartialFile::kCountEvery);
  EXPECT_LE(Open().Done(0), written);
  {
    PartialFile file = Open();
    for (written = file.Done(0); written < PartialFile::kSegmentBytes; written += count)
      ASSERT_TRUE(file.Write(written, piece));
  }
  EXPECT_EQ(Open().Done(0), PartialFile::kSegmentBytes);  // A whole segment is always counted.
}

TEST_F(PartialFileTest, AWriteMayCrossSegmentsAndDoesNotChangeWhatIsThere) {
  PartialFile file = Open();
  const std::string whole(static_cast<size_t>(kSize), 'n');
  ASSERT_TRUE(file.Write(0, "old"));
  ASSERT_TRUE(file.Write(0, whole));
  EXPECT_EQ(file.DoneInAll(), kSize);
  EXPECT_EQ(file.ContiguousEnd(0), kSize);
  ASSERT_TRUE(file.Complete());
  const std::string content = Content();
  ASSERT_EQ(content.size(), static_cast<size_t>(kSize));
  EXPECT_EQ(content.substr(0, 4), "oldn");
}

TEST_F(PartialFileTest, AnotherSizeOrDamagedCountsBeginAnew) {
  const auto write = [&](int64_t size) {
    PartialFile file = Open(size);
    return file.Write(0, "abc") && file.SaveCount(0);
  };
  ASSERT_TRUE(write(kSize));
  EXPECT_EQ(Open(kSize + 4096).DoneInAll(), 0);
  ASSERT_TRUE(write(kSize + 4096));
  std::string damaged = Content();
  std::fill(damaged.end() - 16, damaged.end(), '\x7F');  // Counts beyond their segments.
  folder_.Write("blobs/x.akin-part", damaged);
  EXPECT_EQ(Open(kSize + 4096).DoneInAll(), 0);
  folder_.Write("blobs/x.akin-part", "short");
  EXPECT_EQ(Open().DoneInAll(), 0);
}

TEST_F(PartialFileTest, AFileOfTheRightSizeOnlyLacksItsName) {
  folder_.Write("blobs/x.akin-part", "12345");
  EXPECT_EQ(Open(5).DoneInAll(), 5);
  EXPECT_EQ(Open(5).ContiguousEnd(0), 5);
}

TEST_F(PartialFileTest, AnEmptyFileIsCompleteAtOnce) {
  PartialFile file = Open(0);
  EXPECT_EQ(file.num_segments(), 0u);
  EXPECT_EQ(file.DoneInAll(), 0);
  EXPECT_EQ(file.ContiguousEnd(0), 0);
  EXPECT_TRUE(file.Complete());
}

}  // namespace
}  // namespace akin::hub
