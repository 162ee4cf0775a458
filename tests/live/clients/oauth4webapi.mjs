#!/usr/bin/env node
// A relying party made of oauth4webapi. See lines.mjs for how to talk with it, tests/live/certified.py for who does.
import * as oauth from 'oauth4webapi';
import { answer, importKey } from './lines.mjs';

// The issuer is http on loopback: the library's own switch for that.
const insecure = { [oauth.allowInsecureRequests]: true };
let server, client, by, key, dpop, checks, tokens;

function authentication({ client_secret: secret, token_endpoint_auth_method: method }) {
  if (key) return oauth.PrivateKeyJwt(key);
  if (!secret) return oauth.None();
  return method === 'client_secret_post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

const options = () => ({ ...insecure, ...(dpop && { DPoP: dpop }) });

async function discover(issuer) {
  const url = new URL(issuer);
  server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
}

async function keep(response, processed) {
  await oauth.validateApplicationLevelSignature(server, response, insecure);
  tokens = processed;
  const { token_type, scope, expires_in } = tokens;
  return { claims: oauth.getValidatedIdTokenClaims(tokens), token_type, scope, expires_in };
}

async function address(way, parameters) {
  if (way === 'pushed') {
    const response = await oauth.pushedAuthorizationRequest(server, client, by, parameters, options());
    const { request_uri } = await oauth.processPushedAuthorizationResponse(server, client, response);
    return { client_id: client.client_id, request_uri };
  }
  if (way === 'signed') {
    return { client_id: client.client_id, request: await oauth.issueRequestObject(server, client, parameters, key) };
  }
  return parameters;
}

await answer({
  async start({ issuer, metadata, privateKey }) {
    await discover(issuer);
    client = metadata;
    key = privateKey && (await importKey(privateKey));
    by = authentication(metadata);
    return server;
  },
  async register({ issuer, metadata, initialAccessToken }) {
    await discover(issuer);
    const response = await oauth.dynamicClientRegistrationRequest(server, metadata, { ...insecure, initialAccessToken });
    client = await oauth.processDynamicClientRegistrationResponse(response);
    by = authentication(client);
    return client;
  },
  // From now on tokens are bound to a new key of ours.
  async bind() {
    dpop = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  },
  async authorize({ way, ...more }) {
    checks = {
      verifier: oauth.generateRandomCodeVerifier(),
      expectedState: oauth.generateRandomState(),
      expectedNonce: oauth.generateRandomNonce(),
      redirectUri: more.redirect_uri,
    };
    const parameters = {
      client_id: client.client_id,
      response_type: 'code',
      code_challenge: await oauth.calculatePKCECodeChallenge(checks.verifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      ...more,
    };
    const url = new URL(server.authorization_endpoint);
    url.search = new URLSearchParams(await address(way, parameters));
    return url;
  },
  async callback({ url, expect }) {
    const { verifier, expectedState, expectedNonce, redirectUri } = { ...checks, ...expect };
    const parameters = oauth.validateAuthResponse(server, client, new URL(url), expectedState);
    const response = await oauth.authorizationCodeGrantRequest(
      server, client, by, parameters, redirectUri, verifier, options(),
    );
    const wanted = { expectedNonce, requireIdToken: true };
    return keep(response, await oauth.processAuthorizationCodeResponse(server, client, response, wanted));
  },
  async refresh() {
    const response = await oauth.refreshTokenGrantRequest(server, client, by, tokens.refresh_token, options());
    return keep(response, await oauth.processRefreshTokenResponse(server, client, response));
  },
  async userinfo() {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const response = await oauth.userInfoRequest(server, client, tokens.access_token, options());
    const claims = await oauth.processUserInfoResponse(server, client, sub, response);
    if (client.userinfo_signed_response_alg) await oauth.validateApplicationLevelSignature(server, response, insecure);
    return claims;
  },
  async introspect({ token }) {
    const response = await oauth.introspectionRequest(server, client, by, tokens[token], insecure);
    return oauth.processIntrospectionResponse(server, client, response);
  },
  async revoke({ token }) {
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, by, tokens[token], insecure));
  },
  leave({ to, state }) {
    const url = new URL(server.end_session_endpoint);
    url.search = new URLSearchParams({ post_logout_redirect_uri: to, state, id_token_hint: tokens.id_token });
    return url;
  },
});
