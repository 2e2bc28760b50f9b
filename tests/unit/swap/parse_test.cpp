// SPDX-License-Identifier: Apache-2.0
#include "swap/parse.h"

#include <array>

#include "support/catch.h"

using namespace tariff;
using namespace tariff::swap;

namespace {

// As 6.1 writes it, shortened; "pages free" of two zones, with what stands around them.
constexpr auto kZones = R"(Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 13
      nr_free_pages 99
  pages free     3840
        boost    0
        min      68
        low      85
        high     102
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 1914, 1914, 1914, 1914)
      nr_free_pages 3840
  pagesets
    cpu: 0
              count: 0
              high:  0
              batch: 1
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone    DMA32
  pages free     100
        boost    512
        min      10
        low      20
        high     30
        promo    40
        spanned  1044480
    cpu: 0
              count: 5
              high:  378
)";

std::string message(const Error& error) { return error.message; }

}  // namespace

TEST_CASE("zoneinfo: watermarks of all zones are added up, in bytes") {
  const auto marks = parse_zoneinfo(kZones, 4096);
  REQUIRE(marks);
  CHECK(marks->free == 3940 * 4096);
  CHECK(marks->min == 78 * 4096);
  CHECK(marks->low == 105 * 4096);
  CHECK(marks->high == 132 * 4096);
  CHECK(marks->boost == 512 * 4096);
}

TEST_CASE("zoneinfo: a kernel without boost has none, and what is no zoneinfo is refused") {
  const auto marks =
      parse_zoneinfo("  pages free  10\n  min 1\n  low 2\n  high 3\n  spanned 9\n", 1);
  REQUIRE(marks);
  CHECK(*marks == Watermarks{10, 1, 2, 3, 0});
  CHECK(message(parse_zoneinfo("", 4096).error()) == "cannot read /proc/zoneinfo: no zone in ''");
  CHECK(message(parse_zoneinfo("pages free -3\n", 4096).error()) ==
        "cannot read /proc/zoneinfo: no number of pages in 'pages free -3'");
  CHECK_FALSE(parse_zoneinfo("pages free 3 4\n", 4096));
  CHECK_FALSE(parse_zoneinfo("pages free 9007199254740992\n", 4096));  // 2^53 pages overflow
}

TEST_CASE("swaps: devices and files with their sizes in bytes") {
  const auto devices = parse_swaps(
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
      "/dev/zram0                              partition\t1048572\t\t512\t\t100\n"
      "/var/swap\\040file                       file\t\t4194300\t\t0\t\t-2\n");
  REQUIRE(devices);
  REQUIRE(devices->size() == 2);
  CHECK((*devices)[0] == SwapDevice{"/dev/zram0", false, 1048572ULL << 10, 512 << 10, 100});
  CHECK((*devices)[1] == SwapDevice{"/var/swap file", true, 4194300ULL << 10, 0, -2});
  CHECK(zram_name((*devices)[0]) == "zram0");
  CHECK(zram_name((*devices)[1]).empty());
  CHECK(zram_name({"/dev/zram", false, 0, 0, 0}).empty());
  CHECK(zram_name({"/dev/zram1/file", true, 0, 0, 0}).empty());
}

