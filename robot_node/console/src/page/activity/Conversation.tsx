import { useState } from "react";

import { useText, type TextKey } from "../../i18n/text";
import type { Line } from "./lines";
import "./activity.css";

const WHO: Record<Line["who"], TextKey> = { heard: "heard", said: "said", you: "you" };

interface Props {
  lines: Line[];
  /** What was typed and is not sent yet. */
  unsent: readonly string[];
  /** Why it is not, or why nothing can be written; empty when all is well. */
  note: string;
  canSend: boolean;
  /** The person begins to write. */
  begin: () => void;
  /** False: not now. */
  send: (text: string) => boolean;
}

/** What was heard and said, and a line to write to whoever answers. */
export function Conversation({ lines, unsent, note, canSend, begin, send }: Props) {
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
        {unsent.map((text, index) => (
          <li key={`unsent ${index}`} className="you unsent">
            <b>{t("you")}</b> {text}
          </li>
        ))}
      </ol>
      {lines.length + unsent.length === 0 && <p className="empty-text">{t("noConversation")}</p>}
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          begin();
          if (text.trim() && send(text)) setText("");
        }}
      >
        <input
          aria-label={t("chatPlaceholder")}
          placeholder={t("chatPlaceholder")}
          value={text}
          disabled={!canSend}
          onChange={(event) => {
            if (!text) begin();
            setText(event.target.value);
          }}
        />
        <button type="submit" disabled={!canSend}>
          {t("send")}
        </button>
      </form>
      <p className="note" role="status">
        {note}
      </p>
    </section>
  );
}
