/**
 * In place of `process`: what MQTT.js and its streams need of Node's. A tick is a microtask, as it is there; that of the
 * package is a timer, and a message that passes through three streams waits for several of them.
 */

const nextTick = (job: (...values: unknown[]) => void, ...values: unknown[]): void => queueMicrotask(() => job(...values));

const process = { nextTick, env: {}, versions: {} };

export default process;
