// Every allocation that the public functions ask for fails once, and from there on all of them: the
// answer is the right one or an error, and the next call works. In a program of its own because
// operator new is replaced; the sanitizers' builds see what leaks.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "akin/system.h"
#include "akin/tokenizer.h"

#include "support/allocations.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin {
namespace {

using Failure = WatchedAllocations::Failure;

// A tokenizer.json of few parts, so that a test has few allocations.
struct TinyFile {
  std::string name, json;
};

const std::string kTemplate =
    R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]",)"
    R"("type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A",)"
    R"("type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"[X]":{"id":"[X]",)"
    R"("ids":[1],"tokens":["[X]"]}}},"added_tokens":[{"id":1,"content":"[X]","single_word":false,)"
    R"("lstrip":true,"rstrip":false,"normalized":true,"special":true}],)"
    R"("padding":{"strategy":"BatchLongest","direction":"Right","pad_id":0,"pad_type_id":0,)"
    R"("pad_token":"?"},"truncation":{"max_length":9,"stride":1,"strategy":"LongestFirst"},)";

std::vector<TinyFile> TinyFiles() {
  return {
      {"WordPiece", "{" + kTemplate +
                        R"("normalizer":{"type":"BertNormalizer","clean_text":true,)"
                        R"("handle_chinese_chars":true,"strip_accents":null,"lowercase":true},)"
                        R"("pre_tokenizer":{"type":"BertPreTokenizer"},)"
                        R"("decoder":{"type":"WordPiece","prefix":"##","cleanup":true},)"
                        R"("model":{"type":"WordPiece","unk_token":"?",)"
                        R"("continuing_subword_prefix":"##","max_input_chars_per_word":100,)"
                        R"("vocab":{"?":0,"[X]":1,"a":2,"##b":3}}})"},
      {"BPE",
       "{" + kTemplate +
           R"("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[)"
           R"({"type":"Split","pattern":{"Regex":"a|[^a]+"},"behavior":"Isolated","invert":false},)"
           R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}]},)"
           R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":)"
           R"({"String":"a"},"content":"aa"},{"type":"ByteLevel"}]},)"
           R"("model":{"type":"BPE","vocab":{"?":0,"[X]":1,"a":2,"b":3,"ab":4},)"
           R"("merges":["a b"],"unk_token":"?"}})"},
      {"Unigram", "{" + kTemplate +
                      R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Replace",)"
                      R"("pattern":{"Regex":" {2,}"},"content":" "},{"type":"NFKD"}]},)"
                      R"("pre_tokenizer":{"type":"Metaspace","replacement":"_",)"
                      R"("prepend_scheme":"always","split":true},)"
                      R"("decoder":{"type":"Metaspace","replacement":"_",)"
                      R"("prepend_scheme":"always","split":true},)"
                      R"("model":{"type":"Unigram","unk_id":0,"vocab":[["?",0],["[X]",0],)"
                      R"(["_a",-1],["b",-2]]}})"},
  };
}

// What the calls of one thread gave; those that could not be made are missing.
struct Answers {
  std::optional<Result<Tokenizer>> tokenizer;
  std::optional<Result<Encoding>> encoding, pair;
  std::optional<Result<std::vector<Encoding>>> batch;
  std::optional<Result<size_t>> count;
  std::optional<Result<std::string>> text;
};

Answers Ask(const std::string& path) {
  static const std::string long_text = std::string(40'000, ' ') + "ab [X] b\u00e9";  // A chunk.
  static const std::string_view texts[] = {long_text, "ab a"};
  static const int32_t ids[] = {1, 2, 3, 4, 99};
  Answers answers;
  answers.tokenizer = Tokenizer::Load(path);
  if (!*answers.tokenizer) return answers;
  const Tokenizer& tokenizer = **answers.tokenizer;
  answers.encoding = tokenizer.Encode("ab [X] b\u00e9 ab ab ab ab",
                                      {.with_offsets = true, .with_overflowing = true});
  answers.pair = tokenizer.EncodePair("ab", "a b b a");
  answers.batch = tokenizer.EncodeBatch(texts, {}, 2);
  answers.count = tokenizer.CountTokens("ab \u00e9");
  answers.text = tokenizer.Decode(ids, false);
  return answers;
}

void ExpectSame(const Encoding& a, const Encoding& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.overflowing.size(), b.overflowing.size());
}
void ExpectSame(size_t a, size_t b) { EXPECT_EQ(a, b); }
void ExpectSame(const std::string& a, const std::string& b) { EXPECT_EQ(a, b); }
void ExpectSame(const std::vector<Encoding>& a, const std::vector<Encoding>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ExpectSame(a[i], b[i]);
}
void ExpectSame(const Tokenizer& a, const Tokenizer& b) {
  EXPECT_EQ(a.vocab_size(), b.vocab_size());
}

template <typename T>
void ExpectRightOrOutOfMemory(const std::optional<Result<T>>& answer,
                              const std::optional<Result<T>>& right) {
  ASSERT_TRUE(right && *right) << (right ? right->error().message() : "not asked");
  if (!answer) return;
  if (*answer) return ExpectSame(**answer, **right);
  ExpectError(*answer, ErrorCode::kInternal, "out of memory");
}

// Runs `body` on a thread of its own, which has no memory from calls before; whether the allocation
// that was to fail was asked for.
template <typename Body>
bool RunWithFailure(Failure failure, Body&& body) {
  bool failed = false;
  std::thread([&] {
    const WatchedAllocations watched(failure);
    body();
    failed = watched.failed();
  }).join();
  return failed;
}

TEST(OutOfMemory, EveryCallOfATokenizerIsRightOrAnError) {
  const TemporaryFolder folder;
  for (const TinyFile& file : TinyFiles()) {
    SCOPED_TRACE(file.name);
    folder.Write("tokenizer.json", file.json);
    const std::string path = folder.path().string();
    const Answers right = Ask(path);
    for (const bool and_all_after : {false, true}) {
      size_t n = 1;
      for (bool failed = true; failed && !testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE(n);
        Answers answers;
        failed =
            RunWithFailure({.at = n, .and_all_after = and_all_after}, [&] { answers = Ask(path); });
        ExpectRightOrOutOfMemory(answers.tokenizer, right.tokenizer);
        ExpectRightOrOutOfMemory(answers.encoding, right.encoding);
        ExpectRightOrOutOfMemory(answers.pair, right.pair);
        ExpectRightOrOutOfMemory(answers.batch, right.batch);
        ExpectRightOrOutOfMemory(answers.count, right.count);
        ExpectRightOrOutOfMemory(answers.text, right.text);
        // What a failed call has left in a tokenizer does not harm the next one.
        if (answers.tokenizer && *answers.tokenizer) {
          ExpectSame((*answers.tokenizer)->CountTokens("ab \u00e9").value(), **right.count);
        }
      }
      EXPECT_GT(n, 100u);
    }
  }
}

TEST(OutOfMemory, TheFactsOfTheMachineAreThereOrMissing) {
  for (size_t n = 1;; ++n) {
    std::optional<Result<std::string>> model;
    const bool failed = RunWithFailure({.at = n}, [&] {
      DescribeSystem();
      ListModelLocations();
      model = FindModel("a model that is not there, with a name of some length");
    });
    if (model->error().code() != ErrorCode::kModelNotFound) {
      ExpectError(*model, ErrorCode::kInternal, "out of memory");
    }
    if (!failed) break;
  }
}

}  // namespace
}  // namespace akin
