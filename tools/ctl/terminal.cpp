// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/ctl/commands.h"

namespace tariff::ctl {
namespace {

// The alternate screen, so that what was there comes back; the cursor hidden.
constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l";
constexpr const char* kLeave = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearLine = "\x1b[K\r\n";
constexpr const char* kClearBelow = "\x1b[J";

void put(const std::string& text) {
  // A terminal that is gone ends us with SIGHUP; there is nobody to tell.
  if (auto written = print_raw(text); !written) return;
}

}  // namespace

Screen::Screen() {
  sigset_t mine;
  sigemptyset(&mine);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH})
    sigaddset(&mine, signal);
  ::sigprocmask(SIG_BLOCK, &mine, &blocked_before_);
  signals_ = Fd::adopt(::signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK));
  ::tcgetattr(STDIN_FILENO, &before_);
  enter();
}

Screen::~Screen() {
  leave();
  ::sigprocmask(SIG_SETMASK, &blocked_before_, nullptr);
}

void Screen::enter() {
  termios raw = before_;
  raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));  // keys at once; ^C stays a signal
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  put(kEnter);
}

void Screen::leave() {
  put(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Size Screen::size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

void Screen::show(const std::string& text) {
  std::string out = kHome;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') out += text[i];
    else if (i + 1 < text.size()) out += kClearLine;
    else out += "\x1b[K";  // a line feed in the last row would scroll
  }
  put(out + kClearBelow);
}

Screen::Event Screen::on_signal() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info))
    return Event::Timeout;
  if (info.ssi_signo == SIGWINCH) return Event::Redraw;
  if (info.ssi_signo != SIGTSTP) return Event::Quit;
  leave();
  ::kill(::getpid(), SIGSTOP);  // ^Z: goes on here after SIGCONT
  enter();
  return Event::Redraw;
}

Screen::Event Screen::wait(std::chrono::milliseconds patience) {
  pollfd watched[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  if (::poll(watched, 2, static_cast<int>(patience.count())) <= 0) return Event::Timeout;
  if (watched[1].revents != 0) return on_signal();
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) != 1) return Event::Quit;
  return key == 'q' || key == 'Q' ? Event::Quit : Event::Redraw;
}

}  // namespace tariff::ctl
