// SPDX-License-Identifier: Apache-2.0
#include "cgroup/zero_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "support/catch.h"

using namespace tariff::cgroup;

namespace {

constexpr std::size_t kBytes = 1 << 20;
char table[kBytes];  // zero-initialised

std::size_t resident_pages(char* begin, std::size_t pages) {
  std::vector<unsigned char> in(pages);
  if (::mincore(begin, pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), in.data()) != 0)
    return pages + 1;
  std::size_t count = 0;
  for (const auto one : in) count += one & 1U;
  return count;
}

}  // namespace

TEST_CASE("pages of zeros are given back, others keep what they hold") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto* const first = reinterpret_cast<char*>(
      (reinterpret_cast<std::uintptr_t>(table) + page - 1) / page * page);
  const std::size_t pages = kBytes / page - 1;
  for (std::size_t at = 0; at < pages; ++at) first[at * page] = 1;
  std::memset(first, 0, pages * page);
  first[5 * page + 17] = 'x';
  first[pages * page - 1] = 'y';
  REQUIRE(resident_pages(first, pages) == pages);
  CHECK(give_back_zero_pages(table) >= (pages - 2) * page);
  CHECK(resident_pages(first, pages) == 2);
  CHECK(first[5 * page + 17] == 'x');
  CHECK(first[pages * page - 1] == 'y');
  CHECK(first[7 * page] == 0);
  first[7 * page] = 'z';
  CHECK(first[7 * page] == 'z');
}

TEST_CASE("an address that is in no program or library gives nothing back") {
  CHECK(give_back_zero_pages(nullptr) == 0);
}
