/** Photos in the browser's IndexedDB. Each function rejects where the browser refuses storage. */

import { isDocument, member } from "../../json";
import { excess, type Limits, type StoredPhoto } from "./photo";

const NAME = "robot-node";
const PHOTOS = "photos";

export function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(PHOTOS, { keyPath: "id" });
    request.onerror = () => reject(reasonOf(request.error));
    request.onsuccess = () => {
      // A page of another version may change it; this one goes on in memory.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
  });
}

/** All photos, the oldest first. */
export async function storedPhotos(database: IDBDatabase): Promise<StoredPhoto[]> {
  let found: unknown = [];
  await inTransaction(database, "readonly", (photos) => {
    const request = photos.getAll();
    request.onsuccess = () => {
      found = request.result;
    };
  });
  return (found as unknown[]).filter(isStoredPhoto);
}

/** Store a photo, and drop the oldest beyond the limits. */
export function storePhoto(database: IDBDatabase, photo: StoredPhoto, limits: Limits): Promise<void> {
  return inTransaction(database, "readwrite", (photos) => {
    photos.put(photo);
    const request = photos.getAll();
    request.onsuccess = () => {
      for (const id of excess(request.result as StoredPhoto[], limits)) photos.delete(id);
    };
  });
}

export function deletePhotos(database: IDBDatabase, ids: readonly string[]): Promise<void> {
  return inTransaction(database, "readwrite", (photos) => ids.forEach((id) => photos.delete(id)));
}

function inTransaction(database: IDBDatabase, mode: IDBTransactionMode, work: (photos: IDBObjectStore) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(PHOTOS, mode);
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(reasonOf(transaction.error));
    work(transaction.objectStore(PHOTOS));
  });
}

const reasonOf = (error: DOMException | null) => error ?? new Error("The browser gives no reason.");

function isStoredPhoto(value: unknown): value is StoredPhoto {
  const texts = ["id", "robot", "camera"].every((name) => typeof member(value, name) === "string");
  return isDocument(value) && texts && typeof member(value, "taken") === "number" && member(value, "picture") instanceof Blob;
}
