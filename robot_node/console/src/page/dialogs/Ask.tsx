import { useState, useSyncExternalStore, type SyntheticEvent } from "react";

import { useText } from "../../i18n/text";
import type { OpenQuestion } from "./openQuestions";
import { QuestionDialog } from "./QuestionDialog";
import type { Questions } from "./questions";
import { useReadTime } from "./useReadTime";

interface Props {
  open: readonly OpenQuestion[];
  /** Of the robot for this page itself; with these declined, all others are not shown either. */
  questions: Questions;
  robot: string;
  answer: (question: OpenQuestion, text: string) => void;
}

/** What agents' calls and agents themselves ask people: a dialog on every page that may answer; the first answer counts. */
export function Ask({ open, questions, robot, answer }: Props) {
  const t = useText();
  const { isDeclining } = useSyncExternalStore(questions.subscribe, questions.getSnapshot);
  const [left, setLeft] = useState<readonly string[]>([]);
  const waiting = isDeclining ? [] : open.filter(({ id }) => !left.includes(id));
  const question = waiting[0];
  const id = question?.id;
  const isAnswer = useReadTime(id);
  const leave = () => {
    // Only those that are open still matter.
    if (id) setLeft((before) => [...before.filter((each) => open.some((one) => one.id === each)), id]);
  };
  const choose = (text: string, event: SyntheticEvent) => {
    if (!question || !isAnswer(event)) return;
    answer(question, text);
    leave();
  };
  return (
    // Escape leaves it: somebody else may answer.
    <QuestionDialog robot={robot} id={id} text={question?.text} leave={leave}>
      <p className="asked-by">{t(question?.tool ? "askedToConfirm" : "askedBy", { agent: question?.askedBy ?? "" })}</p>
      {question?.choices.length === 0 && <Words key={id} send={choose} />}
      <div className="row wrap">
        {waiting.length > 1 && (
          <button type="button" className="quiet" onClick={() => questions.declineAll()}>
            {t("askLaterAll", { count: String(waiting.length) })}
          </button>
        )}
        <span className="spring" />
        <button type="button" onClick={leave}>
          {t("askLater")}
        </button>
        {question?.choices.map((choice) => (
          <button key={choice} type="button" className={isYes(question, choice) ? "primary" : ""} onClick={(event) => choose(choice, event)}>
            {question.tool ? t(choice === "yes" ? "confirmYes" : "confirmNo") : choice}
          </button>
        ))}
      </div>
    </QuestionDialog>
  );
}

const isYes = ({ tool }: OpenQuestion, choice: string): boolean => tool !== "" && choice === "yes";

function Words({ send }: { send: (text: string, event: SyntheticEvent) => void }) {
  const t = useText();
  const [text, setText] = useState("");
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) send(text.trim(), event);
      }}
    >
      <input aria-label={t("askAnswer")} placeholder={t("askAnswer")} value={text} maxLength={500} onChange={(event) => setText(event.target.value)} />
      <button type="submit" className="primary">
        {t("send")}
      </button>
    </form>
  );
}
