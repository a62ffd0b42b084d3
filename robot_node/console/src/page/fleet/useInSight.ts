import { useEffect, type RefObject } from "react";

/** Tell which elements in `list` are in sight, in their order, by their `data-robot`. `keys` says when there are others. */
export function useInSight(list: RefObject<Element | null>, keys: string, tell: (keys: readonly string[]) => void): void {
  useEffect(() => {
    if (!list.current || typeof IntersectionObserver === "undefined") return;
    const elements = [...list.current.querySelectorAll("[data-robot]")];
    const inSight = new Set<Element>();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) inSight.add(target);
        else inSight.delete(target);
      }
      tell(elements.filter((element) => inSight.has(element)).map((element) => element.getAttribute("data-robot") ?? ""));
    });
    for (const element of elements) observer.observe(element);
    return () => {
      observer.disconnect();
      tell([]);
    };
  }, [list, keys, tell]);
}
