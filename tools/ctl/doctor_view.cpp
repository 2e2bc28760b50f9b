// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/doctor_view.h"

#include <algorithm>

namespace tariff::ctl {

std::string findings_text(const Findings& findings, bool fit, bool all) {
  std::size_t width = 0;
  std::size_t hidden = 0;
  for (const auto& finding : findings) width = std::max(width, finding.topic.size());
  std::string out;
  for (const auto& finding : findings) {
    if (finding.verdict == Verdict::Ok && !all) {
      ++hidden;
      continue;
    }
    std::string word = word_of(finding.verdict);
    word.resize(9, ' ');
    std::string topic = finding.topic;
    topic.resize(width + 2, ' ');
    out += word + topic + finding.found + "\n";
    const std::string indent(9 + width + 2, ' ');
    if (!finding.means.empty()) out += indent + finding.means + "\n";
    if (!finding.todo.empty()) out += indent + "-> " + finding.todo + "\n";
  }
  if (hidden > 0) out += "ok       " + std::to_string(hidden) + " more (--all shows them)\n";
  return out + (fit ? "this machine is fit\n" : "this machine is NOT fit\n");
}

Json findings_json(const Findings& findings, bool fit, const Facts& facts) {
  Json list = Json::array();
  for (const auto& finding : findings) {
    std::string verdict = word_of(finding.verdict);
    if (finding.verdict == Verdict::Unfit) verdict = "unfit";
    list.push_back({{"topic", finding.topic},
                    {"verdict", verdict},
                    {"found", finding.found},
                    {"means", finding.means},
                    {"todo", finding.todo}});
  }
  Json changes = Json::array();
  for (const auto& change : facts.mode.changes)
    changes.push_back({{"what", change.what},
                       {"target", change.target},
                       {"before", change.before},
                       {"now", change.now},
                       {"present", change.present ? Json(*change.present) : Json()}});
  return Json{{"fit", fit},
              {"root", facts.root},
              {"mode", facts.mode.mode},
              {"host_changes", std::move(changes)},
              {"findings", std::move(list)}};
}

}  // namespace tariff::ctl
