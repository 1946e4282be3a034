#include "server/metrics/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>

#include "akin/backend_counts.h"

#include "server/text.h"

namespace akin::server {
namespace {

std::vector<double> BoundsOf(const Bounds& bounds) {
  std::vector<double> all(bounds.count, bounds.first);
  for (size_t i = 1; i < all.size(); ++i) all[i] = all[i - 1] * bounds.growth;
  return all;
}

void AppendFamily(std::string& out, std::string_view name, std::string_view type,
                  std::string_view help) {
  out += StrCat("# HELP ", name, ' ', help, "\n# TYPE ", name, ' ', type, '\n');
}
template <typename Number>
void AppendSample(std::string& out, std::string_view name, std::string_view labels, Number value) {
  out += name;
  if (!labels.empty()) out += StrCat('{', labels, '}');
  out += StrCat(' ', value, '\n');
}
template <typename Number>
void AppendOne(std::string& out, std::string_view name, std::string_view type,
               std::string_view help, Number value) {
  AppendFamily(out, name, type, help);
  AppendSample(out, name, "", value);
}

// `counts` [bounds + 1]: how many lie in each bucket alone, the last one beyond all bounds.
template <typename Count, typename Number>
void AppendHistogram(std::string& out, std::string_view name, std::string_view help,
                     std::span<const double> bounds, std::span<const Count> counts, Number sum) {
  AppendFamily(out, name, "histogram", help);
  int64_t count = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    const std::string bound = i == bounds.size() ? "+Inf" : StrCat(bounds[i]);
    AppendSample(out, StrCat(name, "_bucket"), StrCat("le=\"", bound, '"'), count);
  }
  AppendSample(out, StrCat(name, "_sum"), "", sum);
  AppendSample(out, StrCat(name, "_count"), "", count);
}

// Of the buckets of SchedulerCounts.
template <size_t kSize>
void AppendBatches(std::string& out, std::string_view name, std::string_view help,
                   const std::array<int64_t, kSize>& counts, int64_t sum) {
  const std::vector<double> bounds = BoundsOf({.first = 1, .growth = 2, .count = kSize - 1});
  AppendHistogram<int64_t>(out, name, help, bounds, counts, sum);
}

// `name`: "embed" or "predict"; `what`: what is done to a text.
void AppendTask(std::string& out, std::string_view name, std::string_view what,
                const TaskMetrics& task) {
  const std::string family = StrCat("te_", name);
  AppendOne(out, family + "_count", "counter", StrCat("Texts to ", what), task.texts.load());
  AppendOne(out, family + "_success", "counter", "Of these, those answered with a result",
            task.texts_done.load());
  task.total.AppendTo(out, family + "_duration", "Seconds from a text's request to its answer");
  task.tokenization.AppendTo(out, family + "_tokenization_duration",
                             "Seconds of tokenizing, of each text its share");
  task.queue.AppendTo(out, family + "_queue_duration", "Seconds a text waited in the queue");
  task.inference.AppendTo(out, family + "_inference_duration",
                          "Seconds of computing a text with those beside it");
}

void AppendByMethod(std::string& out, std::string_view name, std::string_view help, int64_t single,
                    int64_t batch) {
  AppendFamily(out, name, "counter", help);
  AppendSample(out, name, "method=\"single\"", single);
  AppendSample(out, name, "method=\"batch\"", batch);
}

// Of models that run elsewhere: in a child process, on another server.
void AppendBackends(std::string& out) {
  const BackendCounts counts = CountBackends();
  AppendOne(out, "akin_child_restarts_total", "counter",
            "Child processes started in place of one that ended", counts.child_restarts);
  AppendOne(out, "akin_child_wrong_answers_total", "counter", "Answers that were an error",
            counts.child_wrong_answers);
  AppendOne(out, "akin_child_unknown_answers_total", "counter", "Late or double answers, dropped",
            counts.child_unknown_answers);
  AppendOne(out, "akin_remote_requests_total", "counter", "Sent to other servers, retries included",
            counts.remote_requests);
  AppendOne(out, "akin_remote_failures_total", "counter", "Of these, that brought no vectors",
            counts.remote_failures);
  AppendOne(out, "akin_remote_retries_total", "counter", "Of these, that were sent again",
            counts.remote_retries);
  AppendOne(out, "akin_remote_refusals_total", "counter",
            "Not sent, because the circuit breaker was open", counts.remote_refusals);
  AppendOne(out, "akin_remote_open_breakers", "gauge", "Servers that are left alone now",
            counts.remote_open_breakers);
}

}  // namespace

