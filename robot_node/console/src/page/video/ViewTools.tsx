import { useText } from "../../i18n/text";
import { Icon } from "../icons";
import type { PictureInPicture } from "./usePictureInPicture";
import type { Zoom } from "./useZoom";

interface Props {
  zoom: Zoom;
  mirror: [boolean, () => void];
  pictureInPicture: PictureInPicture;
}

/** How the picture is shown here; the robot and its photos do not change. */
export function ViewTools({ zoom, mirror: [isMirrored, toggleMirror], pictureInPicture }: Props) {
  const t = useText();
  const scale = `${zoom.view.scale.toFixed(1)}×`;
  return (
    <div className="view-tools" role="group" aria-label={t("view")}>
      <button type="button" aria-label={t("zoomOut")} title={`${t("zoomOut")} (-)`} onClick={zoom.zoomOut}>
        <Icon name="zoomOut" />
      </button>
      <button type="button" className="scale" aria-label={t("zoomReset", { scale })} title={`${t("zoomReset", { scale })} (0)`} onClick={zoom.reset}>
        {scale}
      </button>
      <button type="button" aria-label={t("zoomIn")} title={`${t("zoomIn")} (+)`} onClick={zoom.zoomIn}>
        <Icon name="zoomIn" />
      </button>
      <button type="button" aria-label={t("mirror")} title={t("mirror")} aria-pressed={isMirrored} onClick={toggleMirror}>
        <Icon name="mirror" />
      </button>
      {pictureInPicture.toggle && (
        <button
          type="button"
          aria-label={t("pictureInPicture")}
          title={t("pictureInPicture")}
          aria-pressed={pictureInPicture.isInPicture}
          onClick={pictureInPicture.toggle}
        >
          <Icon name="pictureInPicture" />
        </button>
      )}
    </div>
  );
}
