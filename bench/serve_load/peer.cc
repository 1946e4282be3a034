#include "serve_load/peer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace akin::bench {
namespace {

std::vector<float> NumbersOf(const std::string& json) {
  std::vector<float> numbers;
  const char* at = json.c_str();
  while (*at != '\0') {
    const bool begins = *at == '-' || (*at >= '0' && *at <= '9');
    char* end = nullptr;
    const float number = begins ? std::strtof(at, &end) : 0;
    if (begins && end != at) numbers.push_back(number);
    at = begins && end != at ? end : at + 1;
  }
  return numbers;
}

double Cosine(const float* a, std::span<const float> b) {
  double dot = 0, of_a = 0, of_b = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    dot += double{a[i]} * b[i];
    of_a += double{a[i]} * a[i];
    of_b += double{b[i]} * b[i];
  }
  return of_a > 0 && of_b > 0 ? dot / std::sqrt(of_a * of_b) : 0;
}

void Check(const Peer& peer, std::string_view answer, const Embeddings& ours) {
  const double cosine = LeastCosine(answer, ours);
  if (cosine >= kLeastCosine) return;
  throw std::runtime_error(
      cosine < 0 ? "--beside " + peer.name + ": its /embed does not answer with " +
                       std::to_string(ours.size()) + " vectors of " +
                       std::to_string(ours.dimension()) + " numbers"
                 : "--beside " + peer.name + ": its vectors are not of this model and pooling: " +
                       "cosine to ours " + std::to_string(cosine) + ", expected at least " +
                       std::to_string(kLeastCosine));
}

}  // namespace

Peer ParsePeer(const std::string& text) {
  const auto fail = [&](const char* why) -> Peer {
    throw std::runtime_error("--beside " + text + ": " + why +
                             ", expected NAME=http://127.0.0.1:PORT");
  };
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return fail("there is no name");
  std::string_view url = std::string_view(text).substr(equals + 1);
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return fail("that is no address over http");
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  const size_t colon = url.find(':');
  const std::string_view host = url.substr(0, colon);
  if (host != "127.0.0.1" && host != "localhost") return fail("it must run on this machine");
  const std::string_view port = colon == url.npos ? "" : url.substr(colon + 1);
  Peer peer{.name = text.substr(0, equals)};
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), peer.port);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || peer.port == 0) {
    return fail("there is no port");
  }
  return peer;
}

double LeastCosine(std::string_view answer, const Embeddings& ours) {
  const std::vector<float> numbers = NumbersOf(std::string(answer));
  const auto dimension = static_cast<size_t>(ours.dimension());
  if (numbers.size() != ours.size() * dimension) return -1;
  double least = 1;
  for (size_t i = 0; i < ours.size(); ++i) {
    least = std::min(least, Cosine(numbers.data() + i * dimension, ours[i]));
  }
  return std::max(0., least);
}

void CheckPeer(const Peer& peer, const Workload& workload) {
  const auto ask = [&](const PreparedRequest& request) {
    try {
      return Ask(peer.port, request);
    } catch (const std::exception& error) {
      throw std::runtime_error("--beside " + peer.name + ": " + error.what());
    }
  };
  for (size_t i = 0; i < workload.requests.size(); ++i) {
    Check(peer, ask(workload.requests[i]), workload.vectors[i]);
  }
}

void CheckAnswers(const Peer& peer, const Workload& workload,
                  const std::vector<LastAnswer>& answers) {
  for (const LastAnswer& answer : answers) {
    Check(peer, answer.body, workload.vectors[answer.request]);
  }
}

}  // namespace akin::bench
