// SPDX-License-Identifier: Apache-2.0
#include "systemd/units.h"

#include <systemd/sd-bus.h>

#include <cstdlib>
#include <utility>

namespace tariff::systemd {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr const char* kManager = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManagerInterface = "org.freedesktop.systemd1.Manager";
constexpr std::uint64_t kInfinity = UINT64_MAX;  // systemd's own spelling of "infinity" on the bus

/// An sd_bus_error that frees itself.
struct BusError {
  sd_bus_error raw = SD_BUS_ERROR_NULL;
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { ::sd_bus_error_free(&raw); }
};

struct Unref {
  void operator()(sd_bus_message* message) const noexcept { ::sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, Unref>;

/// systemd's own sentence if it gave one, else the errno text.
Error bus_failure(const std::string& what, int error, const BusError* reply = nullptr) {
  Error out = errno_error(what, error);
  if (reply != nullptr && reply->raw.message != nullptr)
    out.message = what + ": " + reply->raw.message;
  if (error == ETIMEDOUT) out.hint = "systemd did not answer in time; is the machine overloaded?";
  if (error == EACCES || error == EPERM) out.hint = "this needs root";
  return out;
}

Result<std::string> interface_of(const std::string& unit) {
  static constexpr std::pair<const char*, const char*> kKinds[] = {
      {".service", "org.freedesktop.systemd1.Service"},
      {".slice", "org.freedesktop.systemd1.Slice"},
      {".scope", "org.freedesktop.systemd1.Scope"},
      {".socket", "org.freedesktop.systemd1.Socket"},
  };
  for (const auto& [suffix, interface] : kKinds)
    if (unit.ends_with(suffix)) return std::string(interface);
  return Error{ErrorKind::InvalidArgument, "unit '" + unit + "' is of no kind that has a cgroup",
               "write the whole name, with .service or .slice"};
}

Result<std::string> path_of(const std::string& unit) {
  char* path = nullptr;
  const int error = ::sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &path);
  if (error < 0) return bus_failure("cannot name " + unit + " on the bus", -error);
  std::string out(path);
  std::free(path);
  return out;
}

}  // namespace

void Units::Close::operator()(sd_bus* bus) const noexcept { ::sd_bus_close_unref(bus); }

Result<Units> Units::connect(const Options& options) {
  const std::string what = "cannot connect to the system bus at " + options.address;
  sd_bus* raw = nullptr;
  int error = ::sd_bus_new(&raw);
  if (error < 0) return bus_failure(what, -error);
  Bus bus(raw);
  const auto timeout = microseconds(options.timeout);
  error = ::sd_bus_set_address(raw, options.address.c_str());
  if (error >= 0) error = ::sd_bus_set_bus_client(raw, 1);
  if (error >= 0)
    error = ::sd_bus_set_method_call_timeout(raw, static_cast<std::uint64_t>(timeout.count()));
  if (error >= 0) error = ::sd_bus_start(raw);
  if (error < 0) {
    Error out = bus_failure(what, -error);
    out.kind = ErrorKind::Unavailable;
    out.hint = "the package dbus must be installed and its socket running";
    return out;
  }
  // sd-bus authenticates in the background with a limit of its own (25 s); ours is the caller's.
  const auto deadline = steady_clock::now() + timeout;
  while (::sd_bus_is_ready(raw) == 0) {
    const auto left = std::chrono::duration_cast<microseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return bus_failure(what, ETIMEDOUT);
    error = ::sd_bus_process(raw, nullptr);
    if (error == 0) error = ::sd_bus_wait(raw, static_cast<std::uint64_t>(left.count()));
    if (error < 0 && error != -EINTR) return bus_failure(what, -error);
  }
  if (::sd_bus_is_ready(raw) < 0) return bus_failure(what, ECONNRESET);
  return Units(std::move(bus));
}

Result<std::string> Units::control_group(const std::string& unit) {
  auto interface = interface_of(unit);
  if (!interface) return std::move(interface).error();
  const std::string what = "cannot ask systemd for the cgroup of " + unit;
  auto path = path_of(unit);
  if (!path) return std::move(path).error();

  BusError reply;
  char* text = nullptr;
  const int error = ::sd_bus_get_property_string(bus_.get(), kManager, path->c_str(),
                                                 interface->c_str(), "ControlGroup", &reply.raw,
                                                 &text);
  if (error < 0) return bus_failure(what, -error, &reply);
  std::string out(text);
  std::free(text);
  if (out.empty())
    return Error{ErrorKind::NotFound, "unit " + unit + " has no cgroup",
                 "it does not exist or is not running: systemctl status " + unit};
  return out;
}

Status Units::start(const std::string& unit) {
  BusError reply;
  const int error = ::sd_bus_call_method(bus_.get(), kManager, kManagerPath, kManagerInterface,
                                         "StartUnit", &reply.raw, nullptr, "ss", unit.c_str(),
                                         "replace");
  if (error < 0) return bus_failure("cannot start " + unit + " through systemd", -error, &reply);
  return ok();
}

Status Units::set_until_boot(const std::string& unit, const std::string& what,
                             const std::function<int(sd_bus_message*)>& add) {
  sd_bus_message* raw = nullptr;
  int error = ::sd_bus_message_new_method_call(bus_.get(), &raw, kManager, kManagerPath,
                                               kManagerInterface, "SetUnitProperties");
  if (error < 0) return bus_failure(what, -error);
  const Message call(raw);
  error = ::sd_bus_message_append(raw, "sb", unit.c_str(), /* runtime= */ 1);
  if (error >= 0) error = ::sd_bus_message_open_container(raw, 'a', "(sv)");
  if (error >= 0) error = add(raw);
  if (error >= 0) error = ::sd_bus_message_close_container(raw);
  if (error < 0) return bus_failure(what, -error);

  BusError reply;
  error = ::sd_bus_call(bus_.get(), raw, /* usec= */ 0, &reply.raw, nullptr);
  if (error < 0) return bus_failure(what, -error, &reply);
  return ok();
}

Status Units::set_runtime(const std::string& unit, const std::vector<UnitProperty>& properties) {
  return set_until_boot(
      unit, "cannot set properties of " + unit + " through systemd", [&](sd_bus_message* call) {
        int error = 0;
        for (const auto& property : properties) {
          if (error < 0) break;
          error = ::sd_bus_message_append(call, "(sv)", property.name.c_str(), "t",
                                          property.value.value_or(kInfinity));
        }
        return error;
      });
}

Result<std::vector<std::uint8_t>> Units::allowed_cpus(const std::string& unit) {
  auto interface = interface_of(unit);
  if (!interface) return std::move(interface).error();
  auto path = path_of(unit);
  if (!path) return std::move(path).error();
  const std::string what = "cannot ask systemd for AllowedCPUs of " + unit;
  BusError reply;
  sd_bus_message* raw = nullptr;
  int error = ::sd_bus_get_property(bus_.get(), kManager, path->c_str(), interface->c_str(),
                                    "AllowedCPUs", &reply.raw, &raw, "ay");
  if (error < 0) return bus_failure(what, -error, &reply);
  const Message message(raw);
  const void* bytes = nullptr;
  std::size_t count = 0;
  error = ::sd_bus_message_read_array(raw, 'y', &bytes, &count);
  if (error < 0) return bus_failure(what, -error);
  const auto* first = static_cast<const std::uint8_t*>(bytes);
  return std::vector<std::uint8_t>(first, first + count);
}

Status Units::set_allowed_cpus(const std::string& unit, const std::vector<std::uint8_t>& bitmap) {
  return set_until_boot(
      unit, "cannot set AllowedCPUs of " + unit + " through systemd", [&](sd_bus_message* call) {
        int error = ::sd_bus_message_open_container(call, 'r', "sv");
        if (error >= 0) error = ::sd_bus_message_append(call, "s", "AllowedCPUs");
        if (error >= 0) error = ::sd_bus_message_open_container(call, 'v', "ay");
        if (error >= 0)
          error = ::sd_bus_message_append_array(call, 'y', bitmap.data(), bitmap.size());
        for (int level = 0; level < 2; ++level)
          if (error >= 0) error = ::sd_bus_message_close_container(call);
        return error;
      });
}

}  // namespace tariff::systemd
