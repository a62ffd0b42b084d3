import { useState, useSyncExternalStore } from "react";

import { useText } from "../../i18n/text";
import { asText, CATEGORIES, type Category, type Log } from "./log";
import "./log.css";

/** What happened, by category; filtered, copied, cleared and switched off. */
export function LogPanel({ log }: { log: Log }) {
  const t = useText();
  const { entries, recording } = useSyncExternalStore(log.subscribe, log.getSnapshot);
  const [hidden, setHidden] = useState<ReadonlySet<Category>>(new Set());
  const [copied, setCopied] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const shown = entries.filter(({ category }) => !hidden.has(category));

  const toggle = (category: Category) =>
    setHidden((before) => {
      const after = new Set(before);
      if (!after.delete(category)) after.add(category);
      return after;
    });

  return (
    <details className="card log" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {t("log")} <small>{entries.length}</small>
      </summary>
      <div className="row wrap">
        {CATEGORIES.map((category) => (
          <label key={category} className="check">
            <input type="checkbox" checked={!hidden.has(category)} onChange={() => toggle(category)} /> {category}
          </label>
        ))}
        <span className="spring" />
        <label className="check">
          <input type="checkbox" checked={recording} onChange={(event) => log.record(event.target.checked)} /> {t("logOn")}
        </label>
        <button
          type="button"
          onClick={() => {
            void copy(asText(shown)).then(() => setCopied(true));
            setTimeout(() => setCopied(false), 2000);
          }}
        >
          {copied ? t("logCopied") : t("logCopy")}
        </button>
        <button type="button" onClick={() => log.clear()}>
          {t("logClear")}
        </button>
      </div>
      <ol tabIndex={0} aria-label={t("log")}>
        {[...(isOpen ? shown : [])].reverse().map(({ id, time, category, isError, text }) => (
          <li key={id} className={isError ? "problem-text" : ""}>
            <time dateTime={time.toISOString()}>{time.toLocaleTimeString()}</time> <b>{category}</b> {text}
          </li>
        ))}
      </ol>
      {shown.length === 0 && <p className="empty-text">{t("logEmpty")}</p>}
    </details>
  );
}

async function copy(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Pages that are neither https nor of this machine have no clipboard: select the text instead.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
