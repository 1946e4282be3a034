// How much of a queue each of its clients may hold, so that nobody fills it for the others.
//
// A bound M (of requests, of tokens that wait, of bytes) is shared out by max-min fairness: a
// client may hold x of it if so much for each client would fit,
//
//   x + sum over the others of min(what it holds, x) <= M.
//
// What small clients leave is the large ones'. A alone may hold all of M; B beside it M / 2, C
// beside both M / 3, and A, once what it has too much of is answered, M / 3, too. Of tokens that is
// a bound of time: those of a client that holds x are computed, by even sharing (request_queue.h),
// when as many tokens as the left side says have been.
//
// Beside that rule:
// - The first request of a client, one that holds nothing, may have any size while the others hold
//   no more than M: else who always asks for much would keep out whoever asks for much, too.
//   Of several clients that send nothing else those come first that ask again at once: who has been
//   sent away is not remembered, for it may never come again. But such a request is taken at M and
//   one of up to M / n already at 2 M less what it wants, which is some seconds earlier: whoever
//   asks for less at a time is not kept out by them.
// - All together hold at most twice M, of bytes M: so of these a client alone has three quarters.
// - A small first request that finds no room so is taken into a reserve of an eighth of
//   `max_requests`. So while others hold all that there is, whoever asks for a few words is served,
//   and to take all those places needs as many addresses or keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "batching/queue_priority.h"

namespace akin::batching {

// Of which a queue may be full.
enum class QueueBound : uint8_t { kRequests, kTokens, kBytes };

// Memory may run out: what throws std::bad_alloc then has changed nothing.
class ClientShares {
 public:
  struct Amounts {
    size_t requests = 0, tokens = 0, bytes = 0;
    size_t query_tokens = 0;  // Of the tokens.
  };
  static constexpr size_t kSmallBytes = size_t{64} << 10;

  // `most`: what a client alone may hold. A request of at most `small_tokens` and kSmallBytes is
  // small.
  ClientShares(const Amounts& most, size_t small_tokens);

  // What one request holds. Outlived by its ClientShares.
  class Part {
    friend class ClientShares;
    std::map<std::string, Amounts>::iterator client;
    size_t tokens = 0, bytes = 0;
    bool is_reserved = false, is_query = false;
  };

  // What a request of `client` finds no room in; none: Take may follow.
  std::optional<QueueBound> FullFor(const std::string& client, size_t tokens, size_t bytes) const;
  // GiveBack follows. May throw.
  Part Take(const std::string& client, size_t tokens, size_t bytes,
            QueuePriority priority = QueuePriority::kQuery);
  void SetTokens(Part& part, size_t tokens) noexcept;
  void GiveBack(Part& part) noexcept;

  const Amounts& all() const { return all_; }
  Amounts HeldBy(const std::string& client) const;
  // Tokens that are computed, by even sharing, until those of `client` are; of one that has none,
  // or fewer, until those of a small request would be.
  size_t TokensUntilServed(const std::string& client) const;
  // The same of its requests of one priority, as far as the other one lets them: queries that wait
  // go before bulk, kQueryBatchesInARow of eight batches. Of a client that has none of that
  // priority but of the other, which hold its share, it is those of the other.
  size_t TokensUntilServed(const std::string& client, QueuePriority priority) const;

 private:
  struct Bound {
    QueueBound name;
    size_t Amounts::* amount;
    size_t alone, together;
  };
  bool HasRoom(const Bound& bound, const Amounts& own, size_t more) const;
  // Over all clients, of each no more than `x`.
  size_t SumUpTo(size_t Amounts::* amount, size_t x) const;
  std::optional<QueueBound> FullWithoutReserve(const Amounts& own, size_t tokens,
                                               size_t bytes) const;

  const Bound bounds_[3];
  const size_t reserved_places_, small_tokens_;
  std::map<std::string, Amounts> clients_;  // Those with a request.
  Amounts all_;
  size_t reserved_ = 0;  // Requests.
};

}  // namespace akin::batching
