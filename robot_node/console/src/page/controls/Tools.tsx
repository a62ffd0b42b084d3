import { useState } from "react";
import type { CallToolResult, Tool } from "@modelcontextprotocol/sdk/types.js";

import { useText } from "../../i18n/text";
import { printed, shortened } from "../../json";
import { Boundary } from "../Boundary";
import { withEmotions } from "./forms/control";
import { FieldInput } from "./forms/FieldInput";
import { argumentsOf, fieldsOf, initialValue } from "./schema";
import "./controls.css";
import "./forms/forms.css";

type Run = (name: string, args: Record<string, unknown>) => Promise<CallToolResult>;

interface Props {
  tools: Tool[];
  /** Names of tools that the robot lists, and that are none. */
  malformed: string[];
  /** Those of the robot's face. */
  emotions: string[];
  disabled: boolean;
  run: Run;
  report: (text: string) => void;
}

const TITLE_LIMIT = 200;
const TEXT_LIMIT = 4000;
const RESULT_LIMIT = 100_000;
const BLOCKS_LIMIT = 50;

/** Every tool that has no place of its own on the page, as a form made from its input schema. */
export function Tools({ tools, malformed, emotions, disabled, run, report }: Props) {
  const t = useText();
  if (tools.length === 0 && malformed.length === 0) return null;
  return (
    <section className="card tools" aria-label={t("tools")}>
      <h2>{t("tools")}</h2>
      {malformed.length > 0 && <p className="problem-text">{t("toolsMalformed", { names: malformed.join(", ") })}</p>}
      {tools.map((tool) => (
        <ToolDetails key={tool.name} tool={tool} emotions={emotions} disabled={disabled} run={run} report={report} />
      ))}
    </section>
  );
}

function ToolDetails({ tool, report, ...rest }: { tool: Tool; emotions: string[]; disabled: boolean; run: Run; report: (text: string) => void }) {
  const [wasOpened, setOpened] = useState(false);
  return (
    <details onToggle={() => setOpened(true)}>
      <summary>
        {shortened(tool.title ?? tool.name, TITLE_LIMIT)} <code>{tool.name}</code>
      </summary>
      {wasOpened && (
        <Boundary view={tool.name} report={report}>
          <ToolForm tool={tool} {...rest} />
        </Boundary>
      )}
    </details>
  );
}

function ToolForm({ tool, emotions, disabled, run }: { tool: Tool; emotions: string[]; disabled: boolean; run: Run }) {
  const t = useText();
  const fields = withEmotions(fieldsOf(tool.inputSchema), emotions);
  const [values, setValues] = useState<ReadonlyMap<string, string>>(new Map());
  const [running, setRunning] = useState(false);
  const [result, setResult] = useState<CallToolResult | null>(null);
  const filled = new Map(fields.map((field) => [field.name, values.get(field.name) ?? initialValue(field)]));

  const submit = async () => {
    let args: Record<string, unknown>;
    try {
      args = argumentsOf(fields, filled);
    } catch {
      setResult({ isError: true, content: [{ type: "text", text: t("wrongJson") }] });
      return;
    }
    setRunning(true);
    setResult(null);
    setResult(await run(tool.name, args));
    setRunning(false);
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>{shortened(tool.description ?? "", TEXT_LIMIT)}</p>
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          value={filled.get(field.name) ?? ""}
          set={(value) => setValues((before) => new Map(before).set(field.name, value))}
        />
      ))}
      <button type="submit" disabled={disabled || running}>
        {running ? t("running") : t("run")}
      </button>
      <div role="status">{result && <Result result={result} />}</div>
    </form>
  );
}

function Result({ result }: { result: CallToolResult }) {
  const t = useText();
  const { content, structuredContent, isError } = result;
  if (structuredContent && !isError) {
    return (
      <pre className="result" tabIndex={0}>
        {printed(structuredContent, 2)}
      </pre>
    );
  }
  if (content.length === 0) return <p>{t("done")}</p>;
  return content.slice(0, BLOCKS_LIMIT).map((block, index) => {
    if (block.type === "image") {
      return <img key={index} className="result" src={`data:${block.mimeType};base64,${block.data}`} alt={t("photo")} />;
    }
    return (
      <pre key={index} className={isError ? "result problem-text" : "result"} tabIndex={0}>
        {block.type === "text" ? shortened(block.text, RESULT_LIMIT) : printed(block, 2)}
      </pre>
    );
  });
}
