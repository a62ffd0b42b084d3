import { useText } from "../../i18n/text";
import { shortened } from "../../json";
import { lengthOf, type Clip } from "./clips";
import { FETCHED_BYTES } from "./fetchClip";
import type { FetchedClip } from "./useFetchedClip";

interface Props {
  clip: Clip;
  folder: string;
  /** As which client the robot knows this page. */
  ownId: string;
  isServedByRobot: boolean;
  disabled: boolean;
  /** What is known of reading it through the broker; null: it is not read. */
  fetched: FetchedClip | null;
  play: () => void;
  download: () => void;
  end: () => void;
}

const MEGABYTE = 1_000_000;
/** Random client ids are long and say little. */
const BY_LIMIT = 20;

/** One recording: when, how long, how large, what caused it, and how it gets here. */
export function ClipItem({ clip, folder, ownId, isServedByRobot, disabled, fetched, play, download, end }: Props) {
  const t = useText();
  const { began, seconds, bytes, cause, isGrowing, name } = clip;
  const time = began === null ? name : new Date(began).toLocaleString();
  const isTooLarge = !isServedByRobot && bytes > FETCHED_BYTES;
  const isFetching = fetched !== null && !fetched.url && !fetched.error;
  return (
    <li data-clip={name}>
      <p>
        <time dateTime={began === null ? undefined : new Date(began).toISOString()}>{time}</time>{" "}
        <small>
          {seconds !== null && `${lengthOf(seconds)} · `}
          {`${(bytes / MEGABYTE).toFixed(1)} MB`}
          {cause && " · "}
          {cause && "by" in cause && (cause.by === ownId ? t("you") : <bdi title={cause.by}>{shortened(cause.by, BY_LIMIT)}</bdi>)}
          {cause && "when" in cause && <bdi>{t("clipRule", { event: cause.when })}</bdi>}
        </small>
      </p>
      {isGrowing && <small role="status">{t("clipGrowing")}</small>}
      {!isGrowing && isTooLarge && <small>{t("clipTooLarge", { folder })}</small>}
      {isFetching && (
        <>
          <progress value={fetched.progress} aria-label={t("clipFetching")} />
          <button type="button" className="quiet" onClick={end}>
            {t("cancel")}
          </button>
        </>
      )}
      {!isGrowing && !isTooLarge && !isFetching && (
        <>
          <button type="button" disabled={disabled} aria-label={t("clipPlayOf", { time })} onClick={play}>
            {t("clipPlay")}
          </button>
          <button type="button" className="quiet" disabled={disabled} aria-label={t("clipDownloadOf", { time })} onClick={download}>
            {t("photoDownload")}
          </button>
        </>
      )}
      {fetched?.error && (
        <p className="problem-text" role="alert">
          {t("clipFailed", { reason: fetched.error })}
        </p>
      )}
    </li>
  );
}
