import { memo, useState } from "react";

import { en } from "../../i18n/en";
import { useText } from "../../i18n/text";
import { shortened } from "../../json";
import { onFirstUse } from "../../onFirstUse";
import { emotionOf, groupOf, GROUPS, type Group, type RobotEvent } from "./events";
import type { Activity as Happenings } from "./useEvents";
import "./activity.css";

/** Random client ids are long and say little. */
const BY_LIMIT = 20;

interface Props {
  activity: Happenings;
  /** As which client the robot knows this page. */
  ownId: string;
}

/** What happens to the robot, the newest first: with times, who did it, small pictures, and a filter. */
export function Activity({ activity: { events, pictures, isRefused }, ownId }: Props) {
  const t = useText();
  const [wanted, setWanted] = useState<ReadonlySet<Group>>(new Set());
  const today = new Date().toDateString();
  const there = new Set(events.map(({ kind }) => groupOf(kind)));
  const shown = events.filter(({ kind }) => wanted.size === 0 || wanted.has(groupOf(kind)));
  const toggle = (group: Group) =>
    setWanted((before) => {
      const after = new Set(before);
      if (!after.delete(group)) after.add(group);
      return after;
    });
  return (
    <section className="card activity" aria-label={t("activity")}>
      <h2>{t("activity")}</h2>
      {events.length > 0 && (
        <div className="filters" role="group" aria-label={t("activityFilter")}>
          {GROUPS.filter((group) => there.has(group) || wanted.has(group)).map((group) => (
            <button key={group} type="button" className={`filter ${group}`} aria-pressed={wanted.has(group)} onClick={() => toggle(group)}>
              <span className="kind" aria-hidden="true" />
              {t(`activity_${group}`)}
            </button>
          ))}
        </div>
      )}
      {shown.length > 0 && (
        <ol tabIndex={0} aria-label={t("activity")}>
          {[...shown].reverse().map((event) => (
            <Item key={event.key} event={event} ownId={ownId} picture={pictures.get(event.key)} today={today} />
          ))}
        </ol>
      )}
      {shown.length === 0 && <p className="empty-text">{t(isRefused ? "activityRefused" : events.length > 0 ? "activityNone" : "activityEmpty")}</p>}
    </section>
  );
}

interface ItemProps {
  event: RobotEvent;
  ownId: string;
  picture: string | undefined;
  /** Of another day the date is shown. */
  today: string;
}

// There may be hundreds, which hardly ever change.
const Item = memo(function Item({ event, ownId, picture, today }: ItemProps) {
  const t = useText();
  const { kind, text, by, time } = event;
  const emotion = emotionOf(event);
  return (
    <li className={groupOf(kind)} data-kind={kind}>
      <span className="kind" aria-hidden="true" />
      <time dateTime={time?.toISOString()} title={time ? dateAndClock().format(time) : undefined}>
        {time ? timeOf(time, today) : "–"}
      </time>
      <p className={kind === "fault" ? "problem-text" : ""}>
        <bdi>{text}</bdi>{" "}
        {by && <small>{by === ownId ? t("you") : <bdi title={by}>{shortened(by, BY_LIMIT)}</bdi>}</small>}
      </p>
      {picture && <img src={picture} alt={t("activityPicture")} width="96" height="54" />}
      {/* Of these the page has pictures. */}
      {Object.hasOwn(en, `emotion_${emotion}`) && (
        <span className="glass">
          <img src={`faces/${emotion}.png`} alt="" width="64" height="32" />
        </span>
      )}
    </li>
  );
});

// Making one is what costs, the first one of a page most of all.
const clock = onFirstUse(() => new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }));
const date = onFirstUse(() => new Intl.DateTimeFormat(undefined, { dateStyle: "short" }));
const dateAndClock = onFirstUse(() => new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" }));

/** The time of today, the date of another day too. */
function timeOf(time: Date, today: string): string {
  const ofDay = clock().format(time);
  return time.toDateString() === today ? ofDay : `${date().format(time)} ${ofDay}`;
}
