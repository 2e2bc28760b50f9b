// SPDX-License-Identifier: Apache-2.0
// Has anything been mounted or unmounted in our mount namespace, which is the host's? The kernel
// says so by POLLPRI on mountinfo, to each open file once.
// Threading: each object has one user at a time.
#pragma once

#include "base/fd.h"

namespace tariff::launcher {

class MountWatch {
 public:
  static Result<MountWatch> open();

  /// Since open(), or since it was last asked. Does not block.
  [[nodiscard]] bool changed() const;
  /// For epoll, which asks in its own way: an object that is polled there must not be asked here.
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  Fd file_;
};

}  // namespace tariff::launcher
