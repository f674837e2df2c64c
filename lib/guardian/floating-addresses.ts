// The floating addresses around one run: up before the service is started, announced, down before anybody hears that it is gone.
import {AddressHolder} from './address-holder.ts';
import {ANNOUNCE_LIMIT_MS, announcements, describeAddress, removeAddresses, type FloatingAddress} from './address.ts';
import {runTool} from './tool.ts';
import {reasonOf} from './values.ts';

/** How long the kernel may take to put them all up, ms. */
const PUT_LIMIT_MS = 5_000;
/** How long their holder may take to take them down, ms; then it is done without it. */
const RELEASE_LIMIT_MS = 1_000;
/** When neighbours are told, ms after it is up: at once, and again for those who missed it or had just heard of another place. */
const ANNOUNCE_AT_MS = [0, 1_000, 5_000] as const;
/** And then so often, ms: a switch or neighbour that was away learns of it too. */
const ANNOUNCE_EVERY_MS = 60_000;
/** How often it is made sure that they are still there, ms: whoever configures the network anew may take them away. */
const PUT_EVERY_MS = 10_000;
/** After a failure to take one down, ms. */
const RETRY_MS = 250;
/** How often such a failure is noted, ms. */
const NOTE_EVERY_MS = 10_000;

export interface AddressEvents {
  /** For the logs of guardian and agent. */
  note(text: string, isTrouble?: boolean): void;
  /** They were up, and cannot be kept up. At most once. */
  lost(because: string): void;
}

export class FloatingAddresses {
  private readonly addresses: readonly FloatingAddress[];
  private readonly events: AddressEvents;
  private holder: AddressHolder | undefined;
  private putting: Promise<string | undefined> | undefined;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly announcing = new Set<Promise<unknown>>();
  private readonly hush = new AbortController();
  private down: Promise<void> | undefined;
  private complaint: string | undefined;
  private isLost = false;
  /** A new holder has not put them up yet. */
  private replacing = false;

  constructor(addresses: readonly FloatingAddress[], events: AddressEvents) {
    this.addresses = addresses;
    this.events = events;
  }

  /** Never rejects. @returns why they could not all be put up; undefined: they are. */
  async raise(): Promise<string | undefined> {
    const because = await this.put();
    if (because !== undefined || this.down) return because;
    for (const atMs of ANNOUNCE_AT_MS) this.timers.push(setTimeout(() => this.announce(), atMs));
    this.timers.push(setInterval(() => this.announce(), ANNOUNCE_EVERY_MS));
    this.timers.push(setInterval(() => void this.keep(), PUT_EVERY_MS));
    this.events.note(`floating address up: ${this.addresses.map(describeAddress).join(', ')}`);
    return undefined;
  }

  /** Resolves when none is there any more, however long that takes. May be called again, and before they are up. Never rejects. */
  lower(): Promise<void> {
    this.down ??= this.takeDown();
    return this.down;
  }

  /** Never rejects. */
  private put(): Promise<string | undefined> {
    if (this.putting) return this.putting;
    const putting = this.putOnce()
      .catch(reasonOf)
      .finally(() => {
        if (this.putting === putting) this.putting = undefined;
      });
    this.putting = putting;
    return putting;
  }

  private async putOnce(): Promise<string | undefined> {
    this.holder ??= new AddressHolder(this.addresses, (because) => this.holderGone(because));
    const because = await this.holder.put(PUT_LIMIT_MS);
    return because === undefined ? undefined : `${this.addresses.map(describeAddress).join(', ')}: ${because}`;
  }

  private holderGone(because: string): void {
    this.holder = undefined;
    // One that ends before it has put them up for the first time is not tried again.
    if (this.timers.length === 0 || this.down || this.replacing) return;
    this.events.note(`the floating address: ${because}, another one takes its place`, true);
    // What the old one has not done, the new one does.
    this.putting = undefined;
    void this.replace();
  }

  private async replace(): Promise<void> {
    this.replacing = true;
    await this.keep();
    this.replacing = false;
    // It may have been away for a while.
    if (!this.down && !this.isLost) this.announce();
  }

  private async keep(): Promise<void> {
    const because = await this.put();
    // Where its holder has gone meanwhile, another one is at it.
    if (because === undefined || this.down || this.isLost || this.putting) return;
    this.isLost = true;
    this.events.lost(`the floating address cannot be kept up: ${because}`);
  }

  private announce(): void {
    for (const argv of this.addresses.flatMap(announcements)) {
      const said = runTool(argv, ANNOUNCE_LIMIT_MS, this.hush.signal).then(({ok, because}) => {
        this.announcing.delete(said);
        if (this.down || because === this.complaint) return;
        if (!ok) this.events.note(`neighbours may not have been told of the floating address: ${because}`, true);
        this.complaint = ok ? undefined : because;
      });
      this.announcing.add(said);
    }
  }

  private async takeDown(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    this.hush.abort();
    for (let tries = 0; ; tries += 1) {
      const because = await this.takeDownOnce().catch(reasonOf);
      if (because === undefined) return;
      if ((tries * RETRY_MS) % NOTE_EVERY_MS === 0)
        this.events.note(`the run is not over before its address is down: ${because}`, true);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** @returns why they may still be there. */
  private async takeDownOnce(): Promise<string | undefined> {
    // An announcement that came after it is down would be a lie.
    await Promise.all(this.announcing);
    await this.holder?.release(RELEASE_LIMIT_MS);
    return removeAddresses(this.addresses);
  }
}
