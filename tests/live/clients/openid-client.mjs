#!/usr/bin/env node
// A relying party made of openid-client. See lines.mjs for how to talk with it, tests/live/certified.py for who does.
import * as client from 'openid-client';
import { answer, importKey } from './lines.mjs';

// The issuer is http on loopback: the library's own switch for that.
const insecure = { execute: [client.allowInsecureRequests] };
let config, key, dpop, checks, tokens;

function authentication({ client_secret: secret, token_endpoint_auth_method: method }) {
  if (key) return client.PrivateKeyJwt(key);
  if (!secret) return client.None();
  return method === 'client_secret_post' ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret);
}

const proof = () => (dpop ? { DPoP: dpop } : undefined);

function facts() {
  return { claims: tokens.claims(), token_type: tokens.token_type, scope: tokens.scope, expires_in: tokens.expires_in };
}

await answer({
  async start({ issuer, metadata, privateKey }) {
    key = privateKey && (await importKey(privateKey));
    config = await client.discovery(new URL(issuer), metadata.client_id, metadata, authentication(metadata), insecure);
    client.enableNonRepudiationChecks(config); // signatures are checked, by the bridge's JWKS
    return config.serverMetadata();
  },
  async register({ issuer, metadata, initialAccessToken }) {
    const options = { ...insecure, initialAccessToken };
    const by = client.ClientSecretBasic(); // what RFC 7591 makes of a registration that names no method
    config = await client.dynamicClientRegistration(new URL(issuer), metadata, by, options);
    client.enableNonRepudiationChecks(config);
    return config.clientMetadata();
  },
  // From now on tokens are bound to a new key of ours.
  async bind() {
    dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  },
  async authorize({ way, ...more }) {
    checks = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
      idTokenExpected: true,
    };
    const parameters = {
      code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...more,
    };
    if (way === 'pushed') return client.buildAuthorizationUrlWithPAR(config, parameters, proof());
    if (way === 'signed') return client.buildAuthorizationUrlWithJAR(config, parameters, key);
    return client.buildAuthorizationUrl(config, parameters);
  },
  async callback({ url, expect }) {
    tokens = await client.authorizationCodeGrant(config, new URL(url), { ...checks, ...expect }, undefined, proof());
    return facts();
  },
  async refresh() {
    tokens = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, proof());
    return facts();
  },
  userinfo: () => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, proof()),
  introspect: ({ token }) => client.tokenIntrospection(config, tokens[token]),
  revoke: ({ token }) => client.tokenRevocation(config, tokens[token]),
  leave: ({ to, state }) =>
    client.buildEndSessionUrl(config, { post_logout_redirect_uri: to, state, id_token_hint: tokens.id_token }),
});
