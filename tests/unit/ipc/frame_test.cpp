// SPDX-License-Identifier: Apache-2.0
#include "ipc/frame.h"

#include <random>

#include "ipc/proto/ttrpc.pb.h"
#include "support/catch.h"
#include "unit/ipc/hex.h"

using namespace tariff::ipc;
using namespace tariff::test;

namespace {

FrameHeader header_of(const std::string& frame) {
  HeaderBytes bytes{};
  std::copy_n(frame.begin(), kHeaderBytes, bytes.begin());
  return decode(bytes);
}

std::string text_of(const HeaderBytes& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

TEST_CASE("a header is read as the Go implementation wrote it") {
  const auto request = header_of(from_hex(kUnaryRequest));
  CHECK(request == FrameHeader{0x3f, 1, 1, 0});
  CHECK(request.is(FrameType::Request));
  CHECK(header_of(from_hex(kResponseGo)) == FrameHeader{7, 1, 2, 0});
  CHECK(header_of(from_hex(kDataOneMessage)) == FrameHeader{5, 5, 3, 0});
  CHECK(header_of(from_hex(kDataEnd)) == FrameHeader{0, 5, 3, kRemoteClosed | kNoData});
}

TEST_CASE("a header is written as the Go implementation writes it") {
  for (const auto golden :
       {kUnaryRequest, kUnknownMethodRequest, kResponseGo, kResponseRust, kResponseUnimplemented,
        kResponseExhausted, kDataOneMessage, kDataEnd}) {
    const auto frame = from_hex(golden);
    const auto header = header_of(frame);
    CHECK(header.length == frame.size() - kHeaderBytes);
    CHECK(to_hex(text_of(encode(header))) == to_hex(frame.substr(0, kHeaderBytes)));
  }
}

TEST_CASE("the envelopes of the golden frames say what they should") {
  tariff::ttrpc::Request request;
  REQUIRE(request.ParseFromString(from_hex(kUnaryRequest).substr(kHeaderBytes)));
  CHECK(request.service() == "ttrpc.example.v1.Example");
  CHECK(request.method() == "Method1");
  CHECK(to_hex(request.payload()) == "0a03616263");
  CHECK(request.timeout_nano() == 1'000'000'000);
  REQUIRE(request.metadata_size() == 1);
  CHECK(request.metadata(0).key() == "class");
  CHECK(request.metadata(0).value() == "high");
  CHECK(to_hex(request.SerializeAsString()) ==
        to_hex(from_hex(kUnaryRequest).substr(kHeaderBytes)));

  tariff::ttrpc::Response go, rust, exhausted;
  REQUIRE(go.ParseFromString(from_hex(kResponseGo).substr(kHeaderBytes)));
  CHECK_FALSE(go.has_status());
  REQUIRE(rust.ParseFromString(from_hex(kResponseRust).substr(kHeaderBytes)));
  CHECK(rust.has_status());
  CHECK(rust.status().code() == 0);
  CHECK(rust.payload() == go.payload());
  REQUIRE(exhausted.ParseFromString(from_hex(kResponseExhausted).substr(kHeaderBytes)));
  CHECK(exhausted.status().code() == 8);
  CHECK(exhausted.status().message() == oversize_message(4194305, kMaxDataBytes));
}

TEST_CASE("any ten bytes are a header and come back unchanged") {
  std::mt19937_64 random(20240607);
  for (int round = 0; round < 20'000; ++round) {
    HeaderBytes bytes{};
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const auto header = decode(bytes);
    REQUIRE(encode(header) == bytes);
    const auto verdict = judge_length(header.length, kMaxDataBytes);
    REQUIRE((verdict == LengthVerdict::Take) == (header.length <= 4'194'304));
  }
}

TEST_CASE("a frame of the maximum is taken, one byte more is discarded, much more ends it") {
  CHECK(judge_length(0, kMaxDataBytes) == LengthVerdict::Take);
  CHECK(judge_length(kMaxDataBytes, kMaxDataBytes) == LengthVerdict::Take);
  CHECK(judge_length(kMaxDataBytes + 1, kMaxDataBytes) == LengthVerdict::Discard);
  CHECK(judge_length(kMaxDiscardBytes, kMaxDataBytes) == LengthVerdict::Discard);
  CHECK(judge_length(kMaxDiscardBytes + 1, kMaxDataBytes) == LengthVerdict::HangUp);
  CHECK(judge_length(0xffffffff, kMaxDataBytes) == LengthVerdict::HangUp);
  CHECK(judge_length(11, 10) == LengthVerdict::Discard);
}

TEST_CASE("stream ids of a client are odd and rise") {
  using Verdict = StreamIdCheck::Verdict;
  StreamIdCheck ids;
  CHECK(ids.admit(0) == Verdict::Even);
  CHECK(ids.admit(1) == Verdict::Fresh);
  CHECK(ids.admit(1) == Verdict::Reused);
  CHECK(ids.admit(2) == Verdict::Even);
  CHECK(ids.admit(7) == Verdict::Fresh);
  CHECK(ids.admit(5) == Verdict::Reused);
  CHECK(ids.admit(0xffffffff) == Verdict::Fresh);
  CHECK(ids.admit(0xffffffff) == Verdict::Reused);
}

TEST_CASE("a client's ids are 1, 3, 5 and end before they would repeat") {
  StreamIdSource ids;
  CHECK(ids.next() == 1u);
  CHECK(ids.next() == 3u);
  StreamIdSource last(0xfffffffd);
  CHECK(last.next() == 0xfffffffdu);
  CHECK(last.next() == 0xffffffffu);
  CHECK_FALSE(last.next().has_value());
  CHECK_FALSE(last.next().has_value());
}
