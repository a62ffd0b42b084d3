import { useState, type FormEvent } from "react";

import { useText } from "../i18n/text";
import type { TextKey } from "../i18n/text";
import { shortened } from "../json";
import type { Line } from "./lines";

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
        className="row"
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
        {tools.map(({ name, title }) => (
          <button key={name} type="submit" value={name} disabled={disabled}>
            {shortened(title, 60)}
          </button>
        ))}
      </form>
    </section>
  );
}

const WHO: Record<Line["who"], TextKey> = { heard: "heard", said: "said", you: "you" };

/** What was heard and said, and a line to write to whoever answers. */
export function Conversation({ lines, canSend, send }: { lines: Line[]; canSend: boolean; send: (text: string) => void }) {
  const t = useText();
  const [text, setText] = useState("");
  return (
    <section className="card conversation" aria-label={t("conversation")}>
      <h2>{t("conversation")}</h2>
      <ol aria-live="polite" tabIndex={0} aria-label={t("conversation")}>
        {lines.map(({ id, who, text: said }) => (
          <li key={id} className={who}>
            <b>{t(WHO[who])}</b> {said}
          </li>
        ))}
      </ol>
      {lines.length === 0 && <p className="empty-text">{t("noConversation")}</p>}
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          if (!text.trim()) return;
          send(text);
          setText("");
        }}
      >
        <input
          aria-label={t("chatPlaceholder")}
          placeholder={t("chatPlaceholder")}
          value={text}
          disabled={!canSend}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" disabled={!canSend}>
          {t("send")}
        </button>
      </form>
    </section>
  );
}
