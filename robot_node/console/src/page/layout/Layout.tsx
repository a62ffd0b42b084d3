import { useRef, type ReactNode } from "react";

import { JumpBar } from "./JumpBar";
import "./layout.css";

interface Places {
  header: ReactNode;
  /** What stands between the person and the robot. */
  banner: ReactNode;
  video: ReactNode;
  /** What has gone wrong with what a person did; an alert. */
  notices: ReactNode;
  face: ReactNode;
  controls: ReactNode;
  activity: ReactNode;
  gallery: ReactNode;
  log: ReactNode;
  dialogs: ReactNode;
  /** It is not known yet what the robot can do. */
  isLoading: boolean;
}

/** The places of the page's parts. Each place is styled in layout.css, and what is in it in a file of its own. */
export function Layout({ header, banner, video, notices, face, controls, activity, gallery, log, dialogs, isLoading }: Places) {
  const page = useRef<HTMLElement>(null);
  return (
    <>
      {header}
      {banner}
      <main ref={page} className={isLoading ? "page loading" : "page"}>
        <div className="column main-column">
          <div className="place place-video">{video}</div>
          <div role="alert" className="notice-place">
            {notices}
          </div>
          <div className="place place-gallery">{gallery}</div>
        </div>
        <div className="rest">
          <JumpBar page={page} />
          <div className="column">
            <div className="place place-face">{face}</div>
            <div className="place place-controls">{controls}</div>
          </div>
          <div className="column">
            <div className="place place-activity">{activity}</div>
            <div className="place place-log">{log}</div>
          </div>
        </div>
      </main>
      {dialogs}
    </>
  );
}
