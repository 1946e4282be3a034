#include "server/metrics/metrics.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "akin/backend_counts.h"

#include "server/text.h"

namespace akin::server {
namespace {

constexpr double kFirstBound = 1.5e-5;
constexpr double kGrowth = 1.5;

double Bound(size_t bucket) { return kFirstBound * std::pow(kGrowth, static_cast<double>(bucket)); }

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

void Histogram::Observe(double seconds) {
  size_t bucket = 0;
  if (seconds > kFirstBound) {
    bucket = static_cast<size_t>(std::ceil(std::log(seconds / kFirstBound) / std::log(kGrowth)));
  }
  ++counts_[std::min(bucket, kBuckets)];
  sum_.fetch_add(seconds);
}

void Histogram::AppendTo(std::string& out, std::string_view family, std::string_view help) const {
  AppendFamily(out, family, "histogram", help);
  int64_t count = 0;
  for (size_t i = 0; i <= kBuckets; ++i) {
    count += counts_[i];
    const std::string bound = i == kBuckets ? "+Inf" : StrCat(Bound(i));
    AppendSample(out, StrCat(family, "_bucket"), StrCat("le=\"", bound, '"'), count);
  }
  AppendSample(out, StrCat(family, "_sum"), "", sum_.load());
  AppendSample(out, StrCat(family, "_count"), "", count);
}

void Metrics::CountResponse(std::string_view route, int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[{std::string(route), status}];
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
  }
  AppendOne(out, "te_embed_count", "counter", "Texts to embed", texts.load());
  AppendOne(out, "te_embed_success", "counter", "Texts embedded", texts_done.load());
  request.AppendTo(out, "te_request_duration", "Seconds from a request to its answer");
  tokenization.AppendTo(out, "te_request_tokenization_duration", "Seconds of tokenizing");
  queue.AppendTo(out, "te_request_queue_duration", "Seconds of waiting in the queue");
  inference.AppendTo(out, "te_request_inference_duration", "Seconds of computing");
  AppendOne(out, "te_queue_size", "gauge", "Requests waiting or under way", g.load.requests);
  AppendOne(out, "akin_queue_tokens", "gauge", "Tokens waiting", g.load.waiting_tokens);
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
  AppendOne(out, "akin_requests_refused_total", "counter", "Refused because the queue was full",
            g.scheduler.refused);
  AppendOne(out, "akin_requests_expired_total", "counter", "Dropped at their deadline",
            g.scheduler.expired);
  AppendOne(out, "akin_requests_cancelled_total", "counter", "Dropped because the client left",
            g.scheduler.cancelled);
  AppendOne(out, "akin_http_connections", "gauge", "Open connections", g.http.open);
  AppendOne(out, "akin_http_connections_total", "counter", "Connections accepted", g.http.accepted);
  AppendOne(out, "akin_http_timeouts_total", "counter", "Connections that waited too long",
            g.http.timed_out);
  AppendOne(out, "akin_http_malformed_total", "counter", "Requests with refused framing",
            g.http.refused);
  AppendOne(out, "akin_models_loaded", "gauge", "Models in memory", g.loaded_models);
  AppendBackends(out);
  AppendOne(out, "akin_spans_exported_total", "counter", "Spans that the trace collector took",
            g.exported_spans);
  AppendOne(out, "akin_spans_dropped_total", "counter", "Spans that it did not", g.dropped_spans);
  AppendOne(out, "akin_ready", "gauge", "1 when /health/ready answers 200", g.ready ? 1 : 0);
  AppendOne(out, "process_resident_memory_bytes", "gauge", "Resident memory", ResidentBytes());
  return out;
}

}  // namespace akin::server
