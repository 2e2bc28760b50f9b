// SPDX-License-Identifier: Apache-2.0
#include "agent/machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cgroup/parse.h"

namespace tariff::agent {

Memory read_memory() {
  Memory memory;
  const auto text = read_file_at(AT_FDCWD, "/proc/meminfo");
  if (!text) return memory;
  if (const auto info = cgroup::parse_meminfo(*text)) {
    memory.total = info->total.value_or(0);
    memory.available = info->available.value_or(0);
  }
  return memory;
}

std::uint64_t read_memory_current(const std::string& directory) {
  const auto text = read_file_at(AT_FDCWD, directory + "/memory.current");
  if (!text) return 0;
  const auto bytes = cgroup::parse_number(*text, "memory.current");
  return bytes ? *bytes : 0;
}

int online_cpus() { return static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))); }

char read_process_state(int pid) {
  const auto text = read_file_at(AT_FDCWD, "/proc/" + std::to_string(pid) + "/stat");
  if (!text) return 'S';
  // "pid (comm) S ...": comm may hold anything, also parentheses, so look from the end.
  const auto end_of_name = text->rfind(')');
  return end_of_name != std::string::npos && end_of_name + 2 < text->size()
             ? (*text)[end_of_name + 2] : 'S';
}

Result<Fd> sealed_memfd(const std::string& name, std::string_view bytes) {
  Fd fd = Fd::adopt(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_error("cannot make memory for a payload", errno);
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(fd.get(), bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return errno_error("cannot store a payload", errno);
    written += static_cast<std::size_t>(count);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) < 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
    return errno_error("cannot seal a payload", errno);
  return fd;
}

Result<std::string> read_exactly(int fd, std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t part = ::pread(fd, bytes.data() + done, count - done, static_cast<off_t>(done));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return errno_error("cannot read a result", errno);
    if (part == 0)
      return Error{ErrorKind::Internal, "a result is shorter than its record says", {}};
    done += static_cast<std::size_t>(part);
  }
  return bytes;
}

std::string payload_digest(std::string_view payload) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a offset basis and prime, 64 bits
  for (const char c : payload) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  char text[48];
  std::snprintf(text, sizeof text, "%zu-%016llx", payload.size(),
                static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace tariff::agent
