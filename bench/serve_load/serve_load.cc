// The server under load, and what its HTTP costs: `./dev bench --serve`. Every answer is compared
// with the library's own vectors, written by the server's own JSON; a figure with a wrong answer in
// it is no figure, and the program ends with 1.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "akin/embedder.h"
#include "akin/json_floats.h"

#include "serve_load/figures.h"
#include "serve_load/least_server.h"
#include "serve_load/ledger.h"
#include "serve_load/load_client.h"
#include "serve_load/overload.h"
#include "serve_load/peer.h"
#include "serve_load/sample_texts.h"
#include "serve_load/server_process.h"
#include "server/json_writer.h"

namespace akin::bench {
namespace {

using server::JsonObject;

std::string JsonOf(const Embeddings& vectors) {
  std::string out;
  server::AppendJsonArray(out, vectors.size(),
                          [&](size_t i) { AppendJsonFloats(out, vectors[i]); });
  return out;
}

// Of the rounds of one case.
struct Sum {
  double right = 0, seconds = 0, server_seconds = 0;
  std::vector<float> right_us;  // Sorted by Sort.
  void Add(const LoadResult& result) {
    right += static_cast<double>(result.right_in_time);
    seconds += result.seconds;
    right_us.insert(right_us.end(), result.right_us.begin(), result.right_us.end());
  }
  void Sort() { std::ranges::sort(right_us); }
  double per_second() const { return right / seconds; }
  double Milliseconds(double percent) const { return Percentile(right_us, percent) / 1000; }
};

class Bench {
 public:
  Bench(std::string akin, std::string model, double seconds, std::vector<Peer> peers)
      : akin_(std::move(akin)),
        model_(std::move(model)),
        seconds_(seconds),
        peers_(std::move(peers)),
        embedder_(Embedder::Load(model_).value()) {}

  // POST /embed of each `texts_each` texts.
  Workload WorkloadOf(const std::vector<std::string>& texts, size_t texts_each) {
    Workload workload;
    for (size_t i = 0; i + texts_each <= texts.size(); i += texts_each) {
      const std::vector<std::string> part(texts.begin() + static_cast<ptrdiff_t>(i),
                                          texts.begin() + static_cast<ptrdiff_t>(i + texts_each));
      std::string json;
      JsonObject body(json);
      if (texts_each == 1) {
        body.Add("inputs", part[0]);
      } else {
        server::AppendJsonArray(body.Key("inputs"), part.size(),
                                [&](size_t k) { server::AppendJsonString(json, part[k]); });
      }
      body.Close();
      workload.vectors.push_back(embedder_.Embed(part, {.normalize = true}).value());
      workload.requests.push_back(Prepare("/embed", json, JsonOf(workload.vectors.back())));
    }
    return workload;
  }
  std::vector<PreparedRequest> Requests(const std::vector<std::string>& texts, size_t texts_each) {
    return WorkloadOf(texts, texts_each).requests;
  }

  // Single texts, short and long, and several at once.
  std::vector<PreparedRequest> MixedRequests(size_t times = 1) {
    auto requests = Requests(SampleTexts(300 * times, 7, 7), 1);
    for (auto& more : Requests(SampleTexts(60 * times, 60, 8), 1))
      requests.push_back(std::move(more));
    for (auto& more : Requests(SampleTexts(64 * times, 10, 9), 8))
      requests.push_back(std::move(more));
    std::shuffle(requests.begin(), requests.end(), std::mt19937(10));
    return requests;
  }

  // --- The cases ---

  void Queries() {
    const ServerProcess server(akin_, model_, {});
    const Workload workload = WorkloadOf(SampleTexts(500, 7, 1), 1);
    Warm(server, workload.requests);
    for (const Peer& peer : peers_) CheckPeer(peer, workload);
    for (const int clients : {1, 8, 64}) {
      figures_.Row(std::to_string(clients) + " clients, one short query each");
      InTurn(server, workload, clients, "request", 1);
    }
  }

  void Bulk() {
    const ServerProcess server(akin_, model_, {});
    const Workload workload = WorkloadOf(SampleTexts(3200, 12, 2), 32);
    Warm(server, workload.requests);
    for (const Peer& peer : peers_) CheckPeer(peer, workload);
    figures_.Row("8 clients, 32 texts each");
    InTurn(server, workload, 8, "text", 32);
  }

