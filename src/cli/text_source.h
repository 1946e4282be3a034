// Where texts come from: arguments, plain lines, JSON lines. Every source gives them in bounded
// chunks, so that inputs larger than memory stream through.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "cli/file_descriptor.h"
#include "cli/line_reader.h"

namespace akin::cli {

struct TextChunk {
  std::vector<std::string> texts;
  std::vector<std::string> seconds;  // The other texts of pairs; empty: there are none.
  std::vector<std::string> ids;      // One JSON scalar a text, as it goes into the output.
  std::vector<int64_t> places;       // Of each text: its line from 1, or its argument from 1.
  int64_t bytes_consumed = 0;        // Of the whole input so far.
  // What the lines say of themselves, the same for all of them: a chunk ends before a line that
  // says something else.
  std::string prompt_name;
  std::optional<int> truncate_dim;
};

// A chunk ends with the text that reaches either limit.
struct ChunkLimits {
  size_t max_texts = 4096;
  size_t max_bytes = size_t{4} << 20;
};

// One text, its id and its place.
struct TextItem {
  std::string text;
  std::string id;
  int64_t place = 0;
  std::string second = {};
  std::string prompt_name = {};
  std::optional<int> truncate_dim = std::nullopt;
};

class TextSource {
 public:
  virtual ~TextSource() = default;

  // The next texts, in order; none at the end of the input. A source that has to wait for its
  // producer gives what it has. Errors: InvalidInput naming the line, kInputUnreadable.
  Result<TextChunk> Next(const ChunkLimits& limits);

  // How a text is named in messages: `texts.jsonl, line 7` or `text 7`.
  virtual std::string NameOf(int64_t place) const = 0;
  // Of the whole input, when it can be known beforehand.
  virtual std::optional<int64_t> total_bytes() const = 0;
  // Whether what was read as a text a line began as lines of JSON do, with a text in a field.
  virtual bool looked_like_json() const { return false; }

 protected:
  virtual Result<LineReader::Event> NextItem(TextItem& item, bool may_idle) = 0;
  virtual int64_t bytes_consumed() const = 0;

 private:
  bool at_end_ = false;
  std::optional<TextItem> next_;  // Read already, for the chunk to come.
};

enum class LineFormat { kPlain, kJson };

struct SourceOptions {
  std::vector<std::string> texts;  // The arguments, if there are any.
  std::string input;               // Else a file; "-" is standard input; empty: lines of it.
  LineFormat format = LineFormat::kPlain;
  std::string field = "text";  // Of a JSON line.
  std::string second_field;    // Of a pair's other text; empty: there are no pairs.
  bool skip_empty = false;     // Leave empty texts out instead of embedding them.
  std::string json_hint;       // For an error about lines that are no JSON: how to read others.
};

// `stop` may be null, else it outlives the source. Error: kInputUnreadable.
Result<std::unique_ptr<TextSource>> OpenTextSource(SourceOptions options, const StopSignal* stop);

// Every text at once, for commands that need all of them. Error: InvalidInput for more than
// `max_texts`.
Result<TextChunk> ReadAllTexts(TextSource& source, size_t max_texts);

}  // namespace akin::cli
