// SPDX-License-Identifier: Apache-2.0

// A client of the agent that shares no code with it: containerd's ttrpc library, stubs generated
// from ipc/proto/agent.proto. It places jobs and waits for them as a foreign scheduler would, and
// looks at the answers to what it does wrong.
//
//	tariff-interop-client ENDPOINT FUNCTION [PAYLOAD]
//
// ENDPOINT is an absolute path (Unix socket) or host:port (TCP). Prints one line per check and the
// result last; exit status 0 if all held.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	tariff "tariff/v1"
)

// Guests are emulated and slow; this is a bound, not an expectation.
const callTimeout = 60 * time.Second

// Calls under way at once on the one connection.
const parallel = 8

var failures int

func check(held bool, format string, args ...interface{}) {
	verdict := "ok    "
	if !held {
		verdict = "FAILED"
		failures++
	}
	fmt.Printf("%s %s\n", verdict, fmt.Sprintf(format, args...))
}

func fatal(format string, args ...interface{}) {
	check(false, format, args...)
	os.Exit(1)
}

func dial(endpoint string) *ttrpc.Client {
	network := "tcp"
	if strings.HasPrefix(endpoint, "/") {
		network = "unix"
	}
	connection, err := net.Dial(network, endpoint)
	if err != nil {
		fatal("connect to %s: %v", endpoint, err)
	}
	return ttrpc.NewClient(connection)
}

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

// Places one job and waits for it; returns the record and the result.
func placeAndWait(agent tariff.AgentService, id, function string, payload []byte) (*tariff.WaitReply, error) {
	ctx, cancel := bounded()
	defer cancel()
	placed, err := agent.Place(ctx, &tariff.PlaceRequest{Id: id, Function: function, Payload: payload})
	if err != nil {
		return nil, fmt.Errorf("Place: %w", err)
	}
	if !placed.Accepted {
		return nil, fmt.Errorf("Place was refused: %v: %s", placed.Refusal, placed.Message)
	}
	return agent.Wait(ctx, &tariff.WaitRequest{Id: id, WantResult: true})
}

func checkReads(agent tariff.AgentService, function string) {
	ctx, cancel := bounded()
	defer cancel()
	load, err := agent.Poll(ctx, &tariff.PollRequest{})
	if err != nil {
		fatal("Poll: %v", err)
	}
	check(len(load.Classes) > 0, "Poll: %d classes, %d bytes free", len(load.Classes),
		load.MemoryFreeBytes)
	state, err := agent.Status(ctx, &tariff.StatusRequest{})
	if err != nil {
		fatal("Status: %v", err)
	}
	check(state.Version != "", "Status: version %q", state.Version)
	functions, err := agent.Functions(ctx, &tariff.FunctionsRequest{})
	if err != nil {
		fatal("Functions: %v", err)
	}
	found := false
	for _, f := range functions.Functions {
		found = found || f.Name == function
	}
	check(found, "Functions: %s is one of %d", function, len(functions.Functions))
}

func checkParallel(agent tariff.AgentService, prefix, function string, payload, expected []byte) {
	var group sync.WaitGroup
	errors := make([]error, parallel)
	for i := 0; i < parallel; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			reply, err := placeAndWait(agent, fmt.Sprintf("%s-p%d", prefix, i), function, payload)
			if err == nil && string(reply.Result) != string(expected) {
				err = fmt.Errorf("another result: %q", reply.Result)
			}
			errors[i] = err
		}(i)
	}
	group.Wait()
	for i, err := range errors {
		if err != nil {
			check(false, "job %d of %d at once: %v", i, parallel, err)
		}
	}
	check(true, "%d jobs at once on one connection", parallel)
}

func checkErrors(client *ttrpc.Client, agent tariff.AgentService, prefix string) {
	ctx, cancel := bounded()
	defer cancel()
	err := client.Call(ctx, "tariff.v1.Agent", "Nope", &tariff.PollRequest{}, &tariff.PollReply{})
	s, _ := status.FromError(err)
	check(s.Code() == codes.Unimplemented && s.Message() == "method Nope", "unknown method: %v", err)
	err = client.Call(ctx, "tariff.v1.Nobody", "Poll", &tariff.PollRequest{}, &tariff.PollReply{})
	s, _ = status.FromError(err)
	check(s.Code() == codes.Unimplemented && s.Message() == "service tariff.v1.Nobody",
		"unknown service: %v", err)
	_, err = agent.Get(ctx, &tariff.GetRequest{Id: prefix + "-nobody"})
	s, _ = status.FromError(err)
	check(s.Code() == codes.NotFound, "unknown job: %v", err)
	placed, err := agent.Place(ctx, &tariff.PlaceRequest{Id: prefix + "-x", Function: "no-such-function"})
	if err != nil {
		fatal("Place of an unknown function: %v", err)
	}
	check(!placed.Accepted && placed.Refusal == tariff.Refusal_REFUSAL_UNKNOWN_FUNCTION,
		"unknown function: %v: %s", placed.Refusal, placed.Message)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintf(os.Stderr, "usage: %s ENDPOINT FUNCTION [PAYLOAD]\n", os.Args[0])
		os.Exit(2)
	}
	endpoint, function := os.Args[1], os.Args[2]
	var payload []byte
	if len(os.Args) > 3 {
		payload = []byte(os.Args[3])
	}
	client := dial(endpoint)
	defer client.Close()
	agent := tariff.NewAgentClient(client)
	prefix := fmt.Sprintf("interop-%d", time.Now().UnixNano())

	checkReads(agent, function)
	reply, err := placeAndWait(agent, prefix, function, payload)
	if err != nil {
		fatal("place %s and wait: %v", function, err)
	}
	job := reply.Job
	check(reply.Ended && job.EndReason == tariff.EndReason_END_REASON_EXITED && job.ExitStatus == 0,
		"%s ended: %v, exit status %d", job.Id, job.EndReason, job.ExitStatus)
	ctx, cancel := bounded()
	defer cancel()
	again, err := agent.Place(ctx, &tariff.PlaceRequest{Id: prefix, Function: function, Payload: payload})
	if err != nil {
		fatal("Place of the same id: %v", err)
	}
	check(again.Accepted && again.Repeated, "the same id again is repeated")
	checkParallel(agent, prefix, function, payload, reply.Result)
	checkErrors(client, agent, prefix)
	_, err = agent.Acknowledge(ctx, &tariff.AcknowledgeRequest{Id: prefix})
	check(err == nil, "Acknowledge: %v", err)

	fmt.Printf("result %q\n", reply.Result)
	if failures > 0 {
		os.Exit(1)
	}
}
