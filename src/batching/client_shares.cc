#include "batching/client_shares.h"

#include <algorithm>

namespace akin::batching {
namespace {

size_t Twice(size_t amount) { return amount > SIZE_MAX / 2 ? SIZE_MAX : 2 * amount; }
size_t ThreeQuarters(size_t amount) { return amount - amount / 4; }

}  // namespace

ClientShares::ClientShares(const Amounts& most, size_t small_tokens)
    : bounds_{{.name = QueueBound::kRequests,
               .amount = &Amounts::requests,
               .alone = most.requests,
               .together = Twice(most.requests)},
              {.name = QueueBound::kTokens,
               .amount = &Amounts::tokens,
               .alone = most.tokens,
               .together = Twice(most.tokens)},
              {.name = QueueBound::kBytes,
               .amount = &Amounts::bytes,
               .alone = ThreeQuarters(most.bytes),
               .together = most.bytes}},
      reserved_places_(std::max<size_t>(1, most.requests / 8)),
      small_tokens_(small_tokens) {}

ClientShares::Amounts ClientShares::HeldBy(const std::string& client) const {
  const auto it = clients_.find(client);
  return it == clients_.end() ? Amounts{} : it->second;
}

size_t ClientShares::SumUpTo(size_t Amounts::* amount, size_t x) const {
  size_t sum = 0;
  for (const auto& [client, held] : clients_) sum += std::min(held.*amount, x);
  return sum;
}

bool ClientShares::HasRoom(const Bound& bound, const Amounts& own, size_t more) const {
  const size_t held = own.*bound.amount, all = all_.*bound.amount;
  if (own.requests == 0 && all <= bound.alone) return true;
  const size_t wanted = held + more;
  // The client's own part of the sum is what it holds, which is not more than what it wants.
  return all + more <= bound.together &&
         SumUpTo(bound.amount, wanted) - held + wanted <= bound.alone;
}

std::optional<QueueBound> ClientShares::FullWithoutReserve(const Amounts& own, size_t tokens,
                                                           size_t bytes) const {
  const Amounts more{.requests = 1, .tokens = tokens, .bytes = bytes};
  for (const Bound& bound : bounds_) {
    if (!HasRoom(bound, own, more.*bound.amount)) return bound.name;
  }
  return std::nullopt;
}

std::optional<QueueBound> ClientShares::FullFor(const std::string& client, size_t tokens,
                                                size_t bytes) const {
  const Amounts own = HeldBy(client);
  const auto full = FullWithoutReserve(own, tokens, bytes);
  const bool is_small_first = own.requests == 0 && tokens <= small_tokens_ && bytes <= kSmallBytes;
  if (full && is_small_first && reserved_ < reserved_places_) return std::nullopt;
  return full;
}

ClientShares::Part ClientShares::Take(const std::string& client, size_t tokens, size_t bytes,
                                      QueuePriority priority) {
  const bool is_reserved = FullWithoutReserve(HeldBy(client), tokens, bytes).has_value();
  Part part;
  part.client = clients_.try_emplace(client).first;
  part.bytes = bytes;
  part.is_reserved = is_reserved;
  part.is_query = priority == QueuePriority::kQuery;
  for (Amounts* amounts : {&part.client->second, &all_}) {
    ++amounts->requests;
    amounts->bytes += bytes;
  }
  reserved_ += is_reserved ? 1 : 0;
  SetTokens(part, tokens);
  return part;
}

void ClientShares::SetTokens(Part& part, size_t tokens) noexcept {
  for (Amounts* amounts : {&part.client->second, &all_}) {
    amounts->tokens += tokens;
    amounts->tokens -= part.tokens;
    if (!part.is_query) continue;
    amounts->query_tokens += tokens;
    amounts->query_tokens -= part.tokens;
  }
  part.tokens = tokens;
}

void ClientShares::GiveBack(Part& part) noexcept {
  SetTokens(part, 0);
  for (Amounts* amounts : {&part.client->second, &all_}) {
    --amounts->requests;
    amounts->bytes -= part.bytes;
  }
  reserved_ -= part.is_reserved ? 1 : 0;
  if (part.client->second.requests == 0) clients_.erase(part.client);
}

size_t ClientShares::TokensUntilServed(const std::string& client) const {
  return SumUpTo(&Amounts::tokens, std::max(HeldBy(client).tokens, small_tokens_));
}

size_t ClientShares::TokensUntilServed(const std::string& client, QueuePriority priority) const {
  const Amounts own = HeldBy(client);
  bool queries = priority == QueuePriority::kQuery;
  const auto of = [&queries](const Amounts& amounts) {
    return queries ? amounts.query_tokens : amounts.tokens - amounts.query_tokens;
  };
  if (of(own) == 0 && own.tokens > 0) queries = !queries;
  const size_t each = std::max(of(own), small_tokens_);
  size_t alike = 0;
  for (const auto& [name, held] : clients_) alike += std::min(of(held), each);
  const size_t other = all_.tokens - of(all_);
  if (queries) return alike + std::min(other, alike / kQueryBatchesInARow);
  return alike + (other / kQueryBatchesInARow < alike ? other : alike * kQueryBatchesInARow);
}

}  // namespace akin::batching
