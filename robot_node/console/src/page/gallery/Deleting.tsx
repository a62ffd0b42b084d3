import { useEffect, useRef } from "react";

import { useText } from "../../i18n/text";
import { StopButton } from "../controls/stop/StopButton";

interface Props {
  /** How many photos the question is about; 0: no question is shown. */
  count: number;
  confirm: () => void;
  leave: () => void;
}

/** Asks whether photos shall be deleted: nothing brings them back. */
export function Deleting({ count, confirm, leave }: Props) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (count) dialog.current?.showModal();
    else dialog.current?.close();
  }, [count]);
  const question = count === 1 ? t("photoDeleteAsk") : t("photosDeleteAsk", { count: String(count) });
  return (
    <dialog ref={dialog} aria-label={question} onClose={leave}>
      <p className="question">{question}</p>
      <form method="dialog" className="row">
        <span className="spring" />
        <button type="submit">{t("cancel")}</button>
        <button type="submit" className="primary" onClick={confirm}>
          {t("delete")}
        </button>
      </form>
      <StopButton />
    </dialog>
  );
}
