// SPDX-License-Identifier: Apache-2.0
// Draws the picture that `resize` shrinks: hills at dusk under a moon, 1600 x 1200, with a little
// grain, as a PNG on standard output. Run once by the build; the same picture every time.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

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

/// Grain of -3..3 that depends on the place only.
int grain(int x, int y) {
  auto bits = static_cast<std::uint32_t>(y * kWidth + x) * 2654435761u;
  bits ^= bits >> 15;
  bits *= 2246822519u;
  return static_cast<int>((bits >> 13) % 7) - 3;
}

Colour pixel(int x, int y) {
  Colour colour = sky(x, y);
  for (int hill = 0; hill < kHills; ++hill)
    if (y > ridge(hill, x))
      colour = mixed({150, 110, 130}, {14, 22, 30}, hill / double(kHills - 1));
  return colour;
}

char channel(double value, int noise) {
  return static_cast<char>(std::clamp(std::lround(value) + noise, 0l, 255l));
}

/// All rows, each after a filter byte "none", as PNG has them.
std::string drawn() {
  std::string rows;
  rows.reserve(static_cast<std::size_t>(kHeight) * (1 + 3 * kWidth));
  for (int y = 0; y < kHeight; ++y) {
    rows += '\0';
    for (int x = 0; x < kWidth; ++x) {
      const Colour colour = pixel(x, y);
      const int noise = grain(x, y);
      for (const double value : {colour.red, colour.green, colour.blue})
        rows += channel(value, noise);
    }
  }
  return rows;
}

std::string deflated(const std::string& bytes) {
  uLongf length = ::compressBound(bytes.size());
  std::string out(length, '\0');
  if (::compress2(reinterpret_cast<Bytef*>(out.data()), &length,
                  reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9) != Z_OK)
    return {};
  out.resize(length);
  return out;
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

/// One chunk of a PNG: length, type, data, CRC of type and data.
std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto checksum = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body +
         big_endian(static_cast<std::uint32_t>(checksum));
}

}  // namespace

int main() {
  const std::string eight_bit_rgb("\x08\x02\0\0\0", 5);
  const std::string png = "\x89PNG\r\n\x1a\n" +
                          chunk("IHDR", big_endian(kWidth) + big_endian(kHeight) + eight_bit_rgb) +
                          chunk("IDAT", deflated(drawn())) + chunk("IEND", "");
  const bool written = std::fwrite(png.data(), 1, png.size(), stdout) == png.size();
  return written && std::fflush(stdout) == 0 ? 0 : 1;
}
