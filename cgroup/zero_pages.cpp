// SPDX-License-Identifier: Apache-2.0
#include "cgroup/zero_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24  // since 5.18; glibc 2.36 does not know it
#endif

namespace tariff::cgroup {
namespace {

struct Range {
  std::uintptr_t address = 0;  ///< what to look for
  std::uintptr_t begin = 0;    ///< whole pages
  std::uintptr_t end = 0;
};

/// Of the object that contains the address: what its writable segment has beyond its file.
int find_zero_data(dl_phdr_info* object, std::size_t, void* argument) {
  auto& range = *static_cast<Range*>(argument);
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  bool contains = false;
  Range found;
  for (int index = 0; index < object->dlpi_phnum; ++index) {
    const auto& segment = object->dlpi_phdr[index];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    if (range.address >= begin && range.address < begin + segment.p_memsz) contains = true;
    if ((segment.p_flags & PF_W) == 0) continue;
    found.begin = (begin + segment.p_filesz + page - 1) / page * page;
    found.end = (begin + segment.p_memsz) / page * page;
  }
  if (!contains) return 0;
  range.begin = found.begin;
  range.end = found.end;
  return 1;
}

/// Not through memcmp(): what lies between the variables of a page is read, too, and a sanitizer
/// would object.
[[gnu::no_sanitize_address]] bool only_zeros(const std::uint64_t* words, std::size_t count) {
  for (std::size_t index = 0; index < count; ++index)
    if (words[index] != 0) return false;
  return true;
}

}  // namespace

std::size_t give_back_zero_pages(const void* address) {
  Range range;
  range.address = reinterpret_cast<std::uintptr_t>(address);
  if (::dl_iterate_phdr(find_zero_data, &range) == 0) return 0;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::size_t given = 0;
  for (std::uintptr_t at = range.begin; at < range.end; at += page) {
    auto* const memory = reinterpret_cast<char*>(at);
    if (!only_zeros(reinterpret_cast<const std::uint64_t*>(at), page / sizeof(std::uint64_t)))
      continue;
    if (::madvise(memory, page, MADV_DONTNEED_LOCKED) < 0 &&
        ::madvise(memory, page, MADV_DONTNEED) < 0)
      continue;
    given += page;
  }
  return given;
}

}  // namespace tariff::cgroup
