import { useEffect, type RefObject } from "react";

/** Tell which elements in `list` are in sight, by their `data-robot`. `keys` says when there are others. */
export function useInSight(list: RefObject<Element | null>, keys: string, tell: (keys: readonly string[]) => void): void {
  useEffect(() => {
    if (!list.current || typeof IntersectionObserver === "undefined") return;
    const inSight = new Set<string>();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const key = target.getAttribute("data-robot") ?? "";
        if (isIntersecting) inSight.add(key);
        else inSight.delete(key);
      }
      tell([...inSight]);
    });
    for (const element of list.current.querySelectorAll("[data-robot]")) observer.observe(element);
    return () => {
      observer.disconnect();
      tell([]);
    };
  }, [list, keys, tell]);
}
