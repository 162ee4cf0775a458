#!/usr/bin/env node
// What a person's wallet and one of their apps write for OI Chat's sign-in, by the libraries that wrote it.
//
//   {"name", "identityKey", "appKey", "app", "bucket", "profileUrl", "challenges": [text, ...]}       on standard input
//   {"zoneFile": text, "profile": [{token, decodedToken}], "signatures": {library: [{publicKey, signature}, ...]},
//    "identityAddress": text}                                                                        on standard output
// In place of "identityKey" there may be "mnemonic" and "account": whose identity the wallet of answer.mjs has.
// Keys are 32 bytes in hex. A signature is what putFile(..., {sign: true}) puts beside a file, and into its .sig.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const require = createRequire(import.meta.url);
// The libraries talk through console.*; standard output is for the answer alone.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = () => {};

const {
  BlockstackWallet, getPublicKeyFromPrivate, makeProfileZoneFile, publicKeyToAddress, signProfileToken, wrapProfileToken,
} = require('blockstack');
const old = require('blockstack/lib/encryption/ec');
const today = require('@stacks/encryption');

async function identityKeyOf({ mnemonic, account }) {
  const encrypted = await BlockstackWallet.encryptMnemonic(mnemonic, 'test');
  const wallet = await BlockstackWallet.fromEncryptedMnemonic(encrypted, 'test');
  return wallet.getIdentityKeyPair(account).key.slice(0, 64);
}

async function main() {
  const asked = JSON.parse(await text(process.stdin));
  const { name, appKey, app, bucket, profileUrl, challenges } = asked;
  const identityKey = asked.identityKey ?? await identityKeyOf(asked);
  const publicKey = getPublicKeyFromPrivate(identityKey);
  const profile = { '@type': 'Person', '@context': 'http://schema.org', name: 'Ann', apps: { [app]: bucket } };
  const token = signProfileToken(profile, identityKey, { publicKey });
  const signed = {};
  for (const [library, { signECDSA }] of Object.entries({ blockstack: old, stacks: today })) {
    signed[library] = [];
    for (const challenge of challenges) signed[library].push(await signECDSA(appKey, challenge));
  }
  return {
    zoneFile: makeProfileZoneFile(name, profileUrl), profile: [wrapProfileToken(token)], signatures: signed,
    identityAddress: publicKeyToAddress(publicKey),
  };
}

main().then(
  answer => process.stdout.write(JSON.stringify(answer)),
  error => { process.stdout.write(JSON.stringify({ error: String(error?.message ?? error) })); process.exitCode = 1; },
);
