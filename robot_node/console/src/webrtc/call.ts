/** A WebRTC session with a robot or a media backend, signalled over an MQTT connection of its own. Without React. */

import { Link, randomId, type LinkError } from "../mqtt/link";
import { Store } from "../mqtt/store";
import { openMedia, stopTracks } from "./capture";
import { KeptVoice } from "./keptVoice";
import { addSections } from "./sections";
import { signallingLink } from "./signallingLink";
import { CallError, CHAT_LIMIT, IDLE, type CallEvents, type CallOptions, type CallState } from "./state";
import {
  answersOffer,
  answersTopic,
  messagesTopic,
  offersTopic,
  ofNewSession,
  parseBackendMessage,
  parseSignal,
  parseViewerStatus,
  PROXY_NAME,
  STATUS_CHANNEL,
  terminated,
  type Outgoing,
  type ViewerStatus,
} from "./signaling";
import { Attempt, noPath } from "./tried";

/** A side that opens no data channel has been connected for long enough to receive what is typed. */
const CHAT_AFTER_MS = 1000;

const decoder = new TextDecoder();

export class Call extends Store<CallState> {
  private events: CallEvents = {};
  private options: CallOptions | null = null;
  private id = "";
  private link: Link | null = null;
  private peer: RTCPeerConnection | null = null;
  /** The session that the next one replaces: open until the other side has answered, which else would miss us. */
  private previous: RTCPeerConnection | null = null;
  private attempt = new Attempt([]);
  private early: (RTCIceCandidateInit | null)[] = [];
  private step: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delay = 1000;
  private captures = 0;
  /** What we say is for the robot itself. */
  private isToRobot = false;
  private voice: KeptVoice | null = null;
  /** The other side can receive what is typed. */
  private canChat = false;
  private chatDelay: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super(IDLE);
  }

  setEvents(events: CallEvents): void {
    this.events = events;
  }

  /** The browser's connection, for its statistics. */
  get peerConnection(): RTCPeerConnection | null {
    return this.peer;
  }

  /**
   * Call, and call again whenever the session is lost, until {@link disconnect}. What was switched on and typed before
   * is part of the call.
   */
  connect(options: CallOptions): void {
    if (this.link) this.disconnect();
    const clientId = randomId("webrtc_client_");
    this.options = options;
    this.id = options.clientId || clientId;
    this.delay = options.reconnectInitialMs ?? 1000;
    const link: Link = new Link(signallingLink(options, clientId), {
      onStatus: ({ state, error }) => {
        if (this.link !== link) return;
        this.update({ mqttConnected: state === "connected" });
        if (error) this.brokerFailed(error);
      },
      onConnected: () => this.link === link && void this.signalling(link),
      onMessage: (topic, payload, retained) => {
        if (this.link === link && !retained) this.receive(topic, decoder.decode(payload));
      },
    });
    this.link = link;
    this.update({ connectionState: "connecting", error: null });
    link.start();
  }

  /** Hang up: everything is closed, and microphone and camera are released. */
  disconnect(): void {
    const { link } = this;
    const was = this.getSnapshot().connectionState;
    this.link = null;
    this.captures += 1;
    clearTimeout(this.retry);
    this.dropPeer();
    this.releaseMedia();
    if (link) {
      if (link.connected && this.options) {
        const topic = offersTopic(this.id, this.options.answerer ?? PROXY_NAME);
        link.publish(topic, terminated("The viewer has left.")).catch(() => undefined);
      }
      link.close();
    }
    this.update({ ...IDLE, connectionState: was === "disconnected" ? "disconnected" : "closed" });
  }

  /** Try again now, instead of when the delay is over. */
  retryNow(): void {
    const { link } = this;
    if (!link || this.getSnapshot().connectionState !== "failed") return;
    link.retryNow();
    if (link.connected) void this.offer(link);
  }

  /** Our microphone on or off. The browser asks the person the first time. */
  toggleAudio(): Promise<void> {
    const { isAudioEnabled, isVideoEnabled } = this.getSnapshot();
    this.isToRobot = false;
    return this.capture(!isAudioEnabled, isVideoEnabled);
  }

  /**
   * Our microphone on while we speak to the robot itself: its speech recognition hears it, and its loudspeaker does not play it.
   * What is said before the robot receives it is kept, and sent then, also when the microphone is off again.
   */
  async holdToTalk(isHeld: boolean): Promise<void> {
    const { voice } = this;
    if (!isHeld && voice) {
      this.update({ isAudioEnabled: false });
      await voice.end();
      if (this.voice !== voice) return;
    }
    this.isToRobot = isHeld;
    await this.capture(isHeld, this.getSnapshot().isVideoEnabled);
  }

  /** Our camera on or off. */
  toggleVideo(): Promise<void> {
    const { isAudioEnabled, isVideoEnabled } = this.getSnapshot();
    return this.capture(isAudioEnabled, !isVideoEnabled);
  }

  /** The other side's sound on or off. */
  toggleListening(): void {
    this.update({ isListening: !this.getSnapshot().isListening });
    this.offerAnew();
  }

  /** Send a text as soon as the other side can receive it; false when too many wait already. */
  sendChatMessage(text: string): boolean {
    const { unsentChat } = this.getSnapshot();
    if (unsentChat.length >= CHAT_LIMIT) return false;
    this.update({ unsentChat: [...unsentChat, text] });
    this.sendChat();
    return true;
  }

  private sendChat(): void {
    const { unsentChat } = this.getSnapshot();
    if (!this.canChat || !this.link?.connected || unsentChat.length === 0) return;
    this.update({ unsentChat: [] });
    for (const text of unsentChat) {
      this.send({ type: "chat", data: text });
      this.events.onChatSent?.(text);
    }
  }

  private allowChat(peer: RTCPeerConnection): void {
    if (this.peer !== peer) return;
    this.canChat = true;
    this.sendChat();
  }

  private async capture(audio: boolean, video: boolean): Promise<void> {
    const capture = (this.captures += 1);
    const stream = audio || video ? await openMedia(audio, video) : null;
    if (this.captures !== capture) {
      stopTracks(stream);
      return;
    }
    this.releaseMedia();
    for (const track of stream?.getTracks() ?? []) {
      track.onended = () => this.captures === capture && void this.capture(false, false); // e.g. unplugged
    }
    if (audio && stream && this.isToRobot && typeof AudioContext === "function") this.voice = new KeptVoice(stream);
    const changes = { localStream: this.voice?.stream ?? stream, isAudioEnabled: audio, isVideoEnabled: video, isHeard: false };
    // At once: a session that is up does not say anything about what it is yet to send.
    this.update(this.canOfferAnew ? { ...changes, connectionState: "connecting" } : changes);
    this.offerAnew();
  }

  private releaseMedia(): void {
    this.voice?.close();
    this.voice = null;
    stopTracks(this.getSnapshot().localStream);
  }

  /** The robot takes what we say from now on, unless it speaks itself. */
  private sendVoice(): void {
    const { isHeard, robot } = this.getSnapshot();
    if (isHeard && robot?.taken !== "waits") this.voice?.send();
  }

  private brokerFailed(error: LinkError): void {
    // Media does not pass through the broker: a session that is up goes on.
    if (this.getSnapshot().connectionState === "connected") return;
    clearTimeout(this.retry);
    this.dropPeer();
    this.update({ connectionState: "failed", error: new CallError("broker", error.message) });
  }

  private async signalling(link: Link): Promise<void> {
    try {
      await link.subscribe({ topic: answersTopic(this.id) });
      // The broker's rules may keep it from viewers, who can do without.
      link.subscribe({ topic: messagesTopic(this.id) }).catch(() => undefined);
    } catch (error) {
      if (this.link === link) this.fail(new CallError("broker", (error as Error).message));
      return;
    }
    if (this.link !== link) return;
    this.sendChat();
    if (this.getSnapshot().connectionState !== "connected") await this.offer(link);
  }

  /** What is sent and received has changed: negotiate a new session. The old one goes on until it is answered. */
  private offerAnew(): void {
    if (this.link && this.canOfferAnew) void this.offer(this.link);
  }

  private get canOfferAnew(): boolean {
    return this.link?.connected === true && ["connecting", "connected", "failed"].includes(this.getSnapshot().connectionState);
  }

  private async offer(link: Link): Promise<void> {
    clearTimeout(this.retry);
    this.replacePeer();
    const iceServers = this.options?.iceServers ?? [];
    let peer: RTCPeerConnection;
    try {
      peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    } catch (error) {
      this.fail(new CallError("media", (error as Error).message)); // e.g. an ICE server that is no URL
      return;
    }
    this.peer = peer;
    const attempt = (this.attempt = new Attempt(iceServers));
    const { audio, others } = addSections(peer, this.getSnapshot(), this.options?.cameras ?? 1);
    const channel = peer.createDataChannel(STATUS_CHANNEL);
    // Open, the other side is connected, too: before, a robot ignores what is typed.
    channel.onopen = () => this.allowChat(peer);
    channel.onmessage = ({ data }) => {
      if (this.peer === peer) this.told(parseViewerStatus(data));
    };
    const stream = new MediaStream();
    peer.ontrack = ({ track, transceiver }) => {
      const other = others.indexOf(transceiver);
      if (other >= 0) {
        track.onunmute = () => this.peer === peer && this.showOther(other, new MediaStream([track]));
        return;
      }
      stream.addTrack(track);
      if (track.kind === "audio") this.update({ remoteSound: new MediaStream([track]) });
      // The old stream shows its last picture until there is a new one.
      const show = () => this.peer === peer && this.update({ remoteStream: stream });
      if (track.kind === "video") track.onunmute = show;
      if (!this.getSnapshot().remoteStream) show();
    };
    const candidates: Promise<void>[] = [];
    let offered = () => undefined as void;
    const offerSent = new Promise<void>((resolve) => (offered = resolve));
    peer.onicecandidateerror = ({ url, errorCode, errorText }) => attempt.addServerError(url, errorCode, errorText);
    peer.onicecandidate = ({ candidate }) => {
      if (candidate) attempt.addLocal(candidate.candidate, (candidate as { url?: string | null }).url); // newer than TypeScript
      candidates.push(offerSent.then(() => this.peer === peer && this.send({ type: "ice_candidate", data: candidate?.toJSON() ?? null })).then(() => undefined));
    };
    peer.onconnectionstatechange = () => {
      if (this.peer === peer) this.peerChanged(peer, audio?.currentDirection ?? "");
    };
    this.update({ connectionState: "connecting", isHeard: false, isHearing: false, robot: ofNewSession(this.getSnapshot().robot) });
    this.limit(() => new CallError("no-answer", "Nobody answers."));
    try {
      await peer.setLocalDescription();
      if (this.peer !== peer) return;
      this.send({ type: "sdp_offer", data: { type: "offer", sdp: peer.localDescription?.sdp ?? "" } });
      offered();
    } catch (error) {
      if (this.peer === peer) this.fail(new CallError("media", (error as Error).message));
    }
    if (this.link !== link) peer.close();
  }

  private showOther(place: number, stream: MediaStream): void {
    const otherStreams = [...this.getSnapshot().otherStreams];
    otherStreams[place] = stream;
    this.update({ otherStreams });
  }

  private peerChanged(peer: RTCPeerConnection, sound: string): void {
    if (peer.connectionState === "connected") {
      clearTimeout(this.step);
      this.delay = this.options?.reconnectInitialMs ?? 1000;
      clearTimeout(this.chatDelay);
      this.chatDelay = setTimeout(() => this.allowChat(peer), CHAT_AFTER_MS);
      this.update({
        connectionState: "connected",
        error: null,
        isHeard: sound.startsWith("send"),
        isHearing: sound.includes("recv"),
      });
      this.sendVoice();
    } else if (peer.connectionState === "disconnected") {
      this.limit(() => new CallError("lost", "The robot no longer sends anything."));
    } else if (peer.connectionState === "failed") {
      this.fail(noPath(this.attempt));
    }
  }

  private receive(topic: string, payload: string): void {
    if (topic === messagesTopic(this.id)) {
      const message = parseBackendMessage(payload);
      if (message) this.events.onMessage?.(message);
      return;
    }
    const signal = parseSignal(payload);
    const { peer } = this;
    if (!signal || !peer) return;
    if (signal.type === "sdp_answer") {
      if (peer.signalingState !== "have-local-offer" || !answersOffer(signal.offer, peer.localDescription?.sdp)) return;
      this.limit(() => noPath(this.attempt));
      this.attempt.addRemoteDescription(signal.sdp);
      this.dropPrevious();
      peer
        .setRemoteDescription({ type: "answer", sdp: signal.sdp })
        .then(() => {
          for (const candidate of this.early.splice(0)) this.addCandidate(peer, candidate);
        })
        .catch((error: Error) => this.peer === peer && this.fail(new CallError("media", error.message)));
    } else if (signal.type === "ice_candidate") {
      if (signal.candidate) this.attempt.addRemote(signal.candidate.candidate ?? "");
      if (peer.remoteDescription) this.addCandidate(peer, signal.candidate);
      else if (this.early.length < 64) this.early.push(signal.candidate);
    } else {
      const limit = /\bviewers\b/.test(signal.reason);
      this.fail(new CallError(limit ? "limit" : "refused", signal.reason || "The robot ended the session."));
    }
  }

  private told(robot: ViewerStatus | null): void {
    // Most messages differ in the bit rate alone, which is not read.
    if (robot && JSON.stringify(robot) !== JSON.stringify(this.getSnapshot().robot)) this.update({ robot });
    this.sendVoice();
  }

  private addCandidate(peer: RTCPeerConnection, candidate: RTCIceCandidateInit | null): void {
    // One that cannot be used leaves the others.
    peer.addIceCandidate(candidate ?? undefined).catch(() => undefined);
  }

  private send(message: Outgoing): void {
    const { link, options } = this;
    if (!link?.connected || !options) return;
    const also = message.type === "sdp_offer" && this.isToRobot ? { sound: "recognised" } : {};
    link.publish(offersTopic(this.id, options.answerer ?? PROXY_NAME), JSON.stringify(message), { also }).catch(() => undefined);
  }

  private limit(error: () => CallError): void {
    clearTimeout(this.step);
    this.step = setTimeout(() => this.fail(error()), this.options?.stepTimeoutMs ?? 5000);
  }

  private fail(error: CallError): void {
    const { link } = this;
    if (!link) return;
    this.dropPeer();
    this.update({ connectionState: "failed", error, isHeard: false, isHearing: false, robot: null });
    clearTimeout(this.retry);
    // Without the broker, signalling() offers when it is back.
    if (link.connected) this.retry = setTimeout(() => void this.offer(link), this.delay);
    this.delay = Math.min(2 * this.delay, this.options?.reconnectMaximumMs ?? 15_000);
  }

  private dropPeer(): void {
    this.dropPrevious();
    close(this.detachPeer());
  }

  private dropPrevious(): void {
    close(this.previous);
    this.previous = null;
  }

  /** Make room for a new session; one that is up goes on until the new one is answered. */
  private replacePeer(): void {
    const peer = this.detachPeer();
    if (peer?.connectionState !== "connected") {
      close(peer);
      return;
    }
    this.dropPrevious();
    this.previous = peer;
  }

  private detachPeer(): RTCPeerConnection | null {
    clearTimeout(this.step);
    clearTimeout(this.chatDelay);
    this.canChat = false;
    this.early = [];
    const { peer } = this;
    this.peer = null;
    if (!peer) return null;
    peer.ontrack = peer.onicecandidate = peer.onicecandidateerror = peer.onconnectionstatechange = null;
    for (const receiver of peer.getReceivers()) receiver.track.onunmute = null;
    return peer;
  }
}

const close = (peer: RTCPeerConnection | null): void => peer?.close();
