import { describe, expect, test } from "vitest";

import { nameFilters, parseAnnouncement, parsePresenceTopic } from "../src/mcp/topics";
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
});
