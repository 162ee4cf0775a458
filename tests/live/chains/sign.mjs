#!/usr/bin/env node
// A wallet of EOS without a window: signs a sentence as Scatter did (SHA-256 of its bytes), by the libraries of
// wallets.
//
//   {"library": "eosjs" | "wharfkit", "type": "K1" | "R1", "message": "…"}       on standard input
//   {"publicKey": "PUB_…", "legacyKey": "EOS…" | null, "signature": "SIG_…"}     on standard output
//
// Each start makes a key that nobody has.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const require = createRequire(import.meta.url);
// The libraries talk through console.*; standard output is for the answer alone.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = () => {};

const wharfkit = require('@wharfkit/antelope');
const eosjs = require('eosjs/dist/PrivateKey');

const { type, library, message } = JSON.parse(await text(process.stdin));
const key = wharfkit.PrivateKey.generate(type);
const digest = createHash('sha256').update(message, 'utf8').digest();

const sign = {
  eosjs: () => eosjs.PrivateKey.fromString(key.toString()).sign(digest, false).toString(),
  wharfkit: () => key.signDigest(wharfkit.Checksum256.from(digest)).toString(),
};

const publicKey = key.toPublic();
process.stdout.write(JSON.stringify({
  publicKey: publicKey.toString(),
  legacyKey: type === 'K1' ? publicKey.toLegacyString() : null,
  signature: sign[library](),
}));
