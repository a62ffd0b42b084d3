/** In place of `lru-cache`: MQTT.js' table of topic aliases, which Link does not use. */

export class LRUCache {
  readonly max = 0;
  get = (): undefined => undefined;
  set = (): this => this;
  clear = (): void => undefined;
}
