// The options that say which texts a verb reads. Every verb reads them by the same rules:
// arguments are texts; standard input has a text a line; a file that --input names has a text a
// line if it ends in .txt (or .TXT), and JSON lines if it does not; --input-format says otherwise.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "cli/text_source.h"

namespace akin::cli {

// --input --field --input-format.
struct FileArguments {
  std::string input;  // "-" is standard input; empty: none was named.
  std::string field;  // Empty: the default one.
  std::string format;

  // Both stand in --help: what is read when no file is named, "" where that is said elsewhere, and
  // the field of a line's text where --field does not name one.
  void AddTo(CLI::App& verb, std::string_view without, std::string_view default_field = "text");

  // Error: InvalidInput, a format that is none, or a field of plain lines.
  Result<SourceOptions> ToSource() const;
  // The texts of the file that is named, none where none is. Errors: as above; InvalidInput, no
  // text in the file or more than `max_texts`, or an option of a file that is not named;
  // kInputUnreadable.
  Result<std::vector<std::string>> ReadAll(size_t max_texts) const;
};

// As above, with texts and standard input, too: TEXT... --skip-empty.
struct InputArguments {
  std::vector<std::string> texts;
  FileArguments file;
  bool skip_empty = false;
  std::string default_field = "text";  // Of a JSON line, where --field names none.
  std::string second_field;            // Of a pair's other text; empty: there are no pairs.

  void AddTo(CLI::App& verb);
  // `verb` stands in the note to a person at a terminal who is awaited to type; `quiet` leaves it
  // out. Errors: InvalidInput (texts and --input, pairs of plain lines, FileArguments's own),
  // kInputUnreadable.
  Result<std::unique_ptr<TextSource>> Open(std::string_view verb, bool quiet,
                                           const StopSignal* stop) const;
  // When all was read: a note on lines of JSON that were taken for texts, unless `quiet`.
  void SayIfJson(const TextSource& read, bool quiet) const;
  // That writing to `path`, which `option` names, leaves the texts alone. Error: InvalidInput.
  Status CheckOutput(std::string_view option, const std::string& path) const;
};

}  // namespace akin::cli
