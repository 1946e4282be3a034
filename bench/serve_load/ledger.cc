#include "serve_load/ledger.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "serve_load/health_watch.h"

namespace akin::bench {
namespace {

constexpr double kRates[] = {0.5, 1, 2, 4, 8};  // Of the capacity.
constexpr int kClients = 1024;                  // More than the queue holds.

// The sum of a counter of the server, whatever its labels.
int64_t Counter(const std::string& metrics, const std::string& name) {
  double sum = 0;
  for (size_t at = 0; (at = metrics.find('\n' + name, at)) != std::string::npos; ++at) {
    const size_t behind = at + 1 + name.size();
    if (metrics[behind] != ' ' && metrics[behind] != '{') continue;
    sum += std::strtod(metrics.c_str() + metrics.find(' ', behind), nullptr);
  }
  return static_cast<int64_t>(sum);
}

class Ledger {
 public:
  Ledger(const ServerProcess& server, std::span<const PreparedRequest> requests, Figures& figures)
      : server_(server), requests_(requests), figures_(figures), before_(Count()) {}

  double Capacity(double seconds) {
    const LoadResult result =
        Book("capacity", {.port = server_.port(), .clients = 48, .seconds = seconds});
    return result.per_second();
  }

  void Phase(const std::string& name, const Load& load) {
    figures_.Row(name);
    HealthWatch watch(server_.port());
    const LoadResult result = Book(name, load);
    watch.Stop();
    figures_.Add("offered/s", static_cast<double>(result.sent) / load.seconds, 0);
    figures_.Add("answered/s", result.per_second(), 0);
    figures_.Add("refused/s", static_cast<double>(result.refused) / load.seconds, 0);
    figures_.Add("left/s", static_cast<double>(result.left) / load.seconds, 0);
    figures_.Add("answer P99 ms", Percentile(result.right_us, 99) / 1000, 1);
    figures_.Add("refusal P99 ms", Percentile(result.refused_us, 99) / 1000, 2);
    figures_.Add("health, metrics P99 ms", Percentile(watch.microseconds(), 99) / 1000, 2);
    if (watch.failures() > 0)
      figures_.Fail(name + ": " + std::to_string(watch.failures()) + " looks at health failed");
  }

  // What was sent and is not left, the server has answered or refused, no more and no less; who
  // left may have been answered, refused, cancelled or never heard.
  void Close() {
    const Counts now = Count();
    const int64_t answered = now.answered - before_.answered;
    const int64_t refused = now.refused - before_.refused;
    figures_.Row("ledger");
    figures_.Add("sent", static_cast<double>(sum_.sent), 0);
    figures_.Add("right", static_cast<double>(sum_.right), 0);
    figures_.Add("refused", static_cast<double>(sum_.refused), 0);
    figures_.Add("left", static_cast<double>(sum_.left), 0);
    figures_.Add("wrong, lost, other", static_cast<double>(sum_.wrong + sum_.lost + sum_.other), 0);
    figures_.Add("server: answered", static_cast<double>(answered), 0);
    figures_.Add("server: refused", static_cast<double>(refused), 0);
    const auto fits = [&](int64_t counted, int64_t known) {
      return counted >= known && counted <= known + sum_.left;
    };
    if (!fits(answered, sum_.right) || !fits(refused, sum_.refused))
      figures_.Fail("the server has counted other answers or refusals than its clients");
  }

 private:
  struct Counts {
    int64_t answered, refused;
  };
  // The server's own.
  Counts Count() const {
    const std::string metrics = Get(server_.port(), "/metrics");
    return {Counter(metrics, "te_request_success"),
            Counter(metrics, "akin_requests_refused_total")};
  }

  LoadResult Book(const std::string& name, const Load& load) {
    LoadResult result = Run(load, requests_);
    if (!result.balances() || result.wrong + result.lost + result.other > 0)
      figures_.Fail(name + ": of " + std::to_string(result.sent) + " sent " +
                    std::to_string(result.right) + " right, " + std::to_string(result.refused) +
                    " refused, " + std::to_string(result.left) + " left, " +
                    std::to_string(result.wrong) + " wrong, " + std::to_string(result.lost) +
                    " lost, " + std::to_string(result.other) + " with another status");
    sum_.sent += result.sent;
    sum_.right += result.right;
    sum_.refused += result.refused;
    sum_.left += result.left;
    sum_.wrong += result.wrong;
    sum_.lost += result.lost;
    sum_.other += result.other;
    return result;
  }

  const ServerProcess& server_;
  const std::span<const PreparedRequest> requests_;
  Figures& figures_;
  const Counts before_;
  LoadResult sum_;
};

}  // namespace

void KeepLedger(const ServerProcess& server, std::span<const PreparedRequest> requests,
                double seconds, Figures& figures) {
  Ledger ledger(server, requests, figures);
  // Five rates, bursts, and two with clients that leave; what capacity is, before each.
  const double part = seconds / 8;
  const auto load = [&](double rate, int leave_every) {
    const double capacity = ledger.Capacity(part / 8);
    return Load{.port = server.port(),
                .clients = kClients,
                .rate = rate * capacity,
                .seconds = part * 7 / 8,
                .leave_every = leave_every};
  };
  for (const double rate : kRates) {
    char name[64];
    std::snprintf(name, sizeof name, "%.1f times the capacity", rate);
    ledger.Phase(name, load(rate, 0));
  }
  ledger.Phase("half the capacity, each third client leaves", load(0.5, 3));
  ledger.Phase("four times the capacity, each third client leaves", load(4, 3));
  Load burst = load(8, 0);
  burst.seconds /= 6;
  for (int i = 0; i < 3; ++i) {
    ledger.Phase("a burst of eight times the capacity", burst);
    Load calm = burst;
    calm.rate /= 40;
    ledger.Phase("a fifth of the capacity behind it", calm);
  }
  ledger.Close();
}

}  // namespace akin::bench
