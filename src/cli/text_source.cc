#include "cli/text_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "cli/json_line.h"
#include "cli/strings.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

using Event = LineReader::Event;

bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

class ArgumentSource : public TextSource {
 public:
  ArgumentSource(std::vector<std::string> texts, bool skip_empty)
      : texts_(std::move(texts)), skip_empty_(skip_empty) {
    for (const std::string& text : texts_) total_bytes_ += static_cast<int64_t>(text.size());
  }

  std::string NameOf(int64_t place) const override { return StrCat("text ", place); }
  std::optional<int64_t> total_bytes() const override { return total_bytes_; }

 protected:
  Result<Event> NextItem(TextItem& item, bool) override {
    while (skip_empty_ && next_ < texts_.size() && texts_[next_].empty()) ++next_;
    if (next_ == texts_.size()) return Event::kEnd;
    const int64_t place = static_cast<int64_t>(next_) + 1;
    item = {std::move(texts_[next_++]), StrCat(place - 1), place};
    bytes_consumed_ += static_cast<int64_t>(item.text.size());
    if (const auto at = FindInvalidUtf8(item.text)) {
      return InvalidInput(NameOf(place), ": not UTF-8 at byte ", *at + 1);
    }
    return Event::kLine;
  }
  int64_t bytes_consumed() const override { return bytes_consumed_; }

 private:
  std::vector<std::string> texts_;
  const bool skip_empty_;
  size_t next_ = 0;
  int64_t total_bytes_ = 0;
  int64_t bytes_consumed_ = 0;
};

// What plain lines and JSON lines share: the file and the names of its lines.
class LineSource : public TextSource {
 public:
  LineSource(FileDescriptor file, int fd, std::string name, const StopSignal* stop)
      : file_(std::move(file)), fd_(fd), reader_(fd, std::move(name), stop) {}

  std::string NameOf(int64_t place) const override {
    return StrCat(reader_.name(), ", line ", place);
  }
  std::optional<int64_t> total_bytes() const override {
    struct stat info;
    if (fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    return info.st_size;
  }

 protected:
  int64_t bytes_consumed() const override { return reader_.bytes_consumed(); }
  std::string IndexId() const { return StrCat(reader_.line_number() - 1); }
  Error At(const Error& error) const {
    return error.Reworded(StrCat(NameOf(reader_.line_number()), ": ", error.message()));
  }

  const FileDescriptor file_;  // Closed unless the input is a file of our own.
  const int fd_;
  LineReader reader_;
};

class PlainLineSource : public LineSource {
 public:
  PlainLineSource(FileDescriptor file, int fd, std::string name, bool skip_empty,
                  const StopSignal* stop)
      : LineSource(std::move(file), fd, std::move(name), stop), skip_empty_(skip_empty) {}

  bool looked_like_json() const override { return looked_like_json_; }

 protected:
  Result<Event> NextItem(TextItem& item, bool may_idle) override {
    std::string_view line;
    do {
      AKIN_TRY_ASSIGN(const Event event, reader_.Next(line, may_idle));
      if (event != Event::kLine) return event;
    } while (skip_empty_ && line.empty());
    if (const auto at = FindInvalidUtf8(line)) {
      return At(InvalidInput("not UTF-8 at byte ", *at + 1));
    }
    if (reader_.line_number() == 1 && line.starts_with('{'))
      looked_like_json_ = JsonLineParser("text").Parse(line, 0).has_value();
    item = {std::string(line), IndexId(), reader_.line_number()};
    return Event::kLine;
  }

 private:
  const bool skip_empty_;
  bool looked_like_json_ = false;
};

// Blank lines, as often at the end of a file, hold no text and are passed over.
class JsonLineSource : public LineSource {
 public:
  JsonLineSource(FileDescriptor file, int fd, std::string name, const SourceOptions& options,
                 const StopSignal* stop)
      : LineSource(std::move(file), fd, std::move(name), stop),
        parser_(options.field, options.second_field),
        skip_empty_(options.skip_empty),
        json_hint_(options.json_hint) {}

