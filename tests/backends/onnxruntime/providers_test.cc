// Execution providers: their names, and the real ones of the real library and of OpenVINO's
// plug-in.
#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "backends/onnxruntime/tiny_graph.h"
#include "support/expect_error.h"

namespace akin::backends {
namespace {

TEST(ExecutionProviderText, NamesRequirementsAndOptionsAreRead) {
  const auto provider =
      ParseExecutionProvider("coreml:required:ModelFormat=MLProgram,Cache=a\\,b:c");
  ASSERT_TRUE(provider) << provider.error().message();
  EXPECT_EQ(provider->name, "CoreMLExecutionProvider");
  EXPECT_TRUE(provider->required);
  ASSERT_EQ(provider->options.size(), 2u);
  EXPECT_EQ(provider->options[1], std::pair(std::string("Cache"), std::string("a,b:c")));
  EXPECT_FALSE(ParseExecutionProvider("cuda")->required);
  EXPECT_EQ(ParseExecutionProvider("cuda:device_id=1")->options[0].second, "1");
  EXPECT_EQ(ParseExecutionProvider("MyExecutionProvider")->name, "MyExecutionProvider");
  for (const char* name : {"CUDA", "Cuda", "cudaexecutionprovider"})
    EXPECT_EQ(ParseExecutionProvider(name)->name, "CUDAExecutionProvider");
  // The flag is read wherever it stands; the word inside of a value is none.
  for (const char* text : {"cuda:required", "cuda:required:a=b:c,d=e", "cuda:a=b:c,d=e:required",
                           "cuda:a=b:c:required:d=e", "cuda:required:a=b:c:required:d=e"}) {
    const auto flagged = ParseExecutionProvider(text);
    ASSERT_TRUE(flagged) << text;
    EXPECT_TRUE(flagged->required) << text;
    const std::vector<std::pair<std::string, std::string>> options = {{"a", "b:c"}, {"d", "e"}};
    if (flagged->options.empty()) continue;
    EXPECT_EQ(flagged->options, options) << text;
  }
  const auto value = ParseExecutionProvider("cuda:a=required:b=notrequired");
  ASSERT_TRUE(value);
  EXPECT_FALSE(value->required);
  EXPECT_EQ(value->options[0].second, "required:b=notrequired");
  ExpectError(ParseExecutionProvider("cuda:a=b,required"), ErrorCode::kInvalidInput, "'required'");
  ExpectError(ParseExecutionProvider(""), ErrorCode::kInvalidInput, "no name");
  ExpectError(ParseExecutionProvider("cuda:fast"), ErrorCode::kInvalidInput, "'fast'");
  ExpectError(ParseExecutionProvider("cuda:=1"), ErrorCode::kInvalidInput, "'=1'");
}

TEST(ExecutionProviderText, ShortNamesHaveALongOneAndBack) {
  for (const std::string& name : ShortExecutionProviderNames())
    EXPECT_EQ(ShortExecutionProviderName(ExecutionProviderName(name)), name);
}

TEST(ExecutionProviderText, EveryOneOfTheLibrarysOwnListIsKnown) {
  for (const char* name : {"JsExecutionProvider", "TvmExecutionProvider", "WebNNExecutionProvider"})
    EXPECT_NE(ShortExecutionProviderName(name), name);
}

class ProvidersTest : public OnnxRuntimeTest {
 protected:
  static OnnxRuntimeParams With(std::string_view provider) {
    OnnxRuntimeParams params;
    params.options.providers = {*ParseExecutionProvider(provider)};
    return params;
  }
  const OnnxFolder folder_{LookupModel()};
};

TEST_F(ProvidersTest, ARequiredOneThatIsMissingFails) {
  ExpectError(folder_.Load(With("cuda:required")), ErrorCode::kInvalidInput,
              "CUDAExecutionProvider", "which has:", "CPUExecutionProvider", "required");
}

TEST_F(ProvidersTest, AnOptionalOneThatIsMissingFallsThroughAndIsSaid) {
  const auto backend = folder_.Load(With("cuda"));
  ASSERT_TRUE(backend) << backend.error().message();
  const BackendInfo info = (*backend)->Info();
  EXPECT_EQ(info.isa, "cpu");
  ASSERT_FALSE(info.notes.empty());
  EXPECT_NE(info.notes[0].find("not used: execution provider CUDA"), std::string::npos);
  ASSERT_EQ(info.execution_providers.size(), 1u);
  EXPECT_EQ(info.execution_providers[0].name, "CPUExecutionProvider");
  EXPECT_EQ(info.execution_providers[0].num_nodes, 1);
}

TEST_F(ProvidersTest, ANameThatNoneHasIsAnErrorThoughItIsOptional) {
  for (const char* name : {"corml", "CormlExecutionProvider"}) {
    ExpectError(folder_.Load(With(name)), ErrorCode::kInvalidInput, name, "no plug-in",
                "CPUExecutionProvider");
  }
}

TEST_F(ProvidersTest, NodesAreCountedWhenAskedFor) {
  OnnxRuntimeParams params;
  EXPECT_TRUE((*folder_.Load(params))->Info().execution_providers.empty());
  params.options.count_nodes = true;
  EXPECT_EQ((*folder_.Load(params))->Info().execution_providers.size(), 1u);
}

TEST_F(ProvidersTest, APluginThatIsNoneIsRefused) {
  OnnxRuntimeParams params;
  params.options.provider_libraries = {{"x", (folder_.folder() / "x.so").string()}};
  ExpectError(folder_.Load(params), ErrorCode::kInvalidInput, "x.so", "not there");
  folder_.folder().Write("x.so", "no library");
  ExpectError(folder_.Load(params), ErrorCode::kInvalidInput, "the provider library", "x.so",
              "is no shared library");
}

TEST_F(ProvidersTest, ManyMayLoadAPluginAtOnce) {
  // It takes its time: without a lock around all of it each thread would find it missing.
  OnnxRuntimeParams params;
  params.options.provider_libraries = {{"slow", AKIN_TEST_SLOW_PLUGIN}};
  std::array<std::optional<Error>, 4> errors;
  std::vector<std::thread> threads;
  for (std::optional<Error>& error : errors) {
    threads.emplace_back([&] {
      const auto backend = folder_.Load(params);
      if (!backend) error = backend.error();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors) EXPECT_FALSE(error) << error->message();
  const auto info = DescribeOnnxRuntime();
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(
      std::ranges::count(info->plugin_devices, std::pair<std::string, std::string>("slow", "")), 1);
}

// A second provider for real: OpenVINO's, computing the same rows as the CPU.
class OpenVinoTest : public ProvidersTest {
 protected:
  void ExpectOpenVinoRuns(const OnnxRuntimeParams& params) {
    const auto backend = folder_.Load(params);
    ASSERT_TRUE(backend) << backend.error().message();
    const BackendInfo info = (*backend)->Info();
    EXPECT_EQ(info.isa, "openvino+cpu");
    ASSERT_FALSE(info.execution_providers.empty());
    EXPECT_EQ(info.execution_providers[0].name, "OpenVINOExecutionProvider");

    const std::array<int32_t, 3> ids = {1, 2, 3}, borders = {0, 1, 3};
    const auto session = (*backend)->NewSession(16, 1);
    const auto rows = (*backend)->Compute({ids, {}, borders}, TeamMember{}, *session);
    ASSERT_TRUE(rows) << rows.error().message();
    for (size_t r = 0; r < 3; ++r) {
      for (int64_t c = 0; c < kTableWidth; ++c) {
        EXPECT_NEAR(rows->row(r)[static_cast<size_t>(c)], TableValue(ids[r], c), 1e-3);
      }
    }
  }
};

// Built into the library of the package onnxruntime-openvino.
class BuiltInOpenVinoTest : public OpenVinoTest {
 protected:
  void SetUp() override {
    OpenVinoTest::SetUp();
#ifdef AKIN_TEST_SANITIZED
    GTEST_SKIP() << "OpenVINO opens a library with RTLD_DEEPBIND, which sanitizers do not take";
#endif
    if (!std::filesystem::exists(AKIN_TEST_ORT_OPENVINO))
      GTEST_SKIP() << AKIN_TEST_ORT_OPENVINO " is not there (./dev test fetches it)";
    params_ = With("openvino:required:device_type=CPU");
    params_.options.library = AKIN_TEST_ORT_OPENVINO;
  }
  OnnxRuntimeParams params_;
};

TEST_F(BuiltInOpenVinoTest, ItRunsTheGraphAndSaysSo) { ExpectOpenVinoRuns(params_); }

TEST_F(BuiltInOpenVinoTest, WithBucketsThereAreFewShapes) {
  params_.options.shape_buckets = {2, 8};
  const auto backend = folder_.Load(params_);
  ASSERT_TRUE(backend) << backend.error().message();
  const BackendInfo info = (*backend)->Info();
  ASSERT_TRUE(info.rectangles);
  EXPECT_TRUE(info.rectangles->rows_by_powers_of_two);
  EXPECT_EQ(info.max_positions, 8);
  // Three sequences, filled up to four rows of eight.
  const std::array<int32_t, 6> ids = {5, 1, 2, 3, 4, 0};
  const std::array<int32_t, 4> borders = {0, 1, 5, 6};
  const auto session = (*backend)->NewSession(16, 1);
  const auto rows = (*backend)->Compute({ids, {}, borders}, TeamMember{}, *session);
  ASSERT_TRUE(rows) << rows.error().message();
  for (size_t r = 0; r < ids.size(); ++r) EXPECT_NEAR(rows->row(r)[0], TableValue(ids[r], 0), 1e-3);
}

TEST_F(BuiltInOpenVinoTest, AWrongOptionIsAnErrorThoughTheProviderIsOptional) {
  params_.options.providers = {*ParseExecutionProvider("openvino:no_such_option=1")};
  ExpectError(folder_.Load(params_), ErrorCode::kInvalidInput, "OpenVINO");
}

// From a plug-in. It offers itself only on CPUs of its maker.
class PluginOpenVinoTest : public OpenVinoTest {
 protected:
  void SetUp() override {
    OpenVinoTest::SetUp();
    const std::string path = AKIN_TEST_OPENVINO "/libonnxruntime_providers_openvino_plugin.so";
    if (!std::filesystem::exists(path))
      GTEST_SKIP() << "OpenVINO's plug-in is not at " << path << " (./dev test fetches it)";
    params_ = With("openvino:required");
    params_.options.provider_libraries = {{"openvino", path}};
    const auto info = DescribeOnnxRuntime(params_.options);
    ASSERT_TRUE(info) << info.error().message();  // It loads, wherever it is.
    ASSERT_FALSE(info->plugin_devices.empty());
    const std::pair<std::string, std::string> without_device("openvino", "");
    if (std::ranges::find(info->plugin_devices, without_device) != info->plugin_devices.end())
      GTEST_SKIP() << "OpenVINO's plug-in is loaded and offers no device on this CPU";
  }
  OnnxRuntimeParams params_;
};

TEST_F(PluginOpenVinoTest, ItRunsTheGraphAndSaysSo) { ExpectOpenVinoRuns(params_); }

TEST_F(PluginOpenVinoTest, ADeviceThatIsNotHereIsRefused) {
  params_.options.providers = {*ParseExecutionProvider("openvino:required:device=tpu")};
  ExpectError(folder_.Load(params_), ErrorCode::kInvalidInput, "no device 'tpu'", "cpu");
}

}  // namespace
}  // namespace akin::backends
