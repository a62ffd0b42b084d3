/** A ZIP archive of files as they are: what is in them is compressed already (APPNOTE.TXT 4.3). */

export interface ZippedFile {
  name: string;
  time: Date;
  content: Blob;
}

const VERSION = 20;
/** Names are UTF-8: bit 11. */
const FLAGS = 0x0800;

/** At most 65 535 files and 4 GB. */
export async function zip(files: readonly ZippedFile[]): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let offset = 0;
  let directoryBytes = 0;
  for (const { name, time, content } of files) {
    const encoded = new TextEncoder().encode(name);
    const sum = crc32(new Uint8Array(await content.arrayBuffer()));
    const about = [VERSION, FLAGS, 0, ...dosTime(time)];
    const sizes = [sum, content.size, content.size];
    const local = record(0x04034b50, about, sizes, [encoded.length, 0]);
    const central = record(0x02014b50, [VERSION, ...about], sizes, [encoded.length, 0, 0, 0, 0], [0, offset]);
    parts.push(local, encoded, content);
    directory.push(central, encoded);
    offset += local.length + encoded.length + content.size;
    directoryBytes += central.length + encoded.length;
  }
  const end = record(0x06054b50, [0, 0, files.length, files.length], [directoryBytes, offset], [0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** A signature, then 16-bit and 32-bit numbers in turn, little-endian. */
function record(signature: number, ...groups: number[][]): Uint8Array<ArrayBuffer> {
  const sizes = groups.map((group, place) => group.length * (place % 2 ? 4 : 2));
  const view = new DataView(new ArrayBuffer(4 + sizes.reduce((sum, size) => sum + size, 0)));
  view.setUint32(0, signature, true);
  let at = 4;
  groups.forEach((group, place) => {
    for (const value of group) {
      if (place % 2) view.setUint32(at, value, true);
      else view.setUint16(at, value, true);
      at += place % 2 ? 4 : 2;
    }
  });
  return new Uint8Array(view.buffer);
}

/** Time and date as of MS-DOS: local time, in steps of two seconds, 1980 to 2107. */
function dosTime(time: Date): [number, number] {
  const year = Math.min(127, Math.max(0, time.getFullYear() - 1980));
  return [
    (time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1),
    (year << 9) | ((time.getMonth() + 1) << 5) | time.getDate(),
  ];
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (CRC_TABLE[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
