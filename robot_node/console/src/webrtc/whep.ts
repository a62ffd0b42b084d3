/** A WHEP player (draft-ietf-wish-whep-02): pictures and sound of a media server, by one HTTP request. Without React. */

import { messageOf } from "../json";
import { Store } from "../mqtt/store";
import { CallError, IDLE, type CallState } from "./state";

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";

export interface WhepOptions {
  url: string;
  token?: string;
  iceServers?: RTCIceServer[];
  /** Limits and delays in milliseconds. */
  stepTimeoutMs?: number | undefined;
  reconnectInitialMs?: number | undefined;
  reconnectMaximumMs?: number | undefined;
}

/** The endpoint for a robot; empty when the robot itself is to be watched. */
export function whepUrl({ url, serverId: only }: { url: string; serverId: string }, serverId: string | undefined): string {
  if (!url || !serverId || (only && only !== serverId)) return "";
  return new URL(url.replaceAll("{server_id}", encodeURIComponent(serverId)), location.origin).href;
}

export class WhepPlayer extends Store<CallState> {
  private options: WhepOptions | null = null;
  private peer: RTCPeerConnection | null = null;
  private session = "";
  private candidates: RTCIceCandidate[] = [];
  private step: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delay = 1000;

  constructor() {
    super(IDLE);
  }

  /** The browser's connection, for its statistics. */
  get peerConnection(): RTCPeerConnection | null {
    return this.peer;
  }

  /** Watch, and again whenever the session is lost, until {@link disconnect}. */
  connect(options: WhepOptions): void {
    this.disconnect();
    this.options = options;
    this.delay = options.reconnectInitialMs ?? 1000;
    void this.offer(options);
  }

  disconnect(): void {
    const was = this.getSnapshot().connectionState;
    this.drop();
    this.options = null;
    this.update({ ...IDLE, connectionState: was === "disconnected" ? "disconnected" : "closed" });
  }

  /** Try again now, instead of when the delay is over. */
  retryNow(): void {
    if (this.options && this.getSnapshot().connectionState === "failed") void this.offer(this.options);
  }

  /** The sound on or off; it is received all the time. */
  toggleListening(): void {
    this.update({ isListening: !this.getSnapshot().isListening });
  }

  private async offer(options: WhepOptions): Promise<void> {
    this.drop();
    this.update({ connectionState: "connecting", isHearing: false });
    this.limit("server", new URL(options.url).origin);
    let peer: RTCPeerConnection | null = null;
    const isCurrent = () => peer !== null && this.peer === peer;
    try {
      this.peer = peer = new RTCPeerConnection({ iceServers: options.iceServers ?? [], bundlePolicy: "max-bundle" });
      this.follow(peer, peer.addTransceiver("video", { direction: "recvonly" }), peer.addTransceiver("audio", { direction: "recvonly" }));
      const offer = await peer.createOffer();
      const answer = await this.post(options, offer.sdp ?? "");
      if (!isCurrent()) {
        this.end(options, answer.session);
        return;
      }
      this.session = answer.session;
      if (!options.iceServers?.length && answer.iceServers.length) {
        peer.setConfiguration({ ...peer.getConfiguration(), iceServers: answer.iceServers });
      }
      this.limit("no-path", "No network path leads to the media server.");
      await peer.setLocalDescription(offer); // Candidates come from now on: of the servers in the answer, too.
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      await this.trickle();
    } catch (error) {
      if (!isCurrent() && peer) return;
      this.fail(error instanceof CallError ? error : new CallError("media", messageOf(error)));
    }
  }

  private follow(peer: RTCPeerConnection, video: RTCRtpTransceiver, audio: RTCRtpTransceiver): void {
    const stream = new MediaStream();
    peer.ontrack = ({ track }) => {
      stream.addTrack(track);
      if (track.kind === "audio") this.update({ remoteSound: new MediaStream([track]) });
      const show = () => this.peer === peer && this.update({ remoteStream: stream });
      if (track === video.receiver.track) track.onunmute = show;
      if (!this.getSnapshot().remoteStream) show();
    };
    peer.onicecandidate = ({ candidate }) => {
      if (this.peer !== peer || !candidate) return;
      this.candidates.push(candidate);
      void this.trickle();
    };
    peer.onconnectionstatechange = () => {
      if (this.peer !== peer) return;
      if (peer.connectionState === "connected") {
        clearTimeout(this.step);
        this.delay = this.options?.reconnectInitialMs ?? 1000;
        this.update({ connectionState: "connected", error: null, isHearing: Boolean(audio.currentDirection?.includes("recv")) });
      } else if (peer.connectionState === "disconnected") {
        this.limit("lost", "The media server no longer sends anything.");
      } else if (peer.connectionState === "failed") {
        this.fail(new CallError("no-path", "No network path leads to the media server."));
      }
    };
  }

