import { useSyncExternalStore } from "react";

import { useText } from "../../i18n/text";
import { QuestionDialog } from "./QuestionDialog";
import type { Questions } from "./questions";
import { useReadTime } from "./useReadTime";

/** The robot's owner wants each call of some tools confirmed by a person: one dialog, whatever waits behind it. */
export function Confirm({ questions, robot }: { questions: Questions; robot: string }) {
  const t = useText();
  const { waiting } = useSyncExternalStore(questions.subscribe, questions.getSnapshot);
  const [question] = waiting;
  const isAnswer = useReadTime(question);
  return (
    <QuestionDialog robot={robot} id={question} text={question?.message} leave={() => question?.answer(false)}>
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
        <button type="button" className="primary" onClick={(event) => isAnswer(event) && question?.answer(true)}>
          {t("confirmYes")}
        </button>
      </div>
    </QuestionDialog>
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
