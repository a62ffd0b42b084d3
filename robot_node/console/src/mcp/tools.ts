/** The tools that a robot lists, checked one by one: a malformed one costs the robot that tool only. Pure. */

import { ToolSchema, type Tool } from "@modelcontextprotocol/sdk/types.js";

import { member, printed, shortened } from "../json";

const NAME_LIMIT = 256;
export const TOOLS_LIMIT = 1000;
const REPORTED_LIMIT = 20;

export interface ListedTools {
  tools: Tool[];
  /** What was left out, by name where it has one: malformed, listed twice, or beyond {@link TOOLS_LIMIT}. */
  malformed: string[];
}

/** The usable ones of what the pages of `tools/list` hold. */
export function readTools(listed: unknown[]): ListedTools {
  const tools = new Map<string, Tool>();
  const malformed: string[] = [];
  for (const each of listed) {
    const tool = usable(each);
    if (tool && !tools.has(tool.name) && tools.size < TOOLS_LIMIT) tools.set(tool.name, tool);
    else if (malformed.length < REPORTED_LIMIT) malformed.push(nameOf(each));
  }
  return { tools: [...tools.values()], malformed };
}

function usable(listed: unknown): Tool | null {
  try {
    const { success, data } = ToolSchema.safeParse(listed);
    return success && data.name !== "" && data.name.length <= NAME_LIMIT ? data : null;
  } catch {
    return null; // nested more deeply than the stack is high
  }
}

function nameOf(listed: unknown): string {
  const name = member(listed, "name");
  return shortened(typeof name === "string" && name ? name : printed(listed), 60);
}