  // Rounds in turn, so that what else the machine does meets both.
  void Overhead() {
    ServerProcess server(akin_, model_, {});
    const std::vector<std::string> texts = SampleTexts(200, 7, 3);
    const auto requests = Requests(texts, 1);
    Warm(server, requests);
    std::vector<float> http, least, own;
    const auto embed = [&](size_t i) { embedder_.Embed({texts[i]}, {.normalize = true}).value(); };
    const auto ask = [&](uint16_t port, std::vector<float>& times) {
      const LoadResult result =
          Checked({.port = port, .clients = 1, .seconds = 60, .requests = 200}, requests);
      times.insert(times.end(), result.right_us.begin(), result.right_us.end());
    };
    for (int round = 0; round < 10; ++round) {
      ask(server.port(), http);
      ask(LeastServer(requests, embed).port(), least);
      for (size_t i = 0; i < texts.size(); ++i) own.push_back(TimeUs([&] { embed(i); }));
    }
    for (auto* times : {&http, &least, &own}) std::ranges::sort(*times);
    Row("one query, loopback beside in-process");
    Figure("HTTP P50 us", Percentile(http, 50), 0);
    Figure("in-process P50 us", Percentile(own, 50), 0);
    Figure("difference us", Percentile(http, 50) - Percentile(own, 50), 0);
    // What no server can do without: a thread that reads bytes, embeds, and sends bytes.
    Figure("of it the loopback us", Percentile(least, 50) - Percentile(own, 50), 0);
  }

  void Json() {
    const std::vector<std::string> texts = SampleTexts(32, 12, 4);
    std::vector<float> infer, write;
    for (int round = 0; round < 100; ++round) {
      Embeddings vectors;
      infer.push_back(
          TimeUs([&] { vectors = embedder_.Embed(texts, {.normalize = true}).value(); }));
      size_t bytes = 0;
      write.push_back(TimeUs([&] { bytes = JsonOf(vectors).size(); }));
      if (bytes == 0) Fail("no JSON");
    }
    std::ranges::sort(infer);
    std::ranges::sort(write);
    Row("a batch of 32 texts");
    Figure("inference P50 us", Percentile(infer, 50), 0);
    Figure("JSON P50 us", Percentile(write, 50), 0);
    Figure("JSON / inference", Percentile(write, 50) / Percentile(infer, 50), 3);
  }

  void Overload(double seconds) {
    const ServerProcess server(akin_, model_, {});
    const auto requests = Requests(SampleTexts(kOverloadTexts, 100, 5), 1);
    Warm(server, requests);
    MeasureOverload(server, requests, seconds, figures_);
  }

  void Ledger(double seconds) {
    const ServerProcess server(akin_, model_, {});
    // At eight times the capacity more than wait together (kOverloadTexts has why).
    const auto requests = MixedRequests(14);
    Warm(server, requests);
    KeepLedger(server, requests, seconds, figures_);
  }

  void Idle() {
    ServerProcess server(akin_, model_, {});
    const auto requests = Requests(SampleTexts(500, 7, 6), 1);
    Warm(server, requests);
    const Load load{.port = server.port(), .clients = 8, .seconds = seconds_ / 2};
    const double before_mib = server.ResidentMib();
    std::vector<double> without, with;
    double idle_mib = 0;
    for (int round = 0; round < 2; ++round) {
      without.push_back(Checked(load, requests).per_second());
      const IdleConnections idle(server.port(), 2000);
      idle_mib = std::max(idle_mib, server.ResidentMib() - before_mib);
      with.push_back(Checked(load, requests).per_second());
    }
    Row("2,000 idle connections");
    Figure("MiB", idle_mib, 1);
    Figure("requests/s without", (without[0] + without[1]) / 2, 0);
    Figure("requests/s with", (with[0] + with[1]) / 2, 0);
    Figure("with / without", (with[0] + with[1]) / (without[0] + without[1]), 3);
  }

