#!/usr/bin/env node
// A wallet without a window: signs messages with the key that owns an account's STX, by the wallets' own libraries.
//
//   {"mnemonic": "…", "account": 0, "asked": [{"message": "…"}]}          a line on standard input, and for each:
//   {"stxAddress": "SP…", "publicKey": "…", "answers": [{"signature": "…", "publicKey": "…", "agrees": true}]}
//
// It goes on until its input ends: to start, and to derive the keys, takes longer than to sign. What may be asked:
//   {"message": text}                            stx_signMessage
//   {"domain": hex, "message": hex}              stx_signStructuredMessage (SIP-018), both Clarity values
//   {"signatureRequest": token}                  the older call: an unsecured JWT whose payload has the message
// "agrees" is the library's own verdict on a text (verifyMessageSignatureRsv); null for a structure, which it cannot judge.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
// The libraries talk through console.*; standard output is for the answer alone.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = () => {};

const { hashMessage, verifyMessageSignatureRsv } = require('@stacks/encryption');
const { Cl, privateKeyToPublic, signMessageHashRsv, signStructuredData } = require('@stacks/transactions');
const sdk = require('@stacks/wallet-sdk');
const { decodeToken } = require('jsontokens');

function sign(privateKey, asked) {
  const publicKey = privateKeyToPublic(privateKey);
  if (asked.domain) {
    const [domain, message] = [asked.domain, asked.message].map(hex => Cl.deserialize(hex));
    return { signature: signStructuredData({ domain, message, privateKey }), publicKey, agrees: null };
  }
  const message = asked.signatureRequest ? decodeToken(asked.signatureRequest).payload.message : asked.message;
  const messageHash = Buffer.from(hashMessage(message)).toString('hex');
  const signature = signMessageHashRsv({ messageHash, privateKey });
  return { signature, publicKey, agrees: verifyMessageSignatureRsv({ signature, message, publicKey }) };
}

const wallets = new Map();

async function accountOf(mnemonic, account) {
  let wallet = wallets.get(mnemonic) ?? await sdk.generateWallet({ secretKey: mnemonic, password: 'test' });
  while (wallet.accounts.length <= account) wallet = sdk.generateNewAccount(wallet);
  wallets.set(mnemonic, wallet);
  return wallet.accounts[account];
}

async function answer({ mnemonic, account = 0, asked }) {
  const chosen = await accountOf(mnemonic, account);
  return {
    stxAddress: sdk.getStxAddress(chosen, 'mainnet'),
    publicKey: privateKeyToPublic(chosen.stxPrivateKey),
    answers: asked.map(one => sign(chosen.stxPrivateKey, one)),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await answer(JSON.parse(line)).catch(error => ({ error: String(error?.message ?? error) }));
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
