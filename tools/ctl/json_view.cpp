// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/json_view.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace tariff::ctl {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// JOB_STATE_ENDED of enum JobState -> "ended": the prefix is the name of
/// the enum itself, as the style of protobuf asks.
std::string enumerator_text(const EnumValueDescriptor& value) {
  std::string text(value.name());
  std::string prefix;
  for (const char c : std::string(value.type()->name())) {
    if (std::isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  if (text.rfind(prefix, 0) == 0) text.erase(0, prefix.size());
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// Element `at` of a repeated field, or the value of a single one (`at` < 0).
Json element(const Message& message, const FieldDescriptor* field, int at) {
  const Reflection& get = *message.GetReflection();
  const bool many = at >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return many ? get.GetRepeatedBool(message, field, at) : get.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? get.GetRepeatedInt32(message, field, at) : get.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return many ? get.GetRepeatedUInt32(message, field, at) : get.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return many ? get.GetRepeatedInt64(message, field, at) : get.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return many ? get.GetRepeatedUInt64(message, field, at) : get.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return many ? get.GetRepeatedDouble(message, field, at) : get.GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return many ? get.GetRepeatedFloat(message, field, at) : get.GetFloat(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return enumerator_text(many ? *get.GetRepeatedEnum(message, field, at)
                                  : *get.GetEnum(message, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return many ? get.GetRepeatedString(message, field, at) : get.GetString(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(many ? get.GetRepeatedMessage(message, field, at)
                          : get.GetMessage(message, field));
  }
  return nullptr;
}

}  // namespace

Json to_json(const Message& message) {
  const auto& descriptor = *message.GetDescriptor();
  const Reflection& get = *message.GetReflection();
  Json object = Json::object();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    const std::string name(field->name());
    if (field->is_repeated()) {
      Json list = Json::array();
      for (int at = 0; at < get.FieldSize(message, field); ++at)
        list.push_back(element(message, field, at));
      object[name] = std::move(list);
    } else if (field->type() == FieldDescriptor::TYPE_BYTES) {
      put_bytes(object, name, get.GetString(message, field));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               !get.HasField(message, field)) {
      object[name] = nullptr;
    } else {
      object[name] = element(message, field, -1);
    }
  }
  return object;
}

void put_bytes(Json& object, const std::string& name, const std::string& bytes) {
  if (is_utf8(bytes)) object[name] = bytes;
  else object[name + "_base64"] = base64(bytes);
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      text += i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

bool is_utf8(std::string_view bytes) {
  try {
    static_cast<void>(Json(std::string(bytes)).dump());  // the strict handler throws on bad UTF-8
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::string json_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string json_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tariff::ctl
