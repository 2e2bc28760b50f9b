// SPDX-License-Identifier: Apache-2.0
// Tasks: counts what runs on behalf of an owner, so that the owner can wait until nothing does.
// Each coroutine or timer callback that is not awaited by its creator holds a Token; it is taken
// when the work is started and given back when its last capture is destroyed, however it ended.
// Copies of a Tasks share their count, so that what it counts may outlive the owner.
// Threading: one thread. Errors: none.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace tariff::ipc {

class Tasks {
 public:
  /// Work under way. Movable, not copyable: one piece of work, one token.
  class [[nodiscard]] Token {
   public:
    Token(Token&& other) noexcept : count_(std::move(other.count_)) {}
    Token& operator=(Token&&) = delete;
    ~Token() {
      if (!count_) return;
      --count_->running;
      if (count_->on_change) count_->on_change();
    }

   private:
    friend class Tasks;
    struct Count {
      std::size_t running = 0;
      std::function<void()> on_change;
    };
    explicit Token(std::shared_ptr<Count> count) : count_(std::move(count)) { ++count_->running; }
    std::shared_ptr<Count> count_;
  };

  Token enter() { return Token(count_); }
  [[nodiscard]] std::size_t running() const { return count_->running; }

  /// Called after each piece of work that ended; empty: nobody is told.
  void on_change(std::function<void()> callback) { count_->on_change = std::move(callback); }

 private:
  std::shared_ptr<Token::Count> count_ = std::make_shared<Token::Count>();
};

}  // namespace tariff::ipc
