import { useState } from "react";

import type { Run } from "../useCalls";
import type { Photo } from "./Photos";

const PHOTOS_KEPT = 24;

export interface UsePhotos {
  photos: Photo[];
  takingPhoto: boolean;
  takePhoto: () => Promise<void>;
}

/** The photos that were taken on this page, the newest first. `argument` says of which camera. */
export function usePhotos(act: Run, argument: { camera?: string }): UsePhotos {
  const [photos, setPhotos] = useState<Photo[]>([]);
  const [takingPhoto, setTakingPhoto] = useState(false);
  const takePhoto = async () => {
    setTakingPhoto(true);
    const { content, isError } = await act("take_photo", argument);
    setTakingPhoto(false);
    const image = content.find((block) => block.type === "image");
    if (isError || image?.type !== "image") return;
    const url = `data:${image.mimeType};base64,${image.data}`;
    setPhotos((before) => [{ id: (before[0]?.id ?? 0) + 1, time: new Date(), url }, ...before].slice(0, PHOTOS_KEPT));
  };
  return { photos, takingPhoto, takePhoto };
}
