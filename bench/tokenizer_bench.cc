// Times akin::Tokenizer in process, driven by bench/peers/tokenizers_bench.py.
//
//   tokenizer_bench TOKENIZER TEXTS BATCH_BYTES
//
// TEXTS has one text a line. They are put into batches: one is closed when its lines, with their
// line ends, have BATCH_BYTES. Commands come on standard input, one a line; each answer is a line:
//
//   batches            how many there are
//   batch I THREADS    seconds of EncodeBatch
//   ids I FILE         writes the ids of batch I as int32, -1 after every text; "ok"
//   query TOKENS       median and 99th percentile, in microseconds, of Encode on texts with so many
//                      tokens, each after all of them were encoded once; and how many there were
//   load               the best of five times to load TOKENIZER, in seconds
//
// Reading TEXTS and freeing the answers is not timed.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "akin/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;
using Batch = std::vector<std::string_view>;

constexpr int kLoads = 5;
constexpr size_t kMaxQueries = 2000;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

[[noreturn]] void Fail(std::string_view what) {
  std::cerr << "tokenizer_bench: " << what << '\n';
  std::exit(1);
}

template <typename T>
T OrFail(akin::Result<T> result) {
  if (!result) Fail(result.error().message());
  return std::move(*result);
}

akin::EncodeOptions Options() {
  akin::EncodeOptions options;
  options.truncation = akin::Off{};
  options.padding = akin::Off{};
  return options;
}

std::vector<std::string> ReadLines(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  if (lines.empty()) Fail(file + " has no line");
  return lines;
}

std::vector<Batch> MakeBatches(const std::vector<std::string>& lines, size_t batch_bytes) {
  std::vector<Batch> batches;
  size_t bytes = batch_bytes;
  for (const std::string& line : lines) {
    if (bytes >= batch_bytes) {
      batches.emplace_back();
      bytes = 0;
    }
    batches.back().push_back(line);
    bytes += line.size() + 1;
  }
  return batches;
}

double TimeBatch(const akin::Tokenizer& tokenizer, const Batch& batch, int threads) {
  const Clock::time_point begin = Clock::now();
  const auto encodings = tokenizer.EncodeBatch(batch, Options(), threads);
  const double seconds = SecondsSince(begin);
  if (!encodings) Fail(encodings.error().message());
  return seconds;
}

void WriteIds(const akin::Tokenizer& tokenizer, const Batch& batch, const std::string& file) {
  std::vector<int32_t> all;
  for (const akin::Encoding& encoding : OrFail(tokenizer.EncodeBatch(batch, Options()))) {
    all.insert(all.end(), encoding.ids.begin(), encoding.ids.end());
    all.push_back(-1);
  }
  std::ofstream out(file, std::ios::binary);
  const auto bytes = std::as_bytes(std::span(all));
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) Fail(file + " cannot be written");
}

std::string TimeQueries(const akin::Tokenizer& tokenizer, const std::vector<std::string>& lines,
                        size_t tokens) {
  std::vector<std::string_view> queries;
  for (const std::string& line : lines) {
    if (queries.size() == kMaxQueries) break;
    if (line.size() > 40 * tokens) continue;
    if (OrFail(tokenizer.CountTokens(line, Options())) == tokens) queries.push_back(line);
  }
  if (queries.empty()) return "0 0 0";
  std::vector<double> times;
  for (int pass = 0; pass < 2; ++pass) {
    times.clear();
    for (const std::string_view query : queries) {
      const Clock::time_point begin = Clock::now();
      const auto encoding = tokenizer.Encode(query, Options());
      times.push_back(SecondsSince(begin) * 1e6);
      if (!encoding) Fail(encoding.error().message());
    }
  }
  std::ranges::sort(times);
  std::ostringstream answer;
  answer << times[times.size() / 2] << ' ' << times[times.size() * 99 / 100] << ' ' << times.size();
  return answer.str();
}

double TimeLoad(const std::string& file) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kLoads; ++i) {
    const Clock::time_point begin = Clock::now();
    const akin::Tokenizer tokenizer = OrFail(akin::Tokenizer::Load(file));
    best = std::min(best, SecondsSince(begin));
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) Fail("usage: tokenizer_bench TOKENIZER TEXTS BATCH_BYTES");
  const akin::Tokenizer tokenizer = OrFail(akin::Tokenizer::Load(argv[1]));
  const std::vector<std::string> lines = ReadLines(argv[2]);
  const std::vector<Batch> batches =
      MakeBatches(lines, static_cast<size_t>(std::strtoull(argv[3], nullptr, 10)));
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, file;
    size_t number = 0;
    int threads = 0;
    words >> command >> number;
    if ((command == "batch" || command == "ids") && number >= batches.size()) Fail("no such batch");
    if (command == "batches") {
      std::cout << batches.size();
    } else if (command == "batch" && words >> threads) {
      std::cout << TimeBatch(tokenizer, batches[number], threads);
    } else if (command == "ids" && words >> file) {
      WriteIds(tokenizer, batches[number], file);
      std::cout << "ok";
    } else if (command == "query") {
      std::cout << TimeQueries(tokenizer, lines, number);
    } else if (command == "load") {
      std::cout << TimeLoad(argv[1]);
    } else {
      Fail("unknown command: " + line);
    }
    std::cout << std::endl;
  }
}
