// Makes the calls that standard input lists with Node's own fetch; what came back goes to standard output.
//
// Node 24, and 22 from 22.21 on, obey HTTPS_PROXY where NODE_USE_ENV_PROXY is set. Older ones go past it without a
// word, so for them fetch is given an agent that opens each connection through CONNECT, by Node's own modules.
import { text } from "node:stream/consumers";
import http from "node:http";
import tls from "node:tls";

const proxy = process.env.HTTPS_PROXY && new URL(process.env.HTTPS_PROXY);
const obeysEnvironment = process.allowedNodeEnvironmentFlags.has("--use-env-proxy");

function connect({ hostname, port }, done) {
  const target = `${hostname}:${port || 443}`;
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const headers = { host: target, "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  http
    .request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: target, headers, agent: false })
    .once("connect", (answer, socket) => {
      if (answer.statusCode !== 200) {
        done(new Error(`the proxy answers ${answer.statusCode}`), null);
        return;
      }
      const secure = tls.connect({ socket, servername: hostname, ALPNProtocols: ["http/1.1"] });
      secure.once("secureConnect", () => done(null, secure)).once("error", (error) => done(error, null));
    })
    .once("error", (error) => done(error, null))
    .end();
}

async function agentThroughProxy() {
  await fetch("data:,"); // Node loads its client, and with it the class of agents, at the first use
  const Agent = globalThis[Symbol.for("undici.globalDispatcher.1")].constructor;
  return new Agent({ connect });
}

const dispatcher = proxy && !obeysEnvironment ? await agentThroughProxy() : undefined;
const answers = [];
for (const { method, url, headers, body } of JSON.parse(await text(process.stdin))) {
  const answer = await fetch(url, { method, headers, body: body || undefined, dispatcher });
  answers.push({ status: answer.status, body: await answer.text(), version: "1.1" });
}
process.stdout.write(JSON.stringify(answers));
process.exitCode = 0;
if (dispatcher) await dispatcher.close();
