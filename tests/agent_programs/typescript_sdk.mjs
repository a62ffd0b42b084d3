// The official TypeScript SDK as an agent: prints what it got as one line of JSON.
// Usage: node typescript_sdk.mjs URL TOKEN | node typescript_sdk.mjs -- COMMAND ARGUMENTS...
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [first, ...rest] = process.argv.slice(2);
const transport =
  first === "--"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env })
    : new StreamableHTTPClientTransport(new URL(first), {
        requestInit: { headers: { Authorization: `Bearer ${rest[0]}` } },
      });

const client = new Client({ name: "typescript", version: "1" }, { capabilities: { elicitation: {} } });
let question = "";
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  question = request.params.message;
  return { action: "accept", content: {} };
});
await client.connect(transport);
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const steps = [];
// Progress that arrives together with the result is lost in this SDK: the tool waits until the progress has been seen.
const worked = await client.callTool({ name: "work", arguments: {} }, undefined, {
  onprogress: async (step) => {
    steps.push(step.progress);
    await client.callTool({ name: "go_on", arguments: {} });
  },
});
const moved = await client.callTool({ name: "move", arguments: {} });
const picture = await client.callTool({ name: "picture", arguments: {} });
console.log(
  JSON.stringify({
    tools,
    instructions: client.getInstructions(),
    worked: worked.content[0].text,
    steps,
    question,
    moved: moved.content[0].text,
    picture: picture.content[0].mimeType,
  }),
);
await client.close();
