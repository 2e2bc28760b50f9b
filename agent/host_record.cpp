// SPDX-License-Identifier: Apache-2.0
#include "agent/host_record.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace tariff::agent {

using Json = nlohmann::ordered_json;

std::string to_json(const HostRecord& record) {
  Json json = {{"mode", record.mode},
               {"system_cpus", record.system_cpus},
               {"class_cpus", record.class_cpus},
               {"why", record.why},
               {"changes", Json::array()},
               {"refused", Json::array()}};
  for (const auto& [knob, before, now] : record.changes)
    json["changes"].push_back(
        {{"what", knob.what}, {"target", knob.target}, {"before", before}, {"now", now}});
  for (const auto& [knob, why] : record.refused)
    json["refused"].push_back({{"what", knob.what}, {"target", knob.target}, {"why", why}});
  return json.dump(1) + "\n";
}

Result<HostRecord> parse_host_record(std::string_view text) try {
  const auto json = Json::parse(text);
  HostRecord record;
  record.mode = json.at("mode");
  record.system_cpus = json.at("system_cpus");
  record.class_cpus = json.at("class_cpus");
  record.why = json.at("why");
  for (const auto& entry : json.at("changes"))
    record.changes.push_back(
        {{entry.at("what"), entry.at("target")}, entry.at("before"), entry.at("now")});
  for (const auto& entry : json.at("refused"))
    record.refused.push_back({{entry.at("what"), entry.at("target")}, entry.at("why")});
  return record;
} catch (const Json::exception& error) {
  return Error{ErrorKind::InvalidArgument,
               "the record of changes to the host is malformed: " + std::string(error.what()), {}};
}

Result<HostRecord> read_host_record(const std::string& path) {
  auto text = read_file_at(AT_FDCWD, path, 16 << 20);
  if (!text && text.error().kind == ErrorKind::NotFound) return HostRecord{};
  if (!text) return std::move(text).error();
  auto record = parse_host_record(*text);
  if (!record) return std::move(record).error().context(path);
  return record;
}

Status write_host_record(const std::string& path, const HostRecord& record) {
  const std::string fresh = path + ".new";
  auto file = open_at(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!file) return std::move(file).error();
  (void)::fchmod(file->get(), 0644);  // whatever the umask: doctor reads it as anybody
  const std::string text = to_json(record);
  for (std::size_t done = 0; done < text.size();) {
    const auto count = ::write(file->get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return errno_error("cannot write " + fresh, errno);
    done += static_cast<std::size_t>(count);
  }
  if (::rename(fresh.c_str(), path.c_str()) < 0)
    return errno_error("cannot replace " + path, errno);
  return ok();
}

}  // namespace tariff::agent
