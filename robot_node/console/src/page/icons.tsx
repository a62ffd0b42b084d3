/** Small pictures on buttons; what they mean stands beside them or in the button's label. */

const PATHS = {
  camera: "M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2Zm12 4 6-4v10l-6-4",
  photo: "M4 8h3l2-3h6l2 3h3v11H4V8Zm8 9a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z",
  fullscreen: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  leave: "M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5",
  mirror: "M12 3v18M9 7 4 17h5V7Zm6 0 5 10h-5V7Z",
  pictureInPicture: "M4 5h16v14H4V5Zm8 7h8v7h-8v-7Z",
  zoomIn: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm5 11.5L20 20M10.5 7.5v6M7.5 10.5h6",
  zoomOut: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm5 11.5L20 20M7.5 10.5h6",
  listen: "M4 10v4h4l5 4V6L8 10H4Zm12-1a4 4 0 0 1 0 6m2.5-8.5a7.5 7.5 0 0 1 0 11",
  talk: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3Zm-7 8a7 7 0 0 0 14 0M12 18v3",
  privacy: "M3 9c2.5 4 5.5 6 9 6s6.5-2 9-6M6 13l-2 3M18 13l2 3M12 15v4",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5M8.5 14.5v5",
  reset: "M5 12a7 7 0 1 0 2.5-5.4M5 4v4.5h4.5",
  back: "m14 6-6 6 6 6",
  forward: "m10 6 6 6-6 6",
  stop: "M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3L8.3 3Zm.2 9h7",
  up: "M12 20V5m-6 6 6-6 6 6",
  down: "M12 4v15m-6-6 6 6 6-6",
  left: "M20 12H5m6-6-6 6 6 6",
  right: "M4 12h15m-6-6 6 6-6 6",
  grid: "M4 4h6v6H4Zm10 0h6v6h-6ZM4 14h6v6H4Zm10 0h6v6h-6Z",
  close: "m6 6 12 12M18 6 6 18",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The face of icon.svg, as in index.html: a picture in a file of its own would be missing while it is fetched. */
export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b0e13" />
      <rect x="6" y="9" width="8" height="10" rx="3" fill="#96dcff" />
      <rect x="18" y="9" width="8" height="10" rx="3" fill="#96dcff" />
      <path d="M11 23q5 3 10 0" fill="none" stroke="#96dcff" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
