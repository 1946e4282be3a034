#include "cli/bench_texts.h"

namespace akin::cli {
namespace {

constexpr std::string_view kTexts[] = {
    "Where can I renew my passport?",
    "The ferry leaves at noon.",
    "How do I reset a forgotten password?",
    "Rain is expected in the north by evening.",
    "She tuned the old piano before the guests arrived.",
    "What does a heat pump cost to run in winter?",
    "The library closes early on public holidays.",
    "Fresh bread cools on the rack by the window.",
    "An index makes looking up a row fast, at the price of slower writes and some disk space.",
    "Compare the two contracts and list every clause that differs.",
    "The hikers crossed the glacier in two hours, roped together, while the guide tested each "
    "bridge of snow with a long pole.",
    "My order has not arrived, although the tracking page says that it was delivered three days "
    "ago.",
    "A vector database finds the nearest neighbours of a query embedding.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The council approved a new cycle path along the river, after a debate that lasted until "
    "midnight and drew more than two hundred residents.",
    "Tides rise and fall twice a day because the moon pulls on the oceans.",
    "Please send the signed form to the office before Friday.",
    "The orchestra opened with a short overture and closed with a symphony that nobody in the "
    "audience had heard performed in that hall before.",
    "Best vegetarian restaurants near the station",
    "Error: connection refused while reading the response header from upstream",
    "Memory that is never freed grows until the process is ended, so a long-running server has to "
    "be tested over days and not only over minutes.",
    "The patient reported a mild headache and was advised to rest.",
    "Copper conducts electricity better than iron does.",
    "Install the package, copy the sample configuration, adjust the port, and restart the service; "
    "the log then shows the address on which it listens.",
    "Two goals in the last five minutes decided the match.",
    "A good night's sleep improves memory and mood.",
    "The contract ends on the last day of the month in which either side gives notice, unless the "
    "notice reaches the other side after the fifteenth.",
    "Which trains stop at the airport on Sundays?",
    "Olive trees can live for more than a thousand years.",
    "The telescope photographed a galaxy whose light had travelled for twelve billion years before "
    "it reached the mirror.",
    "Cancel my subscription",
    "Bees tell each other the way to a meadow by dancing.",
};

}  // namespace

std::span<const std::string_view> BuiltInTexts() { return kTexts; }

}  // namespace akin::cli
