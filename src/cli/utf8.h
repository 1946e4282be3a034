// UTF-8 for a terminal: where it is broken, how wide it prints, where its characters begin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace akin::cli {

// The offset of the first byte that does not belong to well-formed UTF-8 (Unicode 15, table 3-7: no
// surrogates, nothing overlong, nothing past U+10FFFF).
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// Decodes the character at `at` and moves `at` behind it. A broken byte is U+FFFD and one byte
// long.
char32_t NextCodePoint(std::string_view text, size_t& at);

// The byte offset of every code point of `text`, and its size at the end.
std::vector<size_t> CodePointOffsets(std::string_view text);

// Columns that a character takes on a terminal: 0 (combining), 1 or 2 (East Asian wide, emoji).
int ColumnsOf(char32_t c);
int DisplayWidth(std::string_view text);

// `text` on one line of at most `width` columns: control characters become spaces, what is cut off
// becomes an ellipsis.
std::string FitToWidth(std::string_view text, int width);
// The same, filled up with spaces to exactly `width` columns.
std::string PadToWidth(std::string_view text, int width);

}  // namespace akin::cli
