// SPDX-License-Identifier: Apache-2.0
// Freeze and Thaw, for administrators.
#include "agent/freezer.h"
#include "agent/service.h"

namespace tariff::agent {

PlacementService::Answer<v1::FreezeReply> PlacementService::freeze(
    const v1::FreezeRequest& request) {
  const std::string id = request.id();
  if (d_.jobs.find(id) == nullptr) co_return co_await explain_unknown(id);
  auto frozen = co_await d_.freezer.freeze(d_.node.config, d_.node.tree_path, id);
  if (!frozen) co_return std::move(frozen).error();
  v1::FreezeReply reply;
  reply.set_already_frozen(frozen->already);
  reply.set_took_ns(frozen->report.took);
  reply.set_tasks_raised(frozen->report.raised);
  co_return reply;
}

PlacementService::Answer<v1::ThawReply> PlacementService::thaw(const v1::ThawRequest& request) {
  const std::string id = request.id();
  if (d_.jobs.find(id) == nullptr) co_return co_await explain_unknown(id);
  auto thawed = co_await d_.freezer.thaw(d_.node.config, d_.node.tree_path, id);
  if (!thawed) co_return std::move(thawed).error();
  v1::ThawReply reply;
  reply.set_was_frozen(*thawed);
  co_return reply;
}

}  // namespace tariff::agent
