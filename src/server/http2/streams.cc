#include "server/http2/streams.h"

namespace akin::server {

Http2Stream* Http2Streams::Find(int32_t id) const {
  const auto it = open_.find(id);
  return it == open_.end() ? nullptr : it->second.get();
}

void Http2Streams::Add(std::unique_ptr<Http2Stream> stream) {
  const int32_t id = stream->id();
  open_[id] = std::move(stream);
}

void Http2Streams::EndAnswered(Http2Stream& stream) {
  answered_.insert(open_.extract(stream.id()));
}

void Http2Streams::EndLost(Http2Stream& stream) { lost_.insert(open_.extract(stream.id())); }

void Http2Streams::EndAllLost() { lost_.merge(open_); }

void Http2Streams::TellGone(bool with_answered) {
  Tell(std::exchange(lost_, {}), false);
  if (with_answered) Tell(std::exchange(answered_, {}), true);
}

void Http2Streams::Tell(Map streams, bool answered) {
  for (const auto& [id, stream] : streams) {
    stream->Close();
    try {
      if (stream->handler != nullptr) stream->handler->OnGone(answered);
    } catch (...) {  // Memory that ran out; the stream is over in any case.
    }
  }
}

}  // namespace akin::server
