/** The photos of this browser: shown at once, stored, and the same in each of its pages. Without React. */

import { messageOf } from "../../json";
import { Store } from "../../mqtt/store";
import { excess, LIMITS, type Photo, type StoredPhoto } from "./photo";
import { deletePhotos, openDatabase, storedPhotos, storePhoto } from "./photoDatabase";

const CHANNEL = "robot-node.photos";

export interface PhotosState {
  /** The newest first. */
  photos: readonly Photo[];
  /** Why they are gone when the page is closed; empty: they are stored. */
  notStored: string;
}

export class PhotoStore extends Store<PhotosState> {
  private database: Promise<IDBDatabase> | null = null;
  private channel: BroadcastChannel | null = null;
  /** Those that are not stored yet, or cannot be. */
  private readonly unstored = new Map<string, StoredPhoto>();

  constructor() {
    super({ photos: [], notStored: "" });
  }

  /** Show what is stored, and follow what other pages of this browser store and delete; returns what ends it. */
  open(): () => void {
    const channel = (this.channel = new BroadcastChannel(CHANNEL));
    channel.onmessage = () => void this.change();
    void this.change();
    return () => {
      channel.close();
      this.channel = null;
      void this.database?.then((database) => database.close()).catch(() => undefined);
      this.database = null;
      this.unstored.clear();
      this.show([]);
    };
  }

  async add(photo: Omit<StoredPhoto, "id">): Promise<void> {
    const added = { ...photo, id: `${String(Date.now()).padStart(15, "0")} ${Math.random()}` };
    this.unstored.set(added.id, added);
    this.show([...this.getSnapshot().photos, added]);
    await this.change(async (database) => {
      await storePhoto(database, added, LIMITS);
      this.unstored.delete(added.id);
    });
  }

  async delete(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.unstored.delete(id);
    this.show(this.getSnapshot().photos.filter(({ id }) => !ids.includes(id)));
    await this.change((database) => deletePhotos(database, ids));
  }

  /** Change what is stored, if anything, and show what is stored then. */
  private async change(work?: (database: IDBDatabase) => Promise<void>): Promise<void> {
    try {
      // In a promise: a browser that refuses storage may throw.
      const database = await (this.database ??= Promise.resolve().then(openDatabase));
      if (work) {
        await work(database);
        this.channel?.postMessage(null);
      }
      const stored = await storedPhotos(database);
      if (!this.channel) return;
      this.show([...stored, ...this.unstored.values()]);
      if (this.unstored.size === 0) this.update({ notStored: "" });
    } catch (error) {
      this.update({ notStored: messageOf(error) });
    }
  }

  /** A picture that stays keeps its URL; of one that goes the memory is freed. */
  private show(wanted: readonly StoredPhoto[]): void {
    const before = new Map(this.getSnapshot().photos.map((photo) => [photo.id, photo]));
    const tooMany = new Set(excess(wanted, LIMITS));
    for (const id of tooMany) this.unstored.delete(id);
    const photos = wanted
      .filter(({ id }) => !tooMany.has(id))
      .map((photo) => before.get(photo.id) ?? { ...photo, url: URL.createObjectURL(photo.picture) })
      .sort((one, other) => (one.id < other.id ? 1 : -1));
    const after = new Set(photos.map(({ id }) => id));
    for (const { id, url } of before.values()) if (!after.has(id)) URL.revokeObjectURL(url);
    this.update({ photos });
  }
}
