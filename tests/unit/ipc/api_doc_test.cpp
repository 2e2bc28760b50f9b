// SPDX-License-Identifier: Apache-2.0
// docs/api.md shows bytes for each call: they must be what a client would send, and every call of
// the service must be described.
#include <fstream>
#include <map>
#include <sstream>

#include <google/protobuf/dynamic_message.h>

#include "ipc/frame.h"
#include "ipc/proto/agent.pb.h"
#include "ipc/proto/ttrpc.pb.h"
#include "support/catch.h"
#include "unit/ipc/hex.h"

using namespace tariff::ipc;
using namespace tariff::test;

namespace {

/// Heading "### X" -> the line in the ```frame block below it.
std::map<std::string, std::string> documented_frames() {
  std::ifstream file(TARIFF_SOURCE_DIRECTORY "/docs/api.md");
  REQUIRE(file.is_open());
  std::map<std::string, std::string> frames;
  std::string heading;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("### ")) heading = line.substr(4);
    if (line == "```frame") std::getline(file, frames[heading]);
  }
  return frames;
}

}  // namespace

TEST_CASE("docs/api.md describes every call, and its bytes are right") {
  const auto frames = documented_frames();
  const auto* service = tariff::v1::PlaceRequest::descriptor()->file()->service(0);
  CHECK(static_cast<int>(frames.size()) == service->method_count());
  google::protobuf::DynamicMessageFactory factory;
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* method = service->method(i);
    INFO(method->name());
    REQUIRE(frames.contains(method->name()));
    const auto bytes = from_hex(frames.at(method->name()));
    REQUIRE(bytes.size() > kHeaderBytes);
    HeaderBytes head{};
    std::copy_n(bytes.begin(), kHeaderBytes, head.begin());
    CHECK(decode(head) ==
          FrameHeader{static_cast<std::uint32_t>(bytes.size() - kHeaderBytes), 1, 1,
                      method->server_streaming() ? kRemoteClosed : std::uint8_t{0}});
    tariff::ttrpc::Request request;
    REQUIRE(request.ParseFromString(bytes.substr(kHeaderBytes)));
    CHECK(request.service() == service->full_name());
    CHECK(request.method() == method->name());
    const std::unique_ptr<google::protobuf::Message> message(
        factory.GetPrototype(method->input_type())->New());
    REQUIRE(message->ParseFromString(request.payload()));
    CHECK(message->GetReflection()->GetUnknownFields(*message).empty());
  }
}
