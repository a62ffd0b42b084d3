import { useText, type TextKey } from "../../i18n/text";
import { en } from "../../i18n/en";
import { Icon } from "../icons";
import type { RobotStatus } from "../status";
import "./face.css";

interface Props {
  status: RobotStatus | null;
  picture: string | null;
  emotions: string[];
  disabled: boolean;
  show: (emotion: string) => void;
}

const LONG_LABEL = 10;
/** How every face looks when nothing is felt: no emotion to press, but the way back. */
const NEUTRAL = "neutral";

/** The face as it is now, and the emotions as faces to press. */
export function Face({ status, picture, emotions, disabled, show }: Props) {
  const t = useText();
  const isStandard = (emotion: string) => Object.hasOwn(en, `emotion_${emotion}`);
  const label = (emotion: string) => (isStandard(emotion) ? t(`emotion_${emotion}` as TextKey) : emotion);
  const now = status?.emotion;
  // The server has pictures of the standard emotions only; a robot may know others.
  const pictureOf = (emotion: string) => (isStandard(emotion) ? `faces/${emotion}.png` : null);
  const name = label(now ?? "");
  const source = picture ?? (now ? pictureOf(now) : null);
  return (
    <section className="card face" aria-label={t("face")}>
      <div className="row heading">
        <h2>{t("face")}</h2>
        <span className="spring" />
        {emotions.includes(NEUTRAL) && (
          <button type="button" className="reset" disabled={disabled} title={label(NEUTRAL)} onClick={() => show(NEUTRAL)}>
            <Icon name="reset" /> {t("faceReset")}
          </button>
        )}
      </div>
      <div className={disabled ? "oled glass past" : "oled glass"}>
        {source && (
          <img src={source} alt={t(disabled ? "faceThen" : "faceNow", { emotion: name })} width="256" height="128" data-emotion={now} />
        )}
      </div>
      {status?.display_error && <p className="problem-text">{t("noDisplay", { reason: status.display_error })}</p>}
      <div className="emotions" role="group" aria-label={t("emotions")}>
        {emotions
          .filter((emotion) => emotion !== NEUTRAL)
          .map((emotion) => (
            <button key={emotion} type="button" aria-pressed={emotion === now} disabled={disabled} onClick={() => show(emotion)}>
              <span className="glass">{pictureOf(emotion) && <img src={pictureOf(emotion) ?? ""} alt="" width="64" height="32" loading="lazy" />}</span>
              <span className={label(emotion).length > LONG_LABEL ? "long" : ""}>{label(emotion)}</span>
            </button>
          ))}
      </div>
    </section>
  );
}
