// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/json_view.h"

#include "ipc/proto/agent.pb.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::ctl;

TEST_CASE("a message is an object with the names of the API and every field") {
  v1::WaitReply reply;
  reply.mutable_job()->set_id("j");
  reply.mutable_job()->set_state(v1::JOB_STATE_ENDED);
  reply.mutable_job()->set_end_reason(v1::END_REASON_CPU_TIMEOUT);
  reply.mutable_job()->set_initialised_by(v1::INITIALISED_FIRST_READ);
  reply.mutable_job()->set_accepted_unix_ns(1'764'000'000'123'456'789);
  reply.set_ended(true);
  reply.set_result("text");
  const Json json = to_json(reply);
  CHECK(json["job"]["state"] == "ended");
  CHECK(json["job"]["end_reason"] == "cpu_timeout");
  CHECK(json["job"]["initialised_by"] == "first_read");
  CHECK(json["job"]["accepted_unix_ns"] == 1'764'000'000'123'456'789);
  CHECK(json["job"]["exit_status"] == 0);
  CHECK(json["job"]["memory_gb_seconds"] == 0.0);
  CHECK(json["job"]["acknowledged"] == false);
  CHECK(json["job"]["cost"] == "");
  CHECK(json["ended"] == true);
  CHECK(json["result"] == "text");
  CHECK(json["job"].size() == static_cast<std::size_t>(v1::Job::descriptor()->field_count()));
}

TEST_CASE("an absent message is null and lists stay lists") {
  const Json json = to_json(v1::PlaceReply());
  CHECK(json["load"].is_null());
  CHECK(json["refusal"] == "none");
  CHECK(to_json(v1::StatusReply())["warnings"] == Json::array());
}

TEST_CASE("bytes that are not text are base64 under another name") {
  v1::WaitReply reply;
  reply.set_result(std::string("\xff\xd8\xff", 3));
  const Json json = to_json(reply);
  CHECK_FALSE(json.contains("result"));
  CHECK(json["result_base64"] == "/9j/");
  CHECK(base64("") == "");
  CHECK(base64("a") == "YQ==");
  CHECK(base64("ab") == "YWI=");
  CHECK(base64("abc") == "YWJj");
}

TEST_CASE("bad UTF-8 in a text never makes bad JSON") {
  CHECK(json_line(Json{{"message", "a\xff"}}) == "{\"message\":\"a\xef\xbf\xbd\"}\n");
}
