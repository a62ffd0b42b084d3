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
  /** The robots side by side, in place of all parts that show one of them. */
  overview?: ReactNode;
  /** It is not known yet what the robot can do. */
  isLoading: boolean;
}

/** The places of the page's parts. Each place is styled in layout.css, and what is in it in a file of its own. */
export function Layout({ header, banner, video, notices, face, controls, activity, gallery, log, dialogs, overview, isLoading }: Places) {
  const page = useRef<HTMLElement>(null);
  if (overview) {
    return (
      <>
        {header}
        {banner}
        <main className="overview">{overview}</main>
        {dialogs}
      </>
    );
  }
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
