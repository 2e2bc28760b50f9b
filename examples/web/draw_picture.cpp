// SPDX-License-Identifier: Apache-2.0
// Draws the picture that `resize` shrinks: hills at dusk under a moon, 1600 x 1200, with a little
// grain, as a PPM on standard output. Run once by the build; the same picture every time.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

constexpr int kWidth = 1600;
constexpr int kHeight = 1200;
constexpr int kHills = 5;

struct Colour {
  double red, green, blue;
};

Colour mixed(Colour from, Colour to, double share) {
  return {from.red + (to.red - from.red) * share, from.green + (to.green - from.green) * share,
          from.blue + (to.blue - from.blue) * share};
}

/// Height of the ridge of hill `hill` (0 is the farthest) above column x, in pixels from the top.
double ridge(int hill, int x) {
  const double u = x * (0.0021 + 0.0006 * hill) + 11.0 * hill;
  return 560 + 110.0 * hill - (110 - 12 * hill) * (std::sin(u) + 0.5 * std::sin(2.3 * u + 1) +
                                                   0.22 * std::sin(5.1 * u + 2));
}

Colour sky(int x, int y) {
  const Colour dusk = mixed({24, 28, 74}, {250, 158, 104}, std::min(1.0, y / 760.0));
  const double distance = std::hypot(x - 1180.0, y - 250.0);
  if (distance < 70) return {252, 246, 224};
  return mixed(dusk, {252, 240, 214}, 0.5 * std::exp(-(distance - 70) / 90));  // the moon's glow
}

/// Grain of -6..6 that depends on the place only.
int grain(int x, int y) {
  auto bits = static_cast<std::uint32_t>(y * kWidth + x) * 2654435761u;
  bits ^= bits >> 15;
  bits *= 2246822519u;
  return static_cast<int>((bits >> 13) % 13) - 6;
}

Colour pixel(int x, int y) {
  Colour colour = sky(x, y);
  for (int hill = 0; hill < kHills; ++hill)
    if (y > ridge(hill, x))
      colour = mixed({150, 110, 130}, {14, 22, 30}, hill / double(kHills - 1));
  return colour;
}

unsigned char channel(double value, int noise) {
  return static_cast<unsigned char>(std::clamp(std::lround(value) + noise, 0l, 255l));
}

}  // namespace

int main() {
  std::printf("P6\n%d %d\n255\n", kWidth, kHeight);
  std::vector<unsigned char> row;
  for (int y = 0; y < kHeight; ++y) {
    row.clear();
    for (int x = 0; x < kWidth; ++x) {
      const Colour colour = pixel(x, y);
      const int noise = grain(x, y);
      for (const double value : {colour.red, colour.green, colour.blue})
        row.push_back(channel(value, noise));
    }
    if (std::fwrite(row.data(), 1, row.size(), stdout) != row.size()) return 1;
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
