// The C interface: the same vectors as the C++ one, and a defined answer to every argument.
#include "akin/c.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "akin/embedder.h"

namespace {

const std::string kModel = std::string(AKIN_TEST_DATA) + "/models/bert-mean";

// A handle with its end.
template <typename T, void (*kFree)(T*)>
class Owner {
 public:
  Owner() = default;
  ~Owner() { kFree(handle_); }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  T** out() { return &handle_; }
  T* get() const { return handle_; }

 private:
  T* handle_ = nullptr;
};
using Embedder = Owner<akin_embedder, &akin_embedder_free>;
using Embeddings = Owner<akin_embeddings, &akin_embeddings_free>;

void ExpectFailure(akin_code code, akin_code expected, std::string_view mention) {
  EXPECT_STREQ(akin_code_name(code), akin_code_name(expected)) << akin_last_error();
  EXPECT_NE(std::string_view(akin_last_error()).find(mention), std::string_view::npos)
      << "'" << mention << "' is not in: " << akin_last_error();
}

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    akin_load_options options = AKIN_LOAD_OPTIONS_INIT;
    options.num_threads = 2;
    ASSERT_EQ(akin_embedder_load(kModel.c_str(), &options, embedder_.out()), AKIN_OK)
        << akin_last_error();
  }
  akin_code Embed(const char* text, const akin_embed_options* options, Embeddings& embeddings) {
    return akin_embedder_embed(embedder_.get(), &text, nullptr, 1, options, embeddings.out());
  }
  Embedder embedder_;
};

TEST_F(CApi, GivesTheVectorsOfTheCppInterface) {
  const char* texts[] = {"the cat sat", "", "Über the house"};
  Embeddings embeddings;
  ASSERT_EQ(akin_embedder_embed(embedder_.get(), texts, nullptr, 3, nullptr, embeddings.out()),
            AKIN_OK);
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  ASSERT_EQ(akin_embeddings_get(embeddings.get(), &view), AKIN_OK);

  const akin::Embedder expected = akin::Embedder::Load(kModel, {.num_threads = 2}).value();
  const akin::Embeddings vectors = expected.Embed({texts[0], texts[1], texts[2]}).value();
  ASSERT_EQ(view.num_texts, 3u);
  ASSERT_EQ(static_cast<size_t>(view.dimension), vectors.dimension());
  EXPECT_EQ(
      std::memcmp(view.values, vectors.vectors().data(), 3 * vectors.dimension() * sizeof(float)),
      0);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(view.num_tokens[i], vectors.num_tokens(i));
    EXPECT_EQ(view.truncated[i], 0);
  }
  EXPECT_EQ(view.total_tokens, vectors.usage().total_tokens);
  EXPECT_GE(view.duration_ms, view.compute_ms);
}

TEST_F(CApi, OptionsAreThoseOfTheCppInterface) {
  akin_embed_options options = AKIN_EMBED_OPTIONS_INIT;
  options.max_tokens = 4;
  options.normalize = AKIN_NORMALIZE_NO;
  options.truncate_dim = 3;
  options.prompt = "the ";
  Embeddings embeddings;
  ASSERT_EQ(Embed("cat and the house", &options, embeddings), AKIN_OK) << akin_last_error();
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  ASSERT_EQ(akin_embeddings_get(embeddings.get(), &view), AKIN_OK);
  const akin::Embeddings expected =
      akin::Embedder::Load(kModel)
          .value()
          .Embed({"cat and the house"},
                 {.max_tokens = 4, .prompt = "the ", .normalize = false, .truncate_dim = 3})
          .value();
  ASSERT_EQ(view.dimension, 3);
  for (size_t j = 0; j < 3; ++j) EXPECT_EQ(view.values[j], expected[0][j]);
  EXPECT_EQ(view.num_tokens[0], 4);
  EXPECT_EQ(view.truncated[0], expected.truncated(0));
}

TEST_F(CApi, SizesMayBeGivenForTexts) {
  const char* texts[] = {"the catXXX", nullptr};
  const size_t sizes[] = {7, 0};
  Embeddings sized, ended;
  ASSERT_EQ(akin_embedder_embed(embedder_.get(), texts, sizes, 2, nullptr, sized.out()), AKIN_OK);
  const char* same[] = {"the cat", ""};
  ASSERT_EQ(akin_embedder_embed(embedder_.get(), same, nullptr, 2, nullptr, ended.out()), AKIN_OK);
  akin_embeddings_view a = AKIN_EMBEDDINGS_VIEW_INIT, b = AKIN_EMBEDDINGS_VIEW_INIT;
  ASSERT_EQ(akin_embeddings_get(sized.get(), &a), AKIN_OK);
  ASSERT_EQ(akin_embeddings_get(ended.get(), &b), AKIN_OK);
  EXPECT_EQ(std::memcmp(a.values, b.values, 2 * static_cast<size_t>(a.dimension) * sizeof(float)),
            0);
}

