#include "serve_load/overload.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "serve_load/health_watch.h"

namespace akin::bench {
namespace {

constexpr int kRounds = 3;  // Each long enough to fill the queue.

void Append(std::vector<float>& all, const std::vector<float>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// Of the phases of one kind.
struct Phases {
  double in_time = 0, answers = 0, seconds = 0, client_seconds = 0, server_seconds = 0;
  double per_second() const { return in_time / std::max(1e-9, seconds); }
  double client_cores() const { return client_seconds / std::max(1e-9, seconds); }
  // Says something on a busy machine, too.
  double cpu_ms() const { return 1000 * server_seconds / std::max(1., answers); }
};

class Overload {
 public:
  Overload(const ServerProcess& server, std::span<const PreparedRequest> requests, double seconds,
           Figures& figures)
      : server_(server), requests_(requests), seconds_(seconds), figures_(figures) {}

  // Capacity is what 48 clients get, measured just before and just after each phase of four times
  // that rate, so that what else the machine does meets both.
  void Run() {
    double before = Capacity();
    for (int round = 0; round < kRounds; ++round) {
      const double during = AtFourTimes(before);
      const double after = Capacity();
      ratios_.push_back(static_cast<float>(2 * during / (before + after)));
      before = after;
    }
    for (auto* values : {&ratios_, &right_us_, &refused_us_, &health_us_})
      std::ranges::sort(*values);
  }

  // The clients share the cores with the server, and four times as many requests cost them more,
  // too.
  void Show() {
    figures_.Row("4x overload for " + std::to_string(static_cast<int>(seconds_)) +
                 " s, texts of 100 words");
    figures_.Add("capacity/s", usual_.per_second(), 0);
    figures_.Add("offered/s", offered_ / seconds_, 0);
    figures_.Add("of which not sent", static_cast<double>(not_sent_) / seconds_, 0);
    figures_.Add("answered/s", overload_.per_second(), 0);
    figures_.Add("goodput / capacity", overload_.per_second() / usual_.per_second(), 3);
    figures_.Add("least of a round", ratios_.front(), 3);
    figures_.Add("most of a round", ratios_.back(), 3);
    figures_.Add("CPU ms an answer, capacity", usual_.cpu_ms(), 2);
    figures_.Add("CPU ms an answer, overload", overload_.cpu_ms(), 2);
    figures_.Add("refused", static_cast<double>(refused_us_.size()), 0);
    figures_.Add("refusal P50 ms", Percentile(refused_us_, 50) / 1000, 3);
    figures_.Add("refusal P99 ms", Percentile(refused_us_, 99) / 1000, 3);
    figures_.Add("answer P99 ms", Percentile(right_us_, 99) / 1000, 1);
    figures_.Add("health, metrics P50 ms", Percentile(health_us_, 50) / 1000, 3);
    figures_.Add("health, metrics P99 ms", Percentile(health_us_, 99) / 1000, 3);
    figures_.Add("health, metrics most ms", Percentile(health_us_, 100) / 1000, 3);
    figures_.Add("clients' cores, capacity", usual_.client_cores(), 3);
    figures_.Add("clients' cores, overload", overload_.client_cores(), 3);
  }

 private:
  // -> answers a second
  double Capacity() {
    return Count({.port = server_.port(), .clients = 48, .seconds = seconds_ / kRounds}, usual_)
        .per_second();
  }

  double AtFourTimes(double capacity) {
    const Load load{.port = server_.port(),
                    .clients = 1024,
                    .rate = 4 * capacity,
                    .seconds = seconds_ / kRounds};
    HealthWatch watch(server_.port());
    const LoadResult result = Count(load, overload_);
    watch.Stop();
    if (watch.failures() > 0) figures_.Fail("health or metrics did not answer");
    offered_ += load.rate * load.seconds;
    not_sent_ += result.not_sent;
    Append(health_us_, watch.microseconds());
    Append(right_us_, result.right_us);
    Append(refused_us_, result.refused_us);
    return result.per_second();
  }

  LoadResult Count(const Load& load, Phases& phases) {
    const double cpu_before = server_.CpuSeconds();
    LoadResult result = akin::bench::Run(load, requests_);
    phases.server_seconds += server_.CpuSeconds() - cpu_before;
    phases.in_time += static_cast<double>(result.right_in_time);
    phases.answers += static_cast<double>(result.right);
    phases.seconds += result.seconds;
    phases.client_seconds += result.client_cpu_seconds;
    if (!result.balances() || result.wrong + result.other + result.lost > 0)
      figures_.Fail("overload: " + std::to_string(result.wrong) + " wrong, " +
                    std::to_string(result.other) + " with another status, " +
                    std::to_string(result.lost) + " lost, of " + std::to_string(result.sent));
    return result;
  }

  const ServerProcess& server_;
  const std::span<const PreparedRequest> requests_;
  const double seconds_;
  Figures& figures_;
  Phases usual_, overload_;
  double offered_ = 0;
  int64_t not_sent_ = 0;
  std::vector<float> ratios_, right_us_, refused_us_, health_us_;
};

}  // namespace

void MeasureOverload(const ServerProcess& server, std::span<const PreparedRequest> requests,
                     double seconds, Figures& figures) {
  Overload overload(server, requests, seconds, figures);
  overload.Run();
  overload.Show();
}

}  // namespace akin::bench