// The second number of /proc/self/statm.
int64_t ResidentBytes() {
  long long size = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  const int found = std::fscanf(file, "%lld %lld", &size, &resident);
  std::fclose(file);
  return found == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

Histogram::Histogram(const Bounds& bounds)
    : bounds_(BoundsOf(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::Observe(double value, int64_t times) {
  const auto bound = std::ranges::lower_bound(bounds_, value);
  counts_[static_cast<size_t>(bound - bounds_.begin())] += times;
  sum_.fetch_add(value * static_cast<double>(times));
}

void Histogram::AppendTo(std::string& out, std::string_view family, std::string_view help) const {
  AppendHistogram<std::atomic<int64_t>>(out, family, help, bounds_, counts_, sum_.load());
}

void Metrics::CountResponse(std::string_view route, int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[{std::string(route), status}];
}

void Metrics::CountCall(std::string_view method, std::string_view status) {
  const std::lock_guard lock(mutex_);
  ++calls_[{std::string(method), std::string(status)}];
}

void Metrics::CountFailure(std::string_view kind) {
  const std::lock_guard lock(mutex_);
  ++failures_[std::string(kind)];
}

std::string Metrics::Render(const Gauges& g) const {
  std::string out;
  AppendByMethod(out, "te_request_count", "Requests to a model", single_requests, batch_requests);
  AppendByMethod(out, "te_request_success", "Requests answered with a result", single_successes,
                 batch_successes);
  AppendFamily(out, "te_request_failure", "counter", "Requests answered with an error");
  AppendFamily(out, "akin_http_responses_total", "counter", "Answers by route and status");
  {
    const std::lock_guard lock(mutex_);
    std::string failures, responses;
    for (const auto& [kind, count] : failures_) {
      AppendSample(failures, "te_request_failure", StrCat("err=\"", kind, '"'), count);
    }
    for (const auto& [key, count] : responses_) {
      AppendSample(responses, "akin_http_responses_total",
                   StrCat("route=\"", key.first, "\",status=\"", key.second, '"'), count);
    }
    out.insert(out.find("# HELP akin_http_responses_total"), failures);
    out += responses;
    AppendFamily(out, "akin_grpc_calls_total", "counter", "Calls of gRPC by method and status");
    for (const auto& [key, count] : calls_) {
      AppendSample(out, "akin_grpc_calls_total",
                   StrCat("method=\"", key.first, "\",status=\"", key.second, '"'), count);
    }
  }
  AppendTask(out, "embed", "embed", embed);
  AppendTask(out, "predict", "score, alone or beside a query", predict);
  request.AppendTo(out, "te_request_duration", "Seconds from a request to its answer");
  tokenization.AppendTo(out, "te_request_tokenization_duration", "Seconds of tokenizing");
  queue.AppendTo(out, "te_request_queue_duration", "Seconds of waiting in the queue");
  inference.AppendTo(out, "te_request_inference_duration", "Seconds of computing");
  tokens_of_text.AppendTo(out, "te_request_input_length", "Tokens of a text, as computed");
  AppendBatches(out, "te_batch_next_size", "Texts of a batch", g.scheduler.batches_by_sequences,
                g.scheduler.batch_sequences);
  AppendBatches(out, "te_batch_next_tokens", "Tokens of a batch", g.scheduler.batches_by_tokens,
                g.scheduler.batch_tokens);
  AppendOne(out, "te_queue_size", "gauge", "Requests waiting or under way", g.load.requests);
  AppendOne(out, "akin_queue_tokens", "gauge", "Tokens waiting", g.load.waiting_tokens);
  AppendOne(out, "akin_queue_bytes", "gauge", "Bytes of the texts of requests in the queue",
            g.load.bytes);
  AppendOne(out, "akin_tokens_per_second", "gauge", "As computed lately", g.load.tokens_per_second);
  AppendOne(out, "akin_tokens_total", "counter", "Tokens of answered texts", tokens.load());
  AppendOne(out, "akin_truncated_tokens_total", "counter",
            "Tokens cut from texts that were too long", truncated_tokens.load());
  AppendOne(out, "akin_batches_total", "counter", "Batches computed", g.scheduler.batches);
  AppendOne(out, "akin_batch_sequences_total", "counter", "Texts in them",
            g.scheduler.batch_sequences);
  AppendOne(out, "akin_batch_tokens_total", "counter", "Tokens in them", g.scheduler.batch_tokens);
  AppendOne(out, "akin_duplicate_texts_total", "counter",
            "Texts answered with the vector of an equal one", g.scheduler.duplicates);
  AppendFamily(out, "akin_requests_refused_total", "counter",
               "Refused because there were too many requests, tokens or bytes in the queue, or too "
               "much of answers");
  const auto refused = [&](std::string_view full, int64_t count) {
    AppendSample(out, "akin_requests_refused_total", StrCat("full=\"", full, '"'), count);
  };
  refused("requests", g.scheduler.refused_for_requests + refused_at_once);
  refused("tokens", g.scheduler.refused_for_tokens);
  refused("bytes", g.scheduler.refused_for_bytes);
  refused("answers", g.refused_answers);
  AppendOne(out, "akin_requests_expired_total", "counter", "Dropped at their deadline",
            g.scheduler.expired);
  AppendOne(out, "akin_requests_cancelled_total", "counter", "Dropped because the client left",
            g.scheduler.cancelled);
  AppendOne(out, "akin_http_connections", "gauge", "Open connections", g.http.open);
  AppendOne(out, "akin_http_connections_total", "counter", "Connections accepted", g.http.accepted);
  AppendOne(out, "akin_http_connections_gave_way_total", "counter",
            "Idle connections that were closed for new ones", g.http.gave_way);
  AppendOne(out, "akin_http_connections_turned_away_total", "counter",
            "New connections that were closed because there were too many", g.http.turned_away);
  AppendOne(out, "akin_http_timeouts_total", "counter", "Connections that waited too long",
            g.http.timed_out);
  AppendOne(out, "akin_http_malformed_total", "counter",
            "Requests with refused framing, and connections of HTTP/2 ended for what they sent",
            g.http.refused);
  AppendOne(out, "akin_http_left_total", "counter", "Requests whose clients left before the answer",
            g.http.left);
  AppendOne(out, "akin_http2_streams_refused_total", "counter",
            "Requests refused because too many of HTTP/2 hold memory", g.http.streams_refused);
  AppendOne(out, "akin_models_loaded", "gauge", "Models in memory", g.loaded_models);
  AppendOne(out, "akin_answer_bytes", "gauge", "Of answers that are computed or not yet written",
            g.answer_bytes);
  AppendBackends(out);
  AppendOne(out, "akin_spans_exported_total", "counter", "Spans that the trace collector took",
            g.exported_spans);
  AppendOne(out, "akin_spans_dropped_total", "counter", "Spans that it did not", g.dropped_spans);
  AppendOne(out, "akin_ready", "gauge", "1 when /health/ready answers 200", g.ready ? 1 : 0);
  AppendOne(out, "process_resident_memory_bytes", "gauge", "Resident memory", ResidentBytes());
  return out;
}

}  // namespace akin::server
