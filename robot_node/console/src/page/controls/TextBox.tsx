import { useState, type FormEvent } from "react";

import { useText } from "../../i18n/text";
import { shortened } from "../../json";

interface TextTool {
  name: string;
  title: string;
}

/** A text for the robot's tools that take one, e.g. to show or to say. */
export function TextBox({ tools, disabled, send }: { tools: TextTool[]; disabled: boolean; send: (tool: string, text: string) => void }) {
  const t = useText();
  const [text, setText] = useState("");
  if (tools.length === 0) return null;
  return (
    <section className="card" aria-label={t("text")}>
      <h2>{t("text")}</h2>
      <form
        className="text-box"
        onSubmit={(event: FormEvent<HTMLFormElement>) => {
          event.preventDefault();
          const { submitter } = event.nativeEvent as SubmitEvent;
          const tool = submitter?.getAttribute("value") ?? tools[0]?.name;
          if (tool) send(tool, text);
        }}
      >
        <input
          aria-label={t("textPlaceholder")}
          placeholder={t("textPlaceholder")}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <div className="row wrap">
        {tools.map(({ name, title }) => (
          <button key={name} type="submit" value={name} disabled={disabled}>
            {shortened(title, 60)}
          </button>
        ))}
        </div>
      </form>
    </section>
  );
}