  void Soak(int64_t requests_after) {
    ServerProcess server(akin_, model_, {});
    const auto requests = MixedRequests();
    struct Use {
      double mib, threads, descriptors;
    };
    const auto ask = [&](int64_t count) {
      Checked({.port = server.port(), .clients = 16, .seconds = 24. * 3600, .requests = count},
              requests);
      std::this_thread::sleep_for(std::chrono::seconds(2));  // Until the connections have ended.
      return Use{server.ResidentMib(), 1. * server.Threads(), 1. * server.Descriptors()};
    };
    const Use early = ask(10'000);
    const Use late = ask(requests_after - 10'000);
    Row(std::to_string(requests_after) + " mixed requests");
    const auto compare = [&](const std::string& what, double before, double after, int digits) {
      if (const auto growth = FindGrowth(what, before, after)) Fail(*growth);
      Figure(what + " after 10,000", before, digits);
      Figure(what + " at the end", after, digits);
    };
    compare("MiB", early.mib, late.mib, 1);
    compare("threads", early.threads, late.threads, 0);
    compare("descriptors", early.descriptors, late.descriptors, 0);
  }

  // --- The table ---

  const Figures& figures() const { return figures_; }

 private:
  template <typename Body>
  static float TimeUs(Body body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<float, std::micro>(std::chrono::steady_clock::now() - start)
        .count();
  }

  void Warm(const ServerProcess& server, const std::vector<PreparedRequest>& requests) {
    Checked({.port = server.port(), .clients = 4, .seconds = 0.5}, requests);
  }

  LoadResult Checked(const Load& load, const std::vector<PreparedRequest>& requests) {
    LoadResult result = Run(load, requests);
    if (result.wrong > 0 || result.other > 0 || result.lost > 0) {
      Fail(std::to_string(result.wrong) + " wrong answers, " + std::to_string(result.other) +
           " with an unexpected status, " + std::to_string(result.lost) + " lost, of " +
           std::to_string(result.sent));
    }
    return result;
  }

  // Akin and each peer, a round each, then again: so that what else the machine does meets all.
  // A request is of `each` of what is counted.
  void InTurn(const ServerProcess& server, const Workload& workload, int clients,
              const std::string& unit, double each) {
    const int rounds = peers_.empty() ? 1 : 3;
    Sum ours;
    std::vector<Sum> theirs(peers_.size());
    for (int round = 0; round < rounds; ++round) {
      const double cpu_before = server.CpuSeconds();
      ours.Add(Checked({.port = server.port(), .clients = clients, .seconds = seconds_},
                       workload.requests));
      ours.server_seconds += server.CpuSeconds() - cpu_before;
      for (size_t i = 0; i < peers_.size(); ++i) {
        const LoadResult result = Checked(
            {.port = peers_[i].port, .clients = clients, .seconds = seconds_, .compare = false},
            workload.requests);
        CheckAnswers(peers_[i], workload, result.last_answers);
        theirs[i].Add(result);
      }
    }
    ours.Sort();
    figures_.Add(unit + "s/s", each * ours.per_second(), 0);
    figures_.Add("P50 ms", ours.Milliseconds(50), 3);
    figures_.Add("P99 ms", ours.Milliseconds(99), 3);
    // Says something on a busy machine, too.
    figures_.Add("CPU us a " + unit, 1e6 * ours.server_seconds / std::max(1., each * ours.right),
                 0);
    for (size_t i = 0; i < peers_.size(); ++i) {
      const std::string& name = peers_[i].name;
      theirs[i].Sort();
      figures_.Add(name + ": " + unit + "s/s", each * theirs[i].per_second(), 0);
      figures_.Add(name + ": P50 ms", theirs[i].Milliseconds(50), 3);
      figures_.Add(name + ": P99 ms", theirs[i].Milliseconds(99), 3);
      figures_.Add("x " + unit + "s/s of " + name, ours.per_second() / theirs[i].per_second(), 2);
      figures_.Add("x P99 of " + name, ours.Milliseconds(99) / theirs[i].Milliseconds(99), 3);
    }
  }

  void Fail(const std::string& why) { figures_.Fail(why); }
  void Row(const std::string& name) { figures_.Row(name); }
  void Figure(const std::string& name, double value, int digits) {
    figures_.Add(name, value, digits);
  }

  const std::string akin_, model_;
  const double seconds_;
  const std::vector<Peer> peers_;
  const Embedder embedder_;
  Figures figures_;
};

int Main(int argc, char** argv) {
  CLI::App app("The server under load");
  std::string akin, model, json;
  std::vector<std::string> only, beside;
  double seconds = 5, overload_seconds = 60, ledger_seconds = 60;
  int64_t soak_requests = 200'000;
  app.add_option("--akin", akin, "The program")->required();
  app.add_option("--model", model, "Model folder")->required();
  app.add_option("--seconds", seconds, "Of each load")->check(CLI::Range(0.2, 600.0));
  app.add_option("--overload-seconds", overload_seconds)->check(CLI::Range(0.2, 3600.0));
  app.add_option("--ledger-seconds", ledger_seconds)->check(CLI::Range(0.2, 86400.0));
  app.add_option("--soak-requests", soak_requests)->check(CLI::Range(11'000, 100'000'000));
  app.add_option("--only", only,
                 "Some cases: queries bulk overhead json overload idle ledger soak");
  app.add_option("--beside", beside,
                 "Another server, already running, to measure in turn with ours in the cases "
                 "queries and bulk: NAME=http://127.0.0.1:PORT, with TEI's POST /embed and the "
                 "same model; several are possible")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--json", json, "File for the figures");
  CLI11_PARSE(app, argc, argv);
  std::vector<Peer> peers;
  for (const std::string& text : beside) peers.push_back(ParsePeer(text));
  Bench bench(akin, model, seconds, std::move(peers));
  const std::pair<const char*, std::function<void()>> cases[] = {
      {"queries", [&] { bench.Queries(); }},
      {"bulk", [&] { bench.Bulk(); }},
      {"overhead", [&] { bench.Overhead(); }},
      {"json", [&] { bench.Json(); }},
      {"overload", [&] { bench.Overload(overload_seconds); }},
      {"idle", [&] { bench.Idle(); }},
      {"ledger", [&] { bench.Ledger(ledger_seconds); }},
      {"soak", [&] { bench.Soak(soak_requests); }},
  };
  for (const auto& [name, run] : cases) {
    if (only.empty() || std::ranges::find(only, name) != only.end()) run();
  }
  if (!json.empty()) std::ofstream(json) << bench.figures().ToJson();
  return bench.figures().failed() ? 1 : 0;
}

}  // namespace
}  // namespace akin::bench

int main(int argc, char** argv) {
  try {
    return akin::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "serve_load: %s\n", error.what());
    return 2;
  }
}
