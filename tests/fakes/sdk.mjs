// Drives the fake with Cloudflare's own client.
//
// Reads one JSON array of calls from stdin, runs them in order, and writes
// one JSON array of outcomes:
//   {"do": "purge" | "invalidate" | "verify", "params": {...}}
//   {"result": ...} | {"error": "RateLimitError", "status": 429, "codes": []}
// each with "waits": the milliseconds the client chose to wait between its
// attempts.  It is not made to really wait them: what matters is what it
// read in our Retry-After.
//
// CLOUDFLARE_BASE_URL and CLOUDFLARE_API_TOKEN are the client's own variables.

import { text } from 'node:stream/consumers';
import Cloudflare from 'cloudflare';

const realSetTimeout = globalThis.setTimeout;
let waits = [];

globalThis.setTimeout = (fn, ms, ...args) => {
  if (!new Error().stack.includes('/cloudflare/internal/utils/sleep')) {
    return realSetTimeout(fn, ms, ...args);
  }
  waits.push(ms);
  return realSetTimeout(fn, 0, ...args);
};

const client = new Cloudflare();
const run = {
  purge: (params) => client.cache.purge(params),
  invalidate: (params) => client.cache.invalidate(params),
  verify: () => client.user.tokens.verify(),
};

const outcomes = [];
for (const call of JSON.parse(await text(process.stdin))) {
  waits = [];
  let outcome;
  try {
    outcome = { result: await run[call.do](call.params) };
  } catch (error) {
    outcome = {
      error: error.constructor.name,
      status: error.status,
      codes: (error.errors ?? []).map((e) => e.code),
    };
  }
  outcomes.push({ ...outcome, waits });
}
process.stdout.write(JSON.stringify(outcomes) + '\n');
