import { useState } from "react";

import { useText, type TextKey } from "../../i18n/text";
import type { Line } from "./lines";
import "./activity.css";

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
