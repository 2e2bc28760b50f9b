// SPDX-License-Identifier: Apache-2.0
#include "launcher/mount_watch.h"

#include <fcntl.h>
#include <poll.h>

namespace tariff::launcher {

Result<MountWatch> MountWatch::open() {
  auto file = open_at(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY);
  if (!file) return std::move(file).error().context("watching the host's mounts");
  MountWatch watch;
  watch.file_ = std::move(*file);
  return watch;
}

bool MountWatch::changed() const {
  pollfd wanted{file_.get(), POLLPRI, 0};
  return ::poll(&wanted, 1, 0) > 0 && (wanted.revents & (POLLPRI | POLLERR)) != 0;
}

}  // namespace tariff::launcher
