// FindModel and ListModelLocations, with the environment under the test's control.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "akin/system.h"

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

class ModelStore : public ::testing::Test {
 protected:
  ModelStore() : working_folder_(std::filesystem::current_path()) {
    for (const char* name : {"AKIN_MODELS_DIR", "AKIN_CACHE", "XDG_CACHE_HOME", "HOME"}) {
      const char* value = getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      unsetenv(name);
    }
    std::filesystem::create_directory(folder_ / "work");
    std::filesystem::current_path(folder_ / "work");
  }
  ~ModelStore() override {
    std::filesystem::current_path(working_folder_);
    for (const auto& [name, value] : before_) {
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
  }

  void Set(const char* name, const std::string& folder) {
    setenv(name, (folder_ / folder).c_str(), 1);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  TemporaryFolder folder_;

 private:
  std::filesystem::path working_folder_;
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(ModelStore, NameIsLookedUpInTheCacheOfTheUser) {
  Set("HOME", "home");
  folder_.Write("home/.cache/akin/models/m/config.json", "{}");
  EXPECT_EQ(FindModel("m").value(), Path("home/.cache/akin/models/m"));
  Set("XDG_CACHE_HOME", "xdg");
  folder_.Write("xdg/akin/models/m/config.json", "{}");
  EXPECT_EQ(FindModel("m").value(), Path("xdg/akin/models/m"));
  Set("AKIN_CACHE", "cache");
  folder_.Write("cache/models/m/config.json", "{}");
  EXPECT_EQ(FindModel("m").value(), Path("cache/models/m"));
  Set("AKIN_MODELS_DIR", "models");
  EXPECT_EQ(FindModel("m").value(), Path("cache/models/m"));  // Still, for it is not in the other.
  folder_.Write("models/m/config.json", "{}");
  EXPECT_EQ(FindModel("m").value(), Path("models/m"));
}

TEST_F(ModelStore, FolderThatExistsIsAPath) {
  folder_.Write("work/m/config.json", "{}");
  Set("AKIN_CACHE", "cache");
  folder_.Write("cache/models/m/config.json", "{}");
  EXPECT_EQ(FindModel("m").value(), "m");
  EXPECT_EQ(FindModel("./m").value(), "./m");
  EXPECT_EQ(FindModel(Path("work/m")).value(), Path("work/m"));
  EXPECT_EQ(FindModel(".").value(), ".");
}

TEST_F(ModelStore, UnknownNameSaysWhereItWasLookedFor) {
  Set("AKIN_MODELS_DIR", "models");
  Set("AKIN_CACHE", "cache");
  ExpectError(FindModel("nothing"), ErrorCode::kModelNotFound, "nothing", Path("models"),
              Path("cache/models"), "sentence-transformers/all-MiniLM-L6-v2");
}

TEST_F(ModelStore, WithoutAHomeThereIsNothingToLookIn) {
  EXPECT_TRUE(ListModelLocations().empty());
  ExpectError(FindModel("m"), ErrorCode::kModelNotFound, "HOME");
}

TEST_F(ModelStore, HalfADownloadIsNoModel) {
  Set("AKIN_CACHE", "cache");
  folder_.Write("cache/models/m/model.safetensors", "");
  ExpectError(FindModel("m"), ErrorCode::kModelNotFound, "m");
}

TEST_F(ModelStore, NamesDoNotLeaveTheirLocation) {
  Set("AKIN_CACHE", "cache");
  folder_.Write("secret/config.json", "{}");
  std::filesystem::create_directories(folder_ / "cache/models");
  ExpectError(FindModel("../../secret"), ErrorCode::kModelNotFound);
  ExpectError(FindModel(""), ErrorCode::kInvalidInput);
  ExpectError(FindModel(std::string_view("m\0x", 3)), ErrorCode::kInvalidInput);
  ExpectError(FindModel("a/b"), ErrorCode::kModelNotFound, "a/b");
  ExpectError(FindModel(std::string(100'000, 'x')), ErrorCode::kModelNotFound);
}

TEST_F(ModelStore, LocationsListCompleteModelsInOrder) {
  Set("AKIN_MODELS_DIR", "models");
  Set("AKIN_CACHE", "cache");
  for (const char* file : {"b/config.json", "a/config.json", ".partial/config.json", "c/other"}) {
    folder_.Write(std::string("cache/models/") + file, "{}");
  }
  const std::vector<ModelLocation> locations = ListModelLocations();
  ASSERT_EQ(locations.size(), 2u);
  EXPECT_EQ(locations[0].path, Path("models"));
  EXPECT_FALSE(locations[0].exists);
  EXPECT_TRUE(locations[0].models.empty());
  EXPECT_EQ(locations[1].path, Path("cache/models"));
  EXPECT_TRUE(locations[1].exists);
  EXPECT_EQ(locations[1].models, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace akin
