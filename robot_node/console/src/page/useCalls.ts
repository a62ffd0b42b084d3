import { useCallback, useState } from "react";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

import { messageOf, printed, shortened } from "../json";
import type { CallOptions } from "../mcp/session";
import type { UseMcpMqtt } from "../mcp/useMcpMqtt";
import type { Log } from "./log/log";

const NOTICE_LIMIT = 1000;

export type Run = (name: string, args: Record<string, unknown>) => Promise<CallToolResult>;

export interface Calls {
  /** Call a tool, and write it into the log; a call that fails is a result with `isError`. */
  run: Run;
  /** The same, and tell the person when it fails. */
  act: Run;
  /** The same as `run`, without a line in the log: for what is called many times a second. */
  quietly: (name: string, args: Record<string, unknown>, options?: CallOptions) => Promise<CallToolResult>;
  /** What failed last; empty when nothing did, or the person has read it. */
  notice: string;
  setNotice: (text: string) => void;
}

interface Options {
  callTool: UseMcpMqtt["callTool"];
  log: Log;
  /** Called with each result that is no error. It must be the same function in each render, or a new one only when it acts differently. */
  onResult: (name: string, args: Record<string, unknown>, result: CallToolResult) => void;
}

/** Call a robot's tools. */
export function useCalls({ callTool, log, onResult }: Options): Calls {
  const [notice, setNotice] = useState("");
  const quietly = useCallback<Calls["quietly"]>(
    async (name, args, options) => {
      try {
        return await callTool(name, args, options);
      } catch (error) {
        return { isError: true, content: [{ type: "text", text: messageOf(error) }] };
      }
    },
    [callTool],
  );
  const run = useCallback<Run>(
    async (name, args) => {
      const result = await quietly(name, args);
      const outcome = result.isError ? `: ${textOf(result) || "error"}` : "";
      log.add("mcp", `${name} ${printed(args)}${outcome}`, { isError: result.isError === true });
      if (!result.isError) onResult(name, args, result);
      return result;
    },
    [quietly, log, onResult],
  );
  const act = useCallback<Run>(
    async (name, args) => {
      const result = await run(name, args);
      const [block] = result.content;
      setNotice(result.isError ? shortened(block?.type === "text" ? block.text : name, NOTICE_LIMIT) : "");
      return result;
    },
    [run],
  );
  return { run, act, quietly, notice, setNotice };
}

/** The first text of a result; empty when it has none. */
export function textOf({ content }: CallToolResult): string {
  const block = content.find(({ type }) => type === "text");
  return block?.type === "text" ? block.text : "";
}
