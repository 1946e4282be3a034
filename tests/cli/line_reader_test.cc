#include "cli/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "cli/text_source.h"

namespace akin::cli {
namespace {

using Event = LineReader::Event;

// A pipe that another thread fills, `block` bytes at a time.
class Input {
 public:
  explicit Input(std::string bytes, size_t block = 1 << 16) {
    int ends[2];
    if (pipe(ends) != 0) ADD_FAILURE() << "no pipe";
    read_end_ = FileDescriptor(ends[0]);
    writer_ = std::thread([fd = ends[1], bytes = std::move(bytes), block] {
      for (size_t at = 0; at < bytes.size(); at += block) {
        if (write(fd, bytes.data() + at, std::min(block, bytes.size() - at)) < 0) break;
      }
      close(fd);
    });
  }
  ~Input() { writer_.join(); }
  int fd() const { return read_end_.get(); }

 private:
  FileDescriptor read_end_;
  std::thread writer_;
};

std::vector<std::string> LinesOf(const std::string& bytes, size_t block = 1 << 16) {
  Input input(bytes, block);
  LineReader reader(input.fd(), "input", nullptr);
  std::vector<std::string> lines;
  std::string_view line;
  while (*reader.Next(line, false) == Event::kLine) {
    EXPECT_GE(reader.readable_past_line(), 64u);
    lines.emplace_back(line);
  }
  EXPECT_EQ(reader.bytes_consumed(), static_cast<int64_t>(bytes.size()));
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, EveryKindOfLineEndIsTakenOff) {
  EXPECT_EQ(LinesOf(""), Lines{});
  EXPECT_EQ(LinesOf("\n"), Lines{""});
  EXPECT_EQ(LinesOf("a"), Lines{"a"});
  EXPECT_EQ(LinesOf("a\r\nb\n\nc\r"), (Lines{"a", "b", "", "c"}));
}

TEST(LineReader, ByteOrderMarkIsLeftOutOfTheFirstLineOnly) {
  EXPECT_EQ(LinesOf("\xEF\xBB\xBF"
                    "a\n\xEF\xBB\xBF"
                    "b"),
            (Lines{"a",
                   "\xEF\xBB\xBF"
                   "b"}));
}

TEST(LineReader, LinesCutAnywhereComeOutWhole) {
  Lines expected;
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i), 'x'));
    bytes += expected.back() + '\n';
  }
  EXPECT_EQ(LinesOf(bytes, 7), expected);
}

TEST(LineReader, LineLongerThanTheBufferComesOutWhole) {
  const std::string line(10'000'000, 'y');
  EXPECT_EQ(LinesOf("a\n" + line + "\nb"), (Lines{"a", line, "b"}));
}

TEST(LineReader, IdleInputDoesNotKeepACallerWhoHasSomethingToDo) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const FileDescriptor read_end(ends[0]), write_end(ends[1]);
  ASSERT_EQ(write(write_end.get(), "a\nb", 3), 3);
  LineReader reader(read_end.get(), "input", nullptr);
  std::string_view line;
  EXPECT_EQ(*reader.Next(line, true), Event::kLine);
  EXPECT_EQ(*reader.Next(line, true), Event::kIdle);
  ASSERT_EQ(write(write_end.get(), "c\n", 2), 2);
  EXPECT_EQ(*reader.Next(line, true), Event::kLine);
  EXPECT_EQ(line, "bc");
}

TEST(LineReader, StopEndsAWaitingReader) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const FileDescriptor read_end(ends[0]), write_end(ends[1]);
  StopSignal stop;
  LineReader reader(read_end.get(), "input", &stop);
  std::thread stopper([&stop] { stop.Stop(); });
  std::string_view line;
  EXPECT_EQ(*reader.Next(line, false), Event::kEnd);
  stopper.join();
}

Result<TextChunk> ChunkOf(LineFormat format, const std::string& path,
                          const ChunkLimits& limits = {}) {
  SourceOptions options;
  options.input = path;
  options.format = format;
  auto source = OpenTextSource(options, nullptr);
  return source ? (*source)->Next(limits) : Result<TextChunk>(source.error());
}

class TextSourceFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "akin-cli-test-XXXXXX";
    path_ = testing::TempDir() + name;
    const int fd = mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    close(fd);
  }
  void TearDown() override { unlink(path_.c_str()); }
  void Write(const std::string& bytes) {
    FILE* file = fopen(path_.c_str(), "wb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    fclose(file);
  }
  std::string path_;
};

TEST_F(TextSourceFile, IdIsTheLineIndexWhereALineHasNone) {
  Write("{\"text\":\"a\"}\n\n{\"text\":\"b\",\"id\":\"x\"}\n{\"text\":\"c\"}\n");
  const auto chunk = ChunkOf(LineFormat::kJson, path_);
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->texts, (Lines{"a", "b", "c"}));
  EXPECT_EQ(chunk->ids, (Lines{"0", "\"x\"", "3"}));
  EXPECT_EQ(chunk->places, (std::vector<int64_t>{1, 3, 4}));
}

TEST_F(TextSourceFile, BrokenLineIsNamedByFileAndNumber) {
  Write("{\"text\":\"a\"}\n{\"text\":1}\n");
  const auto chunk = ChunkOf(LineFormat::kJson, path_);
  ASSERT_FALSE(chunk);
  EXPECT_EQ(chunk.error().message(),
            path_ + ", line 2: field \"text\" is a number, expected a string");
}

TEST_F(TextSourceFile, PlainLineThatIsNotUtf8IsNamedByLineAndByte) {
  Write("good\nbad \xC3(\n");
  const auto chunk = ChunkOf(LineFormat::kPlain, path_);
  ASSERT_FALSE(chunk);
  EXPECT_EQ(chunk.error().message(), path_ + ", line 2: not UTF-8 at byte 5");
}

TEST_F(TextSourceFile, ChunksEndAtTheirLimits) {
  Write("aaaa\nbbbb\ncccc\n");
  EXPECT_EQ(ChunkOf(LineFormat::kPlain, path_, {.max_texts = 2})->texts.size(), 2u);
  EXPECT_EQ(ChunkOf(LineFormat::kPlain, path_, {.max_bytes = 5})->texts.size(), 2u);
  EXPECT_EQ(ChunkOf(LineFormat::kPlain, path_, {.max_bytes = 1})->texts.size(), 1u);
}

}  // namespace
}  // namespace akin::cli