 protected:
  Result<Event> NextItem(TextItem& item, bool may_idle) override {
    while (true) {
      std::string_view line;
      AKIN_TRY_ASSIGN(const Event event, reader_.Next(line, may_idle));
      if (event != Event::kLine) return event;
      if (IsBlank(line)) continue;
      auto parsed = parser_.Parse(line, reader_.readable_past_line());
      if (!parsed) return At(Hinted(parsed.error(), line));
      any_ = true;
      if (skip_empty_ && parsed->text.empty()) continue;
      item = {std::move(parsed->text),        std::move(parsed->id).value_or(IndexId()),
              reader_.line_number(),          std::move(parsed->second),
              std::move(parsed->prompt_name), parsed->truncate_dim};
      return Event::kLine;
    }
  }

 private:
  // A file whose first line is far from an object has perhaps no lines of JSON; bytes that are no
  // UTF-8 are no text in any format.
  Error Hinted(const Error& error, std::string_view line) const {
    const bool object = line.substr(line.find_first_not_of(" \t")).starts_with('{');
    if (any_ || object || json_hint_.empty() || FindInvalidUtf8(line)) return error;
    return error.Reworded(StrCat(error.message(), "; ", json_hint_));
  }

  JsonLineParser parser_;
  const bool skip_empty_;
  const std::string json_hint_;
  bool any_ = false;  // Whether some line was right.
};

}  // namespace

Result<TextChunk> TextSource::Next(const ChunkLimits& limits) {
  TextChunk chunk;
  size_t bytes = 0;
  while (chunk.texts.size() < limits.max_texts && bytes < limits.max_bytes) {
    TextItem item;
    if (next_) {
      item = std::move(*next_);
      next_.reset();
    } else if (at_end_) {
      break;
    } else {
      AKIN_TRY_ASSIGN(const Event event, NextItem(item, !chunk.texts.empty()));
      at_end_ = event == Event::kEnd;
      if (event != Event::kLine) break;
    }
    const bool same = chunk.texts.empty() || (item.prompt_name == chunk.prompt_name &&
                                              item.truncate_dim == chunk.truncate_dim);
    if (!same) {
      next_ = std::move(item);
      break;
    }
    bytes += item.text.size() + item.second.size();
    chunk.texts.push_back(std::move(item.text));
    chunk.seconds.push_back(std::move(item.second));
    chunk.ids.push_back(std::move(item.id));
    chunk.places.push_back(item.place);
    chunk.prompt_name = std::move(item.prompt_name);
    chunk.truncate_dim = item.truncate_dim;
  }
  chunk.bytes_consumed = bytes_consumed();
  return chunk;
}

Result<std::unique_ptr<TextSource>> OpenTextSource(SourceOptions options, const StopSignal* stop) {
  if (!options.texts.empty()) {
    return std::unique_ptr<TextSource>(
        std::make_unique<ArgumentSource>(std::move(options.texts), options.skip_empty));
  }
  FileDescriptor file;
  int fd = STDIN_FILENO;
  std::string name = "standard input";
  if (!options.input.empty() && options.input != "-") {
    AKIN_TRY_ASSIGN(file, OpenInput(options.input));
    fd = file.get();
    name = options.input;
  }
  if (options.format == LineFormat::kJson) {
    return std::unique_ptr<TextSource>(
        std::make_unique<JsonLineSource>(std::move(file), fd, std::move(name), options, stop));
  }
  return std::unique_ptr<TextSource>(std::make_unique<PlainLineSource>(
      std::move(file), fd, std::move(name), options.skip_empty, stop));
}

Result<TextChunk> ReadAllTexts(TextSource& source, size_t max_texts) {
  TextChunk all;
  while (true) {
    AKIN_TRY_ASSIGN(TextChunk chunk, source.Next({}));
    if (chunk.texts.empty()) return all;
    for (size_t i = 0; i < chunk.texts.size(); ++i) {
      all.texts.push_back(std::move(chunk.texts[i]));
      all.ids.push_back(std::move(chunk.ids[i]));
      all.places.push_back(chunk.places[i]);
    }
    all.bytes_consumed = chunk.bytes_consumed;
    if (all.texts.size() > max_texts) {
      return InvalidInput("more than ", Grouped(static_cast<int64_t>(max_texts)), " texts");
    }
  }
}

}  // namespace akin::cli
