// SPDX-License-Identifier: Apache-2.0
// Files to texts; the texts are read by node_config.cpp and functions.cpp.
#include "config/load.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/fd.h"
#include "config/document.h"

namespace tariff::config {
namespace {

Diagnostic about_file(const std::string& file, std::string message, std::string hint = {}) {
  Diagnostic out;
  out.file = file;
  out.message = std::move(message);
  out.hint = std::move(hint);
  return out;
}

/// Whole text of a regular file; one byte more than allowed is read, so that too much is noticed.
Result<std::string> read_regular_file(const std::string& path, struct stat& info) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const auto fd = Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error("cannot open it", errno);
  if (::fstat(fd.get(), &info) != 0) return errno_error("cannot examine it", errno);
  if (!S_ISREG(info.st_mode))
    return Error{ErrorKind::InvalidArgument, "not a regular file", {}};
  std::string text(kMaxTextBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read it", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

struct CloseDirectory {
  void operator()(DIR* stream) const noexcept { ::closedir(stream); }
};

bool is_function_file(const std::string& name) {
  return name.ends_with(".yaml") && !name.starts_with('.');
}

/// The names of the function files, sorted; files that look meant but are not read give a warning.
Result<std::vector<std::string>> list_directory(const std::string& directory,
                                                std::vector<Diagnostic>& diagnostics) {
  const std::unique_ptr<DIR, CloseDirectory> stream(::opendir(directory.c_str()));
  if (!stream) return errno_error("cannot list it", errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string name = entry->d_name;
    if (is_function_file(name)) names.push_back(std::move(name));
    else if (name.ends_with(".yml") && !name.starts_with('.')) {
      auto warning = about_file(directory + "/" + name, "not read: its name does not end in .yaml");
      warning.severity = Severity::Warning;
      diagnostics.push_back(std::move(warning));
    }
    if (names.size() > kMaxFunctionFiles)
      return Error{ErrorKind::ResourceExhausted,
                   "more than " + std::to_string(kMaxFunctionFiles) + " files", {}};
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Loaded<NodeConfig> load_node_config(const std::string& path, const TlsCheck& check) {
  struct stat info {};
  auto text = read_regular_file(path, info);
  if (!text) return {std::nullopt, {about_file(path, text.error().message, text.error().hint)}};
  return parse_node_config(*text, path, check);
}

Loaded<std::vector<Function>> load_functions(const std::string& directory, const NodeConfig& node) {
  std::vector<Diagnostic> diagnostics;
  const auto names = list_directory(directory, diagnostics);
  if (!names) {
    diagnostics.push_back(about_file(directory, names.error().message,
                                     "make the directory, or set functions_directory"));
    return {std::nullopt, std::move(diagnostics)};
  }
  std::vector<NamedText> files;
  for (const auto& name : *names) {
    const std::string path = directory + "/" + name;
    struct stat info {};
    auto text = read_regular_file(path, info);
    if (!text) {
      diagnostics.push_back(about_file(path, text.error().message, text.error().hint));
    } else if ((info.st_mode & S_IWOTH) != 0) {
      diagnostics.push_back(about_file(path, "everybody may write it, and the agent is root",
                                       "chmod o-w " + path));
    } else {
      files.push_back({std::move(*text), path});
    }
  }
  auto out = parse_functions(files, node);
  out.diagnostics.insert(out.diagnostics.begin(), diagnostics.begin(), diagnostics.end());
  if (has_errors(out.diagnostics)) out.value.reset();
  return out;
}

}  // namespace tariff::config
