import { useText, type TextKey } from "../i18n/text";
import { en } from "../i18n/en";
import type { RobotStatus } from "./useRobot";

interface Props {
  status: RobotStatus | null;
  picture: string | null;
  emotions: string[];
  show: (emotion: string) => void;
}

/** The face as it is now, and the emotions as faces to press. */
export function Face({ status, picture, emotions, show }: Props) {
  const t = useText();
  const label = (emotion: string) => (`emotion_${emotion}` in en ? t(`emotion_${emotion}` as TextKey) : emotion);
  const now = status?.emotion;
  const source = picture ?? (now ? `faces/${now}.png` : null);
  return (
    <section className="card face" aria-label={t("face")}>
      <h2>{t("face")}</h2>
      <div className="oled glass">
        {source && <img src={source} alt={t("faceNow", { emotion: label(now ?? "") })} width="256" height="128" data-emotion={now} />}
      </div>
      {status?.display_error && <p className="problem-text">{t("noDisplay", { reason: status.display_error })}</p>}
      <div className="emotions" role="group" aria-label={t("emotions")}>
        {emotions.map((emotion) => (
          <button key={emotion} type="button" className={emotion} aria-pressed={emotion === now} onClick={() => show(emotion)}>
            <span className="glass">
              <img src={`faces/${encodeURIComponent(emotion)}.png`} alt="" width="64" height="32" />
            </span>
            <span>{label(emotion)}</span>
          </button>
        ))}
      </div>
    </section>
  );
}
