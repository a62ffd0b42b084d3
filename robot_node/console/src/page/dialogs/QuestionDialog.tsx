import { useEffect, useRef, type ReactNode } from "react";

import { useText } from "../../i18n/text";
import { StopButton } from "../controls/stop/StopButton";
import "./dialogs.css";

interface Props {
  robot: string;
  /** Each question has its own; the dialog is closed while there is none. */
  id: unknown;
  text: string | undefined;
  /** A person has closed the dialog without an answer. */
  leave: () => void;
  children: ReactNode;
}

/** A modal dialog with a question of the robot. */
export function QuestionDialog({ robot, id, text, leave, children }: Props) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (id) dialog.current?.showModal();
    else dialog.current?.close();
  }, [id]);
  return (
    <dialog
      ref={dialog}
      aria-label={t("confirmTitle", { robot })}
      // Escape closes it. Open again, it is there for the next question.
      onClose={() => dialog.current?.open || leave()}
    >
      <h2>{t("confirmTitle", { robot })}</h2>
      <p className="question">{text}</p>
      {children}
      {/* Last, so that the first answer has the keyboard. The page's own button cannot be pressed while this is open. */}
      <StopButton />
    </dialog>
  );
}
