import { useRef, useState } from "react";

import { useText } from "../../i18n/text";
import { messageOf } from "../../json";
import { StopButton } from "../controls/stop/StopButton";
import { Icon } from "../icons";
import { Deleting } from "./Deleting";
import { download } from "./download";
import { fileNames, fileTime, isNearlyFull, LIMITS, type Photo } from "./photo";
import type { PhotosState } from "./photoStore";
import { zip } from "./zip";
import "./gallery.css";

interface Props extends PhotosState {
  remove: (ids: readonly string[]) => void;
  report: (text: string) => void;
}

/** The pictures taken with this browser, the newest first. */
export function Photos({ photos, notStored, remove, report }: Props) {
  const t = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [shownId, setShownId] = useState("");
  const [deleting, setDeleting] = useState<readonly Photo[]>([]);
  const [packing, setPacking] = useState(false);
  const names = fileNames(photos);
  const place = photos.findIndex(({ id }) => id === shownId);
  const shown = photos[place];
  const step = (by: number) => setShownId(photos[place + by]?.id ?? shownId);

  const downloadAll = async () => {
    setPacking(true);
    try {
      const files = photos.map(({ taken, picture }, index) => ({ name: names[index] ?? "", time: new Date(taken), content: picture }));
      download(await zip(files.reverse()), `robot-photos-${fileTime(Date.now())}.zip`);
    } catch (error) {
      report(t("photosNotPacked", { reason: messageOf(error) }));
    }
    setPacking(false);
  };
  const doDelete = () => {
    const next = photos[place + 1] ?? photos[place - 1];
    remove(deleting.map(({ id }) => id));
    if (deleting.length === 1 && next) setShownId(next.id);
    else dialog.current?.close();
  };

  return (
    <section className="card photos" aria-label={t("photos")}>
      <div className="row wrap heading">
        <h2>
          {t("photos")} {photos.length > 0 && <span className="count">{photos.length}</span>}
        </h2>
        <span className="spring" />
        {photos.length > 0 && (
          <>
            <button type="button" className="quiet" disabled={packing} onClick={() => void downloadAll()}>
              {t("photosDownload")}
            </button>
            <button type="button" className="quiet" onClick={() => setDeleting(photos)}>
              {t("photosDelete")}
            </button>
          </>
        )}
      </div>
      <p className="gallery-note" role="status">
        {notStored ? t("photosNotStored", { reason: notStored }) : isNearlyFull(photos) ? t("photosFull", { count: String(LIMITS.count) }) : ""}
      </p>
      {photos.length === 0 && <p className="empty-text">{t("noPhotos")}</p>}
      <ul ref={list}>
        {photos.map((photo) => (
          <li key={photo.id}>
            <button
              type="button"
              onClick={() => {
                setShownId(photo.id);
                dialog.current?.showModal();
              }}
            >
              <img src={photo.url} alt={titleOf(photo)} title={titleOf(photo)} loading="lazy" decoding="async" />
            </button>
          </li>
        ))}
      </ul>
      <dialog
        ref={dialog}
        className="lightbox"
        aria-label={t("photo")}
        onClose={() => {
          setShownId("");
          // What was focused before may be deleted by now.
          if (document.activeElement === document.body) list.current?.querySelector("button")?.focus();
        }}
        onKeyDown={({ key }) => {
          if (key === "ArrowLeft") step(-1);
          if (key === "ArrowRight") step(1);
        }}
      >
        {shown && <img src={shown.url} alt={titleOf(shown)} />}
        {shown && <p className="note">{titleOf(shown)}</p>}
        <form method="dialog" className="row wrap">
          <button type="button" aria-label={t("photoNewer")} title={t("photoNewer")} disabled={place <= 0} onClick={() => step(-1)}>
            <Icon name="back" />
          </button>
          <button type="button" aria-label={t("photoOlder")} title={t("photoOlder")} disabled={place + 1 >= photos.length} onClick={() => step(1)}>
            <Icon name="forward" />
          </button>
          <span className="spring" />
          {shown && (
            <>
              <button type="button" onClick={() => setDeleting([shown])}>
                {t("delete")}
              </button>
              <a className="button" href={shown.url} download={names[place]}>
                {t("photoDownload")}
              </a>
            </>
          )}
          <button type="submit">
            <Icon name="close" /> {t("close")}
          </button>
        </form>
        <StopButton />
      </dialog>
      <Deleting count={deleting.length} confirm={doDelete} leave={() => setDeleting([])} />
    </section>
  );

  function titleOf({ robot, camera, taken }: Photo): string {
    const place = [robot, camera].filter(Boolean).join(", ");
    return `${t("photoTaken", { time: new Date(taken).toLocaleString() })}${place && ` (${place})`}`;
  }
}
