// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known word nearest to a mistyped one. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tariff::config {

/// Edits between two words: one character added, removed, changed, or two neighbours swapped.
int edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, if it is near enough to be meant: at most two edits and at most
/// a third of the word.
std::optional<std::string_view> most_similar(std::string_view word,
                                             std::span<const std::string_view> candidates);

/// "did you mean 'price'?", else "known are: name, price".
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace tariff::config
