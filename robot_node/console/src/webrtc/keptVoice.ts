/** What a person says before anybody receives it, kept, and sent from its beginning. */

import { stopTracks } from "./capture";

/** Seconds that are kept. */
const LONGEST_S = 10;
/** Silence that goes before: a receiver's first moments are lost. */
const AHEAD_S = 0.3;

const wait = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, 1000 * seconds));

export class KeptVoice {
  /** To be sent: silent until {@link send}, and from then on what the microphone has heard, as much later. */
  readonly stream: MediaStream;
  private readonly context = new AudioContext();
  private readonly began = this.context.currentTime;
  private readonly delay = new DelayNode(this.context, { maxDelayTime: LONGEST_S, delayTime: LONGEST_S });
  private readonly source: MediaStreamAudioSourceNode;
  private lateS = 0;
  private sending = () => undefined as void;
  private readonly isSending = new Promise<void>((resolve) => (this.sending = resolve));

  constructor(private readonly microphone: MediaStream) {
    const sink = new MediaStreamAudioDestinationNode(this.context, { channelCount: 1 });
    this.source = this.context.createMediaStreamSource(microphone);
    this.source.connect(this.delay).connect(sink);
    this.stream = new MediaStream([...sink.stream.getTracks(), ...microphone.getVideoTracks()]);
  }

  /** It is received from now on; only the first call counts. */
  send(): void {
    if (this.lateS) return;
    this.lateS = Math.min(LONGEST_S, this.context.currentTime - this.began + AHEAD_S);
    this.delay.delayTime.value = this.lateS;
    this.sending();
  }

  /** Switch the microphone off; resolves when all that it has heard is sent, or cannot be. */
  async end(): Promise<void> {
    this.source.disconnect();
    stopTracks(new MediaStream(this.microphone.getAudioTracks()));
    await Promise.race([this.isSending, wait(LONGEST_S)]);
    await wait(this.lateS);
  }

  close(): void {
    stopTracks(this.microphone);
    this.context.close().catch(() => undefined);
  }
}