TEST_CASE("swaps: none is an empty list, nonsense is refused") {
  const auto none = parse_swaps("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
  REQUIRE(none);
  CHECK(none->empty());
  CHECK(message(parse_swaps("").error()) == "cannot read /proc/swaps: no heading in ''");
  CHECK(message(parse_swaps("Filename\n/dev/vdb partition 12 x -2\n").error()) ==
        "cannot read /proc/swaps: no size, use and priority in '/dev/vdb partition 12 x -2'");
  CHECK_FALSE(parse_swaps("Filename\n/dev/vdb partition 12\n"));
}

TEST_CASE("mm_stat: the first four numbers, however many follow") {
  const auto use =
      parse_mm_stat(" 4096000  1000000  1200000        0  1300000    12     0    1   1\n");
  REQUIRE(use);
  CHECK(*use == ZramUse{4096000, 1000000, 1200000, 0});
  CHECK(parse_mm_stat("1 2 3 4"));
  CHECK_FALSE(parse_mm_stat("1 2 3"));
  CHECK_FALSE(parse_mm_stat("1 2 -3 4"));
}

TEST_CASE("vmstat: direct reclaims of all zones are added up") {
  const auto sum = parse_direct_reclaims(
      "nr_free_pages 12\nallocstall_dma 0\nallocstall_normal 40\nallocstall_movable 2\npgscan 1\n");
  REQUIRE(sum);
  CHECK(*sum == 42);
  CHECK_FALSE(parse_direct_reclaims("nr_free_pages 12\n"));
  CHECK_FALSE(parse_direct_reclaims("allocstall_dma many\n"));
}

TEST_CASE("pagemap: present, swapped or neither, by the two highest bits") {
  constexpr std::uint64_t kPresent = 0x8000000000000000;
  constexpr std::uint64_t kSwapped = 0x4000000000000000;
  CHECK(page_of(0) == Page::None);
  CHECK(page_of(kPresent | 0x123) == Page::Present);
  CHECK(page_of(kSwapped | 0x2000000000000000) == Page::Swapped);
  CHECK(page_of(0x0080000000000000) == Page::None);  // soft-dirty alone
  const std::array<std::uint64_t, 6> entries{kSwapped, kSwapped | 7, 0, kPresent, kSwapped, 0};
  CHECK(count_pages(entries) == PageCounts{1, 3});
}

TEST_CASE("pagemap: neighbouring swapped pages are one range, and what is left is gone on with") {
  constexpr std::uint64_t kPresent = 0x8000000000000000;
  constexpr std::uint64_t kSwapped = 0x4000000000000000;
  const std::array<std::uint64_t, 7> entries{0,        kSwapped, kSwapped, kPresent,
                                             kSwapped, 0,        kSwapped};
  const auto all = swapped_ranges(0x10000, 4096, entries, 10);
  CHECK(all.ranges == std::vector<PageRange>{{0x11000, 2}, {0x14000, 1}, {0x16000, 1}});
  CHECK(all.done == 7);
  const auto two = swapped_ranges(0x10000, 4096, entries, 2);
  CHECK(two.ranges == std::vector<PageRange>{{0x11000, 2}, {0x14000, 1}});
  CHECK(two.done == 6);
  const auto rest = swapped_ranges(0x16000, 4096, std::span(entries).subspan(two.done), 2);
  CHECK(rest.ranges == std::vector<PageRange>{{0x16000, 1}});
  CHECK(swapped_ranges(0, 4096, {}, 2).ranges.empty());
}

TEST_CASE("maps: ranges, rights and names") {
  const auto maps = parse_maps(
      "55d0c4a00000-55d0c4a02000 r--p 00000000 08:01 131 /usr/bin/a name with blanks\n"
      "7ffd0000-7ffd1000 rw-s 00000000 00:01 5 \n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  REQUIRE(maps);
  REQUIRE(maps->size() == 3);
  CHECK((*maps)[0] ==
        Mapping{0x55d0c4a00000, 0x55d0c4a02000, true, false, "/usr/bin/a name with blanks"});
  CHECK((*maps)[1] == Mapping{0x7ffd0000, 0x7ffd1000, true, true, ""});
  CHECK((*maps)[2] == Mapping{0xffffffffff600000, 0xffffffffff601000, false, false, "[vsyscall]"});
  CHECK_FALSE(parse_maps("55d0-zz r--p 0 0 0\n"));
  CHECK_FALSE(parse_maps("2000-1000 r--p 0 0 0\n"));
  CHECK_FALSE(parse_maps("1000-2000 r- 0 0 0\n"));
}

TEST_CASE("whatever bytes the kernel files held, the parsers end with a value or an error") {
  const std::string text =
      std::string(kZones) + "Filename\nallocstall_x 1\n1000-2000 r--p 1 2 3 4\n";
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char byte : {'\0', '\n', ' ', '-', '9', '\xff'}) {
      auto bad = text;
      bad[at] = byte;
      for (const auto& part : {bad, bad.substr(0, at), bad.substr(at)}) {
        static_cast<void>(parse_zoneinfo(part, 4096).has_value());
        static_cast<void>(parse_swaps(part).has_value());
        static_cast<void>(parse_mm_stat(part).has_value());
        static_cast<void>(parse_direct_reclaims(part).has_value());
        static_cast<void>(parse_maps(part).has_value());
      }
    }
  }
}
