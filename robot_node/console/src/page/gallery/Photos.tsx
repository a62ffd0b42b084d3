import { useRef, useState } from "react";

import { useText } from "../../i18n/text";
import { Icon } from "../icons";
import "./gallery.css";

export interface Photo {
  id: number;
  time: Date;
  url: string;
}

/** The pictures taken since the page was opened. */
export function Photos({ photos }: { photos: Photo[] }) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState<Photo | null>(null);
  const title = (photo: Photo) => t("photoTaken", { time: photo.time.toLocaleTimeString() });
  return (
    <section className="card photos" aria-label={t("photos")}>
      <h2>{t("photos")}</h2>
      {photos.length === 0 && <p className="empty-text">{t("noPhotos")}</p>}
      <ul>
        {photos.map((photo) => (
          <li key={photo.id}>
            <button
              type="button"
              onClick={() => {
                setShown(photo);
                dialog.current?.showModal();
              }}
            >
              <img src={photo.url} alt={title(photo)} />
            </button>
          </li>
        ))}
      </ul>
      <dialog ref={dialog} className="lightbox" aria-label={t("photo")} onClose={() => setShown(null)}>
        {shown && <img src={shown.url} alt={title(shown)} />}
        <form method="dialog" className="row">
          {shown && (
            <a className="button" href={shown.url} download={`robot-${shown.time.toISOString().replaceAll(":", "-")}.jpg`}>
              {t("photoDownload")}
            </a>
          )}
          <button type="submit">
            <Icon name="close" /> {t("close")}
          </button>
        </form>
      </dialog>
    </section>
  );
}
