// The asking side of two doctors: the one whose verdicts are printed, and the URL of the other.
import {HaError, reasonOf} from '../errors.ts';
import {bootNow} from '../guardian/clock.ts';
import {Malformed, type Fields} from '../store/fields.ts';
import type {Changed, Outcome, RaceOrder} from './calls.ts';
import type {Sighting} from './clock-rate.ts';
import {fieldsOf, parseHello, PARTNER_VERSION, type Hello, type Request} from './partner-words.ts';

/** For a request that touches no store, ms. */
const ANSWER_MS = 5_000;
/** The partner's own limit for a call to the store comes first, ms. */
const STORE_ANSWER_MS = 20_000;
/** Of so many questions for the time the quickest counts. */
const CLOCK_ASKS = 8;

/** The other clock, and how to tell its instants on this one. */
export interface ClockReading extends Sighting {
  /** Add it to an instant of this host to get one of the partner's, ms. */
  readonly offsetMs: number;
}

export class Partner {
  readonly url: string;

  /** @param url as the other doctor printed it. */
  constructor(url: string) {
    this.url = url;
  }

  /** @throws HaError doctor.partner where no doctor of this version answers, for the same app. */
  async hello(app: string): Promise<Hello> {
    const outcome = await this.#ask({op: 'hello'}, ANSWER_MS, (fields) => {
      const version = fields.whole('version');
      // What another version says beyond that may be anything.
      if (version !== PARTNER_VERSION) {
        throw this.#refusal(
          `it is of another version (${version}, this one is ${PARTNER_VERSION})`,
          'install the same version of ha-agent on both hosts',
        );
      }
      return parseHello(fields);
    });
    const start = `on the other host, start "ha-agent doctor --serve ADDRESS", and give the URL that it prints to --with, whole`;
    if (outcome.kind !== 'measured')
      throw this.#refusal(outcome.kind === 'failed' ? outcome.reason : 'it does not answer', start);
    if (outcome.value.app !== app) {
      throw this.#refusal(`it was started for app ${outcome.value.app}, and this one for app ${app}`, 'give both the same --app');
    }
    return outcome.value;
  }

  /** @returns undefined if it does not answer. */
  async clock(): Promise<ClockReading | undefined> {
    let best: ClockReading | undefined;
    for (let asked = 0; asked < CLOCK_ASKS; asked++) {
      const fromMs = bootNow();
      const outcome = await this.#ask({op: 'clock'}, ANSWER_MS, (fields) => fields.number('bootMs'));
      const toMs = bootNow();
      if (outcome.kind !== 'measured') return best;
      const theirMs = outcome.value;
      if (!best || toMs - fromMs < best.toMs - best.fromMs)
        best = {theirMs, fromMs, toMs, offsetMs: theirMs - (fromMs + toMs) / 2};
    }
    return best;
  }

  join(name: string, nonce: string): Promise<Outcome<boolean>> {
    return this.#ask({op: 'join', name, nonce}, STORE_ANSWER_MS, (fields) => fields.boolean('found'));
  }

  /** @param order on the partner's clock. */
  race(order: RaceOrder): Promise<Outcome<readonly string[]>> {
    const limitMs = STORE_ANSWER_MS + order.count * order.periodMs;
    return this.#ask({op: 'race', ...order}, limitMs, (fields) =>
      fields.list('outcomes').map((outcome) => {
        if (typeof outcome !== 'string') throw new Malformed('has an outcome that is no text');
        return outcome;
      }),
    );
  }

  /** @returns instants of the partner's clock. */
  change(index: number): Promise<Outcome<Changed>> {
    return this.#ask({op: 'change', index}, STORE_ANSWER_MS, (fields) => ({
      renamedAtMs: fields.number('renamedAtMs'),
      wroteAtMs: fields.number('wroteAtMs'),
    }));
  }

  /** Tells it to end; if it has gone, that is as well. */
  async bye(): Promise<void> {
    await this.#ask({op: 'bye'}, ANSWER_MS, () => null);
  }

  async #ask<T>(request: Request, limitMs: number, read: (fields: Fields) => T): Promise<Outcome<T>> {
    let text: string;
    let status: number;
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        body: JSON.stringify(request),
        headers: {'content-type': 'application/json'},
        redirect: 'error',
        signal: AbortSignal.timeout(limitMs),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
      return {kind: 'failed', errno: 'ENOTCONN', reason: `the other doctor does not answer (${reasonOf(error)}${cause})`};
    }
    try {
      const fields = fieldsOf(text);
      const failed = fields.optional('failed', (each) => each.object('failed'));
      if (failed) return {kind: 'failed', errno: failed.sentence('errno', 30), reason: failed.sentence('reason', 500)};
      return {kind: 'measured', value: read(fields)};
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      const reason = `what answers there (status ${status}) is no doctor with this token: the answer ${error.message}`;
      return {kind: 'failed', errno: 'EPROTO', reason};
    }
  }

  #refusal(reason: string, hint: string): HaError {
    return new HaError(
      'doctor.partner',
      {url: this.url, reason},
      {message: `the doctor at ${this.url} cannot be used: ${reason}`, hint},
    );
  }
}
