import { useEffect, useState, type RefObject } from "react";

import { useText, type TextKey } from "../../i18n/text";

const PLACES = ["face", "controls", "activity", "gallery", "log"] as const;
type Place = (typeof PLACES)[number];

const LABELS: Record<Place, TextKey> = {
  face: "face",
  controls: "controls",
  activity: "activity",
  gallery: "photos",
  log: "log",
};

/** Buttons that scroll to the parts of the page, and show which one is in sight. */
export function JumpBar({ page }: { page: RefObject<HTMLElement | null> }) {
  const t = useText();
  const [current, setCurrent] = useState<Place>("face");
  const placeOf = (place: Place) => page.current?.querySelector(`.place-${place}`);

  useEffect(() => {
    const visible = new Set<Element>();
    const found = PLACES.map((place) => page.current?.querySelector(`.place-${place}`)).filter((place) => place !== null && place !== undefined);
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) visible[isIntersecting ? "add" : "delete"](target);
        const first = PLACES.find((_, index) => found[index] !== undefined && visible.has(found[index]));
        if (first) setCurrent(first);
      },
      // A part is in sight once it is in the middle of the window.
      { rootMargin: "-50% 0px -49% 0px" },
    );
    found.forEach((place) => observer.observe(place));
    return () => observer.disconnect();
  }, [page]);

  return (
    <nav className="jump" aria-label={t("parts")}>
      {PLACES.map((place) => (
        <button
          key={place}
          type="button"
          data-place={place}
          aria-current={place === current ? "true" : undefined}
          onClick={() => placeOf(place)?.scrollIntoView({ block: "start" })}
        >
          {t(LABELS[place])}
        </button>
      ))}
    </nav>
  );
}
