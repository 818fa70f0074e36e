// A real OpenID Connect provider for the tests. Its one argument is JSON: where it listens, who its
// client is and which accounts it has. Who signs in is asked in a form without a password, or said
// in the cookie `account`; the account "nobody" refuses.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";

import Provider from "oidc-provider";

const told = JSON.parse(process.argv[2]);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const provider = new Provider(told.issuer, {
  clients: [told.client],
  jwks: { keys: [{ ...key, use: "sig", alg: "RS256", kid: "1" }] },
  cookies: { keys: ["a key of the tests"] },
  conformIdTokenClaims: told.has_thin_id_tokens,
  claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html><title>Sign out</title>${form}
          <button form="op.logoutForm" type="submit" name="logout" value="yes">Sign out here</button>`;
      },
    },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...told.accounts[id] }) }),
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    if (known !== undefined) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({
      accountId: session.accountId,
      clientId: client.clientId,
    });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

async function interact(request, response) {
  const url = new URL(request.url, told.issuer);
  const cookie = /(?:^|; )account=([^;]*)/.exec(request.headers.cookie ?? "");
  const account = url.searchParams.get("account") ?? cookie?.[1];
  if (account === undefined) {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>Provider</title><form>
      <label>Account <input name="account"></label><button>Continue</button></form>`);
    return;
  }
  const result =
    account === "nobody"
      ? { error: "access_denied", error_description: "<b>given up</b>" }
      : { login: { accountId: account } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const answer = provider.callback();
createServer((request, response) => {
  if (request.url.startsWith("/interaction/")) {
    interact(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  } else {
    answer(request, response);
  }
}).listen(told.port, "127.0.0.1", () => console.log("ready"));