TEST_F(CApi, NoTextsGiveNoVectors) {
  Embeddings embeddings;
  ASSERT_EQ(akin_embedder_embed(embedder_.get(), nullptr, nullptr, 0, nullptr, embeddings.out()),
            AKIN_OK);
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  ASSERT_EQ(akin_embeddings_get(embeddings.get(), &view), AKIN_OK);
  EXPECT_EQ(view.num_texts, 0u);
}

TEST_F(CApi, InformationAndHealth) {
  EXPECT_EQ(akin_embedder_health(embedder_.get()), AKIN_OK);
  akin_model_info info = AKIN_MODEL_INFO_INIT;
  ASSERT_EQ(akin_embedder_info(embedder_.get(), &info), AKIN_OK);
  EXPECT_STREQ(info.model, "bert-mean");
  EXPECT_STREQ(info.kind, "dense");
  EXPECT_STREQ(info.backend, "native");
  EXPECT_STREQ(info.backend_detail, "");
  EXPECT_EQ(info.num_threads, 2);
  EXPECT_EQ(info.batch_invariant, 1);
  EXPECT_GT(info.dimension, 0);
  EXPECT_GT(info.load_ms, 0);
  EXPECT_STRNE(akin_version(), "");
}

TEST_F(CApi, NullIsAnErrorAndOutParametersStayAsTheyAre) {
  auto* const untouched = reinterpret_cast<akin_embedder*>(uintptr_t{77});
  akin_embedder* embedder = untouched;
  ExpectFailure(akin_embedder_load(nullptr, nullptr, &embedder), AKIN_INVALID_INPUT, "model");
  ExpectFailure(akin_embedder_load("/nowhere", nullptr, &embedder), AKIN_MODEL_NOT_FOUND,
                "/nowhere");
  EXPECT_EQ(embedder, untouched);
  ExpectFailure(akin_embedder_load(kModel.c_str(), nullptr, nullptr), AKIN_INVALID_INPUT,
                "embedder");
  ExpectFailure(akin_embedder_health(nullptr), AKIN_INVALID_INPUT, "null is no akin_embedder");
  ExpectFailure(akin_embedder_info(embedder_.get(), nullptr), AKIN_INVALID_INPUT, "null");

  const char* text = "a";
  const char* null_text = nullptr;
  auto* const no_vectors = reinterpret_cast<akin_embeddings*>(uintptr_t{78});
  akin_embeddings* embeddings = no_vectors;
  const akin_embedder* good = embedder_.get();
  ExpectFailure(akin_embedder_embed(nullptr, &text, nullptr, 1, nullptr, &embeddings),
                AKIN_INVALID_INPUT, "null is no akin_embedder");
  ExpectFailure(akin_embedder_embed(good, nullptr, nullptr, 1, nullptr, &embeddings),
                AKIN_INVALID_INPUT, "texts is null");
  ExpectFailure(akin_embedder_embed(good, &null_text, nullptr, 1, nullptr, &embeddings),
                AKIN_INVALID_INPUT, "text 0 is null");
  ExpectFailure(akin_embedder_embed(good, &text, nullptr, 1, nullptr, nullptr), AKIN_INVALID_INPUT,
                "embeddings is null");
  const char* no_utf8 = "\xff";
  ExpectFailure(akin_embedder_embed(good, &no_utf8, nullptr, 1, nullptr, &embeddings),
                AKIN_INVALID_INPUT, "UTF-8");
  EXPECT_EQ(embeddings, no_vectors);
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  ExpectFailure(akin_embeddings_get(nullptr, &view), AKIN_INVALID_INPUT, "akin_embeddings");
  EXPECT_EQ(view.values, nullptr);
  akin_embedder_free(nullptr);
  akin_embeddings_free(nullptr);
}

TEST_F(CApi, OptionsThatAreWrongAreNamed) {
  akin_load_options load = AKIN_LOAD_OPTIONS_INIT;
  akin_embedder* embedder = nullptr;
  load.backend = "steam";
  ExpectFailure(akin_embedder_load(kModel.c_str(), &load, &embedder), AKIN_INVALID_INPUT, "steam");
  load = AKIN_LOAD_OPTIONS_INIT;
  load.backend = "plugin:/nowhere.so";
  ExpectFailure(akin_embedder_load(kModel.c_str(), &load, &embedder), AKIN_INVALID_INPUT,
                "/nowhere.so");
  load = AKIN_LOAD_OPTIONS_INIT;
  load.precision = "f8";
  ExpectFailure(akin_embedder_load(kModel.c_str(), &load, &embedder), AKIN_INVALID_INPUT, "f8");
  load = AKIN_LOAD_OPTIONS_INIT;
  load.num_threads = -1;
  ExpectFailure(akin_embedder_load(kModel.c_str(), &load, &embedder), AKIN_INVALID_INPUT, "-1");
  EXPECT_EQ(embedder, nullptr);

  Embeddings embeddings;
  akin_embed_options embed = AKIN_EMBED_OPTIONS_INIT;
  embed.normalize = 3;
  ExpectFailure(Embed("a", &embed, embeddings), AKIN_INVALID_INPUT, "normalize");
  embed = AKIN_EMBED_OPTIONS_INIT;
  embed.overflow = "chunks";
  ExpectFailure(Embed("a", &embed, embeddings), AKIN_INVALID_INPUT, "chunks");
  embed = AKIN_EMBED_OPTIONS_INIT;
  embed.prompt_name = "poem";
  ExpectFailure(Embed("a", &embed, embeddings), AKIN_INVALID_INPUT, "poem");
  embed = AKIN_EMBED_OPTIONS_INIT;
  embed.max_tokens = -5;
  ExpectFailure(Embed("a", &embed, embeddings), AKIN_INVALID_INPUT, "-5");
}

