// The streams of a session: those that are open, by their numbers, and those that are over until
// their handlers have been told so.
//
// A stream is open once, then over once, then gone; going from one to the next takes no memory,
// which may have run out. They come and go only while nghttp2 receives or fills and when the
// session ends, never in a call of a handler, so that such calls may walk over them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "server/http2/stream.h"

namespace akin::server {

class Http2Streams {
 public:
  // Null: it is not open.
  Http2Stream* Find(int32_t id) const;
  void Add(std::unique_ptr<Http2Stream> stream);
  // One that is open is over: with its answer on the way to the client, or not.
  void EndAnswered(Http2Stream& stream);
  void EndLost(Http2Stream& stream);
  void EndAllLost();  // The open ones.
  void LoseWhatWasAnswered() { lost_.merge(answered_); }

  // What has been taken of answers is in the hands of the socket. `guard` runs each call for its
  // stream.
  template <typename Guard>
  void Written(Guard guard) {
    for (auto* const streams : {&open_, &answered_}) {
      for (const auto& [id, stream] : *streams) guard(*stream, [&] { stream->answer().Written(); });
    }
  }
  // Calls for each one that is open.
  template <typename Call>
  void ForEachOpen(Call call) {
    for (const auto& [id, stream] : open_) call(*stream);
  }

  // Tells handlers what is over, apart from nghttp2's calls, in which they may do anything: that
  // they are lost, and, if `with_answered`, that they are answered.
  void TellGone(bool with_answered);

  bool has_open() const { return !open_.empty(); }
  // Open ones, and those whose answers are not yet written.
  size_t size() const { return open_.size() + answered_.size(); }
  size_t num_lost() const { return lost_.size(); }

 private:
  using Map = std::map<int32_t, std::unique_ptr<Http2Stream>>;

  static void Tell(Map streams, bool answered);

  Map open_, answered_, lost_;
};

}  // namespace akin::server
