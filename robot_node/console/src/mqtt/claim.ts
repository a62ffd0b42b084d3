/**
 * Whether this window may use its client id: a broker disconnects a client when another one connects with its id, and two
 * that both come back would do so for ever. The one that was connected first gives way. Pure.
 */

/** `claimed`: a person wanted it here; `kept`: it was connected for a while, and comes back by itself; `taken`: it stopped. */
export type ClaimState = "claimed" | "kept" | "taken";

/**
 * `wanted`: a person wants it here. `told`: broker or another window says that another one uses it. The others say how a
 * connection ended: `lived` after a while, `ended-soon`, or `unreachable`, before it was one.
 */
export type ClaimEvent = "wanted" | "told" | "lived" | "ended-soon" | "unreachable";

export interface Claim {
  state: ClaimState;
  /** Connections in a row that ended soon. */
  short: number;
}

/** Without being told, e.g. by mosquitto over WebSocket: that many connections in a row end soon. Who came last has more. */
export const SHORT_LIMIT: Record<"claimed" | "kept", number> = { claimed: 3, kept: 2 };

export const CLAIMED: Claim = { state: "claimed", short: 0 };
const KEPT: Claim = { state: "kept", short: 0 };
export const TAKEN: Claim = { state: "taken", short: 0 };

type Step = (claim: Claim) => Claim;
const to = (next: Claim): Step => () => next;
const stay: Step = (claim) => claim;
const again: Step = ({ state }) => ({ state, short: 0 });
const counted =
  (state: "claimed" | "kept"): Step =>
  ({ short }) =>
    short + 1 < SHORT_LIMIT[state] ? { state, short: short + 1 } : TAKEN;

const STEPS: Record<ClaimState, Record<ClaimEvent, Step>> = {
  claimed: { wanted: to(CLAIMED), told: to(TAKEN), lived: to(KEPT), "ended-soon": counted("claimed"), unreachable: again },
  kept: { wanted: to(CLAIMED), told: to(TAKEN), lived: to(KEPT), "ended-soon": counted("kept"), unreachable: again },
  taken: { wanted: to(CLAIMED), told: stay, lived: stay, "ended-soon": stay, unreachable: stay },
};

export const nextClaim = (claim: Claim, event: ClaimEvent): Claim => STEPS[claim.state][event](claim);
