// How a test talks with a relying party: one question per line, one answer per line, both JSON.
//
//   {"do": "refresh", …}                                 on standard input: a step of the script, and its arguments
//   {"ok": …}                                            on standard output: what the step returned
//   {"refused": "invalid_grant", "message": "…"}         or: what the bridge, or the library, refused it with
//   {"broken": "TypeError: … at …"}                      or: a fault of the script's own
import { createInterface } from 'node:readline';

export async function answer(steps) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await take(steps, JSON.parse(line)))}\n`);
  }
}

async function take(steps, { do: step, ...asked }) {
  try {
    return { ok: (await steps[step](asked)) ?? null };
  } catch (error) {
    const refused = codeOf(error);
    return refused ? { refused, message: error.message } : { broken: error.stack };
  }
}

// The word of the wire if there is one (in a body, a redirect or WWW-Authenticate), else the library's own;
// nothing for what the script called wrongly (ERR_…).
function codeOf(error) {
  if (error.error) return error.error;
  const challenges = Array.isArray(error.cause) ? error.cause : [];
  const challenge = challenges.find(({ parameters }) => parameters?.error);
  return challenge?.parameters.error ?? (error.code?.startsWith('OAUTH_') ? error.code : undefined);
}

// A private JWK as the libraries take it.
export async function importKey({ kid, ...jwk }) {
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return { key, kid };
}
