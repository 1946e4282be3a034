#include "server/grpc/message_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "deflated.h"
#include "fake_stream.h"

namespace akin::server {
namespace {

// All messages of `bytes`, given in pieces of `piece` bytes.
std::vector<std::string> ReadAll(MessageReader& reader, std::string_view bytes, size_t piece) {
  std::vector<std::string> messages;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    while (!part.empty()) {
      auto state = reader.Read(part);
      while (state == MessageReader::State::kInflating) state = reader.InflateOn();
      if (state == MessageReader::State::kFailed) return messages;
      if (state == MessageReader::State::kMessage) messages.push_back(reader.Take());
    }
  }
  return messages;
}

TEST(MessageReader, ReadsMessagesHoweverTheyAreCut) {
  const std::vector<std::string> expected = {"abc", "", std::string(100'000, 'x'), "z"};
  std::string bytes;
  for (const std::string& message : expected) bytes += Framed(message);
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{4}, size_t{5}, size_t{6}, size_t{7},
                             size_t{1000}, size_t{16384}, bytes.size()}) {
    MessageBudget budget(1 << 20);
    MessageReader reader(budget, "a", Encoding::kIdentity);
    EXPECT_EQ(ReadAll(reader, bytes, piece), expected) << piece;
    EXPECT_EQ(reader.bytes(), 0U);
    EXPECT_EQ(budget.held_bytes(), 0U);
  }
}

TEST(MessageReader, TakesNothingOfTheNextMessage) {
  MessageBudget budget(1 << 20);
  MessageReader reader(budget, "a", Encoding::kIdentity);
  const std::string bytes = Framed("one") + Framed("two");
  std::string_view rest = bytes;
  ASSERT_EQ(reader.Read(rest), MessageReader::State::kMessage);
  EXPECT_EQ(rest.size(), Framed("two").size());
  EXPECT_EQ(reader.Take(), "one");
}

GrpcStatus FailureOf(std::string_view bytes, Encoding encoding = Encoding::kIdentity) {
  MessageBudget budget(64 << 20);
  MessageReader reader(budget, "a", encoding);
  EXPECT_TRUE(ReadAll(reader, bytes, 1000).empty());
  std::string_view more = "more";
  EXPECT_EQ(reader.Read(more), MessageReader::State::kFailed);
  EXPECT_EQ(budget.held_bytes(), 0U);
  return reader.status();
}

TEST(MessageReader, RefusesWhatIsTooLongBeforeItComes) {
  const std::string head("\0\0\x40\0\x01", 5);  // 4 MiB and one byte.
  EXPECT_EQ(FailureOf(head).code, GrpcCode::kResourceExhausted);
  EXPECT_EQ(FailureOf(std::string("\0\xff\xff\xff\xff", 5)).code, GrpcCode::kResourceExhausted);
  MessageBudget budget(64 << 20);
  MessageReader reader(budget, "a", Encoding::kIdentity);
  const auto messages = ReadAll(reader, Framed(std::string(4 << 20, 'x')), 16384);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].size(), size_t{4} << 20);
}

TEST(MessageReader, RefusesOddFlags) {
  EXPECT_EQ(FailureOf(Framed("abc", 2)).code, GrpcCode::kInvalidArgument);
  EXPECT_EQ(FailureOf(Framed("abc", 1)).code, GrpcCode::kInvalidArgument);
  EXPECT_EQ(FailureOf(Framed("abc", 1), Encoding::kGzip).code, GrpcCode::kInvalidArgument);
}

TEST(MessageReader, InflatesOnlyWhatSaysThatItIsCompressed) {
  // "hello" by zlib.
  const std::string compressed("\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15", 13);
  MessageBudget budget(1 << 20);
  MessageReader reader(budget, "a", Encoding::kDeflate);
  EXPECT_EQ(ReadAll(reader, Framed(compressed, 1) + Framed("plain"), 3),
            (std::vector<std::string>{"hello", "plain"}));
}

