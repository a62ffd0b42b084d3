import { useEffect, useRef, useSyncExternalStore } from "react";

import { useText } from "../i18n/text";
import type { Questions } from "./questions";

/** The robot's owner wants each call of some tools confirmed by a person: one dialog, whatever waits behind it. */
export function Confirm({ questions, robot }: { questions: Questions; robot: string }) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  const { waiting } = useSyncExternalStore(questions.subscribe, questions.getSnapshot);
  const [question] = waiting;
  useEffect(() => {
    if (question) dialog.current?.showModal();
    else dialog.current?.close();
  }, [question]);
  return (
    <dialog
      ref={dialog}
      aria-label={t("confirmTitle", { robot })}
      // Escape closes it. Open again, it is there for a question that came meanwhile.
      onClose={() => dialog.current?.open || question?.answer(false)}
    >
      <h2>{t("confirmTitle", { robot })}</h2>
      <p className="question">{question?.message}</p>
      <div className="row wrap">
        {waiting.length > 1 && (
          <button type="button" className="quiet" onClick={() => questions.declineAll()}>
            {t("confirmNone", { count: String(waiting.length) })}
          </button>
        )}
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

/** Says that the robot's questions are declined unseen, and ends it. */
export function Declining({ questions, robot }: { questions: Questions; robot: string }) {
  const t = useText();
  const { isDeclining } = useSyncExternalStore(questions.subscribe, questions.getSnapshot);
  if (!isDeclining) return null;
  return (
    <p className="notice">
      {t("declining", { robot })}
      <button type="button" className="quiet" onClick={() => questions.askAgain()}>
        {t("askAgain")}
      </button>
    </p>
  );
}
