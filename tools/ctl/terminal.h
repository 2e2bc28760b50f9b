// SPDX-License-Identifier: Apache-2.0
// A terminal taken over for a live view, and given back as it was: on the way out, on a signal, and
// while stopped with ^Z. Plain ANSI sequences (ECMA-48), which every terminal of today knows; there
// is little enough of it that a library would be more.
//
//   Screen screen;
//   while (screen.wait(1s) != Screen::Event::Quit) screen.show(text);
#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <string>

#include "base/fd.h"
#include "tools/ctl/top_view.h"

namespace tariff::ctl {

class Screen {
 public:
  enum class Event { Timeout, Redraw, Quit };

  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const std::string& text);
  /// Until `patience`, or something that matters: q, a change of size, a signal that ends us.
  Event wait(std::chrono::milliseconds patience);
  [[nodiscard]] static Size size();

 private:
  void enter();
  void leave();
  Event on_signal();

  termios before_{};
  sigset_t blocked_before_{};
  Fd signals_;
};

}  // namespace tariff::ctl