TEST(MessageReader, InflatesInSteps) {
  const std::string text(300'000, 'a');
  MessageBudget budget(1 << 20);
  MessageReader reader(budget, "a", Encoding::kGzip);
  const std::string bytes = Framed(Deflated(Encoding::kGzip, text), 1) + "next";
  std::string_view rest = bytes;
  auto state = reader.Read(rest);
  EXPECT_EQ(rest, "next");
  EXPECT_EQ(reader.TakeInflateCost(), 0U);  // None yet: there may be a hundred in one read.
  size_t steps = 0, cost = 0;
  for (; state == MessageReader::State::kInflating; ++steps) {
    state = reader.InflateOn();
    const size_t of_step = reader.TakeInflateCost();
    EXPECT_LE(of_step, MessageReader::kStepBytes);
    cost += of_step;
  }
  EXPECT_LT(cost, text.size());
  EXPECT_GT(cost, text.size() - kTextInflateRatio * 1000);
  EXPECT_EQ(steps, 300'000 / MessageReader::kStepBytes + 2);  // One ends where it begins to count.
  ASSERT_EQ(state, MessageReader::State::kMessage);
  EXPECT_EQ(reader.Take(), text);
  EXPECT_EQ(reader.bytes(), 0U);
}

TEST(MessageReader, TextsAreInflatedForNothing) {
  std::string text = "The quick brown fox jumps over the lazy dog, said somebody. ";
  while (text.size() < 100'000) text += std::to_string(text.size() * 7919) + ' ';
  for (const size_t size : {size_t{10}, size_t{1200}, text.size()}) {
    MessageBudget budget(1 << 20);
    MessageReader reader(budget, "a", Encoding::kGzip);
    EXPECT_EQ(
        ReadAll(reader, Framed(Deflated(Encoding::kGzip, text.substr(0, size)), 1), 16384).size(),
        1U);
    EXPECT_EQ(reader.TakeInflateCost(), 0U) << size;
  }
}

TEST(MessageReader, WhatIsAnnouncedAndDoesNotComeTakesNoMemory) {
  MessageBudget budget(48 << 20);
  MessageReader reader(budget, "a", Encoding::kIdentity);
  std::string_view head("\0\0\x40\0\0", 5);
  EXPECT_EQ(reader.Read(head), MessageReader::State::kMore);
  EXPECT_EQ(budget.held_bytes(), 0U);
  std::string_view some("0123456789012345678901234567890123456789");
  EXPECT_EQ(reader.Read(some), MessageReader::State::kMore);
  EXPECT_LE(budget.held_bytes(), size_t{64} << 10);
  EXPECT_EQ(reader.bytes(), 45U);
  reader.Clear();
  EXPECT_EQ(budget.held_bytes(), 0U);
}

TEST(MessageReader, SaysHowMuchOfAMessageIsMissing) {
  MessageBudget budget(1 << 20);
  MessageReader reader(budget, "a", Encoding::kIdentity);
  std::string_view part(
      "\0\0\0\0\x09"
      "abc",
      8);
  reader.Read(part);
  EXPECT_EQ(reader.CutShort().message, "the request ends within a message: it has 3 of 9 bytes");
}

TEST(MessageReader, WhatHasNoRoomWaitsForIt) {
  MessageBudget budget(64 << 10);
  MessageReader first(budget, "a", Encoding::kIdentity), second(budget, "a", Encoding::kIdentity);
  const std::string bytes = Framed(std::string(20'000, 'x'));
  std::string_view a = std::string_view(bytes).substr(0, 17'000), b = a;
  EXPECT_EQ(first.Read(a), MessageReader::State::kMore);
  EXPECT_EQ(budget.held_bytes(), 20'000U);
  EXPECT_EQ(second.Read(b), MessageReader::State::kNoRoom);
  EXPECT_EQ(b.size(), 17'000 - kMessagePrefixBytes);
  EXPECT_FALSE(second.TakeRoom());
  first.Clear();
  EXPECT_EQ(second.Read(b, 0), MessageReader::State::kNoRoom) << "others are before it";
  EXPECT_TRUE(second.TakeRoom());
  EXPECT_EQ(second.Read(b, 0), MessageReader::State::kMore);
  EXPECT_TRUE(b.empty());
}

TEST(MessageReader, WhatHasRoomGetsWholeWhateverOthersTake) {
  MessageBudget budget(64 << 10);
  MessageReader reader(budget, "a", Encoding::kIdentity);
  const std::string bytes = Framed(std::string(30'000, 'x'));
  std::string_view begin = std::string_view(bytes).substr(0, 16'500);
  std::string_view rest = std::string_view(bytes).substr(16'500);
  EXPECT_EQ(reader.Read(begin), MessageReader::State::kMore);
  EXPECT_EQ(budget.held_bytes(), 30'000U);
  MessageBudget::Share other(budget, "b");
  EXPECT_TRUE(other.GrowTo(17'000));
  EXPECT_EQ(reader.Read(rest, 0), MessageReader::State::kMessage);
  EXPECT_EQ(reader.Take().size(), 30'000U);
  EXPECT_EQ(budget.held_bytes(), 17'000U);
}

TEST(MessageReader, OfSeveralThatAreKeptAllThereMayBeHasRoom) {
  MessageBudget budget(64 << 10), early(64 << 10);
  MessageReader reader(budget, "a", Encoding::kIdentity, 10'000,
                       {.keeps = true, .most_bytes = 30'000, .early = &early});
  const std::string bytes = Framed(std::string(9'000, 'x'));
  std::string_view one = bytes, two = bytes, three = bytes, four = bytes;
  EXPECT_EQ(reader.Read(one, 0), MessageReader::State::kMessage);
  reader.Take();
  EXPECT_EQ(budget.held_bytes(), 0U);
  EXPECT_GE(early.held_bytes(), 9'000U);
  EXPECT_LT(early.held_bytes(), 10'000U);
  EXPECT_FALSE(reader.has_room());
  EXPECT_EQ(reader.Read(two, 0), MessageReader::State::kNoRoom) << "others are before it";
  EXPECT_EQ(reader.Read(two), MessageReader::State::kMessage);
  reader.Take();
  EXPECT_EQ(budget.held_bytes(), 30'000U);
  EXPECT_EQ(early.held_bytes(), 0U);
  EXPECT_TRUE(reader.has_room());
  MessageBudget::Share other(budget, "b");
  EXPECT_TRUE(other.GrowTo(17'000));
  EXPECT_EQ(reader.Read(three, 0), MessageReader::State::kMessage);
  reader.Take();
  EXPECT_EQ(reader.Read(four), MessageReader::State::kTooMany);
  reader.Release();
  EXPECT_EQ(budget.held_bytes(), 17'000U);
}

// Never a part, whose rest would wait for others.
TEST(MessageReader, SeveralHaveRoomForAllOrNone) {
  MessageBudget budget(64 << 10), early(16 << 10);
  MessageBudget::Share other(budget, "b"), first(early, "b");
  EXPECT_TRUE(other.GrowTo(32 << 10));
  EXPECT_TRUE(first.GrowTo(8 << 10));
  MessageReader reader(budget, "a", Encoding::kIdentity, 10'000,
                       {.keeps = true, .most_bytes = 30'000, .early = &early});
  const std::string bytes = Framed(std::string(9'000, 'x'));
  std::string_view one = bytes;
  EXPECT_EQ(reader.Read(one), MessageReader::State::kNoRoom) << "16 KiB are too few, 4 early ones";
  EXPECT_EQ(budget.held_bytes("a"), 0U);
  EXPECT_EQ(early.held_bytes("a"), 0U);
  other.Clear();
  EXPECT_TRUE(reader.TakeRoom());
  EXPECT_EQ(reader.Read(one, 0), MessageReader::State::kMessage);
  EXPECT_EQ(budget.held_bytes("a"), 30'000U);
}

// What has come counts there, and not all there may be, which never fits.
TEST(MessageReader, SeveralComeOnTheFloorAsFarAsItGoes) {
  MessageBudget budget(size_t{1} << 20), early(16 << 10);
  MessageBudget::Share other(budget, "a"), first(early, "a");
  EXPECT_TRUE(other.GrowTo(size_t{1} << 19));
  EXPECT_TRUE(first.GrowTo(7 << 10));
  MessageBudget::Floor floor;
  MessageReader reader(budget, "a", Encoding::kIdentity, 10'000,
                       {.keeps = true, .most_bytes = 300'000, .early = &early}, &floor);
  const std::string bytes = Framed(std::string(9'000, 'x'));
  constexpr size_t kCounts = 9'000 + sizeof(std::string);
  size_t count = 0;
  for (; (count + 1) * kCounts <= MessageBudget::kFloorBytes; ++count) {
    std::string_view one = bytes;
    ASSERT_EQ(reader.Read(one, 0), MessageReader::State::kMessage) << count;
    EXPECT_EQ(reader.Take().size(), 9'000U);
    EXPECT_EQ(floor.bytes, (count + 1) * kCounts);
  }
  EXPECT_EQ(count, 7U);
  EXPECT_EQ(early.held_bytes("a"), 7U << 10) << "what is on the floor counts once";
  EXPECT_FALSE(reader.has_room()) << "it holds up nobody";
  std::string_view next = bytes;
  EXPECT_EQ(reader.Read(next), MessageReader::State::kNoRoom);
  EXPECT_EQ(budget.held_bytes("a"), size_t{1} << 19);
  other.Clear();
  EXPECT_TRUE(reader.TakeRoom());
  EXPECT_EQ(floor.bytes, 0U);
  EXPECT_EQ(budget.held_bytes("a"), 300'000U);
  EXPECT_EQ(reader.Read(next, 0), MessageReader::State::kMessage);
}

TEST(MessageReader, WhatIsLongHasRoomForAllOrNone) {
  MessageBudget budget(64 << 10);
  MessageReader first(budget, "a", Encoding::kIdentity), second(budget, "a", Encoding::kIdentity);
  const std::string bytes = Framed(std::string(20'000, 'x'));
  std::string_view a = std::string_view(bytes).substr(0, 4'000), b = a;
  EXPECT_EQ(first.Read(a), MessageReader::State::kMore);
  EXPECT_EQ(budget.held_bytes(), 0U);
  a = std::string_view(bytes).substr(4'000, 1'000);
  EXPECT_EQ(first.Read(a), MessageReader::State::kMore);
  EXPECT_EQ(budget.held_bytes(), 20'000U);
  EXPECT_EQ(second.Read(b), MessageReader::State::kMore);
  b = std::string_view(bytes).substr(4'000, 1'000);
  EXPECT_EQ(second.Read(b), MessageReader::State::kNoRoom);
  EXPECT_EQ(b.size(), 1'000U);
  EXPECT_EQ(budget.held_bytes(), 20'000U);
}

}  // namespace
}  // namespace akin::server
