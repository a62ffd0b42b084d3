import { describe, expect, test } from "vitest";

import { nameFilters, parseAnnouncement, parsePresenceTopic } from "../src/mcp/topics";
import { Attempt, describe as describe_ } from "../src/webrtc/tried";
import { parseBackendMessage, parseSignal } from "../src/webrtc/signaling";

describe("presence", () => {
  test("names id and hierarchical name", () => {
    expect(parsePresenceTopic("$mcp-server/presence/id/a/b/c")).toEqual({ serverId: "id", serverName: "a/b/c" });
    for (const topic of ["$mcp-server/id/a/b", "$mcp-server/presence/id", "$mcp-server/presence//a/b"]) {
      expect(parsePresenceTopic(topic)).toBeNull();
    }
  });

  test("carries a description; anything else is no announcement", () => {
    const online = (params: unknown) => JSON.stringify({ jsonrpc: "2.0", method: "notifications/server/online", params });
    expect(parseAnnouncement(online({ description: "A robot." }))).toBe("A robot.");
    expect(parseAnnouncement(online(undefined))).toBe("");
    for (const payload of ["123", "null", "{}", "not JSON", "[]"]) expect(parseAnnouncement(payload)).toBeNull();
  });

  test("is looked for where the broker says", () => {
    expect(nameFilters({})).toEqual(["#"]);
    expect(nameFilters({ "MCP-SERVER-NAME-FILTERS": '["home/#", 1]' })).toEqual(["home/#"]);
    expect(nameFilters({ "MCP-SERVER-NAME-FILTERS": "not JSON" })).toEqual(["#"]);
  });
});

describe("signalling", () => {
  test("an answer may be an object or the bare SDP", () => {
    const answer = { type: "sdp_answer", sdp: "v=0" };
    expect(parseSignal('{"type":"sdp_answer","data":{"type":"answer","sdp":"v=0"}}')).toEqual(answer);
    expect(parseSignal('{"type":"sdp_answer","data":"v=0"}')).toEqual(answer);
    expect(parseSignal('{"type":"sdp_answer","data":{}}')).toBeNull();
    expect(parseSignal('{"type":"sdp_answer","data":"v=0","offer":"ufrag"}')).toEqual({ ...answer, offer: "ufrag" });
  });

  test("candidates end with null or an empty candidate", () => {
    const end = { type: "ice_candidate", candidate: null };
    expect(parseSignal('{"type":"ice_candidate","data":null}')).toEqual(end);
    expect(parseSignal('{"type":"ice_candidate","data":{"candidate":""}}')).toEqual(end);
    const data = { candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host", sdpMid: "0" };
    expect(parseSignal(JSON.stringify({ type: "ice_candidate", data }))).toEqual({ type: "ice_candidate", candidate: data });
  });

  test("what is malformed or unknown is passed over", () => {
    for (const payload of ["", "1", "null", "[]", '{"type":"else"}', '{"type":"ice_candidate","data":3}']) {
      expect(parseSignal(payload)).toBeNull();
      expect(parseBackendMessage(payload)).toBeNull();
    }
    expect(parseBackendMessage('{"type":"tts_text","task_id":"1"}')).toBeNull();
    expect(parseBackendMessage('{"type":"asr_response","results":"hello"}')).toEqual({ type: "asr_response", results: "hello" });
  });

  test("raw results, numbers as task ids and any payload are read", () => {
    const raw = { type: "asr_response", format: "raw", results: [{ text: "hel" }, { text: "lo" }, 5] };
    expect(parseBackendMessage(JSON.stringify(raw))).toEqual({ type: "asr_response", results: "hello" });
    expect(parseBackendMessage('{"type":"tts_text","task_id":7,"text":"a"}')).toEqual({ type: "tts_text", task_id: "7", text: "a" });
    expect(parseBackendMessage('{"type":"message","payload":{"a":1}}')).toEqual({ type: "message", payload: { a: 1 } });
  });
});

describe("what was tried", () => {
  const host = (address: string) => `candidate:1 1 udp 2130706431 ${address} 5000 typ host`;

  test("is named: addresses of both sides, and ICE servers with what became of them", () => {
    const attempt = new Attempt([{ urls: ["stun:a:3478", "turn:b:3478"] }, { urls: "stun:c:3478" }]);
    attempt.addLocal(host("192.168.1.5"));
    attempt.addLocal("candidate:2 1 UDP 1 203.0.113.9 5001 typ srflx raddr 0.0.0.0 rport 0", "stun:c:3478");
    attempt.addServerError("stun:a:3478", 701, "STUN host lookup received error.");
    attempt.addServerError("turn:b:3478", 401, "Unauthorized");
    attempt.addServerError("stun:c:3478", 701, "Only from one of our addresses.");
    attempt.addRemoteDescription(`v=0\r\na=${host("10.0.0.7")}\r\na=end-of-candidates\r\n`);
    attempt.addRemote("nonsense");
    expect(describe_(attempt.result)).toBe(
      "Tried: this browser 192.168.1.5 (host, udp), 203.0.113.9 (srflx, udp); the robot 10.0.0.7 (host, udp); " +
        "ICE servers stun:a:3478 (no answer), turn:b:3478 (401 Unauthorized), stun:c:3478.",
    );
    expect(attempt.result.onlyLoopback).toBe(false);
  });

  test("is loopback only when the robot has no other address", () => {
    const attempt = new Attempt([]);
    expect(attempt.result.onlyLoopback).toBe(false);
    attempt.addRemote(host("127.0.0.1"));
    attempt.addRemote(host("::1"));
    expect(attempt.result.onlyLoopback).toBe(true);
    attempt.addRemote(host("10.0.0.7"));
    expect(attempt.result.onlyLoopback).toBe(false);
    for (let last = 0; last < 200; last += 1) attempt.addRemote(host(`10.0.1.${last}`));
    expect(attempt.result.remote.length).toBe(64);
    expect(describe_(attempt.result)).toContain(", +58;");
  });
});
