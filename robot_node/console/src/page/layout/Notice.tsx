import { useText } from "../../i18n/text";

/** What has gone wrong, until the person has read it. */
export function Notice({ text, close }: { text: string; close: () => void }) {
  const t = useText();
  if (!text) return null;
  return (
    <p className="notice problem-text">
      {text}
      <button type="button" className="quiet" onClick={close}>
        {t("close")}
      </button>
    </p>
  );
}
