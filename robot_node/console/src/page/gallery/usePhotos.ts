import { useEffect, useState, useSyncExternalStore } from "react";

import type { Run } from "../useCalls";
import { readPhoto } from "./photo";
import { PhotoStore, type PhotosState } from "./photoStore";

export interface UsePhotos extends PhotosState {
  takingPhoto: boolean;
  /** Whether there is one more. */
  takePhoto: () => Promise<boolean>;
  deletePhotos: (ids: readonly string[]) => void;
}

/** The photos that were taken with this browser. `argument` says with which camera of which robot the next one is taken. */
export function usePhotos(act: Run, robot: string, argument: { camera?: string }): UsePhotos {
  const [store] = useState(() => new PhotoStore());
  const state = useSyncExternalStore(store.subscribe, store.getSnapshot);
  const [takingPhoto, setTakingPhoto] = useState(false);
  useEffect(() => store.open(), [store]);

  const takePhoto = async () => {
    setTakingPhoto(true);
    const { content, isError } = await act("take_photo", argument);
    setTakingPhoto(false);
    const photo = isError ? null : readPhoto(content, Date.now());
    if (photo) await store.add({ ...photo, robot, camera: argument.camera ?? "" });
    return photo !== null;
  };
  return { ...state, takingPhoto, takePhoto, deletePhotos: (ids) => void store.delete(ids) };
}
