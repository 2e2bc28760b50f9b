// SPDX-License-Identifier: Apache-2.0
#include "examples/web/template.h"

#include <stdexcept>
#include <vector>

namespace web {
namespace {

using nlohmann::json;

const json* find(const std::vector<const json*>& scopes, const std::string& name) {
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope)
    if ((*scope)->is_object())
      if (const auto found = (*scope)->find(name); found != (*scope)->end()) return &*found;
  return nullptr;
}

bool is_empty(const json* value) {
  return value == nullptr || value->is_null() || *value == json(false) || *value == json(0) ||
         *value == json("") || (value->is_structured() && value->empty());
}

class Renderer {
 public:
  explicit Renderer(const json& data) : scopes_{&data} {}

  void render(std::string_view text) {
    while (true) {
      const std::size_t open = text.find("{{");
      out_ += text.substr(0, open);
      if (open == text.npos) return;
      const std::size_t close = text.find("}}", open);
      if (close == text.npos) throw std::runtime_error("a {{ has no }}");
      std::string tag(text.substr(open + 2, close - open - 2));
      text.remove_prefix(close + 2);
      if (tag[0] == '#' || tag[0] == '^') text.remove_prefix(section(tag, text));
      else value(tag);
    }
  }

  std::string take() { return std::move(out_); }

 private:
  /// Renders the section that `tag` has opened; the length of it with its closing tag.
  std::size_t section(const std::string& tag, std::string_view text) {
    const std::string name = tag.substr(1);
    const std::string end = "{{/" + name + "}}";
    const std::size_t length = text.find(end);
    if (length == text.npos) throw std::runtime_error("{{" + tag + "}} is not closed");
    const std::string_view body = text.substr(0, length);
    const json* found = find(scopes_, name);
    if (tag[0] == '^') {
      if (is_empty(found)) render(body);
    } else if (!is_empty(found)) {
      if (found->is_array()) for (const json& item : *found) render_in(item, body);
      else render_in(*found, body);
    }
    return length + end.size();
  }

  void render_in(const json& scope, std::string_view body) {
    scopes_.push_back(&scope);
    render(body);
    scopes_.pop_back();
  }

  void value(const std::string& name) {
    const json* found = find(scopes_, name);
    if (found == nullptr || found->is_null()) return;
    out_ += escaped(found->is_string() ? found->get_ref<const std::string&>() : found->dump());
  }

  std::vector<const json*> scopes_;
  std::string out_;
};

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#x27;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string render(std::string_view text, const json& data) {
  Renderer renderer(data);
  renderer.render(text);
  return renderer.take();
}

}  // namespace web
