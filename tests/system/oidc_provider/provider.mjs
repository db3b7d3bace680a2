// provider.mjs: a real OpenID provider for oidc_test.lua, on a free port of this machine.
//   node provider.mjs MODULES [whole]
// Prints its issuer, and ends with its standard input.  Everybody signs in with the name that they type; "whole": the
// ID token has all claims, else only who it is, and the rest is asked of userinfo, as this provider does by itself.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [modules, whole] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/node_modules/oidc-provider/lib/index.js`));

const groups = { ann: ["soc-approvers", "staff"], otto: ["soc-operators"], Root: ["soc-admins"], nobody: ["staff"] };
const jwk = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), ...more });
const client = (client_id, more) => ({
  client_id, application_type: "native", redirect_uris: ["http://127.0.0.1/v1/signin/oidc/callback"],
  grant_types: ["authorization_code"], response_types: ["code"], ...more,
});

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client("basic", { client_secret: "a secret: 100% +&", token_endpoint_auth_method: "client_secret_basic" }),
      client("post", { client_secret: "another", token_endpoint_auth_method: "client_secret_post",
                       id_token_signed_response_alg: "ES256" }),
      client("public", { token_endpoint_auth_method: "none", id_token_signed_response_alg: "EdDSA" }),
    ],
    jwks: { keys: [
      jwk("rsa", { modulusLength: 2048 }, { kid: "r", use: "sig", alg: "RS256" }),
      jwk("rsa", { modulusLength: 2048 }, { kid: "p", use: "sig", alg: "PS256" }),
      jwk("ec", { namedCurve: "P-256" }, { kid: "e", use: "sig" }),
      jwk("ed25519", {}, { kid: "d", use: "sig" }),
    ] },
    pkce: { methods: ["S256"], required: () => true },
    scopes: ["openid", "profile", "groups"],
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    conformIdTokenClaims: whole !== "whole",
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: `id-of-${id}`,
        preferred_username: id === "strange" ? "a b" : `${id}@acme.example`,
        groups: groups[id],
      }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
process.stdin.resume().on("end", () => process.exit(0));