  private async post(options: WhepOptions, sdp: string): Promise<{ sdp: string; session: string; iceServers: RTCIceServer[] }> {
    let response: Response;
    try {
      response = await fetch(options.url, { method: "POST", body: sdp, headers: { "Content-Type": SDP, ...authorization(options) } });
    } catch {
      // Fetch does not say why: no server, no CORS headers, another origin than the page's policy names.
      throw new CallError("server", new URL(options.url).origin);
    }
    const text = await response.text();
    if (response.status !== 201) throw new CallError("server-refused", refusal(response, text));
    const location = response.headers.get("Location");
    return {
      sdp: text,
      session: location ? new URL(location, response.url).href : "",
      iceServers: linkedServers(response.headers.get("Link") ?? ""),
    };
  }

  /** Send the candidates that came since; a server that takes none answers with an error, and needs none. */
  private async trickle(): Promise<void> {
    const { peer, options, session } = this;
    const ufrag = /a=ice-ufrag:(\S+)/.exec(peer?.localDescription?.sdp ?? "")?.[1];
    const password = /a=ice-pwd:(\S+)/.exec(peer?.localDescription?.sdp ?? "")?.[1];
    if (!options || !session || !ufrag || !this.candidates.length) return;
    const lines = this.candidates.splice(0).map(({ candidate, sdpMid }) => `m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:${sdpMid}\r\na=${candidate}\r\n`);
    const body = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${password}\r\n${lines.join("")}`;
    await fetch(session, { method: "PATCH", body, headers: { "Content-Type": FRAGMENT, "If-Match": "*", ...authorization(options) } }).catch(() => undefined);
  }

  private end(options: WhepOptions, session: string): void {
    // Also of a tab that is being closed.
    if (session) fetch(session, { method: "DELETE", keepalive: true, headers: authorization(options) }).catch(() => undefined);
  }

  private limit(problem: CallError["problem"], message: string): void {
    clearTimeout(this.step);
    this.step = setTimeout(() => this.fail(new CallError(problem, message)), this.options?.stepTimeoutMs ?? 8000);
  }

  private fail(error: CallError): void {
    const { options } = this;
    if (!options) return;
    this.drop();
    this.update({ connectionState: "failed", error, isHearing: false });
    this.retry = setTimeout(() => void this.offer(options), this.delay);
    this.delay = Math.min(2 * this.delay, options.reconnectMaximumMs ?? 15_000);
  }

  private drop(): void {
    clearTimeout(this.step);
    clearTimeout(this.retry);
    if (this.options) this.end(this.options, this.session);
    this.session = "";
    this.candidates = [];
    const { peer } = this;
    this.peer = null;
    if (!peer) return;
    peer.ontrack = peer.onicecandidate = peer.onconnectionstatechange = null;
    for (const receiver of peer.getReceivers()) receiver.track.onunmute = null;
    peer.close();
  }
}

/** The status, and what people can read of the answer: a page of HTML, or a counter-offer, they cannot. */
function refusal({ status, headers }: Response, text: string): string {
  const type = headers.get("Content-Type") ?? "";
  if (type.startsWith(SDP)) return `${status}, with an offer of its own, which this page does not answer`;
  return type.startsWith("text/html") || !text.trim() ? String(status) : `${status}, ${text.slice(0, 200)}`;
}

const authorization = ({ token }: WhepOptions): Record<string, string> => (token ? { Authorization: `Bearer ${token}` } : {});

/** The STUN and TURN servers in Link headers (RFC 9725, 4.6). */
export function linkedServers(header: string): RTCIceServer[] {
  return [...header.matchAll(/<([^<>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]*))*)/g)].flatMap(([, url = "", rest = ""]) => {
    const named = new Map([...rest.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))/g)].map(([, name = "", quoted, plain]) => [name, quoted?.replace(/\\(.)/g, "$1") ?? plain ?? ""]));
    if (named.get("rel") !== "ice-server" || !/^(stuns?|turns?):/.test(url)) return [];
    const username = named.get("username");
    return [username === undefined ? { urls: url } : { urls: url, username, credential: named.get("credential") ?? "" }];
  });
}
