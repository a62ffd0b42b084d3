import { useEffect } from "react";

/** Connect while it is wanted, and again when how to connect changes; disconnect when unmounted or when the tab is closed. */
export function useConnection(wanted: boolean, connect: () => void, disconnect: () => void): void {
  useEffect(() => {
    if (!wanted) return; // What is switched on already is for the connection that comes.
    connect();
    return disconnect;
  }, [wanted, connect, disconnect]);
  useEffect(() => {
    // A tab that is closed unmounts nothing: the other side should not have to miss us first.
    addEventListener("pagehide", disconnect);
    return () => {
      removeEventListener("pagehide", disconnect);
      disconnect();
    };
  }, [disconnect]);
}
