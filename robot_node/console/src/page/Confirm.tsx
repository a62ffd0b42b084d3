import { useEffect, useRef } from "react";

import { useText } from "../i18n/text";

export interface Question {
  message: string;
  answer: (accepted: boolean) => void;
}

/** The robot's owner wants each call of some tools confirmed by a person (MCP elicitation). */
export function Confirm({ question, robot }: { question: Question | null; robot: string }) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (question) dialog.current?.showModal();
    else dialog.current?.close();
  }, [question]);
  return (
    <dialog ref={dialog} aria-label={t("confirmTitle", { robot })} onCancel={() => question?.answer(false)}>
      <h2>{t("confirmTitle", { robot })}</h2>
      <p>{question?.message}</p>
      <div className="row">
        <span className="spring" />
        <button type="button" onClick={() => question?.answer(false)}>
          {t("confirmNo")}
        </button>
        <button type="button" className="primary" onClick={() => question?.answer(true)}>
          {t("confirmYes")}
        </button>
      </div>
    </dialog>
  );
}
