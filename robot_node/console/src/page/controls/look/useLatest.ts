import { useCallback, useEffect, useRef } from "react";

/** Do a job with the latest value, at once and then at most once in `ms`; what comes meanwhile replaces what waits. */
export function useLatest<T>(job: (value: T) => void, ms: number): (value: T) => void {
  const latest = useRef(job);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const waiting = useRef<{ value: T } | null>(null);
  useEffect(() => {
    latest.current = job;
  });
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
  return useCallback(
    (value: T) => {
      waiting.current = { value };
      const next = () => {
        timer.current = undefined;
        if (!waiting.current) return;
        const { value: found } = waiting.current;
        waiting.current = null;
        timer.current = setTimeout(next, ms);
        latest.current(found);
      };
      if (timer.current === undefined) next();
    },
    [ms],
  );
}