TEST_F(CApi, StructsOfOtherSizesAreUnderstoodOrRefused) {
  struct {
    akin_embed_options known = AKIN_EMBED_OPTIONS_INIT;
    void* field_of_tomorrow = nullptr;
  } newer;
  newer.known.struct_size = sizeof newer;
  Embeddings embeddings;
  EXPECT_EQ(Embed("a", &newer.known, embeddings), AKIN_OK);
  newer.field_of_tomorrow = &newer;
  Embeddings none;
  ExpectFailure(Embed("a", &newer.known, none), AKIN_INVALID_INPUT, "too old");

  akin_embed_options smaller = AKIN_EMBED_OPTIONS_INIT;
  smaller.struct_size = 3;
  ExpectFailure(Embed("a", &smaller, none), AKIN_INVALID_INPUT, "struct_size is 3");
  akin_model_info info{};
  ExpectFailure(akin_embedder_info(embedder_.get(), &info), AKIN_INVALID_INPUT, "struct_size is 0");

  struct {
    akin_model_info known = AKIN_MODEL_INFO_INIT;
    uint64_t field_of_tomorrow = 0;
  } newer_info;
  newer_info.known.struct_size = sizeof newer_info;
  EXPECT_EQ(akin_embedder_info(embedder_.get(), &newer_info.known), AKIN_OK);
  EXPECT_EQ(newer_info.known.struct_size, sizeof newer_info);
  EXPECT_EQ(newer_info.field_of_tomorrow, 0u);
}

TEST_F(CApi, AFreedHandleIsNone) {
  Embedder other;
  ASSERT_EQ(akin_embedder_load(kModel.c_str(), nullptr, other.out()), AKIN_OK);
  akin_embedder_free(other.get());
  ExpectFailure(akin_embedder_health(other.get()), AKIN_INVALID_INPUT, "freed");
  akin_embedder_free(other.get());  // Nothing happens, and the other one lives.
  EXPECT_EQ(akin_embedder_health(embedder_.get()), AKIN_OK);

  Embeddings embeddings;
  ASSERT_EQ(Embed("a", nullptr, embeddings), AKIN_OK);
  // One kind of handle is not another.
  ExpectFailure(akin_embedder_health(reinterpret_cast<akin_embedder*>(embeddings.get())),
                AKIN_INVALID_INPUT, "akin_embedder");
  akin_embeddings_free(embeddings.get());
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  ExpectFailure(akin_embeddings_get(embeddings.get(), &view), AKIN_INVALID_INPUT, "freed");
  ExpectFailure(akin_embeddings_get(reinterpret_cast<akin_embeddings*>(&view), &view),
                AKIN_INVALID_INPUT, "akin_embeddings");
}

TEST_F(CApi, TheLastErrorIsTheThreadsOwn) {
  ExpectFailure(akin_embedder_health(nullptr), AKIN_INVALID_INPUT, "null");
  std::thread([] { EXPECT_STREQ(akin_last_error(), ""); }).join();
  EXPECT_STRNE(akin_last_error(), "");
  EXPECT_EQ(akin_embedder_health(embedder_.get()), AKIN_OK);
  EXPECT_STREQ(akin_last_error(), "");
}

TEST_F(CApi, AnEmbedderMayBeFreedWhileOthersEmbed) {
  Embedder shared;
  ASSERT_EQ(akin_embedder_load(kModel.c_str(), nullptr, shared.out()), AKIN_OK);
  std::atomic<int> wrong{0}, refused{0}, good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) {
        const char* text = "the cat";
        akin_embeddings* embeddings = nullptr;
        const akin_code code =
            akin_embedder_embed(shared.get(), &text, nullptr, 1, nullptr, &embeddings);
        (code == AKIN_OK ? good : code == AKIN_INVALID_INPUT ? refused : wrong)++;
        akin_embeddings_free(embeddings);
      }
    });
  }
  while (good < 16) std::this_thread::yield();
  akin_embedder_free(shared.get());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(good + refused, 16 * 200);
}

}  // namespace
