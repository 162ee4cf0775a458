#!/usr/bin/env node
// A wallet without a window: takes one authRequest, checks it as a wallet should, and answers it with a real library.
//
//   {"library": "wallet-sdk", "authRequest": "…", "mnemonic": "…"}   on standard input
//   {"authResponse": "…", "identityStxAddress": "SP…", …}            on standard output
//
// What goes in:
//   library      "blockstack": blockstack 21, as the Blockstack Browser used it (protocol 1.3.1)
//                "wallet-sdk": @stacks/wallet-sdk 7, as Leather and Xverse use it (protocol 1.4.0)
//   authRequest  the bridge's request
//   mnemonic     the wallet's recovery phrase; each library derives the keys in its own way
//   account      which account of that phrase (0)
//   origin       the page that asks; app keys depend on it (the origin of redirect_uri)
//   profile      what the person's Gaia hub knows of them; without it the hub does not answer, as today's does not
//   username     a name to claim (blockstack only; newer answers carry none)
//   manifest     false: do not load the manifest that the request names
//
// A refused or impossible request ends with exit code 1 and {"error": "…"}. Nothing outside loopback is ever asked.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const require = createRequire(import.meta.url);
const HUB = 'https://hub.invalid';
const HUB_READS = 'https://gaia.invalid/hub/';

// Both libraries talk through console.*; standard output is for the answer alone.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = () => {};

const isLoopback = url => ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
const realFetch = globalThis.fetch;
const guardedFetch = (url, options) => {
  if (!isLoopback(String(url))) throw new TypeError(`fetch failed: ${url} is not on loopback`);
  // blockstack sets referrer to "no-referrer", a relative address: fine in a page, an error in Node.
  return realFetch(url, { ...options, referrer: undefined });
};
globalThis.fetch = guardedFetch;

/** A hub that knows one profile, or, without one, a hub that is down. */
function hubWith(profile) {
  const json = (body, status = 200) =>
    new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
  return async url => {
    if (!profile) throw new TypeError('fetch failed');
    if (String(url) === `${HUB}/hub_info`) return json({ read_url_prefix: HUB_READS });
    if (String(url).startsWith(HUB_READS)) return json([{ decodedToken: { payload: { claim: profile } } }]);
    return json({ error: 'not found' }, 404);
  };
}

/** blockstack 21: what the Blockstack Browser did after the person's click. */
async function blockstack({ authRequest, request, mnemonic, account, origin, profile, username, manifest }) {
  const lib = require('blockstack');
  globalThis.fetch = guardedFetch; // its polyfill may have taken the place
  if (!(await lib.verifyAuthRequest(authRequest))) throw new Error('blockstack: verifyAuthRequest says no');
  const app = manifest ? await lib.verifyAuthRequestAndLoadManifest(authRequest) : null;
  const wallet = await lib.BlockstackWallet.fromEncryptedMnemonic(
    await lib.BlockstackWallet.encryptMnemonic(mnemonic, 'test'), 'test');
  const { key, appsNodeKey, salt, address } = wallet.getIdentityKeyPair(account);
  const authResponse = await lib.makeAuthResponse(
    key.slice(0, 64), profile, username, { email: null, profileUrl: null }, null,
    lib.BlockstackWallet.getLegacyAppPrivateKey(appsNodeKey, salt, origin),
    undefined, request.public_keys[0], HUB);
  globalThis.location = {};
  lib.redirectUserToApp(authRequest, authResponse);
  return { authResponse, app, identityAddress: address, back: globalThis.location.href };
}

/** @stacks/wallet-sdk 7: what Leather and Xverse do. */
async function walletSdk({ authRequest, request, mnemonic, account, origin, profile, manifest }) {
  const auth = require('@stacks/auth');
  const sdk = require('@stacks/wallet-sdk');
  const { publicKeyToBtcAddress, getPublicKeyFromPrivate } = require('@stacks/encryption');
  if (!(await auth.verifyAuthRequest(authRequest))) throw new Error('@stacks/auth: verifyAuthRequest says no');
  // Leather throws when one of the two is missing.
  if (!request.appDetails?.name || !request.appDetails?.icon) throw new Error('appDetails needs name and icon');
  const app = manifest ? await auth.verifyAuthRequestAndLoadManifest(authRequest) : null;
  let wallet = await sdk.generateWallet({ secretKey: mnemonic, password: 'test' });
  while (wallet.accounts.length <= account) wallet = sdk.generateNewAccount(wallet);
  const chosen = wallet.accounts[account];
  const authResponse = await sdk.makeAuthResponse({
    account: chosen, appDomain: origin, transitPublicKey: request.public_keys[0], scopes: request.scopes,
    gaiaHubUrl: HUB, fetchFn: hubWith(profile) });
  return {
    authResponse, app, identityAddress: publicKeyToBtcAddress(getPublicKeyFromPrivate(chosen.dataPrivateKey.slice(0, 64))),
  };
}

async function main() {
  const asked = JSON.parse(await text(process.stdin));
  const { decodeToken } = require('jsontokens');
  const request = decodeToken(asked.authRequest).payload;
  const question = {
    account: 0, origin: new URL(request.redirect_uri).origin, profile: null, username: null, manifest: true,
    ...asked, request,
  };
  const answer = await { blockstack, 'wallet-sdk': walletSdk }[asked.library](question);
  const { publicKeyToAddress } = require('@stacks/transactions');
  const { public_keys: [identityKey] } = decodeToken(answer.authResponse).payload;
  return { ...answer, identityStxAddress: publicKeyToAddress(identityKey, 'mainnet'), request };
}

main().then(
  answer => process.stdout.write(JSON.stringify(answer)),
  error => { process.stdout.write(JSON.stringify({ error: String(error?.message ?? error) })); process.exitCode = 1; },
);
