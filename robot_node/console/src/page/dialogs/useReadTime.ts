import { useEffect, useRef, type SyntheticEvent } from "react";

/** A click sooner was meant for something else: nobody has read the question. */
const READ_MS = 500;

/** Whether a click comes late enough after the question was shown to be an answer to it. */
export function useReadTime(question: unknown): (click: SyntheticEvent) => boolean {
  const shownAt = useRef(0);
  useEffect(() => {
    shownAt.current = performance.now();
  }, [question]);
  return ({ timeStamp }) => timeStamp - shownAt.current >= READ_MS;
}
